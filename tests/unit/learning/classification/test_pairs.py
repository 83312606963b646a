"""The head that compares two texts, on planted scorers."""

import numpy as np
import pytest

from ml_backend.domain.label_config import LEFT, RIGHT
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.encoded import EncodedRows
from ml_backend.models.text.tokenised import TokenisedTexts
from tests.unit.learning.builders import labeled_as

SIDES = (LEFT, RIGHT)
WIDTH = 16
TEXT = "\x1eprompt\x1fp\x1eleft\x1fl\x1eright\x1fr"


def pairs(count: int) -> TokenisedTexts:
    """Texts of three fields, of one piece each."""
    fields = np.tile(np.arange(3), count)
    return TokenisedTexts([[0]] * 3 * count, None, np.arange(0, 3 * count + 1, 3), fields=fields, field_count=3)


def vectors(count: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(count, 3, WIDTH)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def better(drawn: np.ndarray, scorer: str) -> list[str]:
    """The better side: by what a text itself says, or by how near it is to the prompt."""
    prompt, *sides = drawn.swapaxes(0, 1)
    scores = [side[:, 0] - side[:, 3] if scorer == "itself" else (side * prompt).sum(axis=1) for side in sides]
    return [SIDES[int(right > left)] for left, right in zip(*scores, strict=True)]


@pytest.mark.parametrize("scorer", ["itself", "suits the prompt"])
def test_the_better_text_is_told_whether_it_is_good_itself_or_suits_the_texts_around_it(scorer: str) -> None:
    objective = Objective.of("pair", SIDES)
    objective.decoder = objective.first_decoder(None, labeled_as([TEXT], [LEFT]))  # type: ignore[arg-type]  # reads no model
    drawn, new = vectors(400, 1), vectors(400, 2)
    targets, tokenised = better(drawn, scorer), pairs(400)
    encoded = EncodedRows(labeled_as([TEXT] * 400, targets), tokenised, objective.codes(targets, tokenised))

    head = objective.regression(drawn.reshape(-1, WIDTH), encoded, c=10.0, max_iterations=200)
    logits = objective.decoder.logits(head, new.reshape(-1, WIDTH), tokenised)
    swapped = objective.decoder.logits(head, new[:, [0, 2, 1]].reshape(-1, WIDTH), tokenised)

    answers = [str(answer.target) for answer in objective.decoder.answers(logits, tokenised)]
    assert np.mean([answer == side for answer, side in zip(answers, better(new, scorer), strict=True)]) > 0.9
    assert swapped == pytest.approx(logits[:, ::-1], abs=1e-5)


def test_pairs_of_which_people_always_chose_one_side_can_be_learned() -> None:
    objective = Objective.of("pair", SIDES)
    objective.decoder = objective.first_decoder(None, labeled_as([TEXT], [LEFT]))  # type: ignore[arg-type]  # reads no model
    drawn = vectors(100, 1)
    chosen = np.array([side == RIGHT for side in better(drawn, "itself")])
    drawn[chosen] = drawn[chosen][:, [0, 2, 1]]
    targets, tokenised = [LEFT] * 100, pairs(100)
    encoded = EncodedRows(labeled_as([TEXT] * 100, targets), tokenised, objective.codes(targets, tokenised))

    assert objective.why_unusable(targets) is None
    head = objective.regression(drawn.reshape(-1, WIDTH), encoded, c=10.0, max_iterations=200)

    new = vectors(200, 2)
    logits = objective.decoder.logits(head, new.reshape(-1, WIDTH), pairs(200))
    answers = [str(answer.target) for answer in objective.decoder.answers(logits, pairs(200))]
    assert np.mean([answer == side for answer, side in zip(answers, better(new, "itself"), strict=True)]) > 0.85
