"""Keys that labelloop writes into tasks about their labels, and the tabs of the Data Manager that show them."""

from collections.abc import Collection, Mapping
from enum import StrEnum, nonmember
from typing import Any

__all__ = ["QualityField", "ReviewTab", "SelectionField", "SourceField"]


class QualityField(StrEnum):
    """Keys in the tasks' data."""

    GIVEN = "labelloop_given_label"
    SUGGESTED = "labelloop_suggested_label"
    ISSUE = "labelloop_issue"
    QUALITY = "labelloop_label_quality"
    SUSPECT = "labelloop_suspect"
    DISAGREEMENT = "labelloop_disagreement"

    @staticmethod
    def marked(data: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return a task's data with these quality fields and no others.

        Without fields, the task is in no tab and holds nobody's suggestion. A task that once was in a tab says that it
        is not, since Label Studio continues to list columns that some task had.
        """
        flags = {str(name): False for name in (QualityField.SUSPECT, QualityField.DISAGREEMENT) if name in data}
        return {key: value for key, value in data.items() if key not in set(QualityField)} | flags | dict(fields)


class SelectionField(StrEnum):
    """Keys in the data of the tasks to label next."""

    PRIORITY = "labelloop_priority"
    REASON = "labelloop_reason"

    TAB = nonmember("Label these next")

    @staticmethod
    def marked(data: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return a task's data with these fields and none of the others."""
        return {key: value for key, value in data.items() if key not in set(SelectionField)} | dict(fields)

    @staticmethod
    def view(text_fields: Collection[str], columns: Collection[str]) -> dict[str, Any]:
        """Return the tab of the tasks to label next, the first one on top; see `ReviewTab.view`.

        "Label Tasks As Displayed" walks it in its order.
        """
        shown = ("tasks:id", *(f"tasks:data.{name}" for name in (*text_fields, SelectionField.REASON)))
        widths = {"tasks:id": 80, f"tasks:data.{SelectionField.REASON}": TEXT_WIDTH}
        widths |= {f"tasks:data.{name}": TEXT_WIDTH for name in text_fields}
        condition = (f"data.{SelectionField.PRIORITY}", "empty", "false")
        ordering = f"-tasks:data.{SelectionField.PRIORITY}"
        return _tab(SelectionField.TAB, columns, shown, ("tasks:id",), widths) | _order(condition, ordering)


class SourceField(StrEnum):
    """Keys in the data of tasks on which label sources and people differ.

    Attributes:
        LABELED_AT: when the answer was last changed before the task was marked, in Label Studio's own words.
        SETTLED: what the sources said when somebody looked at the task and let the answer stand.
    """

    DIFFERS = "labelloop_source_differs"
    SAYS = "labelloop_source_says"
    REASON = "labelloop_source_reason"
    CONFIDENCE = "labelloop_source_confidence"
    LABELED_AT = "labelloop_source_labeled_at"
    SETTLED = "labelloop_source_settled"

    TAB = nonmember("Source and expert differ")

    @staticmethod
    def marked(data: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return a task's data with these fields; of the others, what was settled stays.

        A task that once was in the tab says that it is not, since Label Studio continues to list columns that some task
        had.
        """
        kept = {key: value for key, value in data.items() if key not in set(SourceField) - {SourceField.SETTLED}}
        flag = {str(SourceField.DIFFERS): False} if SourceField.DIFFERS in data else {}
        return kept | flag | dict(fields)

    @staticmethod
    def view(text_fields: Collection[str], columns: Collection[str]) -> dict[str, Any]:
        """Return the tab of the tasks in dispute, the surest sources first; see `ReviewTab.view`."""
        said = (SourceField.SAYS, SourceField.REASON, SourceField.CONFIDENCE)
        shown = ("tasks:id", *(f"tasks:data.{name}" for name in (*text_fields, *said)))
        widths = {"tasks:id": 80, **{f"tasks:data.{name}": TEXT_WIDTH for name in (*text_fields, *said[:2])}}
        beside = ("tasks:id", f"tasks:data.{SourceField.SAYS}")
        condition = (f"data.{SourceField.DIFFERS}", "equal", ReviewTab.TRUE)
        ordering = f"-tasks:data.{SourceField.CONFIDENCE}"
        return _tab(SourceField.TAB, columns, shown, beside, widths) | _order(condition, ordering)


DEFAULT_TAB = "Default"
OURS = (*QualityField, *SelectionField, *SourceField)

BESIDE_THE_TEXT = (QualityField.GIVEN, QualityField.SUGGESTED, QualityField.ISSUE, QualityField.QUALITY)
WIDTHS = {
    "tasks:id": 80,
    **{f"tasks:data.{name}": width for name, width in zip(BESIDE_THE_TEXT, (180, 190, 140, 170), strict=True)},
}
TEXT_WIDTH = 340


class ReviewTab(StrEnum):
    """Tabs by their titles; each shows the tasks whose field of the same name is true."""

    SUSPECT = "Likely label errors"
    DISAGREEMENT = "Annotators disagree"

    TRUE = nonmember("true")
    """How a filter of type String spells the JSON value; the interface edits such a filter correctly, unlike others."""

    @property
    def field(self) -> QualityField:
        """The key that is true in the tasks of the tab."""
        return QualityField[self.name]

    def view(self, text_fields: Collection[str], columns: Collection[str]) -> dict[str, Any]:
        """Return a tab of the tasks whose field is true, the least quality first, with what a decision needs in sight.

        Args:
            text_fields: the keys of the tasks' data that hold what is read.
            columns: all that the Data Manager can show. Label Studio shows each that a tab does not hide.
        """
        shown = {"tasks:id", *(f"tasks:data.{name}" for name in (*text_fields, *BESIDE_THE_TEXT))}
        if self is ReviewTab.DISAGREEMENT:
            shown = shown - {f"tasks:data.{QualityField.ISSUE}"} | {"tasks:annotators"}
        beside = ("tasks:id", f"tasks:data.{QualityField.SUGGESTED}")
        widths = WIDTHS | {f"tasks:data.{name}": TEXT_WIDTH for name in text_fields}
        condition = (f"data.{self.field}", "equal", self.TRUE)
        return _tab(self.value, columns, shown, beside, widths) | _order(
            condition, f"tasks:data.{QualityField.QUALITY}"
        )

    @staticmethod
    def default_view(columns: Mapping[str, bool]) -> dict[str, Any]:
        """Return the tab of all tasks as Label Studio shows it where nobody has saved any tab, without these fields.

        Label Studio stops showing that one as soon as there is another, so it has to be saved beside it.

        Args:
            columns: whether each is visible unless a tab says otherwise.
        """
        ours = {f"tasks:data.{name}" for name in OURS}
        hidden = [name for name in _all(columns) if name in ours or not columns.get(name, True)]
        return {**_list(DEFAULT_TAB), "hiddenColumns": {"explore": hidden, "labeling": hidden}}


def _list(title: str) -> dict[str, Any]:
    return {"title": title, "type": "list", "target": "tasks"}


def _tab(
    title: str, columns: Collection[str], shown: Collection[str], beside: Collection[str], widths: Mapping[str, int]
) -> dict[str, Any]:
    """Return a tab that shows some columns in its list, and some of them beside the editor."""
    hidden = {
        "explore": [name for name in _all(columns) if name not in shown],
        "labeling": [name for name in _all(columns) if name not in beside],
    }
    return {**_list(title), "hiddenColumns": hidden, "columnsWidth": dict(widths)}


def _order(condition: tuple[str, str, str], ordering: str) -> dict[str, Any]:
    """Return which tasks a tab lists, by a column, an operator and a value, and in which order."""
    column, operator, value = condition
    item = {"filter": f"filter:tasks:{column}", "operator": operator, "type": "String", "value": value}
    return {"filters": {"conjunction": "and", "items": [item]}, "ordering": [ordering]}


def _all(columns: Collection[str]) -> list[str]:
    """Return the columns in order, and after them the columns of quality fields that no task holds yet."""
    ours = (f"tasks:data.{name}" for name in OURS)
    return list(dict.fromkeys([*columns, *ours]))
