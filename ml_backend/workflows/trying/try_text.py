"""Answer a text that somebody typed in with the model that serves a project."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...domain.example import Row, spans_in
from ...domain.field_texts import join_fields
from ...domain.fit import fits_no_label
from ...domain.model import ScoredTarget
from ...domain.ports import Predictor
from ...domain.project import Project
from ...domain.readable import readable
from ...domain.snapshot import Snapshot, Split
from ...errors import PayloadError, SnapshotError
from ...exporters.limits import encodable
from ...labelstudio.plans import plan_of
from ...models.bundle.known_texts import text_key
from ...snapshots.store import SnapshotFolder
from ...tasks import ServedControl, ServingPlan
from ..exporting.snapshots import stored_snapshot
from ..services import Services
from .occlusion import word_effects

__all__ = ["MOST_CHARACTERS", "readable_fields", "try_text"]

MOST_CHARACTERS = 5000
"""In all fields together: what a form can hold in any script, and a model can read some sixty times while one waits."""
LABELS_SHOWN, NEAREST_SHOWN = 5, 5


def readable_fields(project: Project) -> list[str]:
    """Return the fields of a task that are read, and so can be tried."""
    return list(plan_of(project).fields)


def try_text(services: Services, project: Project, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what the version that serves a project answers to a text, and what that hangs on.

    The text is neither stored nor logged, and no answer to it is kept. Where nothing has served yet, the model is
    loaded first, which takes seconds.

    Args:
        texts: per field of `readable_fields`; one that is missing is empty.

    Returns:
        An object with `version`, `answers` (per control an object with `control`, `answer` in words, `confidence`,
        `labels`, the likeliest ones as objects with `label` and `confidence`, `spans`, `marked`, `fit`, `fits_none` and
        `is_asked`), `unanswered` (controls that the version does not answer), `words` (as `word_effects`; None
        with the reason in `words_missing`), and `nearest` (objects with `control`, `task_id`, `text`, `answer`,
        `similarity`; empty with the reason in `nearest_missing`).

    Raises:
        PayloadError: a field is unknown, or all are empty, or too long.
        EncoderError, BundleError: the model cannot be loaded.
    """
    plan = plan_of(project)
    given = _checked(plan, texts)
    text = join_fields(given)
    predictor = services.champions.get(project)
    answers = predictor.predict_with_fit([text])[0] or {}
    hidden = plan.config.hidden(plan.regions(answers, text))
    words, words_missing = _words(predictor, plan, given, answers)
    nearest, nearest_missing = _nearest(services, project, plan, predictor, text)
    return {
        "version": predictor.version,
        "answers": [
            {**_answer(served, answers[served.name], text), "is_asked": served.name not in hidden}
            for served in plan.controls
            if served.name in answers
        ],
        "unanswered": [served.name for served in plan.controls if served.name not in answers],
        "words": words,
        "words_missing": words_missing,
        "nearest": nearest,
        "nearest_missing": nearest_missing,
    }


def _checked(plan: ServingPlan, texts: Mapping[str, str]) -> dict[str, str]:
    if unknown := sorted(texts.keys() - set(plan.fields)):
        raise PayloadError(f"field {unknown[0]!r} found; this project reads {', '.join(map(repr, plan.fields))}")
    given = {field: encodable(texts.get(field, "")) for field in plan.fields}
    if not any(text.strip() for text in given.values()):
        raise PayloadError("no text found; give the text that the model is to answer")
    if (length := sum(map(len, given.values()))) > MOST_CHARACTERS:
        raise PayloadError(f"{length:,} characters found; give {MOST_CHARACTERS:,} at most, such as the first part")
    return given


def _answer(served: ServedControl, answer: ScoredTarget, text: str) -> dict[str, Any]:
    about = served.control.text_in(text)
    spans = spans_in(answer.target)
    by_label = {part: score for part, score in answer.scores.items() if isinstance(part, str)}
    likeliest = sorted(by_label.items(), key=lambda each: -each[1])
    return {
        "control": served.name,
        "answer": readable(answer.target, about),
        "confidence": answer.score,
        "labels": [{"label": name, "confidence": score} for name, score in likeliest[:LABELS_SHOWN]],
        "labels_left_out": max(len(likeliest) - LABELS_SHOWN, 0),
        "spans": [
            {"text": about[span.start : span.end], "label": span.label, "confidence": answer.scores.get(span)}
            for span in spans
        ],
        "marked": list(_marked(about, answer)) if spans else [],
        "fit": answer.fit,
        "fits_none": fits_no_label(answer.fit),
    }


