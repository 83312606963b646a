"""What trainings keep to tell texts that fit no label."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.fit import fits_no_label
from ml_backend.domain.model import Method
from ml_backend.learning.classification import known_texts as module
from ml_backend.learning.classification.known_texts import spread_over_labels
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.data import TrainingData
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL
from ml_backend.models.bundle.bundle import read_bundle
from ml_backend.models.bundle.known_texts import text_key
from ml_backend.models.graphs.store import GraphStore
from ml_backend.models.text.classifier import TextClassifier
from ml_backend.serving.bundle_predictor import BundlePredictor
from tests.integration.learning.test_budget import ticking
from tests.integration.learning.trials import Trial
from tests.unit.learning.builders import FAST, keyword_data, labeled_as, topic_data


@pytest.mark.parametrize("method", [Method.REGRESSION, Method.LORA, Method.FULL])
@pytest.mark.parametrize("with_graphs", [True, False])
def test_a_version_keeps_its_rows_the_way_that_its_head_reads_them(
    trial: Trial, method: Method, with_graphs: bool, tmp_path: Path
) -> None:
    data = keyword_data(12, 8)
    graphs = GraphStore(tmp_path / "graphs") if with_graphs else None

    trial.train(data, settings=replace(FAST, method=method), graphs=graphs)

    bundle = read_bundle(trial.out)
    classifier, known = TextClassifier.load(bundle, 0), bundle.known_texts(0)
    assert known is not None
    for texts, kept in ((data.train.texts, known.vectors), (data.validation.texts, known.held_out[:, :-1])):
        _, likeness = classifier.answers_and_likeness(texts)
        assert likeness is not None
        assert len(kept) == len(texts)
        np.testing.assert_allclose((kept @ likeness[:, :-1].T).max(axis=1), 1.0, atol=0.02)
    np.testing.assert_allclose(known.held_out[:, -1], likeness[:, -1], rtol=0.1, atol=0.1)
    assert np.bincount(known.codes).tolist() == [12, 12, 12]
    assert sorted(known.keys.tolist()) == sorted(map(text_key, data.train.texts))


def test_several_labels_are_told_by_the_likeliest_one(trial: Trial) -> None:
    data = topic_data("sigmoid", 40, 24)

    trial.train(data, settings=replace(FAST, method=Method.LORA))

    known = read_bundle(trial.out).known_texts(0)
    assert known is not None
    assert len(known.vectors) == len(known.codes) == 0
    predictor = BundlePredictor(trial.out)
    answers = predictor.predict_with_fit(data.validation.texts)
    fits = np.array([answer["topics"].fit for answer in answers if answer], dtype=np.float64)
    likeliest = np.array([max(answer["topics"].scores.values()) for answer in answers if answer])
    np.testing.assert_allclose(np.sort(fits), np.arange(2, 26) / 25, atol=2 / 25)
    assert fits[likeliest.argmin()] < fits[likeliest.argmax()]


def test_too_few_validation_rows_or_another_kind_keep_nothing(trial: Trial, tmp_path: Path) -> None:
    settings = replace(FAST, method=Method.REGRESSION)
    trial.train(keyword_data(12, 6), topic_data("tags", 24, 24), settings=settings)

    assert [read_bundle(trial.out).known_texts(position) for position in (0, 1)] == [None, None]


def test_a_budget_that_is_used_up_keeps_fewer_train_rows(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEXTS_AT_ONCE", 10)
    settings = replace(FAST, method=Method.LORA, budget_min=3.0)

    trial.train(keyword_data(12, 8), settings=settings, deadline=ticking(1000.0))

    known = read_bundle(trial.out).known_texts(0)
    assert known is not None
    assert (len(known.vectors), len(known.codes), len(known.held_out)) == (10, 10, 24)


def test_every_beginning_of_the_order_holds_each_label_in_proportion() -> None:
    codes = np.repeat(np.arange(3), [600, 300, 30])

    order = spread_over_labels(codes, np.random.default_rng(1))

    assert sorted(order.tolist()) == list(range(930))
    for size in (31, 93, 310):
        shares = np.bincount(codes[order[:size]], minlength=3) / size
        np.testing.assert_allclose(shares, np.array([600, 300, 30]) / 930, atol=0.04)


def test_tickets_of_a_class_that_was_held_out_fit_none_of_the_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    tickets = [each for each in load_tickets() if not each.is_hard]
    new = [each.text for each in tickets if each.label == "Technical Fault"]
    known = [tickets[i] for i in rng.permutation(len(tickets)) if tickets[i].label != "Technical Fault"]
    labels = tuple(sorted({each.label for each in known}))
    train, validation, test = (
        labeled_as([each.text for each in some], [each.label for each in some])
        for some in (known[:240], known[240:340], known[340:])
    )
    data = TrainingData("category", "softmax", labels, train, labeled_as([], []), validation)

    trial = Trial(tmp_path, DEFAULT_BASE_MODEL)
    trial.train(data, settings=TrainingSettings(method=Method.REGRESSION))

    predictor = BundlePredictor(trial.out)
    shares = []
    for texts in (test.texts, new):
        answers = [answer["category"] for answer in predictor.predict_with_fit(texts) if answer]
        shares.append(np.mean([fits_no_label(answer.fit) for answer in answers]))
    assert shares[0] < 0.12
    assert shares[1] > 0.15
