"""Graphs that write, of real but tiny decoders: what they write is held against torch's opinion of it."""

import threading
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from ml_backend.errors import GraphError
from ml_backend.learning.generation.data import TokenPair
from ml_backend.learning.generation.loss import holdout_loss
from ml_backend.models.generation.generator import Written
from ml_backend.models.generation.graph_writer import TOKENS_AT_ONCE, GraphWriter
from ml_backend.models.generation.language_model import LanguageModel
from ml_backend.models.generation.torch_writer import TorchWriter
from ml_backend.models.generation.writer_export import export_writer
from ml_backend.models.generation.writer_graph import WriterGraph
from tests.tiny_language_models import byte_tokenizer, tiny_decoder

TOLERANCE = 0.03
PROMPTS = [[7, 8, 9], list(range(20, 60)), [30] * 12, [11], list(range(100, 107))]


class Exported:
    """A decoder and its graph."""

    def __init__(self, kind: str, folder: Path) -> None:
        tokenizer = byte_tokenizer()
        self.model = LanguageModel.of(tiny_decoder(kind, tokenizer), tokenizer, name=kind, digest="")
        self.graph = export_writer(self.model, folder)

    def check(self, prompts: Sequence[Sequence[int]], written: Sequence[Written]) -> None:
        """See that torch finds every response as likely as the graph did."""
        for prompt, (new, confidence) in zip(prompts, written, strict=True):
            loss = holdout_loss(self.model, [TokenPair((*prompt, *new), len(prompt))], tokens_per_pass=4096)
            assert np.exp(-loss) == pytest.approx(confidence, rel=TOLERANCE)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported("llama", tmp_path_factory.mktemp("llama"))


def test_a_graph_writes_as_likely_as_torch_finds_it(llama: Exported) -> None:
    written = GraphWriter(WriterGraph.read(llama.graph.folder)).write(PROMPTS, most_tokens=20, longest=70, stop_ids=[2])

    assert [len(new) for new, _ in written] == [20, 20, 20, 20, 20]
    llama.check(PROMPTS, written)


@pytest.mark.parametrize("kind", ["gpt2", "qwen2"])
def test_other_architectures(kind: str, tmp_path: Path) -> None:
    exported = Exported(kind, tmp_path)

    exported.check(PROMPTS, GraphWriter(exported.graph).write(PROMPTS, most_tokens=8, longest=256, stop_ids=[]))


def test_responses_that_threads_ask_for_join_the_batch_that_is_under_way(llama: Exported) -> None:
    writer = GraphWriter(llama.graph)
    written: dict[int, list[Written]] = {}
    is_begun = threading.Event()

    def ask(number: int, prompts: list[list[int]]) -> None:
        written[number] = writer.write(
            prompts, most_tokens=200, longest=210, stop_ids=[], on_rows=lambda _: is_begun.set()
        )

    # The longest prompt has the shortest response: when that is there, the other one is under way.
    first = threading.Thread(target=ask, args=(0, [[9] * 200, [7, 8, 9]]))
    first.start()
    is_begun.wait()
    others = [threading.Thread(target=ask, args=(number, [PROMPTS[number]])) for number in range(1, 5)]
    for thread in others:
        thread.start()
    for thread in (first, *others):
        thread.join()

    llama.check([[9] * 200, [7, 8, 9]], written[0])
    for number in range(1, 5):
        llama.check([PROMPTS[number]], written[number])


def test_more_than_fits_at_once_is_written_in_turns(llama: Exported) -> None:
    prompts = [[5 + row] * 8 for row in range(6)]
    most = TOKENS_AT_ONCE // 4

    written = GraphWriter(llama.graph).write(prompts, most_tokens=most, longest=20, stop_ids=[])

    assert [len(new) for new, _ in written] == [12] * 6
    llama.check(prompts, written)


def test_a_token_that_ends_a_response_is_its_last_one(llama: Exported) -> None:
    ((free, _),) = GraphWriter(llama.graph).write(PROMPTS[:1], most_tokens=12, longest=None, stop_ids=[])
    stop = free[5]

    ((new, _),) = GraphWriter(llama.graph).write(PROMPTS[:1], most_tokens=12, longest=None, stop_ids=[stop])
    assert new == free[: free.index(stop) + 1]


def test_what_is_there_when_the_time_is_up_is_returned(llama: Exported) -> None:
    ticks = count()
    writer = GraphWriter(llama.graph, clock=lambda: float(next(ticks)))

    written = writer.write(PROMPTS[:2], most_tokens=50, longest=None, stop_ids=[], budget_s=3.0)
    assert [len(new) for new, _ in written] == [3, 3]


def test_what_a_report_raises_leaves_nothing_behind(llama: Exported) -> None:
    writer = GraphWriter(llama.graph)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writer.write(PROMPTS, most_tokens=30, longest=32, stop_ids=[], on_rows=stop)
    written = writer.write(PROMPTS[:1], most_tokens=5, longest=None, stop_ids=[])
    llama.check(PROMPTS[:1], written)


def test_a_model_that_cannot_be_exported_is_refused_with_the_reason(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    model = LanguageModel.of(tiny_decoder("llama", tokenizer), tokenizer, name="mine", digest="")
    model.module.forward = None

    with pytest.raises(GraphError, match="mine cannot be exported as a graph: 'NoneType'"):
        export_writer(model, tmp_path)


def test_an_incomplete_graph_is_refused(llama: Exported, tmp_path: Path) -> None:
    (tmp_path / "writer.json").write_bytes((llama.graph.folder / "writer.json").read_bytes())

    with pytest.raises(GraphError, match=r"lacks writer.xml, writer.bin"):
        WriterGraph.read(tmp_path)


def test_torch_and_the_graph_take_the_same_limits(llama: Exported) -> None:
    for writer in (TorchWriter(llama.model), GraphWriter(llama.graph)):
        written = writer.write([[9] * 10, [8] * 10], most_tokens=30, longest=16, stop_ids=[])
        assert [len(new) for new, _ in written] == [6, 6]
