"""Parse label configs: from Label Studio's XML to a LabelConfig."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ...domain.label_config import INSIDE, LEFT, RIGHT, Control, Label, LabelConfig, path_name
from ...domain.object_tag import ObjectTag
from ...errors import UnreadableLabelConfig
from .conditions import conditions_of

__all__ = ["parse_label_config"]

MAX_XML_BYTES = 1 << 20
"""The largest label config. A thousand labels need about 60 KB; more than this is a mistake or an attack."""
MAX_DEPTH = 100
"""The greatest depth of nested tags. Label Studio's own templates stay under ten."""

USUAL_LEVELS, MOST_LEVELS = "5", 100
"""Levels of a `<Rating>` without `maxRating`, and the most that are taken for one."""

RANKING, UNSORTED = "Ranker", "_"
REFERENCE = re.compile(r"\$[A-Za-z_][\w.]*", re.ASCII)
"""A whole value that is a field's name."""
COMPARING = "Pairwise"
"""The control that compares two objects, both of which its `toName` names."""
LABEL_TAGS = frozenset({"Choice", "Label"})
CONTROL_TAGS = frozenset(
    {
        *("Bitmask", "BitmaskLabels", "Brush", "BrushLabels", "Choices", "DateTime", "Ellipse", "EllipseLabels"),
        *("HyperTextLabels", "KeyPoint", "KeyPointLabels", "Labels", "MagicWand", "Number", "Pairwise"),
        *("ParagraphLabels", "Polygon", "PolygonLabels", "Ranker", "Rating", "Rectangle", "RectangleLabels"),
        *("Taxonomy", "TextArea", "TimelineLabels", "TimeSeriesLabels", "Vector", "VectorLabels", "VideoRectangle"),
    }
)
"""The editor's control tags. Any other tag with `toName` counts as a control as well."""
OTHER_TAGS = frozenset({"Bucket", "HyperText", "List", "Paragraphs", "Repeater", "Text", "View"})
IMPORTED = {name.lower(): name for name in ("alias", "name", "toName", "value")}
"""Attributes that Label Studio reads when predictions are imported, where their case matters, unlike in its editor."""
SPELLINGS = {tag.lower(): tag for tag in LABEL_TAGS | CONTROL_TAGS | OTHER_TAGS}
Path = tuple[Element, ...]
"""The tags around a tag, the outermost first, and the tag itself at the end."""
SHOWING = ("value", "valuelist")
FIELD = re.compile(r"\$[A-Za-z_]")
"""The start of a field's name. The editor reads an amount such as `$5` as a field, too, but no task has that field."""


def parse_label_config(xml: str) -> LabelConfig:
    """Parse the controls and objects of a label config.

    Controls are the editor's control tags and every tag with `toName`, at any depth; where `toName` names several
    objects (`a,b`), the first one counts, and of a `<Pairwise>` the second as well. A control's labels are its
    `<Choice>` and `<Label>` descendants; a nested choice is listed right after its parent, and a label that occurs
    twice counts once; where Label Studio stores paths, labels go by these. Labels that come from each task's data
    (`value="$options"`) are unknown here: such a control has no labels at all. Those of a rating are its levels, and
    those of a `<Pairwise>` its two sides.

    A control that cannot be read is left out, and the config's `faults` say why.

    Raises:
        UnreadableLabelConfig: not well-formed XML, not a `<View>`, too large, or entities or a DTD.
    """
    root, misspelled = _config_tree(xml)
    paths = [(*parents, element) for element, parents in _with_parents(root)]
    names = _Names([path[-1] for path in paths])
    faults = list(_spelling_faults(misspelled))
    controls: dict[str, Control] = {}
    paths_of: dict[str, Path] = {}
    for path in paths:
        if not _is_control(path[-1]):
            continue
        control = _control(path, names)
        if isinstance(control, str):
            faults.append(f"{_called(path[-1])} {control}")
        else:
            controls[control.name], paths_of[control.name] = control, path
            faults += _nameless_labels(path[-1])
    questions, never = _with_conditions(controls, paths_of)
    return LabelConfig(xml, questions, (*faults, *never), _shown(paths))


