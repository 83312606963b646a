"""Results become a page with a table and a plot each."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.report.markdown import number, spread_text, table
from benchmarks.report.page import render
from benchmarks.report.sections import SECTIONS
from benchmarks.run import PAGE, RESULTS
from tests.unit.benchmarks.results import FIGURES, spread, write_result


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a result of every benchmark."""
    folder = tmp_path_factory.mktemp("page")
    for name in FIGURES:
        write_result(folder / "results", name)
    render(folder / "results", folder / "page.md")
    return folder / "page.md"


@pytest.mark.parametrize("name", SECTIONS)
def test_every_result_gives_a_table_and_a_plot(name: str, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    section = text.partition(f"## {SECTIONS[name].title}\n")[2].partition("\n## ")[0]
    assert re.search(r"^\|( --- \|)+$", section, re.MULTILINE)
    image = f"images/bench-{name.replace('_', '-')}.svg"
    assert f"]({image})" in section
    assert "Not measured" not in section
    drawn = ElementTree.parse(page.parent / image).getroot()
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert any(element.tag.endswith("}text") for element in drawn.iter())


def test_figures_reach_the_tables(page: Path) -> None:
    wanted = (
        "| `openvino` | 12.5 (11.0 to 13.0) | 4.00 |",
        # 1,000 texts of 320 MFLOP per second are 320 GFLOP/s of the 400 and 800 that were measured.
        "| `openvino` | 320 (80% / 40%) | 460 (115% / 58%) |",
        "| 8 short | 900 | 75.0 | **12.0 (11.0 to 12.5)** |",
        "| with promotions | 5,000 | **3** | 12.0 | 12.0 | 12.0 | 12.0 | 12.0 |",
        "| `openvino` | 87.09% | +0.09 | 99.80% |",
        "Failed requests: 0 of labelloop, 2 of the peer.",
        "| `labelloop export --format rows` | 1,000 | 1.00 | 1.00 | 73 | 1,000 | 500 per second | **2.00** |",
        "| Abacus 9 | 2 | 8 GiB | avx2 | Linux 6.1, x86_64 | 400 fp32, 800 bf16 |",
        "| `hot_swap` | 2026-11-21 | `0123456789` | 1.5 | 0.1, 0.2, 0.3 | torch 2.13.0 |",
    )
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in wanted if line not in lines] == []


def test_absent_results_are_said_to_be_absent_and_leave_no_plot(tmp_path: Path) -> None:
    plot = tmp_path / "images" / "bench-accuracy.svg"
    plot.parent.mkdir()
    plot.touch()
    render(tmp_path / "results", tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert text.count("Not measured yet") == len(SECTIONS)
    assert "Not measured yet: `scripts/bench accuracy`." in text
    assert "![" not in text
    assert not plot.exists()


def test_quick_results_are_marked(tmp_path: Path) -> None:
    write_result(tmp_path / "results", "accuracy", is_quick=True)
    write_result(tmp_path / "results", "hot_swap")
    render(tmp_path / "results", tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text(encoding="utf-8").count("From a quick run") == 1


def test_rendering_again_gives_the_same_bytes(page: Path, tmp_path: Path) -> None:
    render(page.parent / "results", tmp_path / "page.md")
    first, again = (
        {path.relative_to(folder): path.read_bytes() for path in (folder / "page.md", *folder.glob("images/*"))}
        for folder in (page.parent, tmp_path)
    )
    assert len(first) == 1 + len(FIGURES)
    assert [path for path in first if first[path] != again[path]] == []


def test_the_published_page_is_that_of_the_published_results(tmp_path: Path) -> None:
    render(RESULTS, tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8"), (
        "scripts/bench --render makes it anew"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.0123, "0.012"), (0.456, "0.46"), (4.5149, "4.51"), (45.149, "45.1"), (1234.5, "1,234")],
)
def test_numbers_have_about_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_spread_without_width_is_one_number() -> None:
    assert spread_text(spread(4.5)) == "4.50"
    assert spread_text(spread(4.5, 4.0, 5.25)) == "4.50 (4.00 to 5.25)"


def test_a_table_without_rows_says_so() -> None:
    assert table(["a", "b"], []) == "No figures."
