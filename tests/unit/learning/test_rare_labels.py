"""Tests of how rare labels are favoured among single choices."""

import numpy as np
import pytest

from ml_backend.learning.objectives.base import Objective
from ml_backend.models.decoders.softmax import SoftmaxDecoder
from ml_backend.models.text.torch_encoder import TextEncoder

from .builders import labeled_as

LABELS = ("often", "seldom", "never")


def offsets_for(encoder: TextEncoder, counts: dict[str, int]) -> tuple[float, ...]:
    """The offsets of a head that learns so many rows of each label."""
    objective = Objective.of("softmax", LABELS)
    targets = [label for label, count in counts.items() for _ in range(count)]
    objective.prepare(encoder, labeled_as([""] * len(targets), targets))
    assert isinstance(objective.decoder, SoftmaxDecoder)
    return objective.decoder.offsets


def test_a_label_is_favoured_by_the_square_root_of_how_rare_it_is(encoder: TextEncoder) -> None:
    often, seldom, never = np.exp(offsets_for(encoder, {"often": 36, "seldom": 4}))

    assert seldom / often == pytest.approx(3.0)
    assert never / often == pytest.approx(6.0)  # its name counts as one row


def test_equally_frequent_labels_are_answered_as_likely_as_they_are(encoder: TextEncoder) -> None:
    assert offsets_for(encoder, dict.fromkeys(LABELS, 5)) == ()