def _spelling_faults(misspelled: Sequence[str]) -> Iterator[str]:
    if misspelled:
        spellings = ", ".join(IMPORTED[name.lower()] for name in misspelled)
        yield (
            f"Label Studio refuses pre-labels of controls that are written with {', '.join(misspelled)}, although its "
            f"editor shows them; write {spellings}"
        )


class _Names:
    """The names in a label config, and the tags that they belong to.

    Attributes:
        tags: all named tags to which a `toName` may point, rightly or wrongly.
        uses: how many tags have each name.
    """

    def __init__(self, elements: Sequence[Element]) -> None:
        named = [element for element in elements if element.get("name") and element.tag not in LABEL_TAGS]
        self.tags = {element.attrib["name"]: _object(element) for element in named}
        self.uses = Counter(element.attrib["name"] for element in named)

    @property
    def objects(self) -> list[str]:
        """The names of the object tags, which show something."""
        return [name for name, tag in self.tags.items() if not tag.attributes.keys().isdisjoint(SHOWING)]

    @property
    def only_object(self) -> str:
        """The object that the editor assumes for controls without `toName`; empty where there are several."""
        return self.objects[0] if len(self.objects) == 1 else ""


def _object(element: Element) -> ObjectTag:
    name = element.get("name", "")
    if _is_control(element):
        return ObjectTag(name, element.tag, None)
    value = _value(element) or element.get("valuelist", "")
    return ObjectTag(name, element.tag, ObjectTag.field_of(value), dict(element.attrib))


def _shown(paths: Sequence[Path]) -> tuple[ObjectTag, ...]:
    """Return the tags that show something of a task, which are neither controls nor labels nor inside them."""
    objects = (
        _object(path[-1])
        for path in paths
        if not any(each.tag in LABEL_TAGS or each.tag == "Repeater" or _is_control(each) for each in path)
    )
    return tuple(each for each in objects if each.field and FIELD.search(each.written))


def _value(element: Element) -> str:
    """Return the text inside the tag, which comes first in the editor, or else its `value`."""
    inside = (element.text or "").strip() if not len(element) else ""
    return escape(inside) or element.get("value", "")


def _control(path: Path, names: _Names) -> Control | str:
    """Return the control, or a clause on why it cannot be read."""
    element = path[-1]
    target, *others = (name.strip() for name in element.get("toname", names.only_object).split(","))
    compared = others[:1] if element.tag == COMPARING else []
    faults = (_name_fault(element, names), *(_target_fault(name, names) for name in (target, *compared)))
    if (fault := next(filter(None, faults), None)) is not None:
        return fault
    if any(parent.tag == "Repeater" for parent in path):
        return (
            "stands in a <Repeater>, so a task has as many of it as it has items, and labelloop reads one text per "
            "task; import each item as a separate task"
        )
    return Control(
        element.attrib["name"],
        element.tag,
        names.tags[target],
        _labels(element),
        dict(element.attrib),
        is_nested=any(is_inside for _, is_inside in _label_elements(element)),
        is_dynamic=_is_dynamic(element),
        other=names.tags[compared[0]] if compared else None,
        options=_options(element, names.tags[target]),
        buckets=_buckets(element),
    )


def _options(control: Element, shown: ObjectTag) -> ObjectTag | None:
    """Return what holds the options of each task: the items of a list that is ranked, or a field with all choices.

    Its name among the texts of a row is the reference, `$items`, since a list is read as a text by its own name.
    """
    if control.tag == RANKING:
        return ObjectTag(shown.name, RANKING, shown.written) if shown.tag == "List" and shown.written else None
    value = control.get("value", "").strip()
    if control.tag != "Choices" or REFERENCE.fullmatch(value) is None or any(_label_elements(control)):
        return None
    nesting = {name: text for name, text in control.attrib.items() if name == "allownested"}
    return ObjectTag(control.get("name", ""), control.tag, value, nesting)


