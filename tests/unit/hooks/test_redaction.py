"""The hook that masks rows."""

import pytest

from ml_backend.domain.example import Span
from ml_backend.errors import ConfigurationError
from ml_backend.hooks.redaction import Redaction
from tests.unit.hooks.builders import changed, hooks_of, row

LEAK = "jane@example.org"
TEXT = f"Write to {LEAK} in Paris"


def test_texts_free_answers_and_annotators_lose_personal_data() -> None:
    (found,) = changed(hooks_of(Redaction("email")), row(TEXT, 1, {"draft": f"Dear {LEAK}"}, LEAK))
    assert found.input == {"text": "Write to xxxx@xxxxxxx.xxx in Paris"}
    assert found.targets == {"draft": "Dear xxxx@xxxxxxx.xxx"}
    (label,) = found.labels
    assert label.targets == {"draft": "Dear xxxx@xxxxxxx.xxx"}
    assert label.annotator.startswith("annotator-")
    assert LEAK not in repr(found)


def test_annotators_stay_apart() -> None:
    hooks = hooks_of(Redaction("email"))
    found = changed(hooks, row("a", 1, annotator="ann@x.org"), row("a", 2, annotator="bob@x.org"), row("a", 3))
    assert len({each.labels[0].annotator for each in found}) == 3
    assert found[2].labels[0].annotator == "3"


def test_positions_of_entities_stay_right() -> None:
    spans = (Span(9, 25, "CONTACT"), Span(29, 34, "LOC"))
    (found,) = changed(hooks_of(Redaction("email,card")), row(TEXT, 1, {"who": spans}))
    assert found.targets == {"who": spans}
    assert [found.input["text"][span.start : span.end] for span in spans] == ["xxxx@xxxxxxx.xxx", "Paris"]


def test_a_label_of_the_config_is_never_masked() -> None:
    hooks = hooks_of(Redaction("email"))
    (found,) = hooks.change_rows([row("a", 1, {"desk": "help@x.org"})], {"desk": frozenset({"help@x.org"})})
    assert found.targets == {"desk": "help@x.org"}


@pytest.mark.parametrize(
    ("kinds", "region", "message"),
    [
        ("email,ssn", "", "LABELLOOP_REDACT: ssn found; wanted some of card, email, iban, phone"),
        ("phone", "Germany", "LABELLOOP_REDACT_REGION: 'Germany' found; wanted a country's code"),
    ],
)
def test_settings_that_cannot_work_are_refused(kinds: str, region: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Redaction(kinds, region)
