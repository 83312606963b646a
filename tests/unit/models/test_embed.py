from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.models.base.base_model import load_backbone
from ml_backend.models.base.token_batches import padded, token_batches
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.tiny_models import KINDS, WORDS, save_tiny_model

TEXTS = ["where is my card", "cash", "my refund is late please", "", "the bank lost my money top up a b c d e"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_vector_depends_on_its_text_alone(kind: str, tmp_path: Path) -> None:
    encoder = TextEncoder.load(save_tiny_model(kind, tmp_path / kind))

    together = encoder.embed(TEXTS)
    alone = np.concatenate([encoder.embed([text]) for text in TEXTS])

    assert together.shape == (len(TEXTS), 16)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)


def test_order_survives_sorting_by_length_over_several_chunks(base: str) -> None:
    encoder = TextEncoder.load(base)
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS[5:], size=rng.integers(1, 30))) for _ in range(1100)]
    seen: list[int] = []

    vectors = encoder.embed(texts, on_rows=seen.append)

    some = [0, 5, 1023, 1024, 1099]
    np.testing.assert_allclose(vectors[some], encoder.embed([texts[i] for i in some]), atol=1e-5)
    assert seen[-1] == 1100
    assert seen == sorted(seen)


def test_the_mean_leaves_padding_out(base: str) -> None:
    import torch

    encoder = TextEncoder(load_backbone(base), use_bf16=False)
    ids = torch.tensor(encoder.tokenise(["cash card"]))
    with torch.inference_mode():
        hidden = encoder.backbone.module(input_ids=ids).last_hidden_state[0].numpy()
    mean = hidden.mean(axis=0)

    vector = encoder.embed(["cash card", "a b c d e f g h"])[0]

    np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


def test_longer_texts_are_cut_to_the_bound_of_setting_and_model(base: str) -> None:
    text = " ".join(["card"] * 500)

    assert [len(row) for row in TextEncoder.load(base, max_length_tokens=10).tokenise([text])] == [10]
    assert [len(row) for row in TextEncoder.load(base, max_length_tokens=4096).tokenise([text])] == [64]


def test_no_texts_give_an_empty_array(base: str) -> None:
    assert TextEncoder.load(base).embed([]).shape == (0, 16)


def test_threads_get_the_same_vectors(base: str) -> None:
    encoder = TextEncoder.load(base)
    batches = [[*TEXTS[i:], "cash " * i] for i in range(5)] * 8
    expected = [encoder.embed(batch) for batch in batches]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(encoder.embed, batches))

    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_bf16_stays_close_to_fp32(base: str) -> None:
    exact = TextEncoder(load_backbone(base), use_bf16=False)
    rough = TextEncoder(exact.backbone, use_bf16=True)

    assert (exact.embed(TEXTS) * rough.embed(TEXTS)).sum(axis=1).min() > 0.999


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 2000))
def test_batches_hold_every_row_once_within_the_token_budget(lengths: list[int], budget: int) -> None:
    batches = list(token_batches(lengths, tokens_per_batch=budget))

    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget


def test_the_default_model_finds_the_paraphrase() -> None:
    vectors = TextEncoder.load().embed(["I lost my card", "my bank card is missing", "the weather is nice today"])

    assert vectors.shape == (3, 384)
    assert vectors[0] @ vectors[1] > 0.6
    assert vectors[0] @ vectors[2] < 0.3


@pytest.mark.parametrize(("on_left", "short"), [(False, [8, 0, 0]), (True, [0, 0, 8])])
def test_rows_are_filled_up_on_one_side(on_left: bool, short: list[int]) -> None:
    ids, mask = padded([[5, 6, 7], [8]], 0, on_left=on_left)

    assert ids.tolist() == [[5, 6, 7], short]
    assert mask.tolist() == [[1, 1, 1], [int(token == 8) for token in short]]
