"""Champion and challenger on the same test rows, as they are now."""

from ..domain.example import Row, SelectedBy
from ..domain.model import GateDecision, ModelVersion
from ..domain.ports import Predictor
from ..domain.project import Project
from ..domain.snapshot import Snapshot, Split
from ..labelstudio.label_config_xml import parse_label_config
from ..snapshots.store import read_rows
from ..tasks import serving_plan
from .services import Services

__all__ = ["cold_start_project", "hold_gate", "predicted_targets"]


def hold_gate(
    services: Services, snapshot: Snapshot, challenger: ModelVersion, project: Project | None
) -> GateDecision | None:
    """The gate's decision on a challenger, recorded; None where the snapshot has no test split at all.

    Both are scored anew on the snapshot's test rows. Neither has trained on one of them: a text's split is a hash
    of the text, and fixed. Before the first champion the challenger meets the cold start.
    """
    from ..training.gate import decide

    rows = list(read_rows(snapshot.path, Split.TEST))
    if not rows and snapshot.manifest.split.test == 0:
        return None
    key = snapshot.manifest.project.key
    champion = services.registry.champion(key)
    if champion is not None:
        serving: Predictor = services.load_predictor(champion.path)
    else:
        serving = services.cold_start(project or cold_start_project(services, snapshot))
    served = serving_plan(parse_label_config(snapshot.manifest.label_config)).served
    name = served.control.name
    unknown = sum(row.provenance.selected_by is SelectedBy.UNKNOWN for row in rows)
    decision = decide(
        [str(row.targets[name]) for row in rows],
        predicted_targets(serving, rows, served.field),
        predicted_targets(services.load_predictor(challenger.path), rows, served.field),
        champion=serving.version,
        challenger=challenger.name,
        seed=services.options.seed,
        earlier_gates=services.database.gates.count(key),
        unknown_origin_rows=unknown,
    )
    services.database.gates.add(key, snapshot.id, decision)
    return decision


def predicted_targets(predictor: Predictor, rows: list[Row], field: str) -> list[str]:
    """One label per row; "" where the model gives none."""
    answers = predictor.predict([row.input[field] for row in rows]) if rows else []
    return [str(answer.target) if answer else "" for answer in answers]


def cold_start_project(services: Services, snapshot: Snapshot) -> Project:
    """A project that stands for the rows of a file, so that the cold start can be made for it."""
    manifest = snapshot.manifest
    return Project(
        id=manifest.project.id,
        slug=manifest.project.slug,
        title=manifest.project.slug,
        label_config=manifest.label_config,
        label_config_fingerprint=manifest.label_config_fingerprint,
        split=manifest.split,
        connected_at=services.clock(),
    )
