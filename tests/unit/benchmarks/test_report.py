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


@pytest.mark.parametrize("name", SECTIONS)
def test_every_result_gives_a_table_and_a_plot(name: str, tmp_path: Path) -> None:
    write_result(tmp_path / "results", name)
    render(tmp_path / "results", tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    section = text.partition(f"## {SECTIONS[name].title}\n")[2].partition("\n## ")[0]
    assert re.search(r"^\|( --- \|)+$", section, re.MULTILINE)
    image = f"images/bench-{name.replace('_', '-')}.svg"
    assert f"]({image})" in section
    assert "Not measured" not in section
    drawn = ElementTree.parse(tmp_path / image).getroot()
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert any(element.tag.endswith("}text") for element in drawn.iter())


def test_figures_reach_the_tables(tmp_path: Path) -> None:
    for name in FIGURES:
        write_result(tmp_path / "results", name)
    render(tmp_path / "results", tmp_path / "page.md")
    lines = (tmp_path / "page.md").read_text(encoding="utf-8").splitlines()
    assert "| `openvino` | 12.5 (11.0 to 13.0) | 4.00 |" in lines
    # 1,000 texts of 320 MFLOP per second are 320 GFLOP/s of the 400 and 800 that were measured.
    assert "| `openvino` | 320 (80% / 40%) | 460 (115% / 58%) |" in lines
    assert "| 8 short | 900 | 75.0 | **12.0 (11.0 to 12.5)** |" in lines
    assert "| with promotions | 5,000 | **3** | 12.0 | 12.0 | 12.0 | 12.0 | 12.0 |" in lines
    assert "| `openvino` | 87.09% | +0.09 | 99.80% |" in lines
    assert "Failed requests: 0 of labelloop, 2 of the peer." in lines
    assert (
        "| `labelloop export --format rows` | 1,000 | 1.00 | 1.00 | 73 | 1,000 | 500 per second | **2.00** |" in lines
    )
    assert "| Abacus 9 | 2 | 8 GiB | avx2 | Linux 6.1, x86_64 | 400 fp32, 800 bf16 |" in lines
    assert "| `hot_swap` | 2026-11-21 | `0123456789` | 1.5 | 0.1, 0.2, 0.3 | torch 2.13.0 |" in lines


def test_absent_results_are_said_to_be_absent_and_leave_no_plot(tmp_path: Path) -> None:
    page, plot = tmp_path / "page.md", tmp_path / "images" / "bench-accuracy.svg"
    write_result(tmp_path / "results", "accuracy")
    render(tmp_path / "results", page)
    assert plot.exists()
    (tmp_path / "results" / "accuracy.json").unlink()
    render(tmp_path / "results", page)
    text = page.read_text(encoding="utf-8")
    assert text.count("Not measured yet") == len(SECTIONS)
    assert "Not measured yet: `scripts/bench accuracy`." in text
    assert "![" not in text
    assert not plot.exists()


def test_quick_results_are_marked(tmp_path: Path) -> None:
    write_result(tmp_path / "results", "accuracy", is_quick=True)
    write_result(tmp_path / "results", "hot_swap")
    render(tmp_path / "results", tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text(encoding="utf-8").count("From a quick run") == 1


def test_rendering_again_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in FIGURES:
        write_result(tmp_path / "results", name)
    for copy in ("a", "b"):
        render(tmp_path / "results", tmp_path / copy / "page.md")
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) == 1 + len(FIGURES)
    assert [(tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files] == [
        True
    ] * len(files)


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
