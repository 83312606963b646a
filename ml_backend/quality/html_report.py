"""Show an audit as one HTML page that needs nothing else: styles and charts are in it, and no script."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..domain.field_texts import readable_text
from ..domain.label_config import Control
from ..domain.quality import Audit, Issue, IssueKind
from ..domain.readable import shortened
from ..errors import ConfigurationError
from .charts import AuditCharts
from .precision import KindPrecision
from .report import NOT_FOR_FILES, AnswerWording

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["html_report"]

TEMPLATE = Path(__file__).with_name("report.html")
TEXT_CHARACTERS = 280
SHOWN_SUSPECTS = 100
SHOWN_OTHERS = 25
SHOWN_PAIRS = 20

TITLES = {
    IssueKind.LABEL_ERROR: "Likely label errors",
    IssueKind.CONFLICTING_LABELS: "Conflicting labels",
    IssueKind.NEAR_DUPLICATE: "Near duplicates",
    IssueKind.OUTLIER: "Outliers",
    IssueKind.EMPTY: "Empty texts",
    IssueKind.AMBIGUOUS: "Ambiguous texts",
}
MEANINGS = {
    IssueKind.LABEL_ERROR: "A model that was not trained on the text answers otherwise; the label's quality is low.",
    IssueKind.CONFLICTING_LABELS: "The same text, or nearly the same, has another label elsewhere.",
    IssueKind.NEAR_DUPLICATE: "The text says what another one says; it teaches the model nothing new.",
    IssueKind.OUTLIER: "The text is unlike all others; it may not belong to this project.",
    IssueKind.EMPTY: "There is nothing to read.",
    IssueKind.AMBIGUOUS: "Annotators disagree, and no answer is likelier than all others together.",
}


def html_report(
    audit: Audit,
    texts: Mapping[int, str],
    controls: Sequence[Control] = (),
    *,
    title: str,
    project_url: str | None = None,
    precision: Sequence[KindPrecision] = (),
) -> str:
    """Return the page. Whatever comes from tasks, labels and annotators is escaped.

    Args:
        texts: by task id; cut for the page, empty where one is missing.
        controls: the label config's, which know what in a text they are about.
        title: of the project, in the heading.
        project_url: `<Label Studio>/projects/<id>`, for links to the tasks; None: there are none.
        precision: of past flags; empty where nothing was pushed yet.

    Raises:
        ConfigurationError: the URL is not of http or https.
    """
    if project_url is not None and not project_url.startswith(("http://", "https://")):
        raise ConfigurationError(f"project URL {project_url!r} found; wanted one that starts with http:// or https://")
    by_kind = {kind: [issue for issue in audit.issues if issue.kind is kind] for kind in IssueKind}
    suspects = IssueKind.LABEL_ERROR
    wording = AnswerWording(audit, texts, controls)
    classes = [replace(one, label=wording.named(one.control, one.label)) for one in audit.classes]
    pairs = [
        replace(one, given=wording.named(one.control, one.given), suggested=wording.named(one.control, one.suggested))
        for one in audit.pairs
    ]
    charts = AuditCharts(replace(audit, classes=tuple(classes), pairs=tuple(pairs)))
    page = _template().render(
        audit=audit,
        title=title,
        text=lambda task_id: shortened(readable_text(texts.get(task_id, "")), TEXT_CHARACTERS),
        link=lambda task_id: None if project_url is None else f"{project_url.rstrip('/')}/data?task={task_id}",
        given=wording.given,
        suggested=wording.suggested,
        answers=wording.answers,
        consensus=wording.consensus,
        titles=TITLES,
        labeled=len(audit.quality),
        # A list of held-out suspects alone would have the test set cleaned by the model's opinion.
        suspects=_section(
            [issue for issue in by_kind[suspects] if not issue.split.is_held_out], suspects, SHOWN_SUSPECTS
        ),
        suspect_count=len(by_kind[suspects]),
        others=[
            _section(by_kind[kind], kind, SHOWN_OTHERS) for kind in by_kind if by_kind[kind] and kind is not suspects
        ],
        classes=sorted(classes, key=lambda one: (-(one.suspects + one.missed), one.label)),
        pairs=pairs[:SHOWN_PAIRS],
        disagreements=audit.disagreements[:SHOWN_OTHERS],
        precision=precision,
        charts={
            "quality": charts.quality() if audit.quality else "",
            "noise": charts.noise() if any(one.suspects for one in classes) else "",
            "pairs": charts.pairs() if any(pair.rows for pair in pairs) else "",
        },
    )
    return NOT_FOR_FILES.sub("\ufffd", page)


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda share: "" if share is None else f"{share:.1%}"
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["quality"] = lambda value: "" if value is None else f"{value:.3f}"
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _section(issues: Sequence[Issue], kind: IssueKind, most: int) -> Mapping[str, object]:
    """Return what the template shows of the issues of one kind."""
    shown = issues[:most]
    has_others = any(issue.other_task_id is not None for issue in shown)
    meaning = MEANINGS[kind]
    return {"title": TITLES[kind], "meaning": meaning, "shown": shown, "count": len(issues), "has_others": has_others}
