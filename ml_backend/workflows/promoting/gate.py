"""Champion and challenger on the same test rows, as they are now."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ...domain.example import Row, SelectedBy
from ...domain.model import GateDecision, ModelVersion
from ...domain.ports import Predictor
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.snapshot import Snapshot, Split
from ...errors import ModelNotFound, SnapshotError
from ...labelstudio.plans import plan_of
from ...snapshots.references import with_references
from ...snapshots.store import SnapshotFolder
from ...tasks import ServingPlan
from ..exporting.snapshots import newest_snapshot
from ..services import Services
from ..slices import slices_of
from ..training.evaluate import answers_of, evaluations
from ..training.held_out_answers import keep_answers
from ..training.preference_pairs import PreferencePairs
from ..training.side_by_side import Remembering, SideBySide, side_by_side
from .first_versions import on_sources
from .preference_gate import decide_on_pairs, pairs_to_test

if TYPE_CHECKING:
    from ...measuring.error_budget import GateEvidence
    from ...measuring.measures.base import AnyEvaluation, PairedStatistics

__all__ = ["compare_versions", "hold_gate", "stand_in"]

TEXTS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """The outcome of a gate.

    Attributes:
        test: the challenger's metrics on the test rows, per control.
    """

    decision: GateDecision
    test: Mapping[str, "AnyEvaluation"]


@dataclass(frozen=True, slots=True)
class _TestRows:
    """The test rows of a snapshot: `split_rows` as they stand there, `rows` as answers are measured by them."""

    key: str
    snapshot: Snapshot
    split_rows: Sequence[Row]
    rows: Sequence[Row]
    plan: ServingPlan


def hold_gate(
    services: Services,
    snapshot: Snapshot,
    challenger: ModelVersion,
    project: Project | None,
    *,
    weak: Sequence[Row] = (),
    preferred: PreferencePairs | None = None,
    report: ProgressCallback = Progress.ignore,
) -> GateOutcome | None:
    """The gate's decision on a challenger, recorded; None where the snapshot has no test split at all.

    Both are scored anew on the snapshot's test rows. Neither has trained on one of them: a text's split is a hash
    of the text, and fixed. Before the first champion the challenger meets the cold start. Without a test row,
    `on_sources` decides on versions that learned from label sources. What both answered is kept for people to read.

    Args:
        weak: rows of label sources that the challenger learned from, as far as they are at hand.
        preferred: pairs of responses that it learned from. Then its responses must be no worse than the champion's,
            and it must prefer held-out responses that people chose more often than the version that it continues.
        report: called while responses are written, which takes long.
    """
    test = _test_rows(snapshot)
    has_gate = bool(test.rows or snapshot.manifest.split.test)
    is_read = bool(snapshot.manifest.counts.get(Split.VALIDATION, 0)) and not test.plan.has_texts
    if not has_gate and not is_read:
        return None
    loaded = services.load_predictor(challenger.path)
    if is_read:  # what would have to be written takes too long to be written for people alone
        keep_answers(services, snapshot, Split.VALIDATION, loaded, list(_rows_of(snapshot, Split.VALIDATION)))
    if not has_gate:
        return None
    candidate = _watched(loaded, test, report)
    champion = services.versions.champion(test.key)
    serving = (
        services.load_predictor(services.versions.at_hand(champion).path)
        if champion is not None
        else services.cold_start(project or stand_in(services, snapshot))
    )
    serving = _watched(serving, test, report)
    margin = services.options.gate.margin_for(project.id) if project else 0.0
    if preferred is not None:
        margin = services.options.gate.margin
    decision, evidence = _decide(services, test, serving, candidate, margin)
    if not test.rows:
        decision = on_sources(decision, champion, challenger, test.plan, weak)
    if preferred is not None:
        pairs = pairs_to_test(services, preferred, serving, test.rows, test.plan)
        decision, spent = decide_on_pairs(services, preferred, challenger, pairs, decision)
        if spent is not None and evidence is not None:
            services.database.gates.add(test.key, snapshot.id, decision, spent.to_bytes())
        evidence = evidence or spent
    _keep_comparison(services, test, serving, candidate, decision)
    services.database.gates.add(test.key, snapshot.id, decision, evidence.to_bytes() if evidence else None)
    return GateOutcome(decision, evaluations(candidate, test.rows, test.plan))


def _keep_comparison(
    services: Services, test: _TestRows, champion: Predictor, challenger: Predictor, decision: GateDecision
) -> None:
    """Keep what both answered to the test rows, and how they compare, with an interval for either direction."""
    from ...measuring.gate import difference_interval

    if not test.rows:
        return
    for predictor in (champion, challenger):
        keep_answers(services, test.snapshot, Split.TEST, predictor, test.split_rows)
    figures: dict[str, Any] = asdict(decision)
    interval = difference_interval(_pairs(test, champion, challenger), seed=services.options.seed)
    names = (decision.champion, decision.challenger)
    services.database.measurements.add_comparison(test.key, *names, test.snapshot.id, {**figures, "interval": interval})


def _watched(predictor: Predictor, test: _TestRows, report: ProgressCallback) -> Remembering:
    def report_texts(count: int) -> None:
        report(Progress(0.0, "gate", f"{predictor.version} has answered {count} of {len(test.rows)} test rows"))

    at_once = TEXTS_AT_ONCE if test.plan.has_texts else None
    return Remembering(predictor, at_once=at_once, on_texts=report_texts)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions on the same test rows.

    Attributes:
        decision: what the gate would say.
        drafts: where responses are asked for, what is written to some of the test prompts.
    """

    decision: GateDecision
    drafts: tuple[SideBySide, ...]


