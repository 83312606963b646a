"""A simulated expert: knows the tickets' labels, and is as fast, as fallible and as trusting as people are.

The rates are assumptions, in the range of what studies of annotators report; nothing here is measured on people.
"""

import math
import random
from collections.abc import Mapping, Sequence
from typing import ClassVar

from .tickets import Ticket

__all__ = ["Expert"]

FIRST_CHOICES = (0.6, 0.25, 0.15)
MISTAKE_RATE, MISTAKE_RATE_HARD = 0.02, 0.11
"""Wrong labels among tickets read without a pre-label: 4% of all, since a fifth of the tickets are hard."""
TRUST_RATE, TRUST_RATE_HARD = 0.04, 0.12
"""Share of wrong pre-labels that are accepted all the same."""
SLIP_RATE = 0.005
"""Share of right pre-labels that are changed for the worse."""
SKIP_RATE_HARD = 0.03
READING_CHARACTERS_PER_S = 25.0
THINKING_S, THINKING_HARD_S = 4.0, 9.0
ACCEPTING_SHARE = 0.55
"""Thinking time with a pre-label that is accepted, as a share of that without one."""
CHANGING_S = 1.5
SPREAD = 0.35
"""Standard deviation of the logarithm of the time."""


class Expert:
    """Answers tickets; the same seed, ticket and pre-label give the same answer, whatever came before."""

    # Which classes people mix up; the first one most easily.
    CONFUSABLE: ClassVar[Mapping[str, Sequence[str]]] = {
        "Billing": ("Cancellation", "Returns", "Complaint"),
        "Shipping": ("Returns", "Complaint", "Billing"),
        "Returns": ("Shipping", "Billing", "Technical Fault"),
        "Account Access": ("Technical Fault", "Billing", "Cancellation"),
        "Technical Fault": ("Product Question", "Account Access", "Returns"),
        "Product Question": ("Technical Fault", "Shipping", "Billing"),
        "Cancellation": ("Billing", "Account Access", "Returns"),
        "Complaint": ("Shipping", "Billing", "Returns"),
    }

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def answer(self, ticket: Ticket, prelabel: str | None) -> tuple[str | None, float]:
        """Return the label, None where the ticket is skipped, and the seconds from opening the task to the button.

        Args:
            prelabel: the class that is ticked when the task opens; None: none is.
        """
        draw = random.Random(f"{self._seed} {ticket.text}")  # noqa: S311 (a simulation, not a secret)
        if ticket.is_hard and draw.random() < SKIP_RATE_HARD:
            return None, _seconds(draw, ticket, prelabel=None, label=None)
        label = _choose(draw, ticket, prelabel)
        return label, _seconds(draw, ticket, prelabel=prelabel, label=label)


def _choose(draw: random.Random, ticket: Ticket, prelabel: str | None) -> str:
    chance = draw.random()
    if prelabel == ticket.label:
        return _mixed_up(draw, ticket) if chance < SLIP_RATE else ticket.label
    if prelabel is not None:
        trust = TRUST_RATE_HARD if ticket.is_hard else TRUST_RATE
        if draw.random() < trust:
            return prelabel
    rate = MISTAKE_RATE_HARD if ticket.is_hard else MISTAKE_RATE
    return _mixed_up(draw, ticket) if chance < rate else ticket.label


def _mixed_up(draw: random.Random, ticket: Ticket) -> str:
    return draw.choices(Expert.CONFUSABLE[ticket.label], FIRST_CHOICES)[0]


def _seconds(draw: random.Random, ticket: Ticket, *, prelabel: str | None, label: str | None) -> float:
    thinking = THINKING_HARD_S if ticket.is_hard else THINKING_S
    if prelabel is not None:
        thinking = thinking * ACCEPTING_SHARE if label == prelabel else thinking + CHANGING_S
    reading = len(ticket.text) / READING_CHARACTERS_PER_S
    return round((reading + thinking) * math.exp(draw.gauss(0.0, SPREAD)), 1)
