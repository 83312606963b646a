"""Exports hold no more in memory, however many rows there are."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.export import CONFIG, run, write_tasks

LONG_ROWS, SHORT_ROWS, FEW_ROWS = 1_000_000, 15_000, 1_500
MOST_MIB = 500


def peak(folder: Path, rows: int, format_name: str) -> tuple[Mapping[str, Any], int]:
    """Figures of an export in a process of its own, and how many lines it wrote."""
    source, config, out = folder / f"{rows}.json", folder / "config.xml", folder / f"out-{rows}"
    config.write_text(CONFIG, encoding="utf-8")
    write_tasks(source, rows)
    kept = folder / f"kept-{rows}.jsonl"
    command = ["export", "--studio-export", str(source), "--config", str(config), "--control", "topic"]
    process = [sys.executable, "-m", "ml_backend", *command, "--format", format_name, "--out", str(kept)]
    figures = run(("labelloop", format_name), rows, process, out)
    source.unlink()
    with kept.open("rb") as lines:
        return figures, sum(1 for line in lines if json.loads(line))


@pytest.mark.parametrize("format_name", ["openai-chat", pytest.param("rows", marks=pytest.mark.long)])
def test_memory_does_not_grow_with_the_rows_and_every_row_is_there(
    tmp_path: Path, format_name: str, is_long: bool
) -> None:
    rows = LONG_ROWS if is_long else SHORT_ROWS
    few, few_lines = peak(tmp_path, FEW_ROWS, format_name)
    many, many_lines = peak(tmp_path, rows, format_name)

    assert (few_lines, many_lines) == (FEW_ROWS, rows)
    assert many["peak_mib"] < MOST_MIB
    assert many["peak_mib"] < few["peak_mib"] + 25
