"""Sources in real child processes, and everything that an analyst's code may do to them."""

import os
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from ml_backend.domain.field_texts import join_fields
from ml_backend.domain.source import AnswerForm
from ml_backend.errors import SourceError
from ml_backend.sources.kinds.base import AskedControl
from ml_backend.sources.runner import TEXTS_AT_ONCE, SourceRunner

TOPIC = AskedControl("topic", AnswerForm.ONE, ("Billing", "Shipping"))
HEAD = """import os, re, sys, time, threading
from ml_backend.sources.writing import Examples, rationale

@rationale("Shipping")
def sound(text):
    return "parcel" in text

"""
TEXTS = ["a parcel", "a bill", "a parcel and a bill", "nothing"]
LIMIT_S = 0.5


def run(
    folder: Path, code: str = "", texts: list[str] | None = None, **options
) -> tuple[SourceRunner, set[tuple[str, int]]]:
    """The runner after it has read the texts, and which source voted on which text."""
    (folder / "reasons.py").write_text(HEAD + code, encoding="utf-8")
    with SourceRunner(folder, [TOPIC], **{"limit_s": LIMIT_S, "processes": 1} | options) as runner:
        votes = runner.votes(texts or TEXTS)
        return runner, {(runner.sources[source].name, row) for row, source, _ in votes.listed()}


SOUND = {("sound", 0), ("sound", 2)}
BAD = """
@rationale("Billing")
def bad(text):
    if "bill" in text:
        {}
    return True
"""


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        ("while True: pass", "took more than 0.5 s"),
        ("time.sleep(60)", "took more than 0.5 s"),
        ("re.match(r'(a+)+$', 'a' * 60 + '!')", "took more than 0.5 s"),
        ("os._exit(0)", "ended the process"),
        ("os.kill(os.getpid(), 9)", "ended the process"),
    ],
    ids=["endless loop", "sleep", "regular expression", "exit at once", "killed"],
)
def test_a_source_that_hangs_or_ends_its_process_is_named_and_left_out_and_the_others_go_on(
    tmp_path: Path, action: str, problem: str
) -> None:
    runner, votes = run(tmp_path, BAD.format(action))
    assert votes == SOUND
    (fault,) = runner.faults
    assert (fault.source, fault.problem, fault.text, fault.is_fatal) == ("bad", problem, "a bill", True)
    assert fault.place == "reasons.py:9"


@pytest.mark.parametrize(
    ("action", "problem", "place"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero", "reasons.py:12"),
        ("sys.exit('enough')", "SystemExit: enough", "reasons.py:12"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt: ", "reasons.py:12"),
        ("return 'Refunds'", "label 'Refunds' found; the control 'topic' offers Billing, Shipping", "reasons.py:9"),
        ("return bad(text)", "RecursionError: maximum recursion depth exceeded", "reasons.py:12"),
    ],
)
def test_an_error_is_counted_by_its_line_and_the_source_goes_on_with_other_texts(
    tmp_path: Path, action: str, problem: str, place: str
) -> None:
    runner, votes = run(tmp_path, BAD.format(action))
    assert votes == SOUND | {("bad", 0), ("bad", 3)}
    (fault,) = runner.faults
    assert fault.problem.startswith(problem)
    assert (fault.place, fault.text, fault.count, fault.is_fatal) == (place, "a bill", 2, False)


def test_output_threads_and_exit_handlers_disturb_nothing(tmp_path: Path) -> None:
    noise = "print('x' * 10_000_000, file=sys.stderr); sys.stdout.write('y' * 10_000_000)"
    threads = "threading.Thread(target=time.sleep, args=(600,)).start()"
    started = time.monotonic()
    runner, votes = run(tmp_path, BAD.format(f"{noise}; {threads}"))
    assert (votes - SOUND, runner.faults) == ({("bad", row) for row in range(4)}, [])
    assert time.monotonic() - started < 60


def test_more_votes_than_a_text_can_hold_are_an_error(tmp_path: Path) -> None:
    marking = AskedControl("places", AnswerForm.SPANS, ("City",), "text")
    (tmp_path / "reasons.py").write_text(
        "from ml_backend.sources.writing import rationale\n\n"
        "@rationale('City')\ndef all(text):\n    return [(i, j) for i in range(60) for j in range(i + 1, 60)]\n"
    )
    with SourceRunner(tmp_path, [marking], processes=1) as runner:
        assert len(runner.votes(["x" * 60])) == 0
    assert runner.faults[0].problem == "1770 votes on one text; wanted at most 1000"


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import nothing_of_this_name", "other.py:1: ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("x = 1\ndef broken(:", "other.py:2: SyntaxError: "),
        ("raise SystemExit", "other.py:1: SystemExit: "),
        ("import os\nos._exit(0)", "other.py: ended the process while it was loaded"),
    ],
    ids=["missing module", "syntax", "exit", "exit at once"],
)
def test_a_file_that_cannot_be_imported_is_named_and_the_others_are_used(
    tmp_path: Path, code: str, problem: str
) -> None:
    (tmp_path / "other.py").write_text(code)
    runner, votes = run(tmp_path)
    assert votes == SOUND
    assert [fault.sentence.startswith(problem) for fault in runner.faults] == [True]


