"""Keys that labelloop writes into tasks about their labels, and the tabs of the Data Manager that show them."""

from collections.abc import Collection, Mapping
from enum import StrEnum, nonmember
from typing import Any

__all__ = ["QualityField", "ReviewTab", "SelectionField"]


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
        shown = {"tasks:id", *(f"tasks:data.{name}" for name in (*text_fields, SelectionField.REASON))}
        hidden = [name for name in _all(columns) if name not in shown]
        return {
            **_list(SelectionField.TAB),
            "hiddenColumns": {"explore": hidden, "labeling": [name for name in _all(columns) if name != "tasks:id"]},
            "columnsWidth": {"tasks:id": 80, f"tasks:data.{SelectionField.REASON}": TEXT_WIDTH}
            | {f"tasks:data.{name}": TEXT_WIDTH for name in text_fields},
            "filters": {
                "conjunction": "and",
                "items": [
                    {
                        "filter": f"filter:tasks:data.{SelectionField.PRIORITY}",
                        "operator": "empty",
                        "type": "String",
                        "value": "false",
                    }
                ],
            },
            "ordering": [f"-tasks:data.{SelectionField.PRIORITY}"],
        }


DEFAULT_TAB = "Default"

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
        beside_editor = {"tasks:id", f"tasks:data.{QualityField.SUGGESTED}"}
        hidden = {
            "explore": [name for name in _all(columns) if name not in shown],
            "labeling": [name for name in _all(columns) if name not in beside_editor],
        }
        return {
            **_list(self.value),
            "hiddenColumns": hidden,
            "columnsWidth": WIDTHS | {f"tasks:data.{name}": TEXT_WIDTH for name in text_fields},
            "filters": {
                "conjunction": "and",
                "items": [
                    {
                        "filter": f"filter:tasks:data.{self.field}",
                        "operator": "equal",
                        "type": "String",
                        "value": self.TRUE,
                    }
                ],
            },
            "ordering": [f"tasks:data.{QualityField.QUALITY}"],
        }

    @staticmethod
    def default_view(columns: Mapping[str, bool]) -> dict[str, Any]:
        """Return the tab of all tasks as Label Studio shows it where nobody has saved any tab, without these fields.

        Label Studio stops showing that one as soon as there is another, so it has to be saved beside it.

        Args:
            columns: whether each is visible unless a tab says otherwise.
        """
        ours = {f"tasks:data.{name}" for name in (*QualityField, *SelectionField)}
        hidden = [name for name in _all(columns) if name in ours or not columns.get(name, True)]
        return {**_list(DEFAULT_TAB), "hiddenColumns": {"explore": hidden, "labeling": hidden}}


def _list(title: str) -> dict[str, Any]:
    return {"title": title, "type": "list", "target": "tasks"}


def _all(columns: Collection[str]) -> list[str]:
    """Return the columns in order, and after them the columns of quality fields that no task holds yet."""
    ours = (f"tasks:data.{name}" for name in (*QualityField, *SelectionField))
    return list(dict.fromkeys([*columns, *ours]))
