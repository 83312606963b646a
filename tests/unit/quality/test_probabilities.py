from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from ml_backend.domain.example import Row
from ml_backend.domain.label_config import Control, Label
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.domain.progress import Progress
from ml_backend.errors import JobCancelled
from ml_backend.labelstudio.plans import plan_of
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.folds import Fold
from ml_backend.quality.judges.softmax import SoftmaxJudge
from ml_backend.quality.out_of_sample import audit_settings, predict_out_of_sample
from ml_backend.quality.predictions import OutOfSamplePredictions
from ml_backend.quality.reviewed_texts import ReviewedTexts
from ml_backend.tasks import template_path
from tests.unit.learning.builders import CONTROL, keyword_rows, make_row, served

NAMELESS = Control("intent", "Choices", ObjectTag("text", "Text", "body"), (Label("", ""), Label(" ", " ")), {})

FOLDER = Path("control-0", "block-1", "regression")


class OneRound(SoftmaxJudge):
    """Believes all labels alike."""

    weighs_labels = False


class Trusting(SoftmaxJudge):
    """Believes labels as far as it is given."""

    def __init__(self, trust: Callable[[OutOfSamplePredictions], np.ndarray]) -> None:
        self._trust = trust

    def label_trust(self, predictions: OutOfSamplePredictions) -> np.ndarray:
        return self._trust(predictions)


def predict(
    rows: Sequence[Row],
    base_model: str,
    cache: Path,
    *,
    report: Callable[[Progress], None] = lambda _: None,
    judge: SoftmaxJudge | None = None,
) -> OutOfSamplePredictions:
    _, (found,) = predict_out_of_sample(
        [ReviewedTexts.of(rows, served(CONTROL))],
        audit_settings(is_deep=False, seed=1),
        base_model=base_model,
        cache=cache,
        report=report,
        judge_of=lambda _: judge or OneRound(),
    )
    return found


def folds_of(reviewed: ReviewedTexts, *, folds: int = 5, seed: int = 1) -> list[Fold]:
    return reviewed.grouped_folds(Objective.of(reviewed.head, reviewed.labels), folds=folds, seed=seed)


def test_a_row_is_judged_by_a_model_that_knows_neither_it_nor_its_copies(base_model: str, tmp_path: Path) -> None:
    words = "bank transfer my money"
    rows = keyword_rows(10)
    copies = [make_row(100 + n, text, "card") for n, text in enumerate([words, words.upper(), f"  {words}  "])]
    relabeled = [make_row(row.task_id, row.input["body"], "refund") for row in copies]

    as_card = predict([*rows, *copies], base_model, tmp_path / "a").probabilities[-3:]
    as_refund = predict([*rows, *relabeled], base_model, tmp_path / "b").probabilities[-3:]

    np.testing.assert_allclose(as_card[0], as_card[2], atol=1e-4)
    # Folds are dealt out by class, so other rows are learned from; but not these: neither label wins for them.
    assert abs(as_card[:, 0] - as_refund[:, 0]).max() < 0.3


def test_copies_of_a_text_are_always_in_one_fold_and_every_row_is_scored_once() -> None:
    texts = ["a b", "A  b", "c", "d", "e", "ａ ｂ", "c"]
    rows = [
        make_row(n, text, target) for n, (text, target) in enumerate(zip(texts, ["card", "cash"] * 4, strict=False))
    ]

    folds = folds_of(ReviewedTexts.of(rows, served(CONTROL)), seed=3)

    scored = [set(fold.scored.tolist()) for fold in folds]
    assert sorted(row for part in scored for row in part) == list(range(7))
    assert any({0, 1, 5} <= part for part in scored)
    assert any({2, 6} <= part for part in scored)
    for fold in folds:
        assert not set(fold.scored.tolist()) & set(fold.train.tolist())


def test_an_empty_text_gets_the_shares_of_the_classes(base_model: str, tmp_path: Path) -> None:
    found = predict([*keyword_rows(9), make_row(90, "", "card")], base_model, tmp_path)

    np.testing.assert_allclose(found.probabilities[-1], [10 / 30] * 3, atol=1e-6)


def test_one_class_alone_gives_its_share(base_model: str, tmp_path: Path) -> None:
    found = predict(keyword_rows(6, classes=["cash"]), base_model, tmp_path)

    assert found.probabilities.argmax(axis=1).tolist() == [1] * 6


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [make_row(1, "card", "card"), make_row(2, "cash", "cash")],
        [*keyword_rows(6, classes=["card", "cash"]), make_row(50, "refund please", "refund")],
        [*keyword_rows(5), *(make_row(60, text, "cash") for text in ("card 😀 " * 15000, "😀", "\ud83d"))],
    ],
    ids=["none", "two", "a class with a single text", "a very long text, an emoji and half of one"],
)
def test_every_row_gets_probabilities_however_few_and_odd_they_are(
    rows: list[Row], base_model: str, tmp_path: Path
) -> None:
    found = predict(rows, base_model, tmp_path)

    assert found.probabilities.shape == (len(rows), 3)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)


