import pytest

from ml_backend.domain.example import Span, Target
from ml_backend.domain.readable import readable, readable_suggestion

TEXT = "Ada met  Grace\nHopper in New York \U0001f600 \ud83d today"
ADA, GRACE, YORK = Span(0, 3, "person"), Span(9, 21, "person"), Span(29, 33, "place")


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (None, ""),
        ("a", "a"),
        (("a", "b"), "a, b"),
        ((), "(nothing)"),
        ((ADA,), "“Ada” person"),
        ((ADA, GRACE), "“Ada” person, “Grace Hopper” person"),
        ((Span(34, 37, "sign"),), "“\U0001f600 \ufffd” sign"),
        ((Span(900, 901, "lost"),), "lost 900-901"),
    ],
)
def test_an_answer_reads_as_one_cell(target: Target | None, shown: str) -> None:
    assert readable(target, TEXT) == shown


def test_spans_of_an_unknown_text_are_told_by_their_places() -> None:
    assert readable((ADA,)) == "person 0-3"


def test_long_pieces_and_long_lists_are_cut() -> None:
    assert readable((Span(0, 100, "all"),), "word " * 20) == f"“{'word ' * 7}word…” all"
    assert readable(tuple(Span(n, n + 1, "x") for n in range(25)), "y" * 25).endswith("“y” x, and 5 more")


@pytest.mark.parametrize(
    ("given", "suggested", "shown"),
    [
        ("a", "b", "b"),
        ("a", None, ""),
        (("a",), (), "(nothing)"),
        ((ADA,), None, ""),
        ((), (ADA,), "also “Ada” person"),
        ((ADA,), (), "not “Ada” person"),
        ((ADA,), (Span(0, 3, "place"),), "“Ada” person → place"),
        ((YORK,), (Span(25, 33, "place"),), "“York” place → “New York” place"),
        ((ADA, YORK), (GRACE, YORK), "not “Ada” person, also “Grace Hopper” person"),
    ],
)
def test_a_suggestion_tells_what_would_change(given: Target, suggested: Target | None, shown: str) -> None:
    assert readable_suggestion(given, suggested, TEXT) == shown
