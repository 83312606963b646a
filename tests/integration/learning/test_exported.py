"""Trainings that export what they trained: the graph beside torch, and what becomes of models without one."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_backend.domain.model import Method
from ml_backend.models.base.base_model import weights_sha256
from ml_backend.models.bundle.bundle import read_bundle
from ml_backend.models.graphs.encoder import GraphEncoder
from ml_backend.models.graphs.fastest import open_runtime
from ml_backend.models.graphs.store import GraphStore
from ml_backend.models.text.classifier import TextClassifier, served_graph
from tests.integration.learning.trials import Trial
from tests.unit.learning.builders import FAST, LINEAR_HEADS, topic_data


@pytest.mark.parametrize(("method", "heads"), [(Method.LORA, LINEAR_HEADS), (Method.FULL, LINEAR_HEADS[:1])])
def test_every_head_answers_over_its_graph_as_it_does_over_torch(
    method: Method, heads: Sequence[str], tmp_path: Path, base: str, store: GraphStore
) -> None:
    parts = [topic_data(head, 60, 20) for head in heads]
    outcome = Trial(tmp_path, base).train(*parts, settings=replace(FAST, method=method), graphs=store)

    bundle, shared = read_bundle(outcome.bundle), store.base(base)
    for position, head in enumerate(heads):
        texts = topic_data(head, 60).train.texts
        graph = served_graph(bundle, position, shared)
        assert graph is not None
        assert graph.folder.is_relative_to(outcome.bundle)
        exact = TextClassifier.load(bundle, position, use_bf16=False)
        wanted = exact.logits(exact.read(texts))
        for name, allowed in (("onnxruntime", 1e-3), ("openvino", 0.1)):
            length = bundle.manifest.parts[position].max_length_tokens
            runtime = open_runtime(
                graph, shared.words, wanted=name, max_length_tokens=length, measured=tmp_path / "runtimes.json"
            )
            encoder = GraphEncoder(
                shared.tokeniser, runtime.hidden, width=shared.facts.hidden_size, max_length_tokens=length
            )
            model = TextClassifier.over(bundle, position, encoder)
            found = model.logits(model.read(texts))
            runtime.close()
            assert np.abs(found - wanted).max() <= allowed * np.abs(wanted).max()


def test_a_regression_is_served_by_the_graph_of_the_base_model(tmp_path: Path, base: str, store: GraphStore) -> None:
    settings = replace(FAST, method=Method.REGRESSION)
    outcome = Trial(tmp_path, base).train(topic_data("softmax", 60, 20), settings=settings, graphs=store)

    bundle, shared = read_bundle(outcome.bundle), store.base(base)
    graph = served_graph(bundle, 0, shared)
    assert graph is not None
    assert graph.folder == shared.folder / "graph"
    assert not [name for name in bundle.manifest.files if "graph" in name]


def test_a_model_that_torch_alone_can_compute_is_trained_with_a_warning(tmp_path: Path, base: str) -> None:
    store = GraphStore(tmp_path / "graphs")
    digest = weights_sha256(base)
    facts = {
        "base_model": base,
        "base_model_sha256": digest,
        "hidden_size": 16,
        "max_length_tokens": 64,
        "pad_id": 0,
        "refusal": "its layers are of a new kind",
    }
    folder = store.folder / digest[:16]
    folder.mkdir(parents=True)
    (folder / "facts.json").write_text(json.dumps(facts))

    settings = replace(FAST, method=Method.LORA)
    outcome = Trial(tmp_path, base).train(topic_data("softmax", 60, 20), settings=settings, graphs=store)

    assert outcome.warnings[-1] == (
        "pre-labels of 'intent' are computed by torch, which is slower: its layers are of a new kind"
    )
    assert not [name for name in read_bundle(outcome.bundle).manifest.files if "graph" in name]
