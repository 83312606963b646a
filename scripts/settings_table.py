#!/usr/bin/env python3
"""Rewrites the settings table of README.md from `ml_backend/options.py`."""

import argparse
import sys
from pathlib import Path

__all__ = ["README", "replaced", "settings_table"]

README = Path(__file__).resolve().parent.parent / "README.md"
START, END = "<!-- settings -->", "<!-- /settings -->"


def settings_table() -> str:
    """One row a setting, in the order of the class: name, default, meaning, and where a project may set it itself."""
    from ml_backend.options import PREFIX, all_settings, project_settings

    own, in_studio = project_settings(), project_settings(in_studio=True)
    lines = ["| setting | default | meaning | per project |", "| --- | --- | --- | --- |"]
    for name, field in all_settings().items():
        default = str(field.default)
        per_project = "also in Label Studio" if name in in_studio else "yes" if name in own else ""
        cells = (f"`{PREFIX}{name.upper()}`", f"`{default}`" if default else "", str(field.description), per_project)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def replaced(text: str, table: str) -> str:
    """The text with this table between the two marks.

    Raises:
        ValueError: a mark is missing.
    """
    head, start, rest = text.partition(START)
    _, end, tail = rest.partition(END)
    if not (start and end):
        raise ValueError(f"wanted the marks {START} and {END}, in this order")
    return f"{head}{START}\n{table}\n{END}{tail}"


def main() -> int:
    """Rewrite the table; 0 when README.md is right afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    sys.path.insert(0, str(README.parent))
    text = README.read_text(encoding="utf-8")
    try:
        README.write_text(replaced(text, settings_table()), encoding="utf-8")
    except ValueError as error:
        print(f"{README}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
