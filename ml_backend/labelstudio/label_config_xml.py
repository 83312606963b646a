"""Label configs: from Label Studio's XML to a LabelConfig."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from ..domain.conditions import in_order_of_asking
from ..domain.label_config import Control, Label, LabelConfig, ObjectTag
from ..domain.shown_text import field_of
from .conditions_xml import conditions_of, waits_for_any_choice
from .config_tree import IMPORTED, LABEL_TAGS, config_tree, is_control, with_parents

__all__ = ["parse_label_config"]

Path = tuple[Element, ...]
"""The tags around a tag, the outermost first, and the tag itself at the end."""
SHOWING = ("value", "valuelist")
FIELD = re.compile(r"\$[A-Za-z_]")
"""The start of a field's name. The editor reads an amount such as `$5` as a field, too, but no task has such a one."""


def parse_label_config(xml: str) -> LabelConfig:
    """Parse the controls and objects of a label config.

    Controls are the editor's control tags and every tag with `toName`, at any depth; where `toName` names several
    objects (`a,b`), the first one counts. A control's labels are its `<Choice>` and `<Label>` descendants; a nested
    choice is listed right after its parent, and a label that occurs twice counts once. Labels that come from each
    task's data (`value="$options"`) are unknown here: such a control has no labels at all.

    A control that cannot be read is left out, and the config's `faults` say why.

    Raises:
        UnreadableLabelConfig: not well-formed XML, not a `<View>`, too large, or entities or a DTD.
    """
    root, misspelled = config_tree(xml)
    paths = [(*parents, element) for element, parents in with_parents(root)]
    names = _Names.of([path[-1] for path in paths])
    faults = list(_spelling_faults(misspelled))
    controls: dict[str, Control] = {}
    places: dict[str, Path] = {}
    for path in paths:
        if not is_control(path[-1]):
            continue
        control = _control(path, names)
        if isinstance(control, str):
            faults.append(f"{_called(path[-1])} {control}")
        else:
            controls[control.name], places[control.name] = control, path
            faults += _nameless_labels(path[-1])
    asked, never = _with_conditions(controls, places)
    return LabelConfig(xml, asked, (*faults, *never))


def _spelling_faults(misspelled: Sequence[str]) -> Iterator[str]:
    if misspelled:
        wanted = ", ".join(IMPORTED[name.lower()] for name in misspelled)
        yield (
            f"Label Studio refuses pre-labels of controls that are written with {', '.join(misspelled)}, although its "
            f"editor shows them; write {wanted}"
        )


@dataclass(frozen=True, slots=True)
class _Names:
    """The names in a label config, and the tags that they belong to.

    Attributes:
        tags: all named tags to which a `toName` may point, rightly or wrongly.
        uses: how many tags have each name.
    """

    tags: Mapping[str, ObjectTag]
    uses: Mapping[str, int]

    @classmethod
    def of(cls, elements: Sequence[Element]) -> "_Names":
        named = [element for element in elements if element.get("name") and element.tag not in LABEL_TAGS]
        tags = {element.attrib["name"]: _object(element) for element in named}
        return cls(tags, Counter(element.attrib["name"] for element in named))

    @property
    def objects(self) -> list[str]:
        """The names of the object tags, which show something."""
        return [name for name, tag in self.tags.items() if not tag.attributes.keys().isdisjoint(SHOWING)]

    @property
    def only_object(self) -> str:
        """The object that the editor assumes for controls without `toName`; empty where there are several."""
        return self.objects[0] if len(self.objects) == 1 else ""


def _object(element: Element) -> ObjectTag:
    if is_control(element):
        return ObjectTag(element.attrib["name"], element.tag, None)
    value = _value(element) or element.get("valuelist", "")
    return ObjectTag(element.attrib["name"], element.tag, field_of(value), dict(element.attrib))


def _value(element: Element) -> str:
    """Return the text inside the tag, which comes first in the editor, or else its `value`."""
    inside = (element.text or "").strip() if not len(element) else ""
    return escape(inside) or element.get("value", "")


