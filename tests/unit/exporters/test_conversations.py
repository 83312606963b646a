"""`openai-chat` and `prompt-completion`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.example import Bucket, Row, Span, Target
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.exporters.base import ExportRequest
from tests.unit.exporters.builders import export, request, row, written

DRAFT = ExportRequest("", texts=(ObjectTag("prompt", "Text", "prompt"),), control="instruction")
ROLES = {"system", "user", "assistant"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.jsonl"


def conversations(path: Path, rows: list[Row], asked: ExportRequest | None = None) -> list[Any]:
    lines = written("openai-chat", rows, path, asked).split("\n")
    assert lines.pop() == ""
    return [json.loads(line)["messages"] for line in lines]


def faults(example: Mapping[str, Any]) -> list[str]:
    """What OpenAI's published check of chat data finds wrong with an example."""
    found = []
    messages = example.get("messages")
    if not messages:
        return ["missing_messages_list"]
    for message in messages:
        if "role" not in message or "content" not in message:
            found.append("message_missing_key")
        if message.keys() - {"role", "content", "name", "function_call", "weight"}:
            found.append("message_unrecognized_key")
        if message.get("role") not in ROLES:
            found.append("unrecognized_role")
        if not message.get("content") or not isinstance(message["content"], str):
            found.append("missing_content")
    if not any(message.get("role") == "assistant" for message in messages):
        found.append("example_missing_assistant_message")
    return found


def test_a_system_prompt_opens_every_conversation(path: Path) -> None:
    found = conversations(path, [row("a"), row("b")], request(system_prompt=" Name the topic. "))
    assert [messages[0] for messages in found] == [{"role": "system", "content": "Name the topic."}] * 2
    assert [[message["role"] for message in messages] for messages in found] == [["system", "user", "assistant"]] * 2


@pytest.mark.parametrize(
    ("target", "content"),
    [
        ("login", "login"),
        (("b, c", "Größe"), '["b, c", "Größe"]'),
        ((), "[]"),
        ((Bucket("good", ("b",)), Bucket("_", ("a", "c"))), '{"good": ["b"], "_": ["a", "c"]}'),
        (
            (Span(0, 4, "PER"), Span(9, 14, "LOC")),
            '[{"text": "Anna", "label": "PER"}, {"text": "Paris", "label": "LOC"}]',
        ),
    ],
)
def test_every_kind_of_answer_is_text(path: Path, target: Target, content: str) -> None:
    ((_, answer),) = conversations(path, [row("Anna saw Paris", target)])
    assert answer == {"role": "assistant", "content": content}


def test_free_text_is_written_as_it_is(path: Path) -> None:
    drafts = [row("Write a haiku", 'Rain,\n"soft"', field="prompt", control="instruction")]
    assert conversations(path, drafts, DRAFT) == [
        [{"role": "user", "content": "Write a haiku"}, {"role": "assistant", "content": 'Rain,\n"soft"'}]
    ]
    assert written("prompt-completion", drafts, path, DRAFT) == (
        '{"prompt": "Write a haiku", "completion": "Rain,\\n\\"soft\\""}\n'
    )


@pytest.mark.parametrize("format_name", ["openai-chat", "prompt-completion"])
def test_rows_without_a_text_or_an_answer_are_left_out_by_task(path: Path, format_name: str) -> None:
    rows = [row("a", number=1), row(" \n", number=2), row("b", None, 3), row("c", "  ", 4), row("d", None, 5)]
    report = export(format_name, rows, path)
    assert report.rows == 1
    assert {reason: list(task_ids) for reason, task_ids in report.left_out.items()} == {
        "the text is empty": [2],
        "no agreed answer to topic": [3, 5],
        "the answer is empty": [4],
    }


def test_what_is_written_passes_the_published_check(path: Path) -> None:
    rows = [row("x", ("a",)), row("half \ud83d", "y"), row("z" * 5000, "w"), row("", "v"), row("u", ())]
    lines = written("openai-chat", rows, path, request(system_prompt="S")).splitlines()
    assert [faults(json.loads(line)) for line in lines] == [[]] * 4


def test_few_conversations_are_warned_of(path: Path) -> None:
    few = export("openai-chat", [row("a")] * 9, path)
    enough = export("openai-chat", [row("a")] * 10, path)
    assert "9 conversations; OpenAI wants at least 10" in few.notices
    assert not any("at least" in notice for notice in enough.notices)


def test_tokens_are_counted_per_row_and_in_all(path: Path) -> None:
    (notice,) = export("openai-chat", [row("word " * 100)] * 9 + [row("word " * 1000)], path).notices
    assert notice.startswith(("about ", "2,")) or notice[0].isdigit()
    total, mean, longest = (
        int(part.replace(",", "")) for part in notice.replace("about ", "").split() if part[0].isdigit()
    )
    assert total == pytest.approx(10 * mean, rel=0.01)
    assert 1000 < longest < 1300


def test_a_conversation_over_openais_limit_is_named(path: Path) -> None:
    report = export("openai-chat", [row("a")] * 10 + [row("word " * 70_000, number=42)], path)
    assert report.rows == 11
    assert any("longer than 65,536 tokens" in notice and notice.endswith("tasks 42") for notice in report.notices)


def test_tokens_are_exact_where_the_encoding_is_installed(path: Path) -> None:
    pytest.importorskip("bpe_openai", reason="pip install labelloop[openai] counts tokens exactly")
    texts = ("hello", "hello world", "antidisestablishmentarianism")

    one, two, six = (int(export("openai-chat", [row(text)], path).notices[0].split()[0]) for text in texts)

    assert (two - one, six - one) == (1, 5)
