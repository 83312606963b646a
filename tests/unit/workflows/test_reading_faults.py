"""Messages about the parts of texts that base models cannot read."""

from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.example import Provenance, Row
from ml_backend.domain.field_texts import FIELD, NAME_END
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL
from ml_backend.tasks import ServingPlan, serving_plan
from ml_backend.workflows.exporting.reading_faults import ReadingFault, reading_faults
from tests.tiny_models import save_tiny_model

CHOICES = '<Choices name="topic" toName="text"><Choice value="A"/><Choice value="B"/></Choices>'
MULTIPLE = CHOICES.replace('name="topic"', 'name="moods" choice="multiple"')
ENTITIES = '<Labels name="who" toName="text"><Label value="PER"/></Labels>'
AREA = '<TextArea name="reply" toName="text" required="true"/>'
THAI, ENGLISH, LONG = "อาหารอร่อยมากพนักงานบริการดี", "Where is my card?", "card " * 4001
OTHERS = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2 or intfloat/multilingual-e5-small"


def plan_for(*controls: str) -> ServingPlan:
    return serving_plan(parse_label_config(f'<View><Text name="text" value="$text"/>{"".join(controls)}</View>'))


def faults(*texts: str, plan: ServingPlan, **options: Any) -> list[ReadingFault]:
    options = {"base_model": DEFAULT_BASE_MODEL, **options}
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


GERMAN = (
    "Meine Karte wurde zweimal belastet, bitte prüfen Sie das.",
    "Wann kommt mein Paket an? Ich warte seit zwei Wochen.",
    "Ich kann mich nicht mehr anmelden, das Kennwort ist falsch.",
    "Das Gerät ist defekt und ich möchte mein Geld zurück.",
    "Bitte kündigen Sie meinen Vertrag zum Ende des Monats.",
)
WRITTEN_IN_ENGLISH = (
    "My card was charged twice, please look into it.",
    "When does my parcel arrive? I have been waiting for two weeks.",
    "I cannot sign in any more, it says the password is wrong.",
    "The device is broken and I would like my money back.",
    "Please cancel my contract at the end of the month.",
)


@pytest.mark.parametrize(
    ("texts", "named"),
    [
        (GERMAN, "German (100%)"),
        (GERMAN + WRITTEN_IN_ENGLISH, "German (50%)"),
        (GERMAN[:1] + WRITTEN_IN_ENGLISH * 4, ""),
        (WRITTEN_IN_ENGLISH, ""),
        (GERMAN[:4], ""),
        (("Karte", "Paket", "Konto", "Geld zurück", "Hallo") * 3, ""),
    ],
    ids=["German", "mixed", "one of many", "English", "too few", "too short"],
)
def test_a_language_that_an_english_base_model_does_not_know_is_named(texts: tuple[str, ...], named: str) -> None:
    told = "; ".join(map(str, faults(*texts, plan=plan_for(CHOICES))))

    assert told == (
        f"{DEFAULT_BASE_MODEL} cannot read these texts well: it was trained on English, and texts are in {named}; "
        f"set LABELLOOP_BASE_MODEL to a model that knows their language, such as {OTHERS}, and train with it"
        if named
        else ""
    )


@pytest.mark.parametrize("long", [LONG, f"{FIELD}title{NAME_END}{ENGLISH}{FIELD}text{NAME_END}{LONG}"])
def test_texts_that_are_read_in_part_are_counted_with_their_tasks(long: str) -> None:
    texts = [ENGLISH, *[long] * 7, ENGLISH, "card " * 300]

    (fault,) = faults(*texts, plan=plan_for(CHOICES, MULTIPLE, ENTITIES))

    assert fault.found == (
        "7 of 10 texts (70.0%) have more than 20,000 bytes, of which passages spread from beginning to end are read, "
        "for 'topic' and 'moods' (tasks 2, 3, 4, 5, 6 and 2 more)"
    )


def test_versions_from_before_long_texts_were_read_say_how_many_they_cut() -> None:
    (fault,) = faults(ENGLISH, "card " * 255, "card " * 254, plan=plan_for(CHOICES), cut_at_tokens=256)

    assert fault.found == (
        "1 of 3 texts (33.3%) have more than 256 tokens, and this version does not read what comes after those, for "
        "'topic' (tasks 2)"
    )


def test_texts_in_which_nothing_is_marked_after_a_place_are_counted() -> None:
    (fault,) = faults("card " * 40_001, "card " * 40_000, plan=plan_for(ENTITIES))

    assert fault.found.startswith("1 of 2 texts (50.0%) have more than 200,000 characters, and nothing is marked after")


@pytest.mark.parametrize(("text", "control"), [(LONG, ENTITIES), (LONG, AREA), ("card " * 4000, CHOICES)])
def test_nothing_is_said_where_all_is_read(text: str, control: str) -> None:
    assert faults(text, plan=plan_for(control)) == []


def test_a_model_that_writes_has_a_setting_of_its_own(tmp_path: Path) -> None:
    writer = str(save_tiny_model("llama", tmp_path / "writer"))

    (fault,) = faults(THAI, plan=plan_for(AREA), text_base_model=writer)

    assert fault.found.startswith(f"{writer} cannot read these texts well")
    assert fault.fix.startswith("set LABELLOOP_TEXT_BASE_MODEL to ")
    assert faults("my card", plan=plan_for(AREA), text_base_model=writer) == []


def test_a_base_model_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    assert faults(THAI, LONG, plan=plan_for(CHOICES), base_model=str(tmp_path / "absent")) == []
