"""Edited copies of rows of rare labels, and where they are learned from."""

from collections import Counter
from dataclasses import replace

import numpy as np

from ml_backend.learning.classification.head_rows import HeadRows
from ml_backend.learning.classification.plan import Plan
from ml_backend.learning.classification.trainer import Trainer
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.edits import edited_copies, rare_rows
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.unit.learning.builders import FAST, keyword_data, labeled_as

RARE = ["where is my refund please", "the refund is late. I am waiting.", "my money never came back"]
COMMON = [f"a card that was lost number {n}" for n in range(20)]
TEXTS, LABELS = [*RARE, *COMMON], [*["refund"] * 3, *["card"] * 20]


def test_rare_labels_alone_get_copies_and_no_row_more_than_four() -> None:
    copies = edited_copies(TEXTS, LABELS, seed=1)

    counts = Counter(position for _, (position, _) in copies)
    assert set(counts) == {0, 1, 2}
    assert all(2 <= count <= 4 for count in counts.values())
    assert len({text for text, _ in copies} - set(TEXTS)) == len(copies)


def test_a_copy_is_mistyped_or_has_parts_of_another_row_of_its_label() -> None:
    copies = [text for text, _ in edited_copies(TEXTS, LABELS, seed=1)]

    mixed = [copy for copy in copies if any(f" {text.split('. ')[-1]}" in copy for text in RARE)]
    mistyped = [copy for copy in copies if any(len(copy.split()) == len(text.split()) for text in RARE)]
    assert mixed
    assert mistyped
    assert set(mixed) | set(mistyped) == set(copies)
    assert not any("card" in copy for copy in copies)


def test_other_words_for_a_row_are_its_first_copy() -> None:
    words = {RARE[0]: "I wait for my money", COMMON[0]: "a lost card"}

    copies = edited_copies(TEXTS, LABELS, seed=1, rewordings=words)

    assert copies[0] == ("I wait for my money", (0, 0))
    assert [text for text, (position, _) in copies if position == 0].count("I wait for my money") == 1
    assert len(copies) == len(edited_copies(TEXTS, LABELS, seed=1))
    assert rare_rows(LABELS) == [0, 1, 2], "those of common labels are left alone"


def test_copies_are_the_same_for_the_same_seed_alone() -> None:
    assert edited_copies(TEXTS, LABELS, seed=1) == edited_copies(TEXTS, LABELS, seed=1)
    assert edited_copies(TEXTS, LABELS, seed=1) != edited_copies(TEXTS, LABELS, seed=2)


def test_texts_that_cannot_be_edited_give_none() -> None:
    assert edited_copies(["", "a", "1234 567", "東京"], ["a", "b", "c", "d"], seed=1) == []


def test_a_copy_is_in_the_train_part_of_a_fold_only_where_its_row_is(encoder: TextEncoder) -> None:
    data = keyword_data(6)
    rows_of = np.arange(len(data.train))
    # Each row is mistyped once, and mixed with the next one of its label once.
    origins = np.stack([rows_of.repeat(2), np.stack([rows_of, rows_of // 6 * 6 + (rows_of + 1) % 6]).T.ravel()]).T
    copies = labeled_as(
        [f"copy {i} of a card" for i in range(len(origins))], [data.train.targets[i] for i, _ in origins]
    )
    data, settings = data.plus_weak(copies, origins), replace(FAST, folds=3)
    objective = Objective.of(data.head, data.labels)
    objective.prepare(encoder, data.train)
    rows = HeadRows(data, Trainer.for_rows(encoder, objective, settings, 1))

    plan = Plan.of(
        objective.strata(rows.targets),
        settings,
        objective.hyperparameters(settings.tuned, len(rows.learned)),
        beside=rows.origins,
        learned=len(rows.learned),
        validation=0,
    )

    first = len(data.train) + len(data.described)
    for fold in plan.folds:
        trained = {position for position in fold.train.tolist() if position < len(data.train)}
        copied = [tuple(origins[position - first]) for position in fold.train.tolist() if position >= first]
        assert trained.isdisjoint(fold.scored.tolist())
        assert copied == [pair for pair in map(tuple, origins) if trained >= set(pair)]
        assert 0 < len(copied) < len(origins)
        assert set(range(len(data.train), first)) <= set(fold.train.tolist()), "descriptions are in every fold"