def _buckets(control: Element) -> tuple[str, ...]:
    """Return the names of the buckets of a ranking; with `_` at the end unless one of them takes what is unsorted."""
    buckets = [each for each in control.iter("Bucket") if each.get("name")] if control.tag == RANKING else []
    names = tuple(dict.fromkeys(each.attrib["name"] for each in buckets))
    is_held = any(each.get("default", "").lower() == "true" for each in buckets)
    return names if is_held or not names else (*names, UNSORTED)


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
        objects = ", ".join(map(repr, names.objects)) or "none"
        return (
            f"has toName={target!r}, but no tag has that name (objects found: {objects}); an object tag looks like "
            f'<Text name={target!r} value="$text"/>'
        )
    if names.uses[target] > 1:
        return f"has toName={target!r}, and several tags have that name; names must be unique"
    return None


def _labels(control: Element) -> tuple[Label, ...]:
    if _is_dynamic(control):
        return ()
    if control.tag == COMPARING:
        return Label(LEFT, LEFT), Label(RIGHT, RIGHT)
    if control.tag == "Rating":
        return _levels(control.get("maxrating", USUAL_LEVELS))
    labels: dict[str, Label] = {}
    is_tree = control.get("allownested", "").lower() == "true" and any(inside for _, inside in _label_elements(control))
    if control.tag == "Taxonomy" or is_tree:
        for label in _labels_inside(control):
            labels.setdefault(label.value, label)
        return tuple(labels.values())
    for element, _ in _label_elements(control):
        shown = _value(element)
        if value := element.get("alias") or shown:
            labels.setdefault(value, Label(value, shown or value, element.get("hint") or None))
    return tuple(labels.values())


def _labels_inside(parent: Element, outer: Label | None = None) -> Iterator[Label]:
    """Yield the labels of a taxonomy by their paths, each before those that lie inside it."""
    for child in parent:
        if _is_control(child):
            continue
        inside = outer
        if child.tag in LABEL_TAGS and (value := child.get("alias") or _value(child)):
            path = (*(outer.path if outer else ()), value)
            shown = path_name([_value(child) or value])
            display = f"{outer.display}{INSIDE}{shown}" if outer else shown
            inside = Label(path_name(path), display, child.get("hint") or None, path)
            yield inside
        yield from _labels_inside(child, inside)


def _levels(most: str) -> tuple[Label, ...]:
    """Return the levels of a rating, none where their number is not a sensible one."""
    count = int(most) if most.isascii() and most.isdecimal() and len(most) <= len(str(MOST_LEVELS)) else 0
    levels = range(1, count + 1) if count <= MOST_LEVELS else ()
    return tuple(Label(str(level), str(level)) for level in levels)


def _is_dynamic(control: Element) -> bool:
    """True where all labels come from the tasks, or some, as in `<Choice value="$first"/>`.

    A label with an alias does not count: the alias is stored, whatever text the task shows. A text area's value does
    not count either: it is the initial text.
    """
    if control.tag == "TextArea":
        return False
    return ObjectTag.field_of(control.get("value", "")) is not None or any(
        not element.get("alias") and FIELD.search(_value(element)) for element, _ in _label_elements(control)
    )


def _label_elements(parent: Element, *, is_inside: bool = False) -> Iterator[tuple[Element, bool]]:
    """Yield the label tags below a tag in document order, and whether each lies inside another one.

    Labels of a control inside are left out.
    """
    for child in parent:
        if _is_control(child):
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
    controls: Mapping[str, Control], paths: Mapping[str, Path]
) -> tuple[tuple[Control, ...], list[str]]:
    """Return the controls that can be asked, with their conditions, and sentences about the others."""
    never: dict[str, str] = {}
    conditional: dict[str, Control] = {}
    for name, conditions in conditions_of(controls, paths).items():
        if isinstance(conditions, str):
            never[name] = conditions
        else:
            conditional[name] = replace(controls[name], conditions=conditions)
    names = {control.name for control in Control.in_order_of_asking(conditional.values())}
    for name in conditional.keys() - names:
        never[name] = "waits for questions that are never asked themselves (visibleWhen); correct whenTagName"
    sentences = [f"{_called(paths[name][-1])} {never[name]}" for name in controls if name in never]
    return tuple(control for name, control in conditional.items() if name in names), sentences


