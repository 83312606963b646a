"""The bundled tickets."""

from collections import Counter

from ml_backend.demo.backend import SPLIT
from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.snapshot import Split, normal_form
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.tasks import serving_plan, template_path

TICKETS = load_tickets()


def test_every_label_is_a_choice_of_the_template_and_every_choice_has_tickets() -> None:
    config = parse_label_config(template_path("classification").read_text(encoding="utf-8"))

    assert {ticket.label for ticket in TICKETS} == set(serving_plan(config).controls[0].control.label_values)


def test_no_two_tickets_are_the_same_text_to_the_split() -> None:
    assert len({normal_form(ticket.text) for ticket in TICKETS}) == len(TICKETS)


def test_every_class_has_easy_and_hard_tickets() -> None:
    kinds = Counter((ticket.label, ticket.is_hard) for ticket in TICKETS)

    assert len(kinds) == 16
    assert min(kinds.values()) >= 10


def test_every_class_occurs_in_the_test_split() -> None:
    held_out = Counter(ticket.label for ticket in TICKETS if SPLIT.split_of(ticket.text) is Split.TEST)

    assert len(held_out) == 8
    assert sum(held_out.values()) >= 100
