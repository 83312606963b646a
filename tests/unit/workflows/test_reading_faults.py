"""Messages about the parts of texts that base models cannot read."""

from pathlib import Path

import pytest

from ml_backend.domain.example import Provenance, Row
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL
from ml_backend.tasks import ServingPlan, serving_plan
from ml_backend.workflows.exporting.reading_faults import ReadingFault, reading_faults
from tests.tiny_models import save_tiny_model

CHOICES = '<Choices name="topic" toName="text"><Choice value="A"/><Choice value="B"/></Choices>'
MULTIPLE = CHOICES.replace('name="topic"', 'name="moods" choice="multiple"')
ENTITIES = '<Labels name="who" toName="text"><Label value="PER"/></Labels>'
AREA = '<TextArea name="reply" toName="text" required="true"/>'
THAI, ENGLISH, LONG = "อาหารอร่อยมากพนักงานบริการดี", "Where is my card?", "card " * 300
OTHERS = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2 or intfloat/multilingual-e5-small"


def plan_for(*controls: str) -> ServingPlan:
    return serving_plan(parse_label_config(f'<View><Text name="text" value="$text"/>{"".join(controls)}</View>'))


def faults(*texts: str, plan: ServingPlan, **options: str | int) -> list[ReadingFault]:
    options = {"base_model": DEFAULT_BASE_MODEL, "max_length_tokens": 256, **options}
    rows = [Row(str(n), n, {"text": text}, {}, (), Provenance(())) for n, text in enumerate(texts, start=1)]
    return reading_faults(plan, [(row.task_id, row.input["text"]) for row in rows], **options)


@pytest.mark.parametrize("control", [CHOICES, MULTIPLE, ENTITIES])
def test_a_script_that_the_base_model_does_not_know_is_named_with_models_that_do(control: str) -> None:
    (fault,) = faults(THAI, plan=plan_for(control))

    assert str(fault) == (
        f"{DEFAULT_BASE_MODEL} cannot read these texts well: 100% of their letters are unknown tokens to it; "
        f"set LABELLOOP_BASE_MODEL to a model that knows their language, such as {OTHERS}, and train with it"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Где моя карта?", "% of their letters are read one by one, as in a foreign script"),
        ("भारत एक विशाल देश है", "% of their letters are read one by one, as in a foreign script"),
        ("我的信用卡丢了", "% of their letters are unknown tokens to it"),
        (
            " ".join(f"{c}{v}" for c in ("b", "c", "ch", "l", "m", "n", "th") for v in "aáàảãạ"),
            "",
        ),
        (
            " ".join(f"{c}{v}" for c in ("b", "c", "ch", "l", "m", "n", "th", "nh", "ph") for v in "aáàảãạ"),
            "100% of their words look like another one without accents and vowel signs",
        ),
        (ENGLISH, ""),
        ("👍👍 ok 😀", ""),
        ("", ""),
    ],
)
def test_every_way_of_not_reading_is_told_and_what_is_read_is_not(text: str, reason: str) -> None:
    told = "; ".join(map(str, faults(text, plan=plan_for(CHOICES))))

    assert reason in told
    assert bool(told) == bool(reason)


def test_texts_beyond_what_choices_read_are_counted_with_their_tasks() -> None:
    texts = [ENGLISH, *[LONG] * 7, ENGLISH, "x" * 5000]

    (fault,) = faults(*texts, plan=plan_for(CHOICES, MULTIPLE, ENTITIES))

    assert fault.found == (
        "7 of 10 texts (70.0%) have more than 256 tokens, and what comes after those is not read for 'topic' and "
        "'moods' (tasks 2, 3, 4, 5, 6 and 2 more)"
    )
    assert fault.fix.startswith("train with `--set max_length_tokens=512` ")


@pytest.mark.parametrize(
    ("text", "length", "read"), [(LONG, 256, 256), (LONG, 299, 299), (LONG * 2, 4096, 512), ("card " * 31, 32, 32)]
)
def test_what_is_read_is_the_lower_of_what_was_asked_for_and_what_the_model_can(
    text: str, length: int, read: int
) -> None:
    (fault,) = faults(text, plan=plan_for(CHOICES), max_length_tokens=length)

    assert f"have more than {read} tokens" in fault.found
    assert ("reads more" in fault.fix) == (read == 512)


@pytest.mark.parametrize(
    ("text", "control", "length"),
    [(LONG, ENTITIES, 256), (LONG, AREA, 256), (LONG, CHOICES, 512), ("card " * 254, CHOICES, 256)],
)
def test_nothing_is_said_where_all_is_read(text: str, control: str, length: int) -> None:
    assert faults(text, plan=plan_for(control), max_length_tokens=length) == []


def test_a_model_that_writes_has_a_setting_of_its_own(tmp_path: Path) -> None:
    writer = str(save_tiny_model("llama", tmp_path / "writer"))

    (fault,) = faults(THAI, plan=plan_for(AREA), text_base_model=writer)

    assert fault.found.startswith(f"{writer} cannot read these texts well")
    assert fault.fix.startswith("set LABELLOOP_TEXT_BASE_MODEL to ")
    assert faults("my card", plan=plan_for(AREA), text_base_model=writer) == []


def test_a_base_model_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    assert faults(THAI, LONG, plan=plan_for(CHOICES), base_model=str(tmp_path / "absent")) == []
