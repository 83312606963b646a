"""Label configs: from Label Studio's XML to a LabelConfig."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ..domain.label_config import Control, Label, LabelConfig, ObjectTag
from ..errors import UnreadableLabelConfig

__all__ = ["MAX_DEPTH", "MAX_XML_BYTES", "parse_label_config"]

MAX_XML_BYTES = 1 << 20
"""Configs with a thousand labels need about 60 KB; more than this is a mistake or an attack."""
MAX_DEPTH = 100
"""Tags inside one another. Label Studio's own templates stay under ten."""

LABEL_TAGS = frozenset({"Choice", "Label"})


def parse_label_config(xml: str) -> LabelConfig:
    """The controls and objects of a label config.

    Controls are tags with `toName`, wherever they stand; where `toName` names several objects (`a,b`), the first
    one counts. A control's labels are its `<Choice>` and `<Label>` descendants; a nested choice is listed right
    after its parent. Labels that come from each task's data (`value="$options"`) are unknown here: such a control
    has no labels at all.

    Raises:
        UnreadableLabelConfig: not well-formed XML, not a `<View>`, entities or a DTD, a `toName` without its
            object, or a name or label given twice.
    """
    root = _tree(xml)
    if root.tag != "View":
        raise UnreadableLabelConfig(
            f"the label config's outermost tag is <{root.tag}>; Label Studio wants <View>: put everything inside one"
        )
    elements = list(root.iter())
    objects = _objects(elements)
    conditional = {id(inner) for outer in elements if outer.get("visibleWhen") for inner in outer.iter()}
    controls = tuple(
        _control(element, objects, is_conditional=id(element) in conditional)
        for element in elements
        if element.get("toName") is not None
    )
    _check_names(controls, objects)
    return LabelConfig(xml, controls)


class _BoundedTreeBuilder(TreeBuilder):
    """A tree of bounded depth, so that nothing that walks it meets a recursion limit."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableLabelConfig(
                f"the label config has more than {MAX_DEPTH} tags inside one another, at <{tag}>; flatten it"
            )
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def _tree(xml: str) -> Element:
    size = len(xml.encode(errors="surrogatepass"))
    if size > MAX_XML_BYTES:
        raise UnreadableLabelConfig(
            f"the label config has {size} bytes; at most {MAX_XML_BYTES} are read: "
            'move long label lists into task data (<Choices value="$options">)'
        )
    if not xml.strip():
        raise UnreadableLabelConfig("the label config is empty; save one in Label Studio under Settings > Labeling")
    parser = DefusedXMLParser(target=_BoundedTreeBuilder(), forbid_dtd=True)
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


def _objects(elements: list[Element]) -> dict[str, ObjectTag]:
    objects: dict[str, ObjectTag] = {}
    for element in elements:
        name, value = element.get("name"), element.get("value", element.get("valueList"))
        if not name or value is None or element.get("toName") is not None or element.tag in LABEL_TAGS:
            continue
        if name in objects:
            raise _duplicate_name(name, objects[name].tag, element.tag)
        objects[name] = ObjectTag(name, element.tag, _field(value.strip()))
    return objects


def _field(value: str) -> str | None:
    return value[1:] or None if value.startswith("$") else None


def _control(element: Element, objects: dict[str, ObjectTag], *, is_conditional: bool) -> Control:
    name = element.get("name")
    if not name:
        raise UnreadableLabelConfig(
            f'<{element.tag} toName={element.get("toName")!r}> has no name; give it one, such as name="label"'
        )
    target = (element.get("toName") or "").split(",")[0].strip()
    if target not in objects:
        known = ", ".join(repr(each) for each in objects) or "none"
        raise UnreadableLabelConfig(
            f"<{element.tag} name={name!r}> has toName={target!r}, but no object tag has that name "
            f'(objects found: {known}); an object tag looks like <Text name={target or "text"!r} value="$text"/>'
        )
    return Control(
        name,
        element.tag,
        objects[target],
        _labels(element),
        dict(element.attrib),
        is_nested=any(branch for branch, _ in _label_elements(element, ())),
        is_conditional=is_conditional,
    )


def _labels(control: Element) -> tuple[Label, ...]:
    if (control.get("value") or "").strip().startswith("$"):
        return ()
    labels: dict[str, Label] = {}
    seen: set[tuple[str, ...]] = set()
    for branch, element in _label_elements(control, ()):
        label = _label(control, element)
        if (*branch, label.value) in seen:
            raise UnreadableLabelConfig(
                f"<{control.tag} name={control.get('name')!r}> has the label {label.value!r} twice "
                "(the alias counts where there is one); rename or remove one"
            )
        seen.add((*branch, label.value))
        labels.setdefault(label.value, label)
    return tuple(labels.values())


def _label_elements(parent: Element, branch: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Element]]:
    """Label tags below a tag in document order, each with the values of the choices that it is nested in.

    Branches of a taxonomy may repeat a value, hence the branch. Labels of a control inside are left out.
    """
    for child in parent:
        if child.get("toName") is not None:
            continue
        if child.tag not in LABEL_TAGS:
            yield from _label_elements(child, branch)
            continue
        yield branch, child
        yield from _label_elements(child, (*branch, child.get("alias") or child.get("value") or ""))


def _label(control: Element, element: Element) -> Label:
    shown = element.get("value")
    value = element.get("alias") or shown
    if not value:
        raise UnreadableLabelConfig(
            f"<{control.tag} name={control.get('name')!r}> holds a <{element.tag}> without a value; "
            f'write <{element.tag} value="..."/>'
        )
    return Label(value, shown or value, element.get("hint") or None)


def _check_names(controls: tuple[Control, ...], objects: dict[str, ObjectTag]) -> None:
    tags = {name: each.tag for name, each in objects.items()}
    for control in controls:
        if control.name in tags:
            raise _duplicate_name(control.name, tags[control.name], control.tag)
        tags[control.name] = control.tag


def _duplicate_name(name: str, first: str, second: str) -> UnreadableLabelConfig:
    return UnreadableLabelConfig(
        f"the label config uses the name {name!r} twice, for <{first}> and for <{second}>; names must be unique"
    )
