"""List the reasons that people gave for whoever writes sources: what is confused and not covered yet comes first."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ...domain.field_texts import readable_text
from ...domain.project import Project
from ...sources.language import ENGLISH
from ...tasks.explanations import Explanation
from ..auditing.decisions import first_control, flags_of
from ..services import Services
from .phrases import proposed_phrases
from .read import JudgedControl, ReadTexts

__all__ = ["reasons_worklist", "task_url"]

_Group = tuple[str, str, str | None]
"""A control, the label that people gave, and the one that a model gave; empty for none, None where nobody knows."""


def reasons_worklist(
    services: Services, project: Project | None, read: ReadTexts, *, language: str = ENGLISH
) -> Mapping[str, Any]:
    """Return the reasons as `labelloop sources reasons --json` prints them.

    They are grouped by label and by what a model said instead. Groups with the most reasons on whose texts no source
    that is on gives the label come first, of these the ones in which something was confused; `confused` counts all
    train rows on which people set a pre-label right in this way, with a reason or without.

    Args:
        language: by whose inflections phrases are found.

    Raises:
        SourceError: the language is not known.
    """
    controls = {control.asked.name: control for control in read.controls}
    if project is not None:
        read.reasons.learn_suggestions(flags_of(services, project.id, first_control(read.plan)))
    groups: defaultdict[_Group, list[tuple[Explanation, list[str]]]] = defaultdict(list)
    rows = {row.task_id: number for number, row in enumerate(read.rows)}
    votes = {name: _votes_by_row(read, control) for name, control in controls.items()}
    for each in read.reasons.stand:
        firing = sorted({read.sources[n].name for n in votes[each.control].get((rows[each.task_id], each.label), ())})
        groups[each.control, each.label, read.reasons.instead(each)].append((each, firing))
    confused = read.reasons.confusions(zip(read.rows, read.splits, strict=False))
    listed = [
        {
            "control": control,
            "label": label,
            "instead_of": instead,
            "confused": None if instead is None else confused[control, label, instead],
            "reasons": len(given),
            "covered": sum(bool(firing) for _, firing in given),
            "examples": [
                {**_example(read, rows[each.task_id], each, firing), "url": task_url(services, project, each.task_id)}
                for each, firing in given
            ],
        }
        for (control, label, instead), given in groups.items()
    ]
    phrases, unusable = proposed_phrases(read, language)
    return {
        "groups": sorted(listed, key=_usefulness),
        "phrases": phrases,
        "reasons": len(read.reasons.stand),
        "held_back": read.reasons.held_back,
        "faults": [asdict(fault) for fault in read.faults],
        "notes": [*_missing_boxes(read), *read.reasons.notes, *unusable, *read.notes],
    }


def task_url(services: Services, project: Project | None, task_id: int) -> str | None:
    """Return the address of a task in Label Studio; None without a project."""
    return f"{services.studio.url}/projects/{project.id}/data?task={task_id}" if project else None


def _votes_by_row(read: ReadTexts, control: JudgedControl) -> dict[tuple[int, str], list[int]]:
    """Return by row and label the numbers of the sources that are on and vote for the label.

    What was made from people's marks covers them all, and says nothing about reasons.
    """
    found: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for row, source, (label, _, _) in control.votes_on.listed():
        if not read.sources[source].learns:
            found[row, control.asked.labels[label]].append(source)
    return found


def _example(read: ReadTexts, row: int, given: Explanation, firing: Sequence[str]) -> dict[str, Any]:
    return {
        "task_id": given.task_id,
        "annotator": given.annotator,
        "words": given.words,
        "evidence": list(given.evidence),
        "text": readable_text(read.rows[row].text),
        "fires": list(firing),
    }


def _usefulness(group: Mapping[str, Any]) -> tuple[bool, bool, int, int, str, str]:
    uncovered, confused = group["reasons"] - group["covered"], group["confused"]
    return not uncovered, confused is None, -(confused or 0), -uncovered, group["control"], group["label"]


def _missing_boxes(read: ReadTexts) -> list[str]:
    """Say where nobody can give reasons, because the label config has no place for them."""
    explained = {read.plan.config.explains(each.control) for each in read.plan.explaining}
    return [
        f"the label config has no place for reasons about {each.name!r}: a text area {each.name}_reason or labels "
        f"{each.name}_evidence"
        for each in read.plan.labeled
        if each.name not in explained
    ]
