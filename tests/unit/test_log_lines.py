"""One record is one line."""

import io
import logging

import pytest

from ml_backend.log_lines import INDENT, MAX_LINE_LENGTH, MAX_TRACEBACK_LINES, LineFormatter


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(written: io.StringIO) -> logging.Logger:
    handler = logging.StreamHandler(written)
    handler.setFormatter(LineFormatter(LineFormatter.FORMAT))
    logger = logging.Logger("tested")
    logger.addHandler(handler)
    return logger


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("X\n2026-01-01 00:00:00,000 ERROR ml_backend: FORGED", r"X\n2026-01-01 00:00:00,000 ERROR ml_backend: FORGED"),
        ("a\r\nb\x0bc\x0cd\x85e\u2028f\u2029g", r"a\r\nb\x0bc\x0cd\x85e\u2028f\u2029g"),
        ("\x1b[31mred\x1b[2J \x9b0m \x07", r"\x1b[31mred\x1b[2J \x9b0m \x07"),
        ("nul \0 del \x7f half \ud800", r"nul \x00 del \x7f half \ud800"),
        ("abc\u202egnp.exe\u2066", r"abc\u202egnp.exe\u2066"),
        ("Grüße,\tمرحبا 😀 ไทย", "Grüße,\tمرحبا 😀 ไทย"),
    ],
)
def test_what_could_forge_or_hide_lines_is_escaped(
    log: logging.Logger, written: io.StringIO, sent: str, shown: str
) -> None:
    log.info("event %s", sent)

    assert written.getvalue().endswith(f" INFO tested: event {shown}\n")
    assert written.getvalue().count("\n") == 1


def test_a_message_of_megabytes_is_cut_and_says_by_how_much(log: logging.Logger, written: io.StringIO) -> None:
    log.info("x" * (MAX_LINE_LENGTH - 100))
    log.warning("y" * 5_000_000)

    whole, line = written.getvalue().splitlines()
    assert whole.endswith("x" * (MAX_LINE_LENGTH - 100))
    assert len(line) < MAX_LINE_LENGTH + 100
    assert line.endswith(f"y… ({5_000_000 + len(line.partition('y')[0]) - MAX_LINE_LENGTH} more characters)")


def failed(message: str) -> None:
    raise RuntimeError(message)


@pytest.mark.parametrize(
    "message",
    ["two\n2026-01-01 00:00:00,000 ERROR x: FORGED", "\x1b[2J\r2026-01-01 FORGED", "z" * 3_000_000, "n\n" * 10_000],
)
def test_the_lines_of_a_traceback_are_indented_and_bounded(
    log: logging.Logger, written: io.StringIO, message: str
) -> None:
    try:
        failed(message)
    except RuntimeError:
        log.exception("it failed", stack_info=True)

    first, *others = written.getvalue().split("\n")[:-1]
    assert first.endswith(" ERROR tested: it failed")
    assert others[0] == f"{INDENT}Traceback (most recent call last):"
    assert all(line.startswith(INDENT) for line in others)
    assert not any(character in written.getvalue() for character in "\x1b\r")
    assert any("test_the_lines_of_a_traceback" in line for line in others)  # of the stack
    assert len(others) <= 2 * (MAX_TRACEBACK_LINES + 1)
    assert max(map(len, others)) < MAX_LINE_LENGTH + 100