def compare_versions(services: Services, champion: str, challenger: str, *, drafts: int = 0) -> Comparison:
    """Return what the gate would say of two versions on their project's newest snapshot.

    No gate is recorded, so nothing of the budget of error is spent. What both answered, and how they compare, is kept
    for people to read; so is what the base model wrote to the first prompts.

    Args:
        drafts: prompts per control whose responses are shown side by side.

    Raises:
        ModelNotFound: one of them is unknown, or they belong to different projects.
        SnapshotError: there is no snapshot, or it has no test rows.
    """
    first, second = services.versions.get(champion), services.versions.get(challenger)
    if first.project_key != second.project_key:
        raise ModelNotFound(
            f"{champion} belongs to {first.project_key}, {challenger} to {second.project_key}; "
            "only versions of one project can be compared"
        )
    project = next((each for each in services.database.projects.all() if each.ref.key == first.project_key), None)
    if project is None:
        raise SnapshotError(
            f"{first.project_key} is no connected project, so it has no newest snapshot; "
            "score each version with `labelloop evaluate --model VERSION --snapshot DIR` instead"
        )
    services = services.for_project(project.id)
    test = _test_rows(newest_snapshot(services, project))
    if not test.rows:
        raise SnapshotError(f"the newest snapshot of {first.project_key} has no test rows to compare versions on")
    serving, candidate = (Remembering(services.load_predictor(version.path)) for version in (first, second))
    decision, _ = _decide(services, test, serving, candidate, services.options.gate.margin_for(project.id))
    _keep_comparison(services, test, serving, candidate, decision)
    if not drafts or not test.plan.has_texts:
        return Comparison(decision, ())
    base = Remembering(services.cold_start(project))
    _keep_first_drafts(services, test, base, drafts)
    writers = {"base model": base, champion: serving, challenger: candidate}
    return Comparison(decision, tuple(side_by_side(writers, test.rows, test.plan, most=drafts)))


def _keep_first_drafts(services: Services, test: _TestRows, base: Predictor, most: int) -> None:
    """Keep what the base model writes to the first prompts, unless a gate had it write to all of them."""
    key, snapshot = test.key, test.snapshot
    if services.database.measurements.find(key, base.version, snapshot.id, Split.TEST) is None:
        keep_answers(services, snapshot, Split.TEST, base, test.split_rows, most=most)


def _rows_of(snapshot: Snapshot, split: Split) -> Iterator[Row]:
    return SnapshotFolder(snapshot.path).rows(split)


def _test_rows(snapshot: Snapshot) -> _TestRows:
    manifest = snapshot.manifest
    plan = plan_of(manifest)
    rows = list(_rows_of(snapshot, Split.TEST))
    return _TestRows(manifest.project.key, snapshot, rows, with_references(rows, plan), plan)


def _decide(
    services: Services, test: _TestRows, champion: Predictor, challenger: Predictor, margin: float
) -> "tuple[GateDecision, GateEvidence | None]":
    from ...measuring.error_budget import ErrorBudget, GateEvidence
    from ...measuring.gate import decide
    from ...measuring.slices import compare_slices

    pairs = _pairs(test, champion, challenger)
    slices, notes = slices_of(services, test.rows, test.plan)
    decision, evidence = decide(
        pairs,
        champion=champion.version,
        challenger=challenger.version,
        keys=[_key(row.text) for row in test.rows],
        budget=ErrorBudget(list(map(GateEvidence.from_bytes, services.database.gates.evidence(test.key)))),
        margin=margin,
        seed=services.options.seed,
        earlier_gates=services.database.gates.count(test.key),
        unknown_origin_rows=sum(row.provenance.selected_by is SelectedBy.UNKNOWN for row in test.rows),
        slices=compare_slices({name: pair.row_scores for name, pair in pairs.items()}, slices),
    )
    return replace(decision, warnings=(*decision.warnings, *notes)), evidence


def _pairs(test: _TestRows, champion: Predictor, challenger: Predictor) -> "dict[str, PairedStatistics]":
    from ...measuring.piece_answers import measure_of

    first, second = (answers_of(version, test.rows, test.plan) for version in (champion, challenger))
    pairs = {}
    for served in test.plan.controls:
        true = [row.targets.get(served.name) for row in test.rows]
        if any(target is not None for target in true) or len(test.plan.controls) == 1:
            pairs[served.name] = measure_of(served).compare(true, first[served.name], second[served.name])
    return pairs


def _key(text: str) -> int:
    """A number that stays the text's."""
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big")


def stand_in(services: Services, snapshot: Snapshot) -> Project:
    """Return a project that stands for the rows of a file, so that the cold start can be made for it."""
    manifest = snapshot.manifest
    return Project(
        id=manifest.project.id,
        slug=manifest.project.slug,
        title=manifest.project.slug,
        label_config=manifest.label_config,
        label_config_fingerprint=manifest.label_config_fingerprint,
        fields=manifest.fields,
        split=manifest.split,
        connected_at=services.clock(),
    )
