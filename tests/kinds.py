"""Texts whose right answers are known, for templates of every kind: put together from pieces by a seed."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_backend.domain.example import Span, Target, parts_of

__all__ = ["KINDS", "Example", "KindMaterial", "result_of"]

ASPECTS = {
    "Price": (
        "far too expensive for what it is",
        "it was a bargain",
        "the subscription fee went up again",
        "worth every cent",
    ),
    "Quality": (
        "the hinge broke after a week",
        "the stitching came apart",
        "solid metal, very well made",
        "paint peels off",
    ),
    "Ease of Use": (
        "the manual makes no sense",
        "set up in two minutes",
        "cleaning it is a nightmare",
        "buttons are confusing",
    ),
    "Performance": ("the battery lasts all day", "it is slow and loud", "weak suction", "boots within seconds"),
    "Looks": (
        "the colour is nothing like the pictures",
        "a beautiful shape",
        "it looks cheap on my desk",
        "elegant design",
    ),
    "Delivery": (
        "the courier left it in the rain",
        "arrived a day early",
        "the box was crushed",
        "two screws were missing",
    ),
    "Support": (
        "nobody answers the hotline",
        "they replaced it without a fuss",
        "warranty claim refused",
        "friendly service team",
    ),
    "Safety": (
        "it got so hot that I burned my hand",
        "sharp edges cut my finger",
        "smoke came out of it",
        "my toddler could swallow a part",
    ),
}
FILLERS = (
    "Bought it in spring.",
    "For my sister.",
    "Third one I own.",
    "We use it every day.",
    "Just saying.",
    "Five people here.",
)
NAMES = {
    "Person": (
        "Maria Lopez",
        "Jürgen Groß",
        "Aisha Khan",
        "Tom Baker",
        "Ngozi Ade",
        "Olga Petrova",
        "Zoë Ek",
        "Kenji Sato",
    ),
    "Organization": ("Acme GmbH", "Northwind Ltd", "Globex Corporation", "Umbrella AG", "Initech Inc", "Stark & Sons"),
    "Place": ("Paris", "Berlin", "São Paulo", "12 Hill Street", "Kyoto", "Lake Como", "Nairobi", "Oslo"),
    "Date": ("3 May 2024", "next Friday", "January 2023", "12/08/2025", "the end of June", "Monday"),
    "Amount": ("$1,200", "€40", "15%", "300 dollars", "£9.99", "2.5 million euros"),
    "Reference": ("INV-2201", "contract 77-B", "case #4410", "order 993812", "clause 4.2", "PO-1188"),
}
LETTERS = (
    "{Person} of {Organization} signed {Reference} on {Date}.",
    "Please wire {Amount} to {Organization} before {Date}.",
    "{Person} moved to {Place} and owes {Amount}.",
    "According to {Reference}, {Organization} has its seat in {Place}.",
    "We met {Person} and {Person} in {Place}.",
    "Nothing to report so far.",
    "Thanks, that is all we need.",
    "{Reference} was paid: {Amount} in full.",
)
DETAILS = {
    "Product": ("HomeHub Mini", "AirPress 300", "VoltBike S", "Lumo lamp", "the X200 router", "GlowPad"),
    "Order Number": ("A-10077", "#55521", "ORD-9001", "4471-22", "B-33018"),
    "Date": ("3 May", "last Friday", "12 August 2024", "yesterday", "Monday morning"),
    "Amount": ("$19.99", "€250", "40 pounds", "£7.50", "120 dollars"),
}
URGENCIES = {
    "Today": (
        "My account was emptied, please block it at once!",
        "There is smoke, this is dangerous!",
        "I am locked out and lose sales by the minute!",
    ),
    "This Week": (
        "It does not work properly.",
        "The bill is wrong, please correct it.",
        "A part is broken and I need another one.",
    ),
    "Whenever": ("Just wanted to say thank you.", "Does it come in blue?", "I have an idea for a new colour."),
}
MESSAGES = (
    "I bought {Product} on {Date}.",
    "My {Product} from order {Order Number} cost {Amount}.",
    "It is about {Order Number}.",
    "You charged {Amount} on {Date}.",
)
# What tells code points from bytes and from UTF-16: astral characters, joined emoji, combining marks, CR LF.
OPENINGS = ("", "", "", "🚀 ", "👩‍👩‍👧‍👦 Hello, ", "Cafe\u0301 note: ", "𝒜lso:\r\n", "Hi\t")


@dataclass(frozen=True)
class Example:
    """A text and the right answer per control."""

    text: str
    targets: Mapping[str, Target]


@dataclass(frozen=True)
class KindMaterial:
    """A template and texts for it.

    Attributes:
        template: name of the file in `label_config/`.
        make: a new example.
    """

    template: str
    make: Callable[[random.Random], Example]

    def examples(self, count: int, *, seed: int) -> list[Example]:
        """Examples whose texts differ."""
        draw = random.Random(seed)
        found: dict[str, Example] = {}
        while len(found) < count:
            example = self.make(draw)
            found.setdefault(example.text, example)
        return list(found.values())


def result_of(example: Example) -> list[dict[str, Any]]:
    """The regions that an annotator would submit, as the editor stores them."""
    return [region for control, target in example.targets.items() for region in _regions(example.text, control, target)]


def _regions(text: str, control: str, target: Target) -> list[dict[str, Any]]:
    named = {"from_name": control, "to_name": "text"}
    parts = parts_of(target)
    ticked = [part for part in parts if isinstance(part, str)]
    regions: list[dict[str, Any]] = [{**named, "type": "choices", "value": {"choices": ticked}}] if ticked else []
    for span in (part for part in parts if isinstance(part, Span)):
        place = {"start": span.start, "end": span.end, "text": text[span.start : span.end]}
        named["id"] = f"{control}-{span.start}-{span.end}"
        regions.append({**named, "type": "labels", "value": {**place, "labels": [span.label]}})
    return regions


def _review(draw: random.Random) -> Example:
    aspects = draw.sample(sorted(ASPECTS), draw.choice((0, 1, 1, 2, 2, 3)))
    pieces = [draw.choice(ASPECTS[aspect]).capitalize() + "." for aspect in aspects]
    pieces += draw.sample(FILLERS, draw.choice((0, 1, 2)) if pieces else 2)
    draw.shuffle(pieces)
    return Example(" ".join(pieces), {"aspects": tuple(sorted(aspects))})


def _letter(draw: random.Random) -> Example:
    text, spans = _filled(draw, draw.sample(LETTERS, draw.choice((1, 2, 3))), NAMES)
    return Example(text, {"entities": spans})


def _message(draw: random.Random) -> Example:
    urgency = draw.choice(sorted(URGENCIES))
    sentences = [draw.choice(MESSAGES), draw.choice(URGENCIES[urgency])]
    text, spans = _filled(draw, sentences, DETAILS)
    return Example(text, {"details": spans, "urgency": urgency})


def _filled(
    draw: random.Random, sentences: Sequence[str], names: Mapping[str, Sequence[str]]
) -> tuple[str, tuple[Span, ...]]:
    """The sentences with names in their slots, and where these stand."""
    text = draw.choice(OPENINGS)
    spans: list[Span] = []
    for sentence in sentences:
        text += " " if text and not text[-1].isspace() else ""
        for position, piece in enumerate(sentence.replace("}", "{").split("{")):
            start = len(text)
            text += draw.choice(names[piece]) if position % 2 else piece
            if position % 2:
                spans.append(Span(start, len(text), piece))
    return text, tuple(spans)


KINDS = {
    name: KindMaterial(name, make)
    for name, make in (("multiple_choice", _review), ("entities", _letter), ("choices_and_entities", _message))
}
