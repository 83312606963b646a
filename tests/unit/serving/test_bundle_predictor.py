from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_backend.domain.example import Span
from ml_backend.domain.model import ScoredTarget
from ml_backend.measuring.novelty import Novelty, gaps_between
from ml_backend.models.bundle.bundle import TrainedPart, read_bundle
from ml_backend.models.bundle.known_texts import KnownTexts, text_key
from ml_backend.models.decoders.base import Decoder
from ml_backend.models.decoders.sigmoid import SigmoidDecoder
from ml_backend.models.decoders.softmax import SoftmaxDecoder
from ml_backend.models.decoders.tags import TagsDecoder
from ml_backend.models.text.classifier import TextClassifier
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.serving.bundle_predictor import BundlePredictor
from tests.trained_parts import random_head, written_bundle, written_part

TEXTS = ["where is my card", "cash please", "refund", "late bank transfer a b c"]
LABELS = ("card", "cash", "refund")
QUANTILES = tuple(0.4 + 0.5 * i / 100 for i in range(101))


@pytest.fixture
def make(base: str, tmp_path: Path) -> Callable[..., BundlePredictor]:
    """Makes a version with random heads, its bundle in the folder `bundle`; a single choice unless told otherwise."""
    encoder = TextEncoder.load(base)

    def part(folder: Path, control: str, decoder: Decoder) -> TrainedPart:
        head = random_head(decoder.columns, decoder.features(encoder.width))
        return written_part(folder, head, decoder, control=control, quantiles=QUANTILES)

    def write(version: str = "tickets-1-v3", **decoders: Decoder) -> BundlePredictor:
        folder = tmp_path / version
        wanted = decoders or {"intent": SoftmaxDecoder(labels=LABELS)}
        parts = [part(folder / control, control, decoder) for control, decoder in wanted.items()]
        return BundlePredictor(written_bundle(folder / "bundle", base, *parts, version=version).path)

    return write


def test_answers_are_the_softmax_of_the_logits_over_the_temperature(
    make: Callable[..., BundlePredictor], tmp_path: Path
) -> None:
    predictor = make(intent=SoftmaxDecoder(labels=LABELS, temperature=2.5))

    answers = predictor.predict(TEXTS)

    model = TextClassifier.load(read_bundle(tmp_path / "tickets-1-v3" / "bundle"), 0)
    powers = np.exp(model.logits(model.read(TEXTS)).astype(float) / 2.5)
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert predictor.version == "tickets-1-v3"
    for found, row in zip(answers, expected, strict=True):
        assert found is not None
        assert list(found) == ["intent"]
        answer = found["intent"]
        assert list(answer.scores) == ["card", "cash", "refund"]
        np.testing.assert_allclose(list(answer.scores.values()), row, atol=1e-6)
        assert answer.target == max(answer.scores, key=lambda label: answer.scores[label])
        assert answer.score == answer.scores[str(answer.target)]
        assert sum(answer.scores.values()) == pytest.approx(1)


def test_every_control_has_its_answer_to_every_text(make: Callable[..., BundlePredictor], tmp_path: Path) -> None:
    decoders = {
        "mood": SigmoidDecoder(labels=("angry", "late")),
        "people": TagsDecoder(labels=("PER",)),
        "intent": SoftmaxDecoder(labels=LABELS),
    }
    predictor = make(**decoders)

    answers = predictor.predict(TEXTS)

    bundle = read_bundle(tmp_path / "tickets-1-v3" / "bundle")
    for position, control in enumerate(decoders):
        alone = TextClassifier.load(bundle, position).answers(TEXTS)
        assert [found and found[control].target for found in answers] == [answer.target for answer in alone]
    for found in answers:
        assert found is not None
        assert list(found) == ["mood", "people", "intent"]
        assert set(found["mood"].target) <= {"angry", "late"}
        assert all(isinstance(span, Span) for span in found["people"].target)
        assert set(found["people"].scores) == set(found["people"].target)


