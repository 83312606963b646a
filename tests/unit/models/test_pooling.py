"""Units of several pieces: how they are read, and how their logits are pooled."""

import numpy as np
import pytest

from ml_backend.domain.field_texts import join_fields
from ml_backend.learning.classification.piece_groups import PieceGroups
from ml_backend.models.bundle.head import Head
from ml_backend.models.decoders.softmax import SoftmaxDecoder
from ml_backend.models.text.pooling import Pooling, pooled_logits
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.models.text.torch_encoder import TextEncoder

LONG = "Where is my card. " * 30 + "My cash is lost."
FIELDS = ("subject", "body")
RANDOM = np.random.default_rng(0)
# Three texts: one piece of either field; three pieces and none; two pieces and one.
PIECES = TokenisedTexts(
    [[1]] * 8, None, np.array([0, 2, 5, 8]), fields=np.array([0, 1, 0, 0, 0, 0, 0, 1]), field_count=2
)
FEATURES = RANDOM.normal(size=(8, 5)).astype(np.float32)
HEAD = Head(RANDOM.normal(size=(4, 10)).astype(np.float32), RANDOM.normal(size=4).astype(np.float32))


@pytest.fixture(scope="module")
def encoder(base: str) -> TextEncoder:
    return TextEncoder.load(base)


def strongest(logits: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.exp(logits).mean(axis=0)))


@pytest.mark.parametrize(
    ("pooling", "pool"), [(Pooling.MEAN, lambda x: x.mean(axis=0)), (Pooling.STRONGEST, strongest)]
)
def test_logits_are_pooled_by_field_and_added(pooling: Pooling, pool: type[np.mean]) -> None:
    subject, body = FEATURES @ HEAD.weight[:, :5].T, FEATURES @ HEAD.weight[:, 5:].T

    logits = pooled_logits(HEAD, FEATURES, PIECES, pooling)

    wanted = [subject[0] + body[1], pool(subject[2:5]), pool(subject[5:7]) + body[7]]
    np.testing.assert_allclose(logits, np.array(wanted) + HEAD.bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", Pooling)
def test_no_texts_of_several_fields_have_no_logits(pooling: Pooling) -> None:
    none = TokenisedTexts([], None, np.array([0]), fields=np.array([], dtype=np.int64), field_count=2)

    assert pooled_logits(HEAD, FEATURES[:0], none, pooling).shape == (0, 4)


@pytest.mark.parametrize("pooling", Pooling)
def test_training_pools_as_serving_does(pooling: Pooling) -> None:
    import torch

    groups = PieceGroups.of(PIECES, pooling, "cpu")

    logits = groups.pooled(torch.from_numpy(FEATURES), torch.from_numpy(HEAD.weight)).numpy() + HEAD.bias

    np.testing.assert_allclose(logits, pooled_logits(HEAD, FEATURES, PIECES, pooling), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", Pooling)
def test_units_of_one_piece_are_answered_as_if_nothing_were_pooled(encoder: TextEncoder, pooling: Pooling) -> None:
    tokenised = encoder.read(["where is my card", "cash"])
    features = encoder.vectors(tokenised)
    head = Head(HEAD.weight[:, :1].repeat(encoder.width, axis=1), HEAD.bias)

    assert tokenised.sequences == encoder.tokenise(["where is my card", "cash"])
    np.testing.assert_array_equal(pooled_logits(head, features, tokenised, pooling), head.logits(features))


def test_every_sentence_of_a_text_that_is_longer_than_a_sequence_is_a_piece(encoder: TextEncoder) -> None:
    tokenised = encoder.read(["cash", LONG, ""])

    assert (tokenised.texts, tokenised.units) == (3, 3)
    assert tokenised.sequence_starts.tolist() == [0, 1, 32, 33]
    assert tokenised.sequences[1:32] == encoder.tokenise(["Where is my card."] * 30 + ["My cash is lost."])
    assert not tokenised.is_plain
    assert tokenised.has_windows


def test_fields_are_read_apart_and_found_by_their_names(encoder: TextEncoder) -> None:
    texts = [
        join_fields({"subject": "my card", "body": "cash"}),
        join_fields({"body": LONG, "notes": "late", "subject": ""}),
        "refund",
        join_fields({"notes": "late", "place": "b"}),
    ]

    tokenised = encoder.read(texts, FIELDS)

    assert tokenised.fields is not None
    assert tokenised.fields.tolist() == [0, 1, *[1] * 31, 0, 1, 0]
    read = [tokenised.sequences[i] for i in (0, 1, 33, 34, 35)]
    assert read == encoder.tokenise(["my card", "cash", "refund", "refund", ""])
    assert tokenised.take([2, 0]).fields.tolist() == [0, 1, 0, 1]  # type: ignore[union-attr]  # it has fields as well
    assert encoder.embed(texts).shape == (4, encoder.width)


def test_a_version_from_before_reads_the_beginning_of_a_text(encoder: TextEncoder) -> None:
    before = SoftmaxDecoder.of({"labels": ["card", "cash"], "temperature": 1.5})

    assert before.reads_beginning_alone
    assert before.tokenise(encoder, [LONG]).sequences == encoder.tokenise([LONG])
    assert SoftmaxDecoder.of(SoftmaxDecoder(labels=("a", "b"), pooling=Pooling.MEAN).to_json()).pooling is Pooling.MEAN
