"""Engines that versions and projects share."""

import gc
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ml_backend.errors import BundleError, EncoderError
from ml_backend.models.bundle.bundle import Bundle
from ml_backend.models.text.classifier import TextClassifier
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.serving.bundle_predictor import BundlePredictor
from ml_backend.serving.engine import Engine
from ml_backend.serving.engines import EngineEncoder, Engines
from tests.trained_parts import random_head, softmax_part, written_bundle

TEXTS = ["where is my card", "cash please", "refund", "late bank transfer a b c " * 30]
LABELS = ("card", "cash", "refund")


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture
def bundle(base: str, tmp_path: Path) -> Callable[..., Bundle]:
    """Makes a version whose head is random and whose base is frozen."""

    def write(version: str, *, base_sha256: str = "") -> Bundle:
        head = random_head(len(LABELS), 16, seed=sum(map(ord, version)))
        part = softmax_part(tmp_path / version / "part", head, LABELS)
        return written_bundle(tmp_path / version / "bundle", base, part, version=version, base_sha256=base_sha256)

    return write


@pytest.fixture(params=["torch", "openvino", "onnxruntime"])
def engines(request: pytest.FixtureRequest, graphs: Path) -> Engines:
    if request.param != "torch":
        pytest.importorskip(request.param)
    return Engines(graphs, request.param)


def engine_of(encoder: object) -> object:
    assert isinstance(encoder, EngineEncoder)
    return encoder.engine


def test_a_version_gives_the_logits_that_torch_gives(engines: Engines, bundle: Callable[..., Bundle]) -> None:
    version = bundle("v1")

    served, torchs = engines.classifier(version, 0), TextClassifier.load(version, 0)

    expected = torchs.logits(torchs.read(TEXTS))
    np.testing.assert_allclose(served.logits(served.read(TEXTS)), expected, atol=0.05)
    assert [each.target for each in served.answers(TEXTS)] == [each.target for each in torchs.answers(TEXTS)]


def test_versions_over_the_frozen_base_and_the_base_share_one_engine(
    engines: Engines, bundle: Callable[..., Bundle], base: str
) -> None:
    one, two = engines.classifier(bundle("v1"), 0), engines.classifier(bundle("v2"), 0)
    encoder = engines.encoder(base, max_length_tokens=64)

    assert engine_of(one.encoder) is engine_of(two.encoder) is engine_of(encoder)
    assert not np.allclose(one.head.weight, two.head.weight)
    assert encoder.embed(TEXTS).shape == (4, 16)


def test_an_engine_is_closed_with_its_last_encoder(engines: Engines, bundle: Callable[..., Bundle]) -> None:
    one, two = engines.classifier(bundle("v1"), 0), engines.classifier(bundle("v2"), 0)
    assert isinstance(one.encoder, EngineEncoder)
    queue = one.encoder.engine._queue

    del one
    gc.collect()
    assert not queue._is_closed
    two.answers(TEXTS)
    del two
    gc.collect()
    assert queue._is_closed


def test_a_longer_reading_has_an_engine_of_its_own(engines: Engines, base: str) -> None:
    short, long = engines.encoder(base, max_length_tokens=16), engines.encoder(base, max_length_tokens=64)

    assert engine_of(short) is not engine_of(long)
    assert (short.max_length_tokens, long.max_length_tokens) == (16, 64)


def test_other_base_weights_than_it_was_trained_on_are_refused(engines: Engines, bundle: Callable[..., Bundle]) -> None:
    with pytest.raises(BundleError, match="Restore the former weights"):
        engines.classifier(bundle("v1", base_sha256="0" * 64), 0)


def test_a_base_model_that_is_not_there_is_said(engines: Engines, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="nowhere"):
        engines.encoder(str(tmp_path / "nowhere"))


def test_predictors_say_which_memory_they_share(engines: Engines, bundle: Callable[..., Bundle]) -> None:
    one, two = (BundlePredictor(bundle(name).path, engines=engines) for name in ("v1", "v2"))

    assert dict(one.memory) == dict(two.memory)
    assert sum(one.memory.values()) > 0
    assert one.controls == frozenset({"intent"})


def test_a_graph_that_cannot_be_computed_leaves_the_work_to_torch(
    base: str, graphs: Path, bundle: Callable[..., Bundle], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engines = Engines(tmp_path / "graphs", "onnxruntime")
    encoder = TextEncoder.load(base)
    shared = engines._store.share(encoder)
    shared.graph.onnx.write_bytes(b"damaged")

    with caplog.at_level(logging.WARNING, "ml_backend.serving.engines"):
        served = engines.classifier(bundle("v1"), 0)

    assert isinstance(served.encoder, EngineEncoder)
    assert served.encoder.engine.name == "torch"
    assert "is left aside" in caplog.text


def test_a_version_that_cannot_answer_says_so_before_it_serves(bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    predictor = BundlePredictor(bundle("v1").path, engines=Engines(tmp_path, "torch"))
    predictor.warm_up()
    for engine in predictor.memory:
        assert isinstance(engine, Engine)
        engine.close()

    with pytest.raises(BundleError, match="v1 was loaded and cannot answer 'intent'"):
        predictor.warm_up()