def test_two_sources_of_one_name_are_told_apart_by_leaving_the_second_out(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HEAD.replace('"Shipping"', '"Billing"'))
    runner, _ = run(tmp_path)
    (fault,) = runner.faults
    assert fault.sentence == "reasons.py:4: sound: has the name of the one at a.py:4; it is left out"


def test_several_processes_give_what_one_gives_also_where_one_dies(tmp_path: Path) -> None:
    texts = [f"a parcel {number}" if number % 3 else f"a bill {number}" for number in range(4 * TEXTS_AT_ONCE + 7)]
    dying = BAD.format("os._exit(1)").replace('"bill" in text', 'text == "a bill 600"')
    one, votes = run(tmp_path, dying, texts)
    several, same = run(tmp_path, dying, texts, processes=3)
    assert votes == same == {("sound", number) for number in range(len(texts)) if number % 3}
    assert {fault.source for fault in one.faults} == {fault.source for fault in several.faults} == {"bad"}


def test_settings_and_their_secrets_are_no_part_of_the_childs_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELLOOP_STUDIO_TOKEN", "secret")
    _, votes = run(tmp_path, BAD.format("assert 'LABELLOOP_STUDIO_TOKEN' not in os.environ"))
    assert {row for name, row in votes if name == "bad"} == {0, 1, 2, 3}


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    run(tmp_path, BAD.format("import subprocess; subprocess.Popen(['sleep', '617.25']); time.sleep(600)"))
    own = psutil.Process(os.getpid())
    assert [
        child for child in own.children(recursive=True) if "ml_backend.sources.child" in " ".join(child.cmdline())
    ] == []
    sleeping = [each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", "617.25"]]
    assert sleeping == []


def test_closeness_to_examples_is_that_of_vectors_which_the_parent_computes(tmp_path: Path) -> None:
    def embed(texts: list[str]) -> np.ndarray:
        return np.array([[1.0, 0.0] if "parcel" in text else [0.0, 1.0] for text in texts], dtype=np.float32)

    code = """
LIKE = Examples("my bill is wrong", "a parcel")
OTHER = Examples("my bill")

@rationale("Billing")
def close(text):
    return text.closeness(LIKE) > 0.9 and text.closeness(OTHER) < 0.1
"""
    runner, votes = run(tmp_path, code, embed=embed)
    assert (votes, runner.faults) == (SOUND | {("close", 0), ("close", 2)}, [])


def test_pieces_are_marked_in_the_controls_own_field_and_choices_see_all_fields(tmp_path: Path) -> None:
    marking = AskedControl("places", AnswerForm.SPANS, ("City",), "body")
    (tmp_path / "reasons.py").write_text(
        "from ml_backend.sources.writing import rationale\n\n"
        "@rationale('City', control='places')\ndef city(text):\n    return text.mentions(text.field('subject'))\n\n"
        "@rationale('Billing', control='topic')\ndef bill(text):\n    return text.startswith('subject: Rome')\n"
    )
    with SourceRunner(tmp_path, [TOPIC, marking], processes=1) as runner:
        votes = runner.votes([join_fields({"subject": "Rome", "body": "To Rome"})])
    assert runner.faults == []
    assert [(runner.sources[source].name, part) for _, source, part in votes.listed()] == [
        ("city", (0, 3, 7)),
        ("bill", (0, 0, 0)),
    ]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(SourceError, match="is no folder; wanted one with rationales"),
        SourceRunner(tmp_path / "absent", [TOPIC]),
    ):
        pass
