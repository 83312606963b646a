"""Parse a label config's XML into a tree of limited size, with uniform case in the names of tags and attributes."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ..errors import UnreadableLabelConfig

__all__ = ["IMPORTED", "LABEL_TAGS", "MAX_DEPTH", "MAX_XML_BYTES", "config_tree", "is_control", "with_parents"]

MAX_XML_BYTES = 1 << 20
"""The largest label config. A thousand labels need about 60 KB; more than this is a mistake or an attack."""
MAX_DEPTH = 100
"""The greatest depth of nested tags. Label Studio's own templates stay under ten."""

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
OTHER_TAGS = frozenset({"HyperText", "Paragraphs", "Repeater", "Text", "View"})
IMPORTED = {name.lower(): name for name in ("alias", "name", "toName", "value")}
"""Attributes that Label Studio reads when predictions are imported, where their case matters, unlike in its editor."""
SPELLINGS = {tag.lower(): tag for tag in LABEL_TAGS | CONTROL_TAGS | OTHER_TAGS}


def config_tree(xml: str) -> tuple[Element, tuple[str, ...]]:
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


def with_parents(root: Element) -> Iterator[tuple[Element, tuple[Element, ...]]]:
    """Yield every tag in document order, with the tags around it, the outermost first."""
    waiting: list[tuple[Element, tuple[Element, ...]]] = [(root, ())]
    while waiting:
        element, parents = waiting.pop()
        yield element, parents
        inside = (*parents, element)
        waiting += [(child, inside) for child in reversed(element)]


def is_control(element: Element) -> bool:
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
