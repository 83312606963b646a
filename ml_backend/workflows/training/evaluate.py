"""How well a version does on rows that were kept apart, and whether they really were."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ...arrays import Floats
from ...domain.example import Row, Target, references_of
from ...domain.model import SliceScore
from ...domain.ports import Predictor
from ...domain.reasons import ReasonCount, ReasonCounts
from ...domain.snapshot import Split
from ...errors import SnapshotError, UnsupportedLabelConfig
from ...labelstudio.files.notes import FileNotes
from ...labelstudio.plans import plan_of
from ...snapshots.references import with_references
from ...snapshots.store import SnapshotFolder
from ...tasks import ServingPlan
from ...tasks.region_rows import MarkedText
from ..exporting.reading_faults import reading_faults
from ..exporting.row_source import RowSource
from ..services import Services
from ..slices import slices_of
from .side_by_side import Remembering

if TYPE_CHECKING:
    from ...measuring.measures.base import AnyEvaluation
    from ...models.bundle.manifest import PartFacts
    from ...models.generation.language_model import LanguageModel

__all__ = ["EvaluationReport", "answers_of", "evaluations"]


@runtime_checkable
class OwnsLanguageModel(Protocol):
    """A predictor that can hand out the model that writes its responses."""

    def language_model(self, control: str) -> "LanguageModel | None":
        """The model, None where it is not in this process."""


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Metrics of a version.

    Attributes:
        evaluations: the metrics per control that the version answers.
        overlap: the number of rows whose text the version was trained on; they make its metrics look better.
        warnings: sentences about reasons to trust the metrics less.
        slices: the scores on slices of the rows.
        reasons: what was left out of the rows, in the whole snapshot or export.
    """

    model_version: str
    evaluations: Mapping[str, "AnyEvaluation"]
    overlap: int
    warnings: tuple[str, ...]
    reasons: tuple[ReasonCount, ...] = ()
    slices: tuple[SliceScore, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As a JSON object: the metrics of the only control at its top, of several controls under `controls`."""
        facts = {
            "model_version": self.model_version,
            "overlap": self.overlap,
            "warnings": list(self.warnings),
            "reasons": ReasonCount.list_to_json(self.reasons),
            "slices": [asdict(each) for each in self.slices],
        }
        documents = {control: evaluation.to_json() for control, evaluation in self.evaluations.items()}
        return {**facts, **(next(iter(documents.values())) if len(documents) == 1 else {"controls": documents})}

    @classmethod
    def on_snapshot(cls, services: Services, bundle: Path, snapshot: Path) -> "EvaluationReport":
        """A version's metrics on the test rows of a snapshot.

        Raises:
            SnapshotError: it is damaged, or has no test rows.
            UnsupportedLabelConfig: its rows answer none of the version's controls.
        """
        manifest = SnapshotFolder(snapshot).manifest()
        rows = list(SnapshotFolder(snapshot).rows(Split.TEST))
        if not rows:
            raise SnapshotError(
                f"{snapshot} has no test rows (it was split {manifest.split}); wanted some. Give another snapshot, "
                "or score every reviewed row of an export file: --studio-export FILE --config FILE"
            )
        plan = plan_of(manifest.label_config, _read_fields(bundle))
        rows = [plan.row(row) for row in rows]
        return replace(_report(services, bundle, rows, plan), reasons=manifest.reasons)

    @classmethod
    def on_export(cls, services: Services, bundle: Path, export: Path, label_config: str) -> "EvaluationReport":
        """A version's metrics on every reviewed row of a JSON export of Label Studio.

        Raises:
            StudioExportError: the file is not such an export.
            SnapshotError: not one task in it is reviewed.
            UnsupportedLabelConfig: its rows answer none of the version's controls.
        """
        plan = plan_of(label_config, _read_fields(bundle))
        reasons, notes = ReasonCounts(), FileNotes()
        source = RowSource.of_file(services, export, plan, notes)
        rows = list(source.rows(reasons))
        if not rows:
            raise source.no_row_error(reasons, notes.sentences)
        report = _report(services, bundle, rows, plan)
        return replace(report, warnings=(*report.warnings, *notes.sentences), reasons=tuple(reasons))


def evaluations(predictor: Predictor, rows: Sequence[Row], plan: ServingPlan) -> dict[str, "AnyEvaluation"]:
    """A predictor's metrics per control, on the rows that answer it, see `with_references`.

    A control that no row answers is left out. Labels and spans are measured with the calibration of their confidences.
    Where the predictor's own language model writes, it is measured as well how likely that finds the experts'
    responses.
    """
    from ...learning.generation.part import perplexity_of
    from ...measuring.evaluation import Evaluation
    from ...measuring.piece_answers import measure_of, piece_answers
    from ...measuring.text_metrics import TextEvaluation

    by_control: dict[str, AnyEvaluation] = {}
    predicted = predictor.predict([MarkedText.of(row, plan.controls) for row in rows]) if rows else []
    for served in plan.controls:
        answered = [row for row in rows if served.name in row.targets]
        if not answered and len(plan.controls) > 1:
            continue
        true = [row.targets[served.name] for row in answered]
        answers = [
            found.get(served.name) if found else None
            for row, found in zip(rows, predicted, strict=True)
            if served.name in row.targets
        ]
        targets = [None if answer is None else answer.target for answer in answers]
        evaluation = measure_of(served).evaluate(true, targets, served.control.label_values)
        if isinstance(evaluation, Evaluation):
            evaluation = evaluation.with_calibration(*piece_answers(served, true, answers))
        model = predictor.language_model(served.name) if isinstance(predictor, OwnsLanguageModel) else None
        if model is not None and answered and isinstance(evaluation, TextEvaluation):
            pairs = [
                (served.control.prompt_in(row.text), response)
                for row in answered
                for response in references_of(row.targets[served.name])
            ]
            evaluation = replace(evaluation, perplexity=perplexity_of(model, pairs))
        by_control[served.name] = evaluation
    return by_control


def answers_of(predictor: Predictor, rows: Sequence[Row], plan: ServingPlan) -> dict[str, list[Target | None]]:
    """Per control one answer per row; None where the predictor gives none."""
    predicted = predictor.predict([MarkedText.of(row, plan.controls) for row in rows]) if rows else []
    return {
        served.name: [
            answers[served.name].target if answers and served.name in answers else None for answers in predicted
        ]
        for served in plan.controls
    }


def _read_fields(path: Path) -> tuple[str, ...]:
    """Return what a version reads: it is measured on that, whatever else a snapshot or an export holds."""
    from ...models.bundle.bundle import read_bundle

    return read_bundle(path).manifest.facts.fields


def _report(services: Services, path: Path, rows: Sequence[Row], plan: ServingPlan) -> EvaluationReport:
    from ...measuring.slices import score_slices
    from ...models.bundle.bundle import read_bundle

    bundle = read_bundle(path)
    known = {part.control: part.decoder.known_labels for part in bundle.manifest.parts}
    shared = [served for served in plan.controls if served.name in known]
    if not shared:
        raise UnsupportedLabelConfig(
            f"{bundle.manifest.model_version} answers {_named(known)}, the rows hold "
            f"{_named([served.name for served in plan.controls])}; give the label config that it was trained with"
        )
    plan = replace(plan, controls=tuple(shared))
    seen = sum(bundle.was_trained_on([row.text for row in rows]))
    unread = _unread(plan, rows, bundle.manifest.parts, bundle.manifest.base_model)
    warnings = [*_warnings(rows, plan, known, seen), *unread]
    predictor, rows = Remembering(services.load_predictor(path)), with_references(rows, plan)
    slices, notes = slices_of(services, rows, plan)
    return EvaluationReport(
        bundle.manifest.model_version,
        evaluations(predictor, rows, plan),
        seen,
        (*warnings, *notes),
        slices=score_slices(_row_scores(predictor, rows, plan), slices),
    )


def _row_scores(predictor: Predictor, rows: Sequence[Row], plan: ServingPlan) -> dict[str, Floats]:
    from ...measuring.piece_answers import measure_of

    answers = answers_of(predictor, rows, plan)
    return {
        served.name: measure_of(served).row_scores([row.targets.get(served.name) for row in rows], answers[served.name])
        for served in plan.controls
    }


def _unread(plan: ServingPlan, rows: Sequence[Row], parts: Sequence["PartFacts"], base_model: str) -> Iterable[str]:
    """Yield sentences about the parts of the rows' texts that the models of these parts cannot read."""
    cut = [part.max_length_tokens for part in parts if part.decoder.reads_beginning_alone]
    writers = [part.decoder.writer for part in parts if part.decoder.is_written]
    faults = reading_faults(
        plan,
        [(row.task_id, row.text) for row in rows],
        base_model=base_model,
        text_base_model=next(iter(writers), ""),
        cut_at_tokens=min(cut, default=None),
    )
    return map(str, faults)


def _named(controls: Iterable[str]) -> str:
    return ", ".join(repr(control) for control in controls)


def _warnings(rows: Sequence[Row], plan: ServingPlan, known: Mapping[str, Sequence[str]], seen: int) -> list[str]:
    warnings = []
    if seen:
        warnings.append(
            f"{seen} of {len(rows)} rows have a text that this version was trained on, so its metrics are flattered"
        )
    for served in plan.controls:
        unknown = [
            sorted(set(served.kind.labels_in(row.targets[served.name])) - set(known[served.name]))
            for row in rows
            if served.name in row.targets
        ]
        concerned = sum(bool(labels) for labels in unknown)
        if concerned:
            names = ", ".join(sorted({label for labels in unknown for label in labels})[:5])
            warnings.append(f"{concerned} rows have a label that this version cannot give ({names})")
    return warnings
