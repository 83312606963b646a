"""Graphs of tiny models, in every runtime, beside torch."""

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ml_backend.arrays import Floats2d
from ml_backend.errors import GraphError
from ml_backend.models.base.base_model import load_backbone
from ml_backend.models.graphs.encoder import GraphEncoder
from ml_backend.models.graphs.export import add_int8, export_graph, word_vectors_of
from ml_backend.models.graphs.fastest import open_runtime
from ml_backend.models.graphs.graph import Graph
from ml_backend.models.graphs.runtimes.base import GraphRuntime, Runtime
from ml_backend.models.graphs.runtimes.torch import TorchRuntime
from ml_backend.models.graphs.store import GraphStore
from ml_backend.models.graphs.weights import reweighted_graph
from ml_backend.models.text.encoder import Encoder
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.models.text.windows import Unit, tokenise_units
from tests.tiny_models import WORDS, save_tiny_model

LENGTH = 48
OPEN = """
import os, signal, sys, threading, time
from pathlib import Path
import numpy as np
from ml_backend.models.graphs.graph import Graph
from ml_backend.models.graphs.runtimes.openvino import OpenVinoRuntime
from ml_backend.serving.engine import Engine

KEPT = [{"number": [n]} for n in range(500_000)]  # a real process takes a while to put its objects away

def opened():
    words = np.load(sys.argv[2])
    runtime = OpenVinoRuntime(Graph.read(Path(sys.argv[1])), words, max_length_tokens=512)
    engine = Engine(runtime)
    engine.hidden([[1, 2, 3]])
    return engine

def ask_for_ever(engine):
    threading.excepthook = lambda _: None  # the engine refuses the thread in the end
    threading.Thread(target=lambda: [engine.hidden([[1] * 500] * 50) for _ in iter(int, 1)], daemon=True).start()
    time.sleep(0.1)

"""
ENDS = {
    "holding a runtime": ("kept = opened()", 0),
    "after an engine was let go": ("opened(); time.sleep(0.02)", 0),
    "holding an engine and after another was let go": ("opened(); kept = opened()", 0),
    "by an exception": ("kept = opened(); raise ValueError('no')", 1),
    "while a thread asks": ("kept = opened(); ask_for_ever(kept)", 0),
    "by SIGTERM": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); opened(); os.kill(os.getpid(), signal.SIGTERM)",
        143,
    ),
    "after sys.exit in a thread that opened one": (
        "thread = threading.Thread(target=lambda: (opened(), sys.exit())); thread.start(); thread.join()",
        0,
    ),
}
TEXTS = ["where is my card", "cash", "my refund is late please", "", "the bank lost my money top up a b c d e"]


@pytest.fixture(scope="module")
def encoder(base: str) -> TextEncoder:
    return TextEncoder(load_backbone(base), max_length_tokens=LENGTH, use_bf16=False)


@pytest.fixture(scope="module")
def words(encoder: TextEncoder) -> Floats2d:
    return word_vectors_of(encoder.backbone)


