"""What labelloop writes into tasks about their labels, and the tabs of the Data Manager that show it."""

from collections.abc import Collection, Mapping
from typing import Any

__all__ = [
    "DEFAULT_TAB",
    "DISAGREEMENT",
    "DISAGREEMENT_TAB",
    "GIVEN",
    "ISSUE",
    "QUALITY",
    "QUALITY_FIELDS",
    "SUGGESTED",
    "SUSPECT",
    "SUSPECT_TAB",
    "TRUE",
    "cleared",
    "default_tab",
    "marked",
    "review_tab",
]

SUSPECT = "labelloop_suspect"
DISAGREEMENT = "labelloop_disagreement"
GIVEN = "labelloop_given_label"
SUGGESTED = "labelloop_suggested_label"
ISSUE = "labelloop_issue"
QUALITY = "labelloop_label_quality"
QUALITY_FIELDS = (GIVEN, SUGGESTED, ISSUE, QUALITY, SUSPECT, DISAGREEMENT)

DEFAULT_TAB = "Default"
SUSPECT_TAB = "Likely label errors"
DISAGREEMENT_TAB = "Annotators disagree"
TRUE = "true"
"""How a filter of type String spells the JSON value; the interface edits such a filter correctly, unlike others."""

SHOWN_BESIDE_THE_TEXT = (GIVEN, SUGGESTED, ISSUE, QUALITY)
WIDTHS = {"id": 80, GIVEN: 180, SUGGESTED: 190, ISSUE: 140, QUALITY: 170}
TEXT_WIDTH = 340


def marked(data: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The data with these quality fields and no others; a task that once was in the other tab says that it is not."""
    flags = {name: False for name in (SUSPECT, DISAGREEMENT) if name in data}
    return {key: value for key, value in data.items() if key not in QUALITY_FIELDS} | flags | dict(fields)


def cleared(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data without opinions on its label: in no tab, and with nobody's suggestion left in it."""
    return marked(data, {})


def review_tab(title: str, field: str, text_field: str, columns: Collection[str]) -> dict[str, Any]:
    """A tab of the tasks whose `field` is true, the least quality first, with what a decision needs in sight.

    Args:
        columns: all that the Data Manager can show. Label Studio shows each that a tab does not hide.
    """
    shown = {"tasks:id", f"tasks:data.{text_field}", *(f"tasks:data.{name}" for name in SHOWN_BESIDE_THE_TEXT)}
    if field == DISAGREEMENT:
        shown = shown - {f"tasks:data.{ISSUE}"} | {"tasks:annotators"}
    widths = {f"tasks:{name}" if name == "id" else f"tasks:data.{name}": width for name, width in WIDTHS.items()}
    beside_editor = {"tasks:id", f"tasks:data.{SUGGESTED}"}
    hidden = {
        "explore": [name for name in _all(columns) if name not in shown],
        "labeling": [name for name in _all(columns) if name not in beside_editor],
    }
    return {
        **_list(title),
        "hiddenColumns": hidden,
        "columnsWidth": widths | {f"tasks:data.{text_field}": TEXT_WIDTH},
        "filters": {
            "conjunction": "and",
            "items": [{"filter": f"filter:tasks:data.{field}", "operator": "equal", "type": "String", "value": TRUE}],
        },
        "ordering": [f"tasks:data.{QUALITY}"],
    }


def default_tab(columns: Mapping[str, bool]) -> dict[str, Any]:
    """The tab of all tasks, as Label Studio shows it where nobody has saved any tab, without the quality fields.

    Label Studio stops showing that one as soon as there is another, so it has to be saved beside it.

    Args:
        columns: whether each is visible unless a tab says otherwise.
    """
    ours = {f"tasks:data.{name}" for name in QUALITY_FIELDS}
    hidden = [name for name in _all(columns) if name in ours or not columns.get(name, True)]
    return {**_list(DEFAULT_TAB), "hiddenColumns": {"explore": hidden, "labeling": hidden}}


def _list(title: str) -> dict[str, Any]:
    return {"title": title, "type": "list", "target": "tasks"}


def _all(columns: Collection[str]) -> list[str]:
    """Columns in order, those of quality fields too that no task holds yet."""
    return list(dict.fromkeys([*columns, *(f"tasks:data.{name}" for name in QUALITY_FIELDS)]))