def test_without_descriptions_a_fold_that_knows_one_class_only_is_left_out() -> None:
    rows = [make_row(1, "a", ""), make_row(2, "b", ""), make_row(3, "c", " ")]
    reviewed = ReviewedTexts.of(rows, served(NAMELESS))

    folds = folds_of(reviewed)

    assert len(reviewed.described) == 0
    assert all(len({reviewed.targets[row] for row in fold.train}) == 2 for fold in folds)


def test_other_labels_are_judged_anew_from_the_same_features_and_other_texts_from_others(
    base_model: str, tmp_path: Path
) -> None:
    rows, features = keyword_rows(8), tmp_path / "features" / "features.safetensors"
    first = predict(rows, base_model, tmp_path)
    before, content = features.stat().st_mtime_ns, features.read_bytes()

    second = predict([make_row(1, rows[0].input["body"], "refund"), *rows[1:]], base_model, tmp_path)

    assert features.stat().st_mtime_ns == before
    assert not np.allclose(first.probabilities, second.probabilities, atol=1e-4)
    predict(keyword_rows(8, seed=5), base_model, tmp_path)
    assert features.read_bytes() != content


def test_work_that_was_stopped_goes_on_after_the_last_fold(base_model: str, tmp_path: Path) -> None:
    rows = keyword_rows(8)

    def stop(progress: Progress) -> None:
        if progress.message.startswith("fold 3"):
            raise JobCancelled("enough")

    with pytest.raises(JobCancelled):
        predict(rows, base_model, tmp_path, report=stop)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / FOLDER).glob("fold-*")}

    found = predict(rows, base_model, tmp_path)

    assert sorted(kept) == ["fold-1.safetensors", "fold-2.safetensors"]
    assert {name: (tmp_path / FOLDER / name).stat().st_mtime_ns for name in kept} == kept
    np.testing.assert_array_equal(found.probabilities, predict(rows, base_model, tmp_path / "other").probabilities)


def test_a_second_round_learns_nothing_from_labels_that_are_not_trusted(base_model: str, tmp_path: Path) -> None:
    right, wrong = keyword_rows(20), [make_row(100 + n, f"bank card my money {n}", "refund") for n in range(12)]

    def trust(first: OutOfSamplePredictions) -> np.ndarray:
        assert first.probabilities.shape == (72, 3)
        return np.where(np.arange(len(first.is_usable)) < 60, 1.0, 1e-3)

    once = predict([*right, *wrong], base_model, tmp_path / "a").probabilities[60:]
    twice = predict([*right, *wrong], base_model, tmp_path / "b", judge=Trusting(trust)).probabilities[60:]
    without = predict(
        right + [make_row(row.task_id, row.input["body"], None) for row in wrong], base_model, tmp_path / "c"
    )

    refund = CONTROL.label_values.index("refund")
    assert twice[:, refund].mean() < once[:, refund].mean() - 0.2
    np.testing.assert_allclose(twice, without.probabilities[60:], atol=0.15)


def test_both_rounds_are_kept_and_progress_rises_from_nothing_to_all(base_model: str, tmp_path: Path) -> None:
    rows, asked, told = keyword_rows(12), [], list[Progress]()

    def trust(first: OutOfSamplePredictions) -> np.ndarray:
        asked.append(len(first.is_usable))
        return np.linspace(0.5, 1.0, len(first.is_usable))

    first = predict(rows, base_model, tmp_path, judge=Trusting(trust), report=told.append)
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, pytest.approx(1.0))
    assert [*dict.fromkeys(progress.stage for progress in told)] == ["loading", "embedding", "judging"]
    again = list[Progress]()
    second = predict(rows, base_model, tmp_path, judge=Trusting(trust), report=again.append)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    assert asked == [36, 36]
    assert {progress.stage for progress in again} == {"loading"}


def test_the_two_texts_of_a_comparison_are_judged_apart(base_model: str, tmp_path: Path) -> None:
    """People prefer the text about cards, but for one row in ten, whichever side it stands on."""
    (comparison,) = plan_of(template_path("pairwise").read_text()).controls
    rows, wrong = [], []
    for number in range(60):
        sides = ["card card card", "cash cash cash"]
        is_swapped, is_wrong = number % 2 == 1, number % 10 == 3
        texts = sides[::-1] if is_swapped else sides
        made = make_row(number, "", None)
        fields = {"prompt": f"number {number}", "answer1": texts[0], "answer2": texts[1]}
        given = "right" if is_swapped is not is_wrong else "left"
        rows.append(Row(made.id, number, fields, {comparison.name: given}, made.labels, made.provenance))
        wrong += [number] if is_wrong else []

    _, (found,) = predict_out_of_sample(
        [ReviewedTexts.of(rows, comparison)],
        audit_settings(is_deep=False, seed=1),
        base_model=base_model,
        cache=tmp_path,
        report=lambda _: None,
    )

    given_column = [found.names.index(str(row.targets[comparison.name])) for row in rows]
    confidence = found.probabilities[np.arange(60), given_column]
    assert sorted(np.argsort(confidence)[: len(wrong)].tolist()) == wrong