def test_fits_come_with_the_same_answers_where_the_version_knows_texts(
    make: Callable[..., BundlePredictor], base: str, tmp_path: Path
) -> None:
    without, encoder, rng = make(), TextEncoder.load(base), np.random.default_rng(1)
    texts = [
        " ".join(rng.choice(["card", "cash", "refund", "late", "bank", "transfer", "a", "b", "c"], 5))
        for _ in range(90)
    ]
    head = random_head(3, encoder.width)
    vectors = encoder.embed(texts)
    likeness = np.column_stack([vectors, head.logits(vectors).max(axis=1)])
    keys = np.array([text_key(text) for text in texts[:40]])
    known = KnownTexts(vectors[:40], np.arange(40) % 3, gaps_between(vectors[:40]), likeness[40:80], keys)
    part = written_part(tmp_path / "part", head, SoftmaxDecoder(labels=LABELS))
    known.write(part.folder)
    knowing = BundlePredictor(written_bundle(tmp_path / "knowing", base, part, version="tickets-1-v3").path)

    answers = knowing.predict_with_fit([*texts[80:], ""])

    assert answers.pop() is None
    found = np.array([answer["intent"].fit for answer in answers if answer], dtype=np.float64)
    fits = Novelty(known.vectors, known.codes, known.gaps, known.held_out).p_values(likeness[80:])
    np.testing.assert_allclose(found, fits, atol=2.5 / 41)
    assert without_fit(answers) == knowing.predict(texts[80:])
    assert [answer and answer["intent"].fit for answer in without.predict_with_fit(TEXTS)] == [None] * 4
    (key, similarity), *others = knowing.nearest(texts[7], 3)["intent"]
    assert (key, len(others)) == (text_key(texts[7]), 2)
    assert similarity == pytest.approx(1.0, abs=2e-3)
    assert (without.nearest(texts[7], 3), knowing.nearest(" ", 3)) == ({"intent": []}, {})


def without_fit(answers: Sequence[Mapping[str, ScoredTarget] | None]) -> list[Mapping[str, ScoredTarget] | None]:
    return [answer and {name: replace(each, fit=None) for name, each in answer.items()} for answer in answers]


def test_an_empty_text_has_no_answer_and_keeps_its_place(make: Callable[..., BundlePredictor]) -> None:
    predictor = make()

    answers = predictor.predict(["", TEXTS[0], " \n\t", TEXTS[1], "\u3000"])

    assert [answer is None for answer in answers] == [True, False, True, False, True]
    alone = predictor.predict([TEXTS[1]])[0]
    assert answers[3] is not None
    assert alone is not None
    assert answers[3]["intent"].target == alone["intent"].target
    assert predictor.predict([]) == []
    assert predictor.predict([""]) == [None]


def test_drawn_scores_follow_the_versions_own_scores(make: Callable[..., BundlePredictor]) -> None:
    predictor, other = make(), make("tickets-1-v4")

    draws = [predictor.draw_score(key) for key in range(2000)]

    assert [predictor.draw_score(key) for key in range(2000)] == draws
    assert [other.draw_score(key) for key in range(2000)] != draws
    np.testing.assert_allclose(np.quantile(draws, [0.1, 0.5, 0.9]), [0.45, 0.65, 0.85], atol=0.02)
    assert 0.4 <= min(draws) <= max(draws) <= 0.9


def test_a_drawn_score_of_several_controls_is_the_product_of_draws_of_their_own(
    make: Callable[..., BundlePredictor],
) -> None:
    """The score of a pre-label is the product of its controls' scores, so blind tasks must not stand out."""
    one = make("one-1-v1")
    two = make("two-1-v1", intent=SoftmaxDecoder(labels=LABELS), mood=SigmoidDecoder(labels=("angry", "late")))

    draws = np.array([two.draw_score(key) for key in range(4000)])

    # Of two independent uniform draws from 0.4 to 0.9.
    assert draws.mean() == pytest.approx(0.65**2, abs=0.01)
    assert draws.std() == pytest.approx(np.sqrt((0.65**2 + 0.25 / 12) ** 2 - 0.65**4), abs=0.01)
    assert 0.16 <= draws.min() <= draws.max() <= 0.81
    assert np.mean([one.draw_score(key) for key in range(4000)]) == pytest.approx(0.65, abs=0.01)