def _control(path: Path, names: _Names) -> Control | str:
    """Return the control, or a clause on why it cannot be read."""
    element = path[-1]
    target = element.get("toname", names.only_object).split(",")[0].strip()
    if (fault := _name_fault(element, names) or _target_fault(target, names)) is not None:
        return fault
    if any(parent.tag == "Repeater" for parent in path):
        return (
            "stands in a <Repeater>, so a task has as many of it as it has items, and labelloop reads one text per "
            "task; import each item as a task of its own"
        )
    return Control(
        element.attrib["name"],
        element.tag,
        names.tags[target],
        _labels(element),
        dict(element.attrib),
        is_nested=any(is_inside for _, is_inside in _label_elements(element)),
        is_dynamic=_is_dynamic(element),
    )


def _name_fault(element: Element, names: _Names) -> str | None:
    if not (name := element.get("name")):
        return 'has no name; give it one, such as name="label"'
    if names.uses[name] > 1:
        return "shares its name with another tag; names must be unique"
    return None


def _target_fault(target: str, names: _Names) -> str | None:
    if not target:
        return 'does not say what it is about; name a tag that shows something, such as toName="text"'
    if target not in names.tags:
        known = ", ".join(map(repr, names.objects)) or "none"
        return (
            f"has toName={target!r}, but no tag has that name (objects found: {known}); an object tag looks like "
            f'<Text name={target!r} value="$text"/>'
        )
    if names.uses[target] > 1:
        return f"has toName={target!r}, and several tags have that name; names must be unique"
    return None


def _labels(control: Element) -> tuple[Label, ...]:
    if _is_dynamic(control):
        return ()
    labels: dict[str, Label] = {}
    for element, _ in _label_elements(control):
        shown = _value(element)
        if value := element.get("alias") or shown:
            labels.setdefault(value, Label(value, shown or value, element.get("hint") or None))
    return tuple(labels.values())


def _is_dynamic(control: Element) -> bool:
    """True where all labels come from the tasks, or some, as in `<Choice value="$first"/>`.

    A label with an alias does not count: the alias is stored, whatever text the task shows. A text area's value does
    not count either: it is the initial text.
    """
    if control.tag == "TextArea":
        return False
    return field_of(control.get("value", "")) is not None or any(
        not element.get("alias") and FIELD.search(_value(element)) for element, _ in _label_elements(control)
    )


def _label_elements(parent: Element, *, is_inside: bool = False) -> Iterator[tuple[Element, bool]]:
    """Yield the label tags below a tag in document order, and whether each lies inside another one.

    Labels of a control inside are left out.
    """
    for child in parent:
        if is_control(child):
            continue
        if child.tag not in LABEL_TAGS:
            yield from _label_elements(child, is_inside=is_inside)
            continue
        yield child, is_inside
        yield from _label_elements(child, is_inside=True)


def _nameless_labels(control: Element) -> Iterator[str]:
    for element, _ in _label_elements(control):
        if not element.get("alias") and not _value(element):
            yield (
                f"{_called(control)} holds a <{element.tag}> without a value, which is left out; "
                f'write <{element.tag} value="..."/>'
            )


def _with_conditions(
    controls: Mapping[str, Control], places: Mapping[str, Path]
) -> tuple[tuple[Control, ...], list[str]]:
    """Return the controls that can be asked, with their conditions, and sentences about the others."""
    free = [n for n, each in controls.items() if each.tag == "Choices" and not waits_for_any_choice(places[n])]
    never: dict[str, str] = {}
    conditional: dict[str, Control] = {}
    for name, control in controls.items():
        conditions = conditions_of(places[name], controls, free)
        if isinstance(conditions, str):
            never[name] = conditions
        else:
            conditional[name] = replace(control, conditions=conditions)
    asked = {control.name for control in in_order_of_asking(conditional.values())}
    for name in conditional.keys() - asked:
        never[name] = "waits for questions that are never asked themselves (visibleWhen); correct whenTagName"
    sentences = [f"{_called(places[name][-1])} {never[name]}" for name in controls if name in never]
    return tuple(control for name, control in conditional.items() if name in asked), sentences


def _called(element: Element) -> str:
    name = element.get("name")
    return f"<{element.tag} name={name!r}>" if name else f"<{element.tag} toName={element.get('toname', '')!r}>"