@pytest.fixture(scope="module")
def graph(encoder: TextEncoder, words: Floats2d, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    samples = encoder.tokenise(TEXTS)
    folder = tmp_path_factory.mktemp("graphs") / "bert"
    exported = export_graph(
        encoder.backbone, folder, words=words, pad_id=encoder.pad_id, samples=samples, max_length_tokens=LENGTH
    )
    return add_int8(exported, words=words, samples=samples * 8)


def test_quantising_says_nothing_and_leaves_what_others_log_as_it_was(
    graph: Graph, words: Floats2d, encoder: TextEncoder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = logging.Handler(logging.INFO)
    logging.getLogger("nncf").addHandler(handler)
    plain = Graph.read(shutil.copytree(graph.folder, tmp_path / "graph")).without_int8()
    try:
        assert add_int8(plain, words=words, samples=encoder.tokenise(TEXTS)).int8 is not None
    finally:
        logging.getLogger("nncf").removeHandler(handler)

    assert capfd.readouterr() == ("", "")
    assert handler.level == logging.INFO


def runtime_of(name: str, graph: Graph, words: Floats2d, encoder: TextEncoder) -> Runtime:
    if name == "torch":
        return TorchRuntime(encoder)
    (kind,) = (kind for kind in GraphRuntime.found() if kind.name == name)
    return kind(graph, words, max_length_tokens=LENGTH)


def exact(graph: Graph, words: Floats2d) -> Runtime:
    return GraphRuntime.exact()(graph, words, max_length_tokens=LENGTH)


def auto_runtime(graph: Graph, words: Floats2d, measured: Path, wanted: str = "auto") -> str:
    """The name of the runtime that is opened."""
    runtime = open_runtime(graph, words, wanted=wanted, max_length_tokens=LENGTH, measured=measured)
    runtime.close()
    return runtime.name


def over(runtime: Runtime, encoder: TextEncoder) -> Encoder:
    return GraphEncoder(encoder.tokeniser, runtime.hidden, width=encoder.width, max_length_tokens=LENGTH)


@pytest.mark.parametrize(
    ("name", "least_similarity"),
    [("torch", 0.999999), ("onnxruntime", 0.999999), ("openvino", 0.9995), ("openvino-int8", 0.98)],
)
def test_every_runtime_gives_the_vectors_of_torch(
    name: str, least_similarity: float, graph: Graph, words: Floats2d, encoder: TextEncoder
) -> None:
    rng = np.random.default_rng(0)
    texts = [*TEXTS, *(" ".join(rng.choice(WORDS[5:], size=rng.integers(1, 90))) for _ in range(40))]
    runtime = runtime_of(name, graph, words, encoder)

    found = over(runtime, encoder).embed(texts)
    runtime.close()

    assert (found * encoder.embed(texts)).sum(axis=1).min() > least_similarity
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "openvino-int8"])
def test_a_text_has_the_same_vector_in_any_company(
    name: str, graph: Graph, words: Floats2d, encoder: TextEncoder
) -> None:
    runtime = runtime_of(name, graph, words, encoder)
    served = over(runtime, encoder)

    together = served.embed(TEXTS * 20)
    alone = np.concatenate([served.embed([text]) for text in TEXTS])
    runtime.close()

    np.testing.assert_allclose(together, np.tile(alone, (20, 1)), atol=5e-3)


@pytest.mark.parametrize("end", ENDS)
def test_a_process_that_ends_while_shapes_are_compiled_ends_in_order(end: str, graph: Graph, tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.zeros((9, graph.facts.hidden_size), dtype=np.float32))
    statements, status = ENDS[end]

    arguments = [sys.executable, "-c", OPEN + statements, str(graph.folder), str(tmp_path / "words.npy")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)

    assert (done.returncode, "terminate called" in done.stderr) == (status, False), done.stderr


def test_words_and_windows_are_read_as_torch_reads_them(graph: Graph, words: Floats2d, encoder: TextEncoder) -> None:
    served = over(exact(graph, words), encoder)
    tokenised = tokenise_units(served, [*TEXTS, " ".join(WORDS[5:] * 4)], Unit.MODEL_WORD)

    np.testing.assert_allclose(served.vectors(tokenised), encoder.vectors(tokenised), atol=1e-5)


def test_a_sequence_that_is_too_long_is_refused(graph: Graph, words: Floats2d, encoder: TextEncoder) -> None:
    runtime = runtime_of("openvino", graph, words, encoder)

    with pytest.raises(GraphError, match="1000 tokens is longer"):
        runtime.hidden([[1] * 1000])

    runtime.close()


def test_the_fastest_runtime_is_remembered(graph: Graph, words: Floats2d, tmp_path: Path) -> None:
    measured = tmp_path / "graphs" / "runtimes.json"
    first = auto_runtime(graph, words, measured)
    for name in ("onnxruntime", "openvino", "openvino-int8"):
        measured.write_text(measured.read_text().replace(f'"{first}"', f'"{name}"'))
        first = auto_runtime(graph, words, measured)

        assert first == name


def test_without_a_graph_in_8_bits_the_plain_one_serves(graph: Graph, words: Floats2d, tmp_path: Path) -> None:
    shutil.copytree(graph.folder, tmp_path / "graph")
    plain = Graph.read(tmp_path / "graph").without_int8()

    assert plain.int8 is None
    assert plain.digest != graph.digest
    assert auto_runtime(plain, words, tmp_path / "runtimes.json", "openvino-int8") == "openvino"


