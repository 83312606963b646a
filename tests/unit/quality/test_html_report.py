import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from ml_backend.domain.quality import (
    AnnotatorQuality,
    Audit,
    ClassNoise,
    ClassPair,
    ControlQuality,
    Disagreement,
    Issue,
    IssueKind,
)
from ml_backend.domain.snapshot import Split
from ml_backend.errors import ConfigurationError
from ml_backend.quality.charts import AuditCharts
from ml_backend.quality.html_report import html_report
from ml_backend.quality.precision import KindPrecision
from tests.unit.quality.audits import AUDIT

HOSTILE = "<script>alert('x')</script>\"&<img src=x onerror=y>"
EMPTY = Audit("id", 0, 0.0, "nothing", (ControlQuality("topic", {}, None),), (), warnings=("there is nothing",))
TEXTS = {1: "Where is my card?", 6: "Whose turn?"}


class _Page(HTMLParser):
    """What a browser would make of the page: elements with their attributes, and the words between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("b", "div", "li", "p", "td", "th"):
            self.words.append(" ")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def _marks(svg: str) -> list[Element]:
    """The drawn values, without axes and texts."""
    return [element for element in fromstring(svg).iter() if element.find("{*}title") is not None]


def _path_height(path: str | None) -> float:
    (height,) = re.findall(r"v(-?[\d.]+)", path or "")
    return abs(float(height))


def _page(audit: Audit = AUDIT, **options: object) -> _Page:
    return _Page(html_report(audit, TEXTS, title="Tickets", **options))  # type: ignore[arg-type]


def _texts(svg: str) -> list[str]:
    root: Element = fromstring(svg)
    return [element.text or "" for element in root.iter() if element.tag.endswith("}text")]


def _titles(svg: str) -> list[str]:
    return [element.text or "" for element in fromstring(svg).iter() if element.tag.endswith("}title")]


def test_the_page_tells_health_suspects_classes_annotators_and_warnings() -> None:
    text = _page().text
    for told in (
        "Label audit of Tickets",
        "95.0% label health",
        "2 likely label errors among 40 judged labels",
        "mind this",
        "0.025 1 Where is my card? cards loans",
        "cards 30 2 6.7% 0",
        "ann 40 0.875 50.0%",
        "bob 3 – –",
        "0.625 6 Whose turn? cards × 2loans × 1 cards",
        "Outliers",
    ):
        assert told in text.replace("\xa0", " "), told


def test_held_out_suspects_are_counted_and_not_listed_and_other_held_out_texts_get_no_suggestion() -> None:
    text = _page().text
    conflict = Issue(9, "r9", Split.TEST, IssueKind.CONFLICTING_LABELS, 0.125, "cards", None, 4)
    assert "1 of the 2 are held out and not in this list." in text
    assert "0.050 2 cards" not in text
    assert "0.125 9 cards held out 4" in _page(replace(AUDIT, issues=(conflict,))).text


def test_tasks_are_linked_into_label_studio() -> None:
    links = [link["href"] for link in _page(project_url="https://studio.example/projects/3/").named("a")]
    assert links[0] == "https://studio.example/projects/3/data?task=1"
    assert "https://studio.example/projects/3/data?task=4" in links
    assert _page().named("a") == []


def test_a_link_that_would_run_something_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="wanted one that starts with http"):
        html_report(AUDIT, TEXTS, title="Tickets", project_url="javascript:alert(1)//")


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    page = _page(project_url="https://studio.example/projects/3")
    assert {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements} == set()
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert "src" not in attributes
        assert "href" not in attributes or tag == "a"
    assert [meta["content"] for meta in page.named("meta") if meta.get("http-equiv")] == [
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    ]


def test_hostile_texts_stay_texts_wherever_they_come_from() -> None:
    audit = replace(
        AUDIT,
        controls=(ControlQuality(HOSTILE, {1: 0.5}, 0.5), ControlQuality("topic", {}, None)),
        probabilities_from=HOSTILE,
        issues=(Issue(1, "r", Split.TRAIN, IssueKind.LABEL_ERROR, 0.1, HOSTILE, HOSTILE, None, HOSTILE),),
        classes=(ClassNoise(HOSTILE, 3, 1, 1),),
        pairs=(ClassPair(HOSTILE, "loans", 1, 1),),
        annotators=(AnnotatorQuality(HOSTILE, 1, 0.5, 0.5),),
        disagreements=(Disagreement(1, "r", Split.TRAIN, ((HOSTILE, 1),), True, HOSTILE, 0.5),),
        warnings=(HOSTILE,),
    )
    page = html_report(audit, {1: HOSTILE}, title=HOSTILE)
    assert "<script" not in page
    assert "<img" not in page
    assert _Page(page).text.count("<script>alert('x')</script>") >= 12


def test_texts_of_any_direction_and_length_stay_within_their_cell_and_what_no_file_can_hold_is_replaced() -> None:
    texts = {1: "half \ud83d and \x00", 2: "long " * 20_000, 3: "\u202eevil"}
    page = html_report(AUDIT, texts, title="\u05e9\u05dc\u05d5\u05dd")
    parsed = _Page(page)
    assert {cell["dir"] for cell in parsed.named("td") if cell.get("class") == "text"} == {"auto"}
    assert len(page.encode()) < 40_000
    assert "half \ufffd and \ufffd" in page
    assert "<h1>Label audit of <bdi>\u05e9\u05dc\u05d5\u05dd</bdi></h1>" in page


def test_an_audit_of_nothing_says_so() -> None:
    text = _page(EMPTY).text
    assert "there is nothing" in text
    assert "No label could be judged; the notes above say why." in text
    assert "None were found." in text
    assert "<svg" not in html_report(EMPTY, {}, title="Tickets")


def test_the_first_hundred_suspects_are_shown_and_all_are_counted() -> None:
    issues = tuple(Issue(i, f"r{i}", Split.TRAIN, IssueKind.LABEL_ERROR, 0.1, "a", "b") for i in range(150))
    assert "The first 100 of 150; the JSON and CSV files hold all." in _page(replace(AUDIT, issues=issues)).text


def test_measured_precision_is_told_with_its_interval() -> None:
    rows = [
        KindPrecision(IssueKind.LABEL_ERROR, 5, 6, 1, 3, 0, 0.7, 0.348, 0.933),
        KindPrecision(IssueKind.OUTLIER, 0, 0, 1, 24, 0, 0.04, 0.001, 0.204, is_silenced=True),
        KindPrecision(None, 4, 0, 0, 0, 0, None, 0.0, 1.0),
    ]
    text = _page(precision=rows).text
    assert "Likely label errors 5 6 1 3 70.0% 34.8% to 93.3%" in text
    assert "Outliers (below the floor: no longer added) 0 0 1 24 4.0% 0.1% to 20.4%" in text
    assert "Unflagged held-out rows, for comparison 4 0 0 0 – –" in text
    assert "How often flags were right" not in _page().text


def test_the_quality_chart_counts_labels_and_flags() -> None:
    titles = _titles(AuditCharts(AUDIT).quality())
    assert "0.00 to 0.05: 1 labels" in titles
    assert "0.05 to 0.10: 2 labels" in titles
    assert "0.05 to 0.10: 1 flagged" in titles
    assert sum(int(title.split()[-2]) for title in titles if title.endswith("labels")) == 40


@pytest.mark.parametrize("count", [1, 9, 10, 11, 10_000])
def test_the_bar_of_the_most_labels_rises_within_the_frame_and_that_of_one_is_seen(count: int) -> None:
    qualities = dict.fromkeys(range(count), 1.0) | {count: 0.0}
    audit = replace(AUDIT, controls=(ControlQuality("topic", qualities, 1.0),), issues=())
    few, many = (_path_height(mark.get("d")) for mark in _marks(AuditCharts(audit).quality()))
    assert 5 < few <= many <= 200


def test_the_noise_chart_shows_the_noisiest_classes_first_and_no_quiet_ones() -> None:
    classes = ClassNoise("quiet", 9, 0, 0), ClassNoise("some", 9, 1, 0), ClassNoise("<most>", 9, 2, 3)
    svg = AuditCharts(replace(AUDIT, classes=classes)).noise()
    assert _texts(svg) == ["<most>", "some", "2 + 3", "1 + 0"]
    assert _titles(svg)[:2] == ["2 of 9 labels look wrong: <most>", "3 other labels look like this one: <most>"]
    assert "quiet" not in svg


def test_the_pairs_chart_writes_each_count_where_given_and_suggested_meet() -> None:
    pairs = ClassPair("a", "b", 3), ClassPair("b", "a", 1), ClassPair("c", "a", 0, 5)
    svg = AuditCharts(replace(AUDIT, pairs=pairs)).pairs()
    titles = _titles(svg)
    assert "3 labeled a look like b" in titles
    assert "1 labeled b look like a" in titles
    assert not [title for title in titles if "c" in title.split()]
    assert _texts(svg) == ["3", "1", "a", "b", "a", "b"]


def test_charts_say_to_all_what_they_show_and_hold_no_script_and_no_address() -> None:
    charts = AuditCharts(AUDIT)
    for svg in (charts.quality(), charts.noise(), charts.pairs()):
        root = fromstring(svg)
        assert root.get("role") == "img"
        assert root.get("aria-label")
        assert {mark.get("aria-label") for mark in _marks(svg)} == set(_titles(svg))
        assert not [element for element in root.iter() if re.search("(script|image|use|a|style)$", element.tag)]


@pytest.mark.parametrize("name", ["half \ud83d and \x00 \uffff", "x" * 100_000, "عربي\u202e", "a\nb", "", "null"])
def test_any_class_name_is_drawn(name: str) -> None:
    named = replace(AUDIT, classes=(ClassNoise(name, 3, 1, 1),), pairs=(ClassPair(name, "loans", 1),))
    page = html_report(named, {}, title="Tickets")
    charts = re.findall("<svg.*?</svg>", page, re.DOTALL)
    assert len(charts) == 3
    assert "x" * 301 not in "".join(charts)
    page.encode()
