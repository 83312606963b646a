"""`<HyperText>`: HTML, read as the text that is left without tags.

Label Studio counts `globalOffsets`: code points of all text nodes in the body of the HTML document, entities decoded,
no white space collapsed, a line end one and `<br>` one. Where a block such as a paragraph or a cell ends, browsers
show a gap that is no character there. The text that is read has a paragraph separator (U+2029) in its place, which does
not count.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from ...domain.object_tag import ObjectTag
from .base import ObjectKind

__all__: list[str] = []

GAP = "\u2029"
LINE = "\u2028"
TOO_DEEP = "ERR_RESOURCE_LIMIT"
"""The message with which libxml2 stops reading, at 2,048 tags inside one another."""
ASCII_SPACE = " \t\n\r\f"
UNSEEN = frozenset({"script", "iframe", "template", "noembed", "noframes"})
"""Tags that the editor removes with their text before it counts."""
AFTER_LINE_END = frozenset({"pre", "listing", "textarea"})
"""Tags after which HTML leaves out a line end."""
BLOCKS = frozenset(
    {
        *("address", "article", "aside", "blockquote", "caption", "dd", "details", "dialog", "div", "dl", "dt"),
        *("fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr"),
        *("legend", "li", "main", "nav", "ol", "option", "p", "pre", "section", "style", "summary", "table", "tbody"),
        *("td", "textarea", "tfoot", "th", "thead", "title", "tr", "ul"),
    }
)


class HyperTextObject(ObjectKind):
    """HTML, from which no tag is read. There is no text where thousands of tags lie inside one another."""

    tag = "HyperText"
    marking = "HyperTextLabels"

    def text(self, shown: ObjectTag, data: Mapping[str, Any]) -> str:
        return "".join(_with_gaps(shown.text(data)))

    def data(self, shown: ObjectTag, text: str) -> dict[str, Any]:
        return shown.data("".join(f"<div>{_written(block)}</div>" for block in text.split(GAP)))

    def marked(self, value: Mapping[str, Any], text: str) -> dict[str, Any] | None:
        """Return the place by `globalOffsets`, or by whole numbers where there are none.

        A place that only an XPath tells is looked for by its words, so it starts and ends at -1.
        """
        offsets = value.get("globalOffsets")
        place = offsets if isinstance(offsets, Mapping) else value
        start, end = place.get("start"), place.get("end")
        if type(start) is not int or type(end) is not int:
            return {"start": -1, "end": -1, "text": value["text"]} if isinstance(value.get("text"), str) else None
        own = [position for position, letter in enumerate(text) if letter != GAP]
        if not 0 <= start < end <= len(own):
            start = end = -1
        else:
            start, end = own[start], own[end - 1] + 1
        return {"start": start, "end": end, "text": value.get("text")}

    def place(self, start: int, end: int, text: str) -> dict[str, Any] | None:
        piece = text[start:end].replace(GAP, "")
        before = start - text.count(GAP, 0, start)
        offsets = {"start": before, "end": before + len(piece)}
        # The editor fills in the XPath where it is empty; without `start` and `end` it shows nothing.
        path = {"start": "", "end": "", "startOffset": 0, "endOffset": 0}
        return {**path, "globalOffsets": offsets, "text": piece} if piece else None


def _written(block: str) -> str:
    return escape(block, quote=False).replace("\r", "&#13;")


def _with_gaps(html: str) -> Iterator[str]:
    """Yield the text of each text node, and a gap where blocks meet without white space."""
    last, is_apart = " ", False
    for piece in _text_nodes(html):
        if piece is None:
            is_apart = True
        elif piece:
            if is_apart and not last.isspace() and not piece[0].isspace():
                yield GAP
            yield piece
            last, is_apart = piece[-1], False


def _text_nodes(html: str) -> Iterator[str | None]:
    """Yield what the editor counts of the body, in order, and None where a block starts or ends."""
    from lxml import etree

    # Bytes, since libxml2 would heed a <meta charset> that does not hold for text; huge, or it stops at a depth of 256.
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    document = "<!DOCTYPE html>" + html.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")
    root = etree.fromstring(document.encode(errors="replace"), parser)
    if root is None or any(entry.type_name == TOO_DEEP for entry in parser.error_log):
        return
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        name = element.tag
        is_around = name == "html" or element.getparent() is root
        if event == "start":
            if name == "head" or name in UNSEEN:
                walk.skip_subtree()
                continue
            if name in BLOCKS:
                yield None
            if name == "br":
                yield "\n"
            text = (element.text or "").replace(GAP, LINE)
            yield text[1:] if name in AFTER_LINE_END and text.startswith("\n") else text if name != "html" else ""
        else:
            if name in BLOCKS:
                yield None
            tail = (element.tail or "").replace(GAP, LINE)
            yield "" if is_around and not tail.strip(ASCII_SPACE) else tail
