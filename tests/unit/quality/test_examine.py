from collections.abc import Sequence

import numpy as np
import pytest

from ml_backend.domain.example import Row
from ml_backend.domain.quality import Audit, ClassNoise, ClassPair, Issue, IssueKind
from ml_backend.domain.snapshot import Split
from ml_backend.errors import ConfigurationError
from ml_backend.quality.examine import examine
from ml_backend.quality.predictions import OutOfSamplePredictions
from tests.reviewed_rows import control_of, reviewed, separable, spoilt

NAMES = ("billing", "cards", "fraud", "loans")
TRAIN, TEST = Split.TRAIN, Split.TEST


def _project(count: int = 80, wrong: int = 8, seed: int = 1) -> tuple[list[Row], np.ndarray, np.ndarray, list[int]]:
    """Rows with task ids from 1, probabilities, features, and the task ids whose label is wrong."""
    true = np.arange(count) % len(NAMES)
    labels = spoilt(true, wrong, of=len(NAMES), seed=seed)
    probabilities, features = separable(true.tolist(), of=len(NAMES), seed=seed)
    rows = [reviewed(i + 1, f"text number {i}", NAMES[label]) for i, label in enumerate(labels)]
    return rows, probabilities, features, (np.flatnonzero(labels != true) + 1).tolist()


def _of(found: Audit, kind: IssueKind) -> list[Issue]:
    return [issue for issue in found.issues if issue.kind is kind]


def _examine(rows: Sequence[Row], probabilities: np.ndarray, features: np.ndarray | None = None) -> Audit:
    return _examined(rows, [TRAIN] * len(rows), _single(probabilities), features)


def _examined(
    rows: Sequence[Row],
    splits: Sequence[Split],
    predictions: OutOfSamplePredictions,
    features: np.ndarray | None = None,
) -> Audit:
    unlike = np.eye(len(rows), dtype=np.float32)
    given = unlike if features is None else features
    return examine(rows, splits, [predictions], given, snapshot_id="abc", probabilities_from="a model")


def _single(probabilities: np.ndarray, names: Sequence[str] = NAMES) -> OutOfSamplePredictions:
    """What models say of a single choice."""
    return OutOfSamplePredictions(control_of(*names), "softmax", probabilities)


def _even(rows: int, classes: int = len(NAMES)) -> np.ndarray:
    return np.full((rows, classes), 1 / classes)


def test_wrong_labels_are_found_with_the_right_ones_suggested() -> None:
    rows, probabilities, features, wrong = _project()
    found = _examine(rows, probabilities, features)
    errors = _of(found, IssueKind.LABEL_ERROR)
    assert len({issue.task_id for issue in errors} & set(wrong)) >= 6
    assert {issue.task_id for issue in errors[:5]} <= set(wrong)
    assert all(issue.suggested == NAMES[(issue.task_id - 1) % 4] for issue in errors if issue.task_id in wrong)
    assert all(issue.given == rows[issue.task_id - 1].targets["topic"] for issue in errors)
    assert sorted(found.controls[0].quality) == list(range(1, 81))
    assert found.controls[0].health == pytest.approx(0.9, abs=0.03)
    assert found.warnings == ()


def test_issues_come_kind_by_kind_and_the_most_suspicious_first() -> None:
    rows, probabilities, features, _ = _project()
    rows[3] = reviewed(4, " ", NAMES[3])
    features[10] = features[11]
    kinds = [issue.kind for issue in _examine(rows, probabilities, features).issues]
    assert [*dict.fromkeys(kinds)] == [kind for kind in IssueKind if kind in kinds]
    assert len(set(kinds)) >= 3
    for kind in set(kinds):
        qualities = [issue.quality for issue in _of(_examine(rows, probabilities, features), kind)]
        assert qualities == sorted(qualities)


def test_held_out_rows_are_flagged_without_a_suggestion() -> None:
    rows, probabilities, features, wrong = _project()
    rows[wrong[0] - 1] = reviewed(wrong[0], "said twice", rows[wrong[0] - 1].targets["topic"])
    rows[wrong[1] - 1] = reviewed(wrong[1], "said twice", NAMES[(wrong[0] - 1) % 4])
    found = _examined(rows, [TEST, Split.VALIDATION] * 40, _single(probabilities), features)
    assert len(_of(found, IssueKind.LABEL_ERROR)) >= 6
    assert len(_of(found, IssueKind.CONFLICTING_LABELS)) == 2
    assert {issue.suggested for issue in found.issues} == {None}


