"""Features of the frozen base model: over its graph, and by torch where that cannot be trusted or does not exist."""

import logging
from pathlib import Path

import numpy as np
import pytest

from ml_backend.learning.classification.frozen import frozen_encoder
from ml_backend.learning.objectives.base import Objective
from ml_backend.models.graphs.encoder import GraphEncoder
from ml_backend.models.graphs.store import GraphStore
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.tiny_models import save_tiny_model
from tests.unit.learning.builders import LINEAR_HEADS, topic_data


@pytest.fixture(scope="module")
def frozen(base: str) -> TextEncoder:
    return TextEncoder.load(base)


def reading_of(encoder: TextEncoder, head: str = "softmax") -> TokenisedTexts:
    data = topic_data(head, 60)
    objective = Objective.of(data.head, data.labels)
    objective.prepare(encoder, data.train)
    return objective.encode(encoder, data.train).tokenised


@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_the_graph_gives_the_vectors_that_torch_gives(frozen: TextEncoder, store: GraphStore, head: str) -> None:
    tokenised = reading_of(frozen, head)
    told: list[int] = []

    with frozen_encoder(frozen, store, tokenised) as encoder:
        assert isinstance(encoder, GraphEncoder)
        found = encoder.vectors(tokenised, on_rows=told.append)

    np.testing.assert_allclose(found, frozen.vectors(tokenised), atol=0.05)
    assert told[-1] == len(tokenised.sequences)


def test_a_graph_of_another_model_is_not_believed(
    frozen: TextEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = TextEncoder.load(save_tiny_model("bert", tmp_path / "other", seed=1))
    store = GraphStore(tmp_path / "graphs")
    mine, theirs = (store.share(encoder).graph.onnx for encoder in (frozen, other))
    mine.write_bytes(theirs.read_bytes())

    with caplog.at_level(logging.WARNING), frozen_encoder(frozen, store, reading_of(frozen)) as encoder:
        assert encoder is frozen

    assert "the ones of the graph differ" in caplog.text


def test_torch_computes_where_there_is_no_graph(frozen: TextEncoder, tmp_path: Path) -> None:
    store = GraphStore(tmp_path / "graphs")
    store.share(frozen).graph.onnx.write_bytes(b"no graph")

    for graphs in (None, store):
        with frozen_encoder(frozen, graphs, reading_of(frozen)) as encoder:
            assert encoder is frozen


def test_the_vectors_are_the_same_every_time(frozen: TextEncoder, store: GraphStore) -> None:
    tokenised = reading_of(frozen, "tags")

    found = []
    for _ in range(2):
        with frozen_encoder(frozen, store, tokenised) as encoder:
            found.append(encoder.vectors(tokenised))

    np.testing.assert_array_equal(*found)
