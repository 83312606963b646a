import pytest

from ml_backend.errors import TrainingError
from ml_backend.measuring.text_metrics import TextEvaluation, rouge_l


@pytest.mark.parametrize(
    ("reference", "response", "expected"),
    [
        ("police killed the gunman", "police kill the gunman", 0.75),  # the examples of Lin 2004, beta 1
        ("police killed the gunman", "the gunman kill police", 0.5),
        ("the cat sat", "the cat sat", 1.0),
        ("the cat sat", "", 0.0),
        ("the cat sat on the mat", "the cat", 0.5),
        ("Block it!", "block, it", 1.0),
        ("Grüße aus Köln", "grüße aus Bonn", 2 / 3),
        ("我的卡丢了", "我的卡", 0.75),
        (":-)", ":-)", 1.0),
        ("Don't PANIC_now, Ärzte 24!", "don t _panic_ now ärzte 24", 1.0),
        ("東京 is big", "東 is big", 6 / 7),
        ("?! ...", "...", 2 / 3),
        ("मेरा दिन", "मेरा दान", 0.5),
        ("আমার কাল", "আমার কূল", 0.5),
        ("என் கல்", "என் கால்", 0.5),
        ("ดี", "ดู", 0.0),
        ("שָׁלוֹם", "שָׁלוֹם!", 1.0),
        ("Zürich", "Zu\u0308rich", 1.0),
        ("한국어", "\u1112\u1161\u11ab국어", 1.0),
    ],
)
def test_rouge_l_counts_words_of_any_script(reference: str, response: str, expected: float) -> None:
    assert rouge_l([(reference,)], [response]) == [pytest.approx(expected, abs=1e-6)]
    assert TextEvaluation.of([(reference,)], [response]).exact == (expected == 1.0)


def test_bleu_is_sacrebleus() -> None:
    # The example of sacrebleu's documentation.
    references = [("The dog bit the man.",), ("It was not unexpected.",), ("The man bit him first.",)]
    responses = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]

    assert TextEvaluation.of(references, responses).bleu == pytest.approx(45.067, abs=1e-3)


def test_figures_over_a_set_of_rows() -> None:
    found = TextEvaluation.of([("the cat sat",), ("a dog",), ("yes",)], ["The cat sat.", "a cat", None])

    assert found.per_row == pytest.approx((1.0, 0.5, 0.0))
    assert found.rouge_l == pytest.approx(0.5)
    assert found.exact == pytest.approx(1 / 3)
    assert (found.rows, found.unanswered) == (3, 1)
    assert set(found.summary()) == {"rows", "rouge_l", "bleu", "exact"}
    assert set(TextEvaluation.of([], []).summary().values()) == {0}


def test_of_several_references_the_best_counts() -> None:
    # The example of sacrebleu's documentation, with two references and one row that has a third.
    references = [
        ("The dog bit the man.", "The dog had bit the man."),
        ("It was not unexpected.", "No one was surprised.", "It wasn't surprising."),
        ("The man bit him first.", "The man had bitten the dog."),
    ]
    responses = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]

    both = TextEvaluation.of([(first, second) for first, second, *_ in references], responses)
    all_of_them = TextEvaluation.of(references, responses)

    assert both.bleu == pytest.approx(48.530, abs=1e-3)
    assert all_of_them.bleu > both.bleu
    assert all_of_them.per_row == pytest.approx((1.0, 1.0, 2 / 3), abs=1e-3)
    assert all_of_them.exact == pytest.approx(2 / 3)


def test_a_response_per_row_is_wanted() -> None:
    with pytest.raises(TrainingError, match="to 2 prompts and of a model to 1 found"):
        TextEvaluation.of([("a",), ("b",)], ["a"])