def test_noise_is_told_by_class_and_by_pair_of_classes() -> None:
    rows, probabilities, _, _ = _project(count=80, wrong=0)
    for index in (0, 4, 8, 12):
        rows[index] = reviewed(index + 1, f"text number {index}", "cards")
    found = _examine(rows, probabilities)
    flagged = len(_of(found, IssueKind.LABEL_ERROR))
    assert flagged >= 3
    assert found.pairs == (ClassPair("cards", "billing", flagged, control="topic"),)
    assert ClassNoise("cards", 24, flagged, 0, "topic") in found.classes
    assert ClassNoise("billing", 16, 0, flagged, "topic") in found.classes
    assert [noise.label for noise in found.classes] == list(NAMES)


def test_rows_of_one_class_alone_are_said_not_to_be_judged() -> None:
    rows = [reviewed(i, f"text {i}", "cards") for i in range(10)]
    found = _examine(rows, _even(10))
    assert found.issues == ()
    assert found.controls[0].health is None
    assert found.controls[0].quality == {}
    assert found.warnings[0] == (
        "all 10 labeled rows are 'cards': label errors could not be looked for, "
        "which takes at least 2 classes of 3 rows"
    )


def test_a_class_with_one_row_is_named_and_the_others_are_judged() -> None:
    rows, probabilities, _, wrong = _project()
    keep = [row for row in rows if row.targets["topic"] != "fraud"]
    lines = [row.task_id - 1 for row in keep]
    keep.append(reviewed(500, "the only one", "fraud"))
    found = _examine(keep, np.vstack([probabilities[lines], [[1.0, 0, 0, 0]]]))
    assert "under 3 rows each for fraud (1): their labels were not judged" in found.warnings
    assert 500 not in found.controls[0].quality
    assert 500 not in {issue.task_id for issue in found.issues}
    assert {issue.task_id for issue in _of(found, IssueKind.LABEL_ERROR)} & set(wrong)


def test_classes_without_a_row_are_named_and_never_suggested() -> None:
    rows, probabilities, features, _ = _project()
    names = ("absent", *NAMES, "missing")
    wide = np.pad(probabilities, ((0, 0), (1, 1)))
    found = _examined(rows, [TRAIN] * 80, _single(wide, names), features)
    assert found.warnings == ("no row is labeled absent, missing: nothing can be suspected to belong there",)
    assert not {issue.suggested for issue in found.issues} & {"absent", "missing"}


@pytest.mark.parametrize("labels", [("cards", "loans"), ("cards", "cards"), (None, "cards"), (None, None)])
def test_two_rows_give_no_label_errors_and_a_reason(labels: tuple[str | None, ...]) -> None:
    rows = [reviewed(i, f"text {i}", label) for i, label in enumerate(labels, start=1)]
    found = _examine(rows, _even(2))
    assert found.issues == ()
    assert found.controls[0].quality == {}
    assert any("could not be looked for" in warning for warning in found.warnings)


def test_no_rows_at_all_give_a_reason() -> None:
    found = _examine([], _even(0), np.zeros((0, 3), np.float32))
    assert (found.rows, found.issues, found.controls[0].health) == (0, (), None)
    assert found.warnings[0] == "no row has an agreed answer: label errors could not be looked for"


def test_one_text_with_two_labels_is_a_conflict_and_the_likelier_label_is_suggested() -> None:
    rows = [reviewed(1, "Where is it?", "cards"), reviewed(2, "where is it?", "loans"), reviewed(3, "Other", "loans")]
    probabilities = np.array([[0, 0.2, 0, 0.8], [0, 0.2, 0, 0.8], [0, 0, 0, 1.0]])
    conflicts = _of(_examine(rows, probabilities), IssueKind.CONFLICTING_LABELS)
    assert [(i.task_id, i.given, i.suggested, i.other_task_id) for i in conflicts] == [
        (1, "cards", "loans", 2),
        (2, "loans", None, 1),
    ]
    assert [issue.quality for issue in conflicts] == pytest.approx([0.2, 0.8])


