"""Trainings on long texts and on texts of several fields."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ml_backend.domain.field_texts import join_fields
from ml_backend.domain.model import Method
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.data import LabeledTexts, TrainingData
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL
from ml_backend.models.bundle.bundle import read_bundle
from ml_backend.models.decoders.base import WholeTextDecoder
from ml_backend.models.graphs.store import GraphStore
from ml_backend.models.text.classifier import TextClassifier
from ml_backend.serving.bundle_predictor import BundlePredictor
from ml_backend.serving.engines import Engines
from tests.integration.learning.trials import Trial
from tests.unit.learning.builders import FAST, topic_data


def test_fields_and_sentences_are_served_as_they_were_learned(tmp_path: Path, base: str, store: GraphStore) -> None:
    data = topic_data("sigmoid", 40, 20)
    around = "please the a b. is where late c d? " * 6

    def with_fields(rows: LabeledTexts) -> LabeledTexts:
        texts = (join_fields({"subject": "a b", "body": f"{around}{text}."}) for text in rows.texts)
        return replace(rows, texts=tuple(texts))

    data = replace(data, train=with_fields(data.train), validation=with_fields(data.validation))
    outcome = Trial(tmp_path, base).train(data, settings=replace(FAST, method=Method.LORA), graphs=store)

    bundle = read_bundle(outcome.bundle)
    decoder = bundle.manifest.parts[0].linear_decoder
    assert isinstance(decoder, WholeTextDecoder)
    assert decoder.fields == ("subject", "body")
    assert bundle.head(0).weight.shape == (3, 32)
    by_torch = TextClassifier.load(bundle, 0, use_bf16=False)
    by_engine = Engines(store.folder, "onnxruntime").classifier(bundle, 0)
    texts = [*data.train.texts, join_fields({"body": "my cash", "other": "late"}), "a text without fields"]
    wanted, computed = (model.logits(model.read(texts)) for model in (by_torch, by_engine))
    assert np.abs(wanted - computed).max() <= 1e-3 * np.abs(wanted).max()


TELLING = {
    "card": ("My bank card was {} yesterday.", ("stolen", "lost", "blocked", "swallowed by the machine", "declined")),
    "weather": ("It will {} in the mountains.", ("rain", "snow", "be sunny", "be foggy", "storm")),
    "food": ("The soup was {} and cold.", ("salty", "tasty", "bitter", "sour", "spicy")),
}
AROUND = [
    f"{who} {what}."
    for who in ("My sister", "The teacher", "Our neighbour", "A painter")
    for what in ("reads a novel", "plays the piano", "bought a bicycle", "visits the museum", "learns Greek", "sleeps")
]


def rows_with(words: slice) -> LabeledTexts:
    """Texts of 49 sentences, the last of which tells the class."""
    rng = np.random.default_rng(words.start)
    rows = [
        (" ".join([*rng.choice(AROUND, 48), sentence.format(word)]), label)
        for label, (sentence, choices) in TELLING.items()
        for word in choices[words]
        for _ in range(4)
    ]
    return LabeledTexts(tuple(text for text, _ in rows), tuple(label for _, label in rows), np.ones(len(rows)))


def test_a_sentence_at_the_end_of_a_long_text_tells_its_class(tmp_path: Path) -> None:
    labels, train, test = tuple(TELLING), rows_with(slice(0, 3)), rows_with(slice(3, 5))
    names = LabeledTexts(labels, labels, np.ones(3))
    data = TrainingData("topic", "softmax", labels, train, names, test.take([]))

    outcome = Trial(tmp_path, DEFAULT_BASE_MODEL).train(data, settings=TrainingSettings(method=Method.REGRESSION))

    answers = BundlePredictor(outcome.bundle).predict(test.texts)
    right = [answer["topic"].target == target for answer, target in zip(answers, test.targets, strict=True) if answer]
    assert np.mean(right) > 0.9
