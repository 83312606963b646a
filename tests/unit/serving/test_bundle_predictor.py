from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_backend.domain.model import Method
from ml_backend.encoders.base_model import weights_sha256
from ml_backend.encoders.bundle import BundleFacts, BundleManifest, Head, write_bundle
from ml_backend.encoders.classifier import load_classifier
from ml_backend.errors import BundleError
from ml_backend.serving.bundle_predictor import BundlePredictor
from tests.tiny_models import save_tiny_model

TEXTS = ["where is my card", "cash please", "refund", "late bank transfer a b c"]
QUANTILES = tuple(0.4 + 0.5 * i / 100 for i in range(101))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny_model("bert", tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture
def make(base: str, tmp_path: Path) -> Callable[..., BundlePredictor]:
    manifest = BundleManifest(
        model_version="tickets-1-v3",
        method=Method.REGRESSION,
        base_model=base,
        base_model_sha256=weights_sha256(base),
        facts=BundleFacts("intent", "text", "body", "<View/>", "0123456789ab", "cdef"),
        labels=("card", "cash", "refund"),
        max_length_tokens=64,
        temperature=1.0,
        seed=7,
        settings={},
        score_quantiles=QUANTILES,
        created_at="2026-01-01T00:00:00+00:00",
        libraries={},
    )
    head = Head(np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32), np.zeros(3, dtype=np.float32))

    def write(**changes: object) -> BundlePredictor:
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        write_bundle(path, replace(manifest, **changes), head, trained_on=[])
        return BundlePredictor(path)

    return write


def test_answers_are_the_softmax_of_the_logits_over_the_temperature(
    make: Callable[..., BundlePredictor], tmp_path: Path
) -> None:
    predictor = make(temperature=2.5)

    answers = predictor.predict(TEXTS)

    (folder,) = [path for path in tmp_path.iterdir() if (path / "bundle.json").exists()]
    powers = np.exp(load_classifier(folder).logits(TEXTS).astype(float) / 2.5)
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert predictor.version == "tickets-1-v3"
    for answer, row in zip(answers, expected, strict=True):
        assert answer is not None
        assert list(answer.scores) == ["card", "cash", "refund"]
        np.testing.assert_allclose(list(answer.scores.values()), row, atol=1e-6)
        assert answer.target == max(answer.scores, key=lambda label: answer.scores[label])
        assert answer.score == answer.scores[str(answer.target)]
        assert sum(answer.scores.values()) == pytest.approx(1)


def test_an_empty_text_has_no_answer_and_keeps_its_place(make: Callable[..., BundlePredictor]) -> None:
    predictor = make()

    answers = predictor.predict(["", TEXTS[0], " \n\t", TEXTS[1], "\u3000"])

    assert [answer is None for answer in answers] == [True, False, True, False, True]
    alone = predictor.predict([TEXTS[1]])[0]
    assert answers[3] is not None
    assert alone is not None
    assert answers[3].target == alone.target
    assert predictor.predict([]) == []
    assert predictor.predict([""]) == [None]


def test_drawn_scores_follow_the_versions_own_scores(make: Callable[..., BundlePredictor]) -> None:
    predictor, other = make(), make(model_version="tickets-1-v4")

    draws = [predictor.draw_score(key) for key in range(2000)]

    assert [predictor.draw_score(key) for key in range(2000)] == draws
    assert [other.draw_score(key) for key in range(2000)] != draws
    np.testing.assert_allclose(np.quantile(draws, [0.1, 0.5, 0.9]), [0.45, 0.65, 0.85], atol=0.02)
    assert 0.4 <= min(draws) <= max(draws) <= 0.9


def test_threads_get_the_same_answers(make: Callable[..., BundlePredictor]) -> None:
    predictor = make()
    batches = [TEXTS[i:] + TEXTS[:i] for i in range(4)] * 6
    expected = [[answer.target for answer in predictor.predict(batch) if answer] for batch in batches]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(predictor.predict, batches))

    assert [[answer.target for answer in answers if answer] for answers in found] == expected


def test_a_missing_bundle_is_refused_at_construction(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds no bundle\.json"):
        BundlePredictor(tmp_path / "nothing")
