"""Training on texts of many pieces."""

from dataclasses import replace

import numpy as np
import pytest

from ml_backend.arrays import Floats2d
from ml_backend.domain.example import Target
from ml_backend.domain.model import Method
from ml_backend.learning.classification.long_rows import most_telling
from ml_backend.learning.classification.trainer import Trainer
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.data import LabeledTexts
from ml_backend.learning.rows.encoded import EncodedRows
from ml_backend.models.text.pooling import Pooling
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.unit.learning.builders import FAST, KEYWORDS, NAMES

PIECES = 20


def pieces_of(rows: int, *, is_telling: bool, seed: int) -> tuple[EncodedRows, Floats2d]:
    """Texts of 20 pieces at random, of which one tells the class, or all tell it a little."""
    rng = np.random.default_rng(seed)
    classes = np.arange(rows) % len(NAMES)
    targets: list[Target] = [NAMES[k] for k in classes]
    features = rng.normal(size=(rows, PIECES, 16)) / 4
    if is_telling:
        features[np.arange(rows), rng.integers(0, PIECES, rows), classes] += 2.0
    else:
        features[np.arange(rows)[:, None], np.arange(PIECES)[None, :], classes[:, None]] += 0.15
    starts = np.arange(0, rows * PIECES + 1, PIECES)
    tokenised = TokenisedTexts([[1]] * (rows * PIECES), None, starts, fields=np.zeros(rows * PIECES, dtype=np.int64))
    texts = LabeledTexts(("",) * rows, tuple(targets), np.ones(rows))
    return EncodedRows(texts, tokenised, classes), features.reshape(-1, 16).astype(np.float32)


@pytest.mark.parametrize(("is_telling", "wanted"), [(True, Pooling.STRONGEST), (False, Pooling.MEAN)])
@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_the_rows_tell_whether_one_sentence_decides_or_all_of_them(
    encoder: TextEncoder, head: str, is_telling: bool, wanted: Pooling
) -> None:
    (train, features), (test, others) = (pieces_of(90, is_telling=is_telling, seed=seed) for seed in (1, 2))
    if head == "sigmoid":
        train, test = (
            EncodedRows(
                replace(each.rows, targets=tuple((target,) for target in each.rows.targets)),
                each.tokenised,
                np.eye(3, dtype=np.float32)[np.asarray(each.codes, dtype=np.int64)],
            )
            for each in (train, test)
        )
    objective = Objective.of(head, NAMES)
    objective.prepare(encoder, train.rows)

    objective.settle_pooling(features, train, c=30.0, seed=1)

    assert objective.pooling is wanted
    regression = objective.regression(features, train, c=30.0, max_iterations=200)
    evaluation = objective.evaluation(objective.decoder.logits(regression, others, test.tokenised), test)
    assert objective.measure.score(evaluation) > 0.85


def test_a_class_without_a_row_is_never_answered(encoder: TextEncoder) -> None:
    train, features = pieces_of(30, is_telling=True, seed=1)
    objective = Objective.of("softmax", (*NAMES, "absent"))
    objective.prepare(encoder, train.rows)
    objective.settle_pooling(features, train, c=30.0, seed=1)

    logits = objective.decoder.logits(
        objective.regression(features, train, c=30.0, max_iterations=50), features, train.tokenised
    )

    assert (logits[:, 3] < -1000).all()


def test_the_sentences_that_tell_most_are_learned_from() -> None:
    lengths = [5, 5, 5, 5, 5, 3, 5, 5, 5, 5]
    fields = np.array([0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    tokenised = TokenisedTexts([[1] * n for n in lengths], None, np.array([0, 6, 10]), fields=fields, field_count=2)
    weights = np.array([0.1, 0.9, 0.3, 0.2, 0.8, 0.0, 0.4, 0.1, 0.7, 0.2])

    assert most_telling(tokenised, weights, 12).tolist() == [1, 4, 5, 6, 8]
    assert most_telling(tokenised, None, 12).tolist() == [1, 3, 5, 7, 9]
    assert most_telling(tokenised, weights, 2).tolist() == [1, 5, 8]
    assert most_telling(tokenised, weights, 100).tolist() == list(range(10))


def long_texts(rows: int, seed: int) -> LabeledTexts:
    """Texts of up to 20 sentences, one of which holds a keyword; every fourth text is that sentence alone."""
    rng = np.random.default_rng(seed)
    names = [NAMES[number % 3] for number in range(rows)]
    texts = []
    for number, name in enumerate(names):
        around = [f"please {rng.choice(['a', 'b', 'c'])} the late d." for _ in range(number % 4 * 6)]
        around.insert(int(rng.integers(0, len(around) + 1)), f"my {rng.choice(KEYWORDS[name].split())} is lost.")
        texts.append(" ".join(around))
    return LabeledTexts(tuple(texts), tuple(names), np.ones(rows))


@pytest.mark.parametrize("pooling", Pooling)
def test_a_tuned_model_learns_long_and_short_texts_together(encoder: TextEncoder, pooling: Pooling) -> None:
    settings = replace(FAST, epochs=8, adapter_learning_rate=2e-2, head_learning_rate=0.1, adversarial_size=0.1)
    objective = Objective.of("softmax", NAMES)
    rows = long_texts(48, seed=1)
    objective.prepare(encoder, rows)
    objective.pooling = pooling
    objective.decoder = objective.decoder.copy_with(pooling=pooling)
    trainer = Trainer.for_rows(encoder, objective, settings, len(rows))
    encoded = objective.encode(encoder, rows)
    features = encoder.vectors(encoded.tokenised)
    head = trainer.regression(encoded, features)

    with trainer.tuned(Method.LORA, trainer.trimmed(encoded, features, head), head) as (model, result):
        logits = model.logits(encoded.tokenised)

    assert encoded.tokenised.has_windows
    losses = [loss for _, loss in result.losses]
    assert np.mean(losses[-6:]) < np.mean(losses[:6])
    # One sentence of a text tells its class, which the mean of all of them hides.
    assert (logits.argmax(axis=1) == encoded.codes).mean() > (0.9 if pooling is Pooling.STRONGEST else 0.4)


def test_rows_are_drawn_by_their_pieces_and_the_last_ones_are_kept() -> None:
    encoded, _ = pieces_of(30, is_telling=True, seed=1)

    chosen = encoded.sample(5 * PIECES, np.random.default_rng(0), kept=2)

    assert len(chosen) == 5
    assert chosen.tolist()[-2:] == [28, 29]
    assert encoded.sample(30 * PIECES, np.random.default_rng(0)).tolist() == list(range(30))
