"""The heads that choose among a text's own options, on a planted scorer."""

from collections.abc import Sequence

import numpy as np
import pytest

from ml_backend.domain.example import Bucket, Target
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.encoded import EncodedRows
from ml_backend.measuring.measures.base import LabelMeasure
from ml_backend.models.text.tokenised import TokenisedTexts
from tests.unit.learning.builders import labeled_as

WIDTH, OPTIONS = 12, 4
NAMES = ("a", "b", "c", "d")


def texts(count: int) -> TokenisedTexts:
    """Texts with a piece around four options of one piece each."""
    size = 1 + OPTIONS
    return TokenisedTexts(
        [[0]] * size * count,
        None,
        np.arange(0, size * count + 1, size),
        options=np.tile(np.arange(size), count),
        names=[NAMES] * count,
    )


def vectors(count: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(count, 1 + OPTIONS, WIDTH)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def answers(drawn: np.ndarray, head: str) -> list[Target]:
    """What a person would answer who goes by how near an option is to the text around it."""
    scores = (drawn[:, 1:] * drawn[:, :1]).sum(axis=2)
    ranked = [tuple(NAMES[i] for i in np.argsort(-line)) for line in scores]
    if head == "ranking":
        return list(ranked)
    if head == "option":
        return [order[0] for order in ranked]
    chosen = [[name for name, score in zip(NAMES, line, strict=True) if score > 0] for line in scores]
    if head == "options":
        return [tuple(each) for each in chosen]
    return [
        (Bucket("good", tuple(n for n in order if n in own)), Bucket("_", tuple(n for n in NAMES if n not in own)))
        for order, own in zip(ranked, chosen, strict=True)
    ]


@pytest.mark.parametrize(
    ("kind", "at_least"), [("option", 0.85), ("options", 0.8), ("ranking", 0.85), ("buckets", 0.8)]
)
def test_a_planted_scorer_is_learned_and_options_may_stand_in_any_order(kind: str, at_least: float) -> None:
    head = "ranking" if kind == "buckets" else kind
    objective = Objective.of(head, ())
    drawn, new = vectors(300, 1), vectors(200, 2)
    targets = answers(drawn, kind)
    rows = labeled_as(["x"] * 300, targets)
    objective.prepare(None, rows)  # type: ignore[arg-type]  # reads no model
    encoded = EncodedRows(rows, texts(300), objective.codes(targets, texts(300)))
    model = objective.regression(drawn.reshape(-1, WIDTH), encoded, c=10.0, max_iterations=200)

    logits = objective.decoder.logits(model, new.reshape(-1, WIDTH), texts(200))
    found = [each.target for each in objective.decoder.answers(logits, texts(200))]
    turned = objective.decoder.logits(model, new[:, [0, 4, 3, 2, 1]].reshape(-1, WIDTH), texts(200))

    measure = LabelMeasure.of(head)
    assert measure.score(measure.evaluate(answers(new, kind), found)) > at_least
    back = turned.reshape(200, OPTIONS, -1)[:, ::-1].reshape(logits.shape)
    assert back == pytest.approx(logits, abs=1e-4)


def test_scores_of_whole_answers_come_out_as_often_as_they_say() -> None:
    for kind in ("option", "options", "ranking"):
        objective = Objective.of(kind, ())
        drawn, held_out = vectors(300, 1), vectors(300, 3)
        targets = answers(drawn, kind)
        rows = labeled_as(["x"] * 300, targets)
        objective.prepare(None, rows)  # type: ignore[arg-type]  # reads no model
        model = objective.regression(
            drawn.reshape(-1, WIDTH),
            EncodedRows(rows, texts(300), objective.codes(targets, texts(300))),
            c=1.0,
            max_iterations=100,
        )
        true = answers(held_out, kind)
        encoded = EncodedRows(labeled_as(["x"] * 300, true), texts(300), objective.codes(true, texts(300)))
        logits = objective.decoder.logits(model, held_out.reshape(-1, WIDTH), texts(300))

        reliability = objective.reliability(objective.calibrated(logits, encoded), logits, encoded)

        assert reliability.expected_error() < 0.12, kind


def test_a_text_that_offers_nothing_has_no_unit_and_an_answer_that_is_none() -> None:
    empty = TokenisedTexts([[0], [0], [0]], None, np.array([0, 1, 3]), options=np.array([0, 0, 1]), names=[(), ("a",)])

    assert empty.unit_starts.tolist() == [0, 0, 1]
    assert empty.take([1]).unit_starts.tolist() == [0, 1]
    for head in ("option", "options", "ranking"):
        objective = Objective.of(head, ())
        objective.prepare(None, labeled_as(["x"], [("a",)]))  # type: ignore[arg-type]  # reads no model
        first, second = objective.decoder.answers(np.zeros((1, 1), dtype=np.float32), empty)
        assert first.target in ("", ())
        assert _names(second.target) <= {"a"}


def _names(target: Target) -> set[str]:
    parts: Sequence[object] = target if isinstance(target, tuple) else (target,)
    return set(map(str, parts))


@pytest.mark.parametrize(
    ("true", "answer", "share"),
    [
        (("a", "b", "c"), ("a", "b", "c"), 1.0),
        (("a", "b", "c"), ("c", "b", "a"), 0.0),
        (("a", "b", "c"), ("b", "a", "c"), 2 / 3),
        (("a", "b", "c"), None, 0.5),
        ((Bucket("g", ("a",)), Bucket("_", ("b",))), (Bucket("g", ("a", "b")),), 0.5),
        ((Bucket("g", ("a",)), Bucket("_", ("b",))), None, 0.0),
    ],
)
def test_rankings_are_measured_by_pairs_in_order_and_items_in_buckets(
    true: Target, answer: Target | None, share: float
) -> None:
    measure = LabelMeasure.of("ranking")

    assert measure.evaluate([true], [answer]).micro_f1 == pytest.approx(share)
    assert measure.row_scores([true], [answer]) == pytest.approx([share])
    assert measure.compare([true], [answer], [true]).scores == pytest.approx((share, 1.0))


@pytest.mark.parametrize(
    ("true", "answer", "gain"),
    [
        (("a", "b", "c"), ("a", "b", "c"), 1.0),
        # 1 for b in the first place and 2 / log2(3) for a in the second, of 2 and 1 / log2(3)
        (("a", "b", "c"), ("b", "a", "c"), (1 + 2 / np.log2(3)) / (2 + 1 / np.log2(3))),
        (("a", "b", "c"), None, 0.0),
        ((Bucket("g", ("a",)), Bucket("_", ("b",))), (Bucket("g", ("a", "b")),), None),
    ],
)
def test_orders_have_an_ndcg_beside_and_buckets_none(true: Target, answer: Target | None, gain: float | None) -> None:
    evaluation = LabelMeasure.of("ranking").evaluate([true], [answer])

    assert evaluation.summary().get("ndcg") == (None if gain is None else pytest.approx(gain))
    assert ("ndcg" in evaluation.to_json()) is (gain is not None)
