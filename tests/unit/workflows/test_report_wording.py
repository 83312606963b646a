"""The report puts its figures into words."""

from typing import Any

import pytest

from ml_backend.workflows.reporting.wording import advice, forecast_sentence, next_sentence

PAIRS = [{"given": "Returns", "answered": "Shipping"}, {"given": "Billing", "answered": ""}]


def _control(labels: list[int | None], **following: Any) -> dict[str, Any]:
    hours = [None if each is None else each / 60 for each in labels]
    coming = {"labels": 100, "gain": [0.01, 0.02, 0.03], "hours": 1.7, "price": 100.0, "threshold": 0.002}
    return {
        "metric": "macro-F1",
        "forecast": {"target": 0.9, "labels": labels, "hours": hours, "price": [None] * 3, "never": 0.6},
        "next": coming | {"pays": True, "is_flat": False} | following,
        "mistakes": {"pairs": PAIRS},
    }


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([312, 366, 1234], "macro-F1 .90 costs 310 to 1,200 more labels, most likely 370: 6.1 expert hours."),
        (
            [312, 366, None],
            "macro-F1 .90 costs 310 more labels or more, most likely 370: 6.1 expert hours; how many at",
        ),
        (
            [0, 366, 900],
            "macro-F1 .90 costs more labels, most likely 370: 6.1 expert hours. It may be reached already; it takes",
        ),
        ([312, None, None], "macro-F1 .90 may be out of reach: it costs 310 more labels at the very least, and 60%"),
        ([None, None, None], "macro-F1 .90 is out of reach"),
        ([0, 0, 0], "macro-F1 .90 is reached already."),
    ],
)
def test_a_forecast_is_as_sure_in_words_as_in_numbers(labels: list[int | None], sentence: str) -> None:
    assert forecast_sentence(_control(labels), "EUR").startswith(sentence)


def test_the_next_labels_are_worth_their_hours_or_not() -> None:
    pays, not_worth, flat = (
        next_sentence(_control([1, 2, 3], **following), "EUR")
        for following in ({}, {"pays": False}, {"is_flat": True, "gain": [0.0, 0.001, 0.002]})
    )

    assert pays == "The next 100 labels buy 2.0 points of macro-F1 (1.0 to 3.0) for 1.7 expert hours, 100 EUR."
    assert "less than 0.2 points per expert hour (LABELLOOP_STOP_BELOW_GAIN): stop" in not_worth
    assert "under half a point" in flat
    assert "Returns taken for Shipping, Billing, missed" in flat


def _effect(low: float, high: float) -> dict[str, float]:
    return {"low": low, "difference": (low + high) / 2, "high": high}


@pytest.mark.parametrize(
    ("seconds", "agreement", "words"),
    [
        ((0.5, 2.0), (-0.1, 0.1), ["slow people down", 'LABELLOOP_PRELABELS_OFF="Billing"']),
        ((-2.0, -0.5), (0.01, 0.1), ["follow the pre-labels", "draws people to that answer"]),
        ((-2.0, -0.5), (-0.01, 0.1), []),
    ],
)
def test_pre_labels_that_do_harm_are_named(
    seconds: tuple[float, float], agreement: tuple[float, float], words: list[str]
) -> None:
    effects = {"seconds": _effect(*seconds), "agreement": _effect(*agreement)}
    report = {
        "prelabels": effects | {"by_label": [{"label": "Billing"} | effects]},
        "costs": {"without_time": 0, "breaks": 0},
        "unfit": None,
        "live": None,
    }

    sentences = advice(report)

    assert len(sentences) == len(words)
    assert all(word in sentence for word, sentence in zip(words, sentences, strict=True))


def test_groups_that_fit_no_label_are_named_as_candidates() -> None:
    groups = [{"words": ["charged", "twice"], "size": 1200}, *({"words": [f"word {n}"], "size": 9} for n in range(4))]
    report = {
        "prelabels": None,
        "costs": {"without_time": 0, "breaks": 0},
        "unfit": {"waiting": 1250, "groups": groups},
        "live": None,
    }

    (sentence,) = advice(report)
    assert sentence == (
        "1,250 texts that wait fit none of the labels. Groups of them are candidates for a new label: "
        "charged, twice (1,200 texts), word 0 (9 texts), word 1 (9 texts) and 2 more."
    )
    assert advice(report | {"unfit": {"waiting": 4, "groups": []}}) == []
