#!/usr/bin/env python3
"""Rewrites the table of Label Studio's templates in docs/label-configs.md; Label Studio must be installed."""

import argparse
import sys
from pathlib import Path

__all__ = ["END", "PAGE", "START"]

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = REPOSITORY / "docs" / "label-configs.md"
START, END = "<!-- gallery -->", "<!-- /gallery -->"


def main() -> int:
    """Rewrite the table; 0 when the page is right afterwards."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    sys.path.insert(0, str(REPOSITORY))
    from tests.gallery import gallery_table

    head, start, rest = PAGE.read_text(encoding="utf-8").partition(START)
    _, end, tail = rest.partition(END)
    if not (start and end):
        print(f"{PAGE}: wanted the marks {START} and {END}, in this order", file=sys.stderr)
        return 1
    PAGE.write_text(f"{head}{START}\n{gallery_table()}\n{END}{tail}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