def test_a_conflict_is_found_where_the_rows_stand_for_no_answer_because_of_it() -> None:
    rows = [reviewed(1, "Same", None, {"1": "cards"}), reviewed(2, "Same", None, {"2": "loans"})]
    found = _examine(rows, _even(2))
    assert [(i.task_id, i.given) for i in _of(found, IssueKind.CONFLICTING_LABELS)] == [(1, "cards"), (2, "loans")]
    assert [(d.task_id, d.is_settled) for d in found.disagreements] == [(1, False), (2, False)]


def test_of_two_texts_that_say_the_same_the_train_row_is_flagged() -> None:
    rows, probabilities, features, _ = _project(wrong=0)
    features[8], features[3], features[20] = features[4], features[15], features[16]
    splits = [TRAIN] * 80
    splits[15] = TEST
    rows[15], rows[20] = reviewed(16, "text 15", rows[3].targets["topic"]), reviewed(21, "text 20", "billing")
    found = _examined(rows, splits, _single(probabilities), features)
    duplicates = {i.task_id: i.other_task_id for i in _of(found, IssueKind.NEAR_DUPLICATE)}
    assert duplicates == {9: 5, 4: 16, 21: 17}
    assert {i.suggested for i in _of(found, IssueKind.NEAR_DUPLICATE)} == {None}


def test_empty_texts_are_issues_and_nothing_else() -> None:
    rows, probabilities, features, _ = _project()
    rows[0], rows[1] = reviewed(1, "", "cards"), reviewed(2, " \u200b", "loans")
    found = _examine(rows, probabilities, features)
    assert [(i.task_id, i.kind) for i in found.issues if i.task_id in (1, 2)] == [
        (1, IssueKind.EMPTY),
        (2, IssueKind.EMPTY),
    ]
    assert not {1, 2} & found.controls[0].quality.keys()


def test_rows_without_an_agreed_answer_count_for_annotators_and_disagreements_alone() -> None:
    rows, probabilities, features, _ = _project()
    rows[0] = reviewed(1, "torn", None, {"ann": "cards", "bob": "loans"})
    rows[1] = reviewed(2, "settled", "cards", {"ann": "cards", "bob": "loans", "cy": "cards"})
    found = _examine(rows, probabilities, features)
    assert 1 not in found.controls[0].quality
    assert 2 in found.controls[0].quality
    assert 1 not in {issue.task_id for issue in _of(found, IssueKind.LABEL_ERROR)}
    assert [(d.task_id, d.is_settled, d.answers) for d in found.disagreements] == [
        (1, False, (("cards", 1), ("loans", 1))),
        (2, True, (("cards", 2), ("loans", 1))),
    ]
    assert {annotator.annotator: annotator.rows for annotator in found.annotators} == {
        "1": 78,
        "ann": 2,
        "bob": 2,
        "cy": 1,
    }
    mixed = {pair.disagreements for pair in found.pairs if {pair.given, pair.suggested} == {"cards", "loans"}}
    assert mixed == {2}


def test_the_consensus_on_a_held_out_text_is_not_told() -> None:
    answers = {"ann": "cards", "bob": "loans"}
    rows = [reviewed(1, "one", None, answers), reviewed(2, "two", None, answers)]
    found = _examined(rows, [TRAIN, TEST], _single(np.tile([0, 0.9, 0, 0.1], (2, 1))))
    assert {d.task_id: d.consensus for d in found.disagreements} == {1: "cards", 2: None}


def test_a_text_on_which_nobody_agrees_is_ambiguous() -> None:
    sure = [reviewed(i, f"text {i}", NAMES[i % 4], dict.fromkeys("abc", NAMES[i % 4])) for i in range(1, 21)]
    torn = reviewed(50, "torn", None, {"a": "cards", "b": "loans", "c": "fraud"})
    probabilities = np.vstack([np.eye(4)[[i % 4 for i in range(1, 21)]], _even(1)])
    found = _examine([*sure, torn], probabilities)
    assert [(i.task_id, i.given, i.suggested) for i in _of(found, IssueKind.AMBIGUOUS)] == [(50, None, None)]


