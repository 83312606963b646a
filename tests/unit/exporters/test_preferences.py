"""`preferences`: the form that trl's DPOTrainer documents."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.example import Row
from ml_backend.domain.preference import Preference
from ml_backend.errors import ConfigurationError
from ml_backend.exporters.base import Exporter, ExportRequest
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.tasks import serving_plan, template_path
from tests.unit.exporters.builders import export, request, row

REPLY = '<TextArea name="reply" toName="text" required="true"/>'

ALONE = """<View>
  <Text name="a" value="$one"/><Text name="b" value="$two"/>
  <Pairwise name="better" toName="a,b"/>
</View>"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pairs.jsonl"


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def asked(config: str) -> ExportRequest:
    plan = serving_plan(parse_label_config(config))
    return ExportRequest("", texts=plan.texts, controls=plan.controls, control=plan.controls[0].name)


def compared(number: int, target: str, texts: dict[str, str], control: str = "comparison") -> Row:
    made = row("", target, number, control=control)
    return Row(made.id, number, texts, made.targets, made.labels, made.provenance)


def test_mended_drafts_are_pairs_of_texts(path: Path) -> None:
    rows = [replace(row("Hi?", "Hello!", control="reply"), drafts={"reply": "Yo."}), row("b", "c", 2, control="reply")]
    report = export("preferences", rows, path, request(REPLY))

    assert lines(path) == [{"prompt": "Hi?", "chosen": "Hello!", "rejected": "Yo."}]
    assert report.rows == 1
    assert {why: list(ids) for why, ids in report.left_out.items()} == {"no draft was mended": [2]}
    assert any("held-out tasks, which are never trained on" in notice for notice in report.notices)


def test_responses_to_a_dialogue_are_conversations(path: Path) -> None:
    plan = serving_plan(
        parse_label_config(
            '<View><Paragraphs name="talk" value="$talk" layout="dialogue"/>'
            '<TextArea name="reply" toName="talk" required="true"/></View>'
        )
    )
    asked = ExportRequest("", texts=plan.texts, controls=plan.controls, control="reply")
    said = [("Ada", "Hi"), ("Bo", "Yes?"), ("Ada", "My card")]
    text = plan.text({"talk": [{"author": name, "text": words} for name, words in said]})
    mended = replace(row(text, "Blocked.", field="talk", control="reply"), drafts={"reply": "No."})
    turns = [{"role": role, "content": said[n][1]} for n, role in enumerate(("user", "assistant", "user"))]

    export("preferences", [mended], path, asked)
    (pair,) = lines(path)
    export("openai-chat", [mended], path, asked)
    (chat,) = lines(path)

    assert pair == {
        "prompt": turns,
        "chosen": [{"role": "assistant", "content": "Blocked."}],
        "rejected": [{"role": "assistant", "content": "No."}],
    }
    assert chat == {"messages": [*turns, *pair["chosen"]]}
    assert Preference.from_json(pair).to_json(is_conversation=True) == pair


def test_the_better_text_is_chosen_after_what_stands_beside_both(path: Path) -> None:
    rows = [
        compared(1, "left", {"prompt": "What?\nNow", "answer1": "This \ud83d", "answer2": "That"}),
        compared(2, "right", {"prompt": "", "answer1": "This", "answer2": "That"}),
    ]

    export("preferences", rows, path, asked(template_path("pairwise").read_text()))

    assert lines(path) == [
        {"prompt": "What?\nNow", "chosen": "This \ufffd", "rejected": "That"},
        {"prompt": "", "chosen": "That", "rejected": "This"},
    ]


def test_texts_with_nothing_beside_them_have_no_prompt(path: Path) -> None:
    export("preferences", [compared(1, "right", {"one": "A", "two": "B"}, "better")], path, asked(ALONE))

    assert lines(path) == [{"chosen": "B", "rejected": "A"}]


def test_a_control_that_compares_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="<Choices name='topic'> compares none"):
        Exporter.named("preferences").check(request())


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ([], "list found; wanted an object"),
        ({"prompt": "a", "chosen": "b"}, "no response found under 'rejected'"),
        ({"chosen": "b", "rejected": "c"}, "no prompt found"),
        ({"prompt": "a", "chosen": [{"role": "user", "content": "b"}], "rejected": "c"}, "a message of the user"),
        ({"prompt": [{"role": "x"}], "chosen": "b", "rejected": "c"}, "wanted messages with a role"),
        ({"prompt": "a", "chosen": [], "rejected": "c"}, "0 messages found under 'chosen'"),
    ],
)
def test_lines_of_another_form_are_refused(value: object, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Preference.from_json(value)
