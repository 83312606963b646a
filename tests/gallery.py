"""The text templates of the installed Label Studio, tasks for them, and people's answers to these."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ml_backend.domain.annotation import Region
from ml_backend.domain.example import Bucket, Span, Target
from ml_backend.domain.label_config import LabelConfig
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.domain.offered import options_in
from ml_backend.errors import UnsupportedLabelConfig
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.tasks import ServedControl, ServingPlan, serving_plan

__all__ = ["FOLDER", "GalleryTemplate", "gallery_table", "text_templates"]

SPEC = find_spec("label_studio")
FOLDER = Path(SPEC.origin).parent / "annotation_templates" if SPEC and SPEC.origin else None
COMMUNITY = "community"
TEXTS = frozenset({"Text", "HyperText", "Paragraphs", "Table"})
"""Objects that make a template one about texts."""
OTHERS = frozenset({"Audio", "AudioPlus", "Chat", "Image", "Pdf", "TimeSeries", "Video"})
"""Objects that make it one about something else."""
PICTURES = frozenset({"generative-ai/visual-ranker"})
"""Templates whose items are pictures in HTML."""
WORDS = ("card", "cash", "refund", "transfer", "bank", "money", "top", "late")


@dataclass(frozen=True)
class GalleryTemplate:
    """A template of the gallery.

    Attributes:
        name: its folder, with the folder of its group.
        edition: `community`, or the edition that has it.
    """

    name: str
    edition: str
    config: LabelConfig

    @property
    def plan(self) -> ServingPlan | None:
        """What of it is served; None where nothing is."""
        try:
            return serving_plan(self.config)
        except UnsupportedLabelConfig:
            return None

    @property
    def unserved(self) -> dict[str, str]:
        """Why each control that is not served is not, by name."""
        served: set[str] = set()
        try:
            plan = serving_plan(self.config)
            served, said = {each.name for each in plan.controls}, "; ".join(plan.notices)
        except UnsupportedLabelConfig as error:
            said = str(error)
        return {
            each.name: said.partition(f"<{each.tag} name={each.name!r}> ")[2].partition(";")[0].partition(". Wanted")[0]
            for each in self.config.controls
            if each.name not in served
        }

    def data(self, number: int) -> dict[str, Any]:
        """The data of a task, which differ from number to number."""
        options = (each.options for each in self.config.controls if each.tag == "Choices" and each.options)
        shown = (*self.config.objects, *options)
        return ObjectTag.merged(each.data_holding(_content(each, number)) for each in shown)

    def targets(self, plan: ServingPlan, number: int) -> dict[str, Target]:
        """An answer to every served control about the task of this number."""
        text = plan.text(self.data(number))
        return {each.name: ANSWERS[each.kind.name](each, each.control.text_in(text), number) for each in plan.controls}

    def result(self, plan: ServingPlan, number: int) -> list[Region]:
        """The regions of that answer, without those of questions that it hides."""
        text, targets = plan.text(self.data(number)), self.targets(plan, number)
        regions = [
            region for each in plan.controls for region in each.regions(ScoredTarget(targets[each.name], 0.5, {}), text)
        ]
        hidden = plan.config.hidden(regions)
        return [region for region in regions if region["from_name"] not in hidden]


@cache
def text_templates() -> Mapping[str, GalleryTemplate]:
    """The text templates that the Community edition can show, by name."""
    return {each.name: each for each in _templates() if each.edition == COMMUNITY and _is_about_text(each)}


def gallery_table() -> str:
    """A row a template: what is read, what is answered by models and how, and what stays in Label Studio."""
    lines = [
        "| template | what is read | pre-labelled, trained and audited | drafted and trained | kept in Label Studio |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, template in text_templates().items():
        plan = template.plan
        read = [f"{each.tag} `{each.field}`" for each in plan.texts] if plan else []
        labels = [f"`{each.name}` ({each.kind.name})" for each in plan.labeled] if plan else []
        words = [f"`{each.name}`" for each in plan.controls if not each.kind.has_labels] if plan else []
        left = [f"`{control}`: {why}" for control, why in template.unserved.items()]
        cells = ("; ".join(each).replace("|", "\\|") or "–" for each in (read, labels, words, left))
        lines.append(f"| {name.partition('/')[2]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _templates() -> Iterator[GalleryTemplate]:
    import yaml

    for path in sorted(FOLDER.rglob("config.yml")) if FOLDER else ():
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        name = str(path.parent.relative_to(FOLDER or ""))
        yield GalleryTemplate(name, content.get("type", COMMUNITY), parse_label_config(content["config"]))


def _is_about_text(template: GalleryTemplate) -> bool:
    tags = {each.tag for each in template.config.objects}
    return bool(tags & TEXTS) and not tags & OTHERS and template.name not in PICTURES


def _content(shown: ObjectTag, number: int) -> Any:
    # Texts that resemble each other share a split, so most of their letters are drawn.
    draw = random.Random(f"{shown.name} {number}")
    noise = " ".join("".join(draw.choices("abcdefgh", k=5)) for _ in range(8))
    words = f"my {WORDS[number % len(WORDS)]} is lost 🪁 {shown.name} {noise}"
    if shown.tag == "HyperText":
        return (
            f"<h1>my {WORDS[number % len(WORDS)]}</h1><p>is <b>lost</b> 🪁 &amp; {number}<br>{noise}</p>\r\n<p>Bye</p>"
        )
    if shown.tag == "Paragraphs":
        name, text = shown.attributes.get("namekey", "author"), shown.attributes.get("textkey", "text")
        return [{name: "Mira", text: "Hi 👩‍🚀, please"}, {name: "Bot", text: words}]
    if shown.tag == "List":
        return [{"id": name, "title": name.upper(), "body": f"{name} {words}"} for name in ("b", "a", "c")]
    if shown.tag == "Choices":
        first, *others = ({"value": name, "html": f"<p>{name} {words}</p>"} for name in ("x", "y", "z"))
        return [{**first, "children": [{"value": "x1", "html": f"<b>x1 {words}</b>"}]}, *others]
    if shown.tag == "Table":
        return {"question": words, "rows": [1, 2]}
    return words


def _some_labels(served: ServedControl, _text: str, number: int) -> Target:
    names = served.control.label_values
    return tuple(sorted({names[number % len(names)], names[number // 2 % len(names)]}))


def _one_label(served: ServedControl, _text: str, number: int) -> Target:
    names = served.control.label_values
    return names[number % len(names)]


def _path(served: ServedControl, _text: str, number: int) -> Target:
    """A label with all that it lies inside."""
    labels = served.control.labels
    path = labels[number % len(labels)].path
    inside = [label.value for label in labels if label.path == path[: len(label.path)]]
    return tuple(sorted(inside))


def _stars(served: ServedControl, _text: str, number: int) -> Target:
    return 1 + number % len(served.control.labels)


def _span(served: ServedControl, text: str, number: int) -> Target:
    """A piece behind an emoji, which tells code points from UTF-16."""
    start = text.index("🪁") + 2
    return (Span(start, start + 3, str(_one_label(served, text, number))),)


def _words(_served: ServedControl, _text: str, number: int) -> Target:
    return f"The {WORDS[number % len(WORDS)]} is here."


def _order(served: ServedControl, text: str, number: int) -> Target:
    first, *ids = options_in(text)
    if not served.control.buckets:
        return (*ids[number % 2 :], *ids[: number % 2], first)
    filled = {served.control.buckets[number % 2]: tuple(ids), "_": (first,)}
    return tuple(Bucket(name, filled.get(name, ())) for name in served.control.buckets)


def _some_options(_served: ServedControl, text: str, number: int) -> Target:
    ids = list(options_in(text))
    return tuple(sorted({ids[number % len(ids)], ids[number // 2 % len(ids)]}))


def _one_option(_served: ServedControl, text: str, number: int) -> Target:
    ids = list(options_in(text))
    return ids[number % len(ids)]


ANSWERS: Mapping[str, Callable[[ServedControl, str, int], Target]] = {
    "classification": _one_label,
    "multiple_choice": _some_labels,
    "entities": _span,
    "generation": _words,
    "option": _one_option,
    "options": _some_options,
    "pairwise": _one_label,
    "ranker": _order,
    "rating": _stars,
    "taxonomy": _path,
}
"""How people answer, by kind; a new kind adds its own."""