def test_of_three_annotators_the_one_who_labels_at_random_comes_first_in_the_list() -> None:
    random = np.random.default_rng(0)
    rows, probabilities, features, _ = _project(count=60, wrong=0)
    for index in range(60):
        right = NAMES[index % 4]
        careful = [right if random.random() < 0.9 else NAMES[int(random.integers(4))] for _ in range(2)]
        answers = {"ann": careful[0], "bob": careful[1], "dice": NAMES[int(random.integers(4))]}
        votes = list(answers.values())
        winner = max(votes, key=votes.count)
        rows[index] = reviewed(index + 1, f"text {index}", winner if votes.count(winner) > 1 else None, answers)
    found = _examine(rows, probabilities, features)
    dice, *others = found.annotators
    assert dice.annotator == "dice"
    assert dice.quality is not None
    assert all(other.quality is not None and other.quality > dice.quality + 0.2 for other in others)
    assert all(
        other.agreement is not None and dice.agreement is not None and other.agreement > dice.agreement
        for other in others
    )


def test_annotators_without_a_text_in_common_are_told_how_to_get_one() -> None:
    rows, probabilities, features, _ = _project()
    rows[0] = reviewed(1, "text 0", rows[0].targets["topic"], {"ann": "cards"})
    found = _examine(rows, probabilities, features)
    (warning,) = found.warnings
    assert warning == (
        "none of the 80 texts was answered by several of the 2 annotators: their quality cannot be told, "
        "which takes an overlap in the project's settings"
    )


def test_texts_of_a_hundred_thousand_characters_and_emoji_are_texts_like_others() -> None:
    rows, probabilities, features, _ = _project(wrong=0)
    rows[0] = reviewed(1, "long text " * 10_000, "billing")
    rows[4] = reviewed(5, "LONG text " * 10_000, "cards")
    rows[1] = reviewed(2, "👍🏽", "cards")
    rows[5] = reviewed(6, "👍🏽", "loans")
    rows[2] = reviewed(3, "half a pair \ud83d", "fraud")
    conflicts = _of(_examine(rows, probabilities, features), IssueKind.CONFLICTING_LABELS)
    assert sorted((i.task_id, i.other_task_id) for i in conflicts) == [(1, 5), (2, 6), (5, 1), (6, 2)]


def test_answers_that_the_config_lacks_are_counted_and_not_judged() -> None:
    rows, probabilities, features, _ = _project()
    rows[0] = reviewed(1, "text 0", "retired")
    found = _examine(rows, probabilities, features)
    assert found.warnings == ("1 rows have an answer that the label config lacks: they were not judged",)
    assert 1 not in found.controls[0].quality


def test_multiple_choices_are_judged_choice_by_choice() -> None:
    random = np.random.default_rng(0)
    true = random.random((90, 4)) < 0.4
    given = true.copy()
    given[:6, 1] ^= True
    answers = [tuple(name for name, is_chosen in zip(NAMES, line, strict=True) if is_chosen) for line in given]
    rows = [reviewed(i + 1, f"text {i}", answer) for i, answer in enumerate(answers)]
    probabilities = np.clip(true * 0.9 + 0.05 + random.normal(scale=0.02, size=true.shape), 0, 1)
    found = _examined(rows, [TRAIN] * 90, OutOfSamplePredictions(control_of(*NAMES), "sigmoid", probabilities))
    errors = _of(found, IssueKind.LABEL_ERROR)
    assert 4 <= len(errors) <= 6
    for issue in errors:
        right = true[issue.task_id - 1]
        assert issue.suggested == tuple(name for name, is_chosen in zip(NAMES, right, strict=True) if is_chosen)
    assert [noise.label for noise in found.classes if noise.suspects or noise.missed] == ["cards"]


@pytest.mark.parametrize(
    ("probabilities", "features", "named"),
    [(_even(2) * np.nan, np.eye(2), "probabilities"), (_even(2), np.full((2, 4), np.inf), "features")],
)
def test_numbers_that_are_not_finite_are_refused(probabilities: np.ndarray, features: np.ndarray, named: str) -> None:
    rows = [reviewed(1, "a", "cards"), reviewed(2, "b", "loans")]
    with pytest.raises(ConfigurationError, match=f"{named} that are not finite"):
        _examine(rows, probabilities, features)


def test_an_audit_names_its_snapshot_and_where_the_probabilities_came_from() -> None:
    rows, probabilities, _, _ = _project()
    audit = _examine(rows, probabilities)
    assert (audit.snapshot_id, audit.probabilities_from) == ("abc", "a model")
    assert (audit.controls[0].control, audit.rows) == ("topic", 80)