def test_a_graph_that_lacks_a_file_is_refused(graph: Graph, tmp_path: Path) -> None:
    shutil.copytree(graph.folder, tmp_path / "graph")
    (tmp_path / "graph" / "encoder.onnx").unlink()

    with pytest.raises(GraphError, match=r"lacks encoder\.onnx"):
        Graph.read(tmp_path / "graph")


def test_a_model_whose_word_vectors_were_trained_is_not_exported(
    encoder: TextEncoder, words: Floats2d, tmp_path: Path
) -> None:
    with pytest.raises(GraphError, match="word vectors"):
        export_graph(
            encoder.backbone,
            tmp_path,
            words=words + 1,
            pad_id=0,
            samples=encoder.tokenise(TEXTS),
            max_length_tokens=LENGTH,
        )


def tuned_of(encoder: TextEncoder, *parameters: str) -> TextEncoder:
    """A copy of the model in which parameters whose name ends so were changed."""
    import torch

    backbone = load_backbone(encoder.backbone.name)
    with torch.no_grad():
        for name, parameter in backbone.module.named_parameters():
            if name.endswith(parameters):
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return TextEncoder(backbone, max_length_tokens=LENGTH, use_bf16=False)


@pytest.mark.parametrize(
    "kind", ["bert", "gpt2", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("distilbert", "roberta"))]
)
def test_a_graph_with_other_weights_gives_what_the_other_model_gives(kind: str, tmp_path: Path) -> None:
    encoder = TextEncoder(load_backbone(save_tiny_model(kind, tmp_path / kind)), max_length_tokens=16, use_bf16=False)
    shared = GraphStore(tmp_path / "graphs").share(encoder)
    matrices = [
        name
        for name, parameter in encoder.backbone.module.named_parameters()
        if parameter.ndim > 1 and (".0." in name or ".1." in name)
    ]
    tuned = tuned_of(encoder, *matrices)

    graph = reweighted_graph(
        shared.graph, tmp_path / "tuned", before=encoder.backbone.module, after=tuned.backbone.module
    )
    served = GraphEncoder(
        tuned.tokeniser,
        exact(graph, shared.words).hidden,
        width=tuned.width,
        max_length_tokens=16,
    )

    np.testing.assert_allclose(served.embed(TEXTS), tuned.embed(TEXTS), atol=1e-5)
    assert np.abs(served.embed(TEXTS) - encoder.embed(TEXTS)).max() > 0.01


def test_weights_that_cannot_be_told_apart_in_a_graph_are_not_replaced(
    encoder: TextEncoder, graph: Graph, tmp_path: Path
) -> None:
    """All biases of a new model are 0, and the exporter joins what is the same."""
    tuned = tuned_of(encoder, "attention.output.dense.bias")

    with pytest.raises(GraphError, match=r"parameters have the values of encoder\.layer\.0\.attention"):
        reweighted_graph(graph, tmp_path / "tuned", before=encoder.backbone.module, after=tuned.backbone.module)

    assert not (tmp_path / "tuned").exists()


def test_a_graph_gets_no_weights_of_another_architecture(encoder: TextEncoder, graph: Graph, tmp_path: Path) -> None:
    other = load_backbone(save_tiny_model("distilbert", tmp_path / "distilbert"))

    with pytest.raises(GraphError, match="differ in more than the values"):
        reweighted_graph(graph, tmp_path / "tuned", before=encoder.backbone.module, after=other.module)


def test_a_base_model_is_prepared_by_a_child_process_once(encoder: TextEncoder, tmp_path: Path) -> None:
    store = GraphStore(tmp_path / "graphs")

    shared = store.base(encoder.backbone.name)
    made = (shared.folder / "facts.json").stat().st_mtime_ns
    again = GraphStore(tmp_path / "graphs").base(encoder.backbone.name)

    assert (again.folder / "facts.json").stat().st_mtime_ns == made
    assert shared.tokeniser.ids(TEXTS, LENGTH) == encoder.tokeniser.ids(TEXTS, LENGTH)
    np.testing.assert_array_equal(shared.words, word_vectors_of(encoder.backbone))
    served = over(exact(shared.graph, shared.words), encoder)
    np.testing.assert_allclose(served.embed(TEXTS), encoder.embed(TEXTS), atol=1e-5)