def _called(element: Element) -> str:
    name = element.get("name")
    return f"<{element.tag} name={name!r}>" if name else f"<{element.tag} toName={element.get('toname', '')!r}>"


def _config_tree(xml: str) -> tuple[Element, tuple[str, ...]]:
    """Return the outermost tag, a `<View>`, and names of attributes that keep Label Studio from importing predictions.

    The editor ignores case in names. In the returned tree, known tags are spelled as in Label Studio's documentation,
    and all attributes in lower case.

    Raises:
        UnreadableLabelConfig: not well-formed XML, too large or too deep, not a `<View>`, or entities or a DTD.
    """
    size = len(xml.encode(errors="surrogatepass"))
    if size > MAX_XML_BYTES:
        raise UnreadableLabelConfig(
            f"the label config has {size} bytes; at most {MAX_XML_BYTES} are read: "
            'move long label lists into task data (<Choices value="$options">)'
        )
    if not xml.strip():
        raise UnreadableLabelConfig("the label config is empty; save one in Label Studio under Settings > Labeling")
    tree = _Tree()
    root = _parsed(xml, tree)
    if root.tag != "View":
        raise UnreadableLabelConfig(
            f"the label config's outermost tag is <{root.tag}>; Label Studio wants <View>: put everything inside one"
        )
    return root, tuple(sorted(tree.misspelled))


def _with_parents(root: Element) -> Iterator[tuple[Element, tuple[Element, ...]]]:
    """Yield every tag in document order, with the tags around it, the outermost first."""
    waiting: list[tuple[Element, tuple[Element, ...]]] = [(root, ())]
    while waiting:
        element, parents = waiting.pop()
        yield element, parents
        inside = (*parents, element)
        waiting += [(child, inside) for child in reversed(element)]


def _is_control(element: Element) -> bool:
    """True where the tag is a control, with which annotators answer."""
    return element.tag in CONTROL_TAGS or ("toname" in element.attrib and element.tag not in LABEL_TAGS)


class _Tree(TreeBuilder):
    """Builds a tree of bounded depth, so that no code that walks it exceeds the recursion limit."""

    def __init__(self) -> None:
        super().__init__()
        self.misspelled: set[str] = set()
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableLabelConfig(
                f"the label config has more than {MAX_DEPTH} tags inside one another, at <{tag}>; flatten it"
            )
        self.misspelled.update(name for name in attrs if IMPORTED.get(name.lower(), name) != name)
        return super().start(SPELLINGS.get(tag.lower(), tag), {name.lower(): value for name, value in attrs.items()})

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(SPELLINGS.get(tag.lower(), tag))


def _parsed(xml: str, tree: _Tree) -> Element:
    parser = DefusedXMLParser(target=tree, forbid_dtd=True)
    try:
        parser.feed(xml.removeprefix("\ufeff").strip())
        root: Element = parser.close()
    except ParseError as error:
        raise UnreadableLabelConfig(f"the label config is not well-formed XML: {error.msg}; correct it there") from None
    except DefusedXmlException as error:
        raise UnreadableLabelConfig(
            f"the label config declares a DTD or entities ({type(error).__name__}), which labelloop does not read; "
            "remove the <!DOCTYPE ...> part"
        ) from None
    except (ValueError, LookupError) as error:
        raise UnreadableLabelConfig(
            f"the label config is not text that XML can hold ({error}); save it as UTF-8 without unusual characters"
        ) from None
    return root