def _marked(text: str, answer: ScoredTarget) -> Iterator[dict[str, str]]:
    """Yield the text in parts that follow each other, each with its label, or none; of overlapping spans the first."""
    end = 0
    for span in sorted(spans_in(answer.target)):
        if span.start < end:
            continue
        yield {"text": text[end : span.start], "label": ""}
        yield {"text": text[span.start : span.end], "label": span.label}
        end = span.end
    yield {"text": text[end:], "label": ""}


def _words(
    predictor: Predictor, plan: ServingPlan, texts: Mapping[str, str], answers: Mapping[str, ScoredTarget]
) -> tuple[dict[str, Any] | None, str]:
    """Return what words do to the likeliest label of each control, or why that cannot be said."""
    if plan.has_texts:
        return None, "this project drafts responses, which takes seconds each, and leaving out each word takes dozens"
    labels: dict[str, str] = {}
    before: dict[str, float] = {}
    for served in plan.labeled:
        by_label = {part: each for part, each in _scores(answers, served.name).items() if isinstance(part, str)}
        if by_label:
            labels[served.name] = max(by_label, key=lambda label: by_label[label])
            before[served.name] = by_label[labels[served.name]]
    if not labels:
        return None, "no control is answered with labels of the whole text"
    return word_effects(predictor, texts, labels, before), ""


def _scores(answers: Mapping[str, ScoredTarget], control: str) -> Mapping[Any, float]:
    return answers[control].scores if control in answers else {}


def _nearest(
    services: Services, project: Project, plan: ServingPlan, predictor: Predictor, text: str
) -> tuple[list[dict[str, Any]], str]:
    """Return the rows that the model learned from and finds nearest to the text, or why they cannot be named."""
    found = {name: keys for name, keys in predictor.nearest(text, NEAREST_SHOWN).items() if keys}
    if not found:
        return [], (
            f"{predictor.version} keeps no vectors of its train rows; a version does that answers with one label per "
            "text and had 19 validation rows or more, and earlier versions of labelloop did not keep what names them"
        )
    version = services.database.versions.find(predictor.version)
    try:
        if version is None:
            raise SnapshotError(f"version {predictor.version} has no snapshot")
        snapshot = stored_snapshot(services, project, version.snapshot_id)
        return list(_near_rows(snapshot, plan, found)), ""
    except SnapshotError as error:
        return [], f"the rows that it learned from cannot be read: {error}"


def _near_rows(
    snapshot: Snapshot, plan: ServingPlan, found: Mapping[str, Sequence[tuple[int, float]]]
) -> Iterator[dict[str, Any]]:
    for control, neighbours in found.items():
        served = next((each for each in plan.controls if each.name == control), None)
        if served is None:
            continue
        lines = _lines_by_text(snapshot.path)
        wanted = {lines[key]: similarity for key, similarity in neighbours if key in lines}
        for line, similarity in wanted.items():
            row = _row_at(snapshot.path, line)
            about = served.control.text_in(row.text)
            yield {
                "control": control,
                "task_id": row.task_id,
                "text": encodable(about),
                "answer": encodable(readable(row.targets.get(control), about)),
                "similarity": similarity,
            }


@lru_cache(maxsize=8)
def _lines_by_text(folder: Path) -> Mapping[int, int]:
    """Return the line of the train rows' file per key of a row's text; a snapshot never changes.

    Vectors are kept for controls with one label per text alone, and these are decided on all of it.
    """
    lines: dict[int, int] = {}
    for number, line in SnapshotFolder(folder).lines(Split.TRAIN):
        lines.setdefault(text_key(join_fields(json.loads(line)["input"])), number)
    return lines


@lru_cache(maxsize=256)
def _row_at(folder: Path, wanted: int) -> Row:
    return next(
        SnapshotFolder.row_from_line(line)
        for number, line in SnapshotFolder(folder).lines(Split.TRAIN)
        if number == wanted
    )
