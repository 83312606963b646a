"""The simulated expert behaves as it says it does."""

from functools import cache
from statistics import mean

import pytest

from ml_backend.demo.expert import Expert
from ml_backend.demo.tickets import Ticket, load_tickets

TICKETS = load_tickets()
EXPERTS = [Expert(seed) for seed in range(8)]


def _wrong(ticket: Ticket) -> str:
    return Expert.CONFUSABLE[ticket.label][-1]


@cache
def _answers(prelabel: str) -> list[tuple[Ticket, str | None, str | None, float]]:
    """Every ticket with pre-label, answer and seconds, for all experts; the pre-label is `none`, `right` or `wrong`."""
    shown = {"none": lambda _ticket: None, "right": lambda ticket: ticket.label, "wrong": _wrong}[prelabel]
    return [(ticket, shown(ticket), *expert.answer(ticket, shown(ticket))) for expert in EXPERTS for ticket in TICKETS]


def _share(flags: list[bool]) -> float:
    return mean(map(float, flags))


def test_the_same_seed_ticket_and_prelabel_give_the_same_answer_in_any_order() -> None:
    forwards = [Expert(1).answer(ticket, None) for ticket in TICKETS]
    expert = Expert(1)
    backwards = [expert.answer(ticket, None) for ticket in reversed(TICKETS)]

    assert forwards == backwards[::-1]


def test_another_seed_is_another_expert() -> None:
    assert [Expert(1).answer(ticket, None) for ticket in TICKETS] != [
        Expert(2).answer(ticket, None) for ticket in TICKETS
    ]


def test_about_four_in_a_hundred_labels_made_without_a_prelabel_are_wrong() -> None:
    wrong = [label != ticket.label for ticket, _, label, _ in _answers("none") if label]

    assert 0.025 < _share(wrong) < 0.055


def test_hard_tickets_are_mistaken_more_often_and_take_longer_than_easy_ones() -> None:
    hard, easy = ([each for each in _answers("none") if each[0].is_hard is is_hard] for is_hard in (True, False))
    of_hard, of_easy = ([label != ticket.label for ticket, _, label, _ in each if label] for each in (hard, easy))

    assert _share(of_hard) > 3 * _share(of_easy) > 0
    assert mean(seconds for *_, seconds in hard) > 1.5 * mean(seconds for *_, seconds in easy)


def test_a_mistake_names_a_class_that_people_mix_up_with_the_right_one() -> None:
    mistakes = [(ticket, label) for ticket, _, label, _ in _answers("none") if label not in (None, ticket.label)]

    assert mistakes
    assert all(label in Expert.CONFUSABLE[ticket.label] for ticket, label in mistakes)


def test_right_prelabels_are_accepted_but_for_slips() -> None:
    accepted = [label == shown for _, shown, label, _ in _answers("right") if label]

    assert 0.985 < _share(accepted) < 1.0


def test_some_wrong_prelabels_are_accepted_and_most_are_corrected() -> None:
    answers = [(ticket, shown, label, 0.0) for ticket, shown, label, _ in _answers("wrong") if label]

    assert 0.03 < _share([label == shown for _, shown, label, _ in answers]) < 0.1
    assert _share([label == ticket.label for ticket, _, label, _ in answers]) > 0.88


def test_only_hard_tickets_are_skipped_and_few_of_them() -> None:
    skipped = [ticket for ticket, _, label, _ in _answers("none") if label is None]

    assert 0 < len(skipped) < 0.05 * len(TICKETS) * len(EXPERTS)
    assert all(ticket.is_hard for ticket in skipped)


@pytest.mark.parametrize(("slower", "faster"), [("wrong", "none"), ("none", "right")])
def test_a_right_prelabel_saves_time_and_a_wrong_one_costs_some(slower: str, faster: str) -> None:
    def seconds(prelabel: str) -> float:
        return mean(seconds for *_, seconds in _answers(prelabel))

    assert seconds(slower) > 1.1 * seconds(faster) > 0
