import pytest

from ml_backend.domain.conversation import as_prompt, prompt_of, turns_of
from ml_backend.domain.field_texts import join_fields
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.tasks.objects import find_objects

Turns = list[tuple[str, str]]


def dialogue(**attributes: str) -> ObjectTag:
    return ObjectTag("talk", "Paragraphs", "talk", attributes)


def turns(said: Turns, **attributes: str) -> Turns:
    shown = dialogue(**attributes)
    data = {"talk": [{"author": name, "text": text} for name, text in said]}
    return turns_of(as_prompt(find_objects()["Paragraphs"].text(shown, data), shown))


@pytest.mark.parametrize(
    ("names", "attributes", "roles"),
    [
        (["Ada", "Bo", "Ada"], {}, ["user", "assistant", "user"]),
        (["Ada", "Bo"], {}, ["assistant", "user"]),
        (["Ada", "Agent"], {}, ["user", "assistant"]),
        (["Ada", "Bo"], {"assistant": "bo, Cy"}, ["user", "assistant"]),
        (["Agent", "Bo", "Agent"], {"assistant": "Bo"}, ["user", "assistant", "user"]),
        (["System", "Ada", "Bo"], {}, ["system", "assistant", "user"]),
        (["Ada", "Ada"], {}, ["user"]),
    ],
    ids=["the last is the user", "others answer", "a name that says so", "named", "named first", "system", "merged"],
)
def test_speakers_get_roles(names: list[str], attributes: dict[str, str], roles: list[str]) -> None:
    found = turns([(name, f"words {number}") for number, name in enumerate(names)], **attributes)

    assert [role for role, _ in found] == roles
    assert "\n".join(words for _, words in found) == "\n".join(f"words {number}" for number in range(len(names)))


def test_names_stay_where_several_speakers_share_a_role() -> None:
    assert turns([("Ada", "Hi"), ("Bo", "Hello"), ("Agent", "Yes?"), ("Ada", " "), ("Ada", "Help\u2028me")]) == [
        ("user", "Ada: Hi\nBo: Hello"),
        ("assistant", "Yes?"),
        ("user", "Ada: Help\nme"),
    ]


def test_other_texts_are_one_turn_of_a_user_as_people_read_them() -> None:
    fields = join_fields({"talk": "Ada:\u2028Hi", "note": "n"})

    assert as_prompt("one\u2028two", ObjectTag("text", "Text", "text")) == "one\ntwo"
    assert as_prompt("typed by hand", dialogue()) == "typed by hand"
    assert as_prompt(fields, dialogue()) == "talk: Ada:\nHi\n\nnote: n"
    assert turns_of("user: no turn\u2028of a dialogue") == [("user", "user: no turn\u2028of a dialogue")]


def test_a_prompt_gives_the_turns_that_it_was_made_of() -> None:
    made: Turns = [("system", "Be kind."), ("user", "a\nb: c"), ("assistant", ""), ("user", "d")]

    assert turns_of(prompt_of(made)) == made
