"""How well a version does on rows that were kept apart, and whether they really were."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..domain.example import Row
from ..domain.ports import Predictor
from ..domain.snapshot import Split
from ..errors import SnapshotError, UnsupportedLabelConfig
from ..labelstudio.label_config_xml import parse_label_config
from ..snapshots.store import read_manifest, read_rows
from ..tasks import ServedControl, serving_plan
from .export import rows_of_file
from .services import Services

if TYPE_CHECKING:
    from ..training.evaluate import Evaluation

__all__ = ["EvaluationReport", "evaluate_on_export", "evaluate_on_snapshot", "predicted_labels", "score"]


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Metrics of a version.

    Attributes:
        overlap: rows whose text the version was trained on; they flatter its metrics.
        warnings: sentences about what makes the metrics less than they seem.
    """

    model_version: str
    evaluation: "Evaluation"
    overlap: int
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object, with the metrics at its top."""
        facts = {"model_version": self.model_version, "overlap": self.overlap, "warnings": list(self.warnings)}
        return {**facts, **asdict(self.evaluation)}


def evaluate_on_snapshot(services: Services, bundle: Path, snapshot: Path) -> EvaluationReport:
    """A version's metrics on the test rows of a snapshot.

    Raises:
        SnapshotError: it is damaged, or has no test rows.
        UnsupportedLabelConfig: its rows do not answer the version's control.
    """
    manifest = read_manifest(snapshot)
    rows = list(read_rows(snapshot, Split.TEST))
    if not rows:
        raise SnapshotError(
            f"{snapshot} has no test rows (it was split {manifest.split}); wanted some. Give another snapshot, "
            "or score every reviewed row of an export file: --studio-export FILE --config FILE"
        )
    return _report(services, bundle, rows, serving_plan(parse_label_config(manifest.label_config)).served)


def evaluate_on_export(services: Services, bundle: Path, export: Path, label_config: str) -> EvaluationReport:
    """A version's metrics on every reviewed row of a JSON export of Label Studio.

    Raises:
        StudioExportError: the file is not such an export.
        SnapshotError: not one task in it is reviewed.
        UnsupportedLabelConfig: its rows do not answer the version's control.
    """
    plan = serving_plan(parse_label_config(label_config))
    rows = list(rows_of_file(services, export, plan))
    if not rows:
        raise SnapshotError(f"{export} holds no reviewed task; wanted some that are labeled and not skipped")
    return _report(services, bundle, rows, plan.served)


def score(predictor: Predictor, rows: Sequence[Row], served: ServedControl) -> "Evaluation":
    """A predictor's metrics on rows."""
    from ..training.evaluate import classification_metrics

    true = [str(row.targets[served.control.name]) for row in rows]
    return classification_metrics(true, predicted_labels(predictor, rows, served), served.control.label_values)


def predicted_labels(predictor: Predictor, rows: Sequence[Row], served: ServedControl) -> list[str | None]:
    """One label per row; None where the predictor gives none."""
    answers = predictor.predict([row.input[served.field] for row in rows]) if rows else []
    return [str(answer.target) if answer else None for answer in answers]


def _report(services: Services, path: Path, rows: Sequence[Row], served: ServedControl) -> EvaluationReport:
    from ..encoders.bundle import read_bundle

    bundle = read_bundle(path)
    facts = bundle.manifest.facts
    if facts.control_name != served.control.name:
        raise UnsupportedLabelConfig(
            f"{bundle.manifest.model_version} answers the control {facts.control_name!r}, the rows hold "
            f"{served.control.name!r}; give the label config that the version was trained with"
        )
    seen = sum(bundle.was_trained_on([row.input[served.field] for row in rows]))
    return EvaluationReport(
        bundle.manifest.model_version,
        score(services.load_predictor(path), rows, served),
        seen,
        tuple(_warnings(rows, served, bundle.manifest.labels, seen)),
    )


def _warnings(rows: Sequence[Row], served: ServedControl, known: Sequence[str], seen: int) -> list[str]:
    warnings = []
    if seen:
        warnings.append(
            f"{seen} of {len(rows)} rows have a text that this version was trained on, so its metrics are flattered"
        )
    unknown: Mapping[str, int] = Counter(
        label for row in rows if (label := str(row.targets[served.control.name])) not in known
    )
    if unknown:
        names = ", ".join(sorted(unknown)[:5])
        warnings.append(f"{sum(unknown.values())} rows have a label that this version cannot give ({names})")
    return warnings
