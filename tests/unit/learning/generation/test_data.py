import pytest

from ml_backend.errors import TrainingError
from ml_backend.learning.generation.data import Pair, TokenPair, TokenPairs
from ml_backend.models.generation.chat_format import ChatFormat
from tests.tiny_language_models import byte_tokenizer

TOKENIZER = byte_tokenizer(has_chat_template=True)
FORMAT = ChatFormat.of(TOKENIZER)
LONG = " ".join(f"word{number}" for number in range(60))


def decoded(row: TokenPair, part: slice) -> str:
    return str(TOKENIZER.decode(list(row.ids)[part]))


def test_a_pair_is_its_prompt_in_the_template_then_its_response_with_the_ending() -> None:
    pairs = TokenPairs.of([Pair("My card?", "Block it.", 0.5)], FORMAT, max_length_tokens=200)

    (row,) = pairs.rows
    assert pairs.warnings("train rows") == []
    assert decoded(row, slice(0, row.prompt_tokens)) == "<|start|>user\nMy card?<|end|>\n<|start|>assistant\n"
    assert decoded(row, slice(row.prompt_tokens, None)) == "Block it.<|end|>"
    assert row.weight == 0.5
    # Generation continues exactly the tokens that training saw.
    assert list(row.ids[: row.prompt_tokens]) == FORMAT.prompt_ids("My card?")[0]


def test_labels_pass_over_the_prompt_and_nothing_else() -> None:
    row = TokenPair((7, 8, 9, 10), 3)

    assert row.labels == [TokenPair.IGNORED, TokenPair.IGNORED, TokenPair.IGNORED, 10]
    assert row.response_tokens == 1


def test_a_long_prompt_loses_its_beginning_and_the_response_stays_whole() -> None:
    pairs = TokenPairs.of([Pair(LONG, "Block it."), Pair("a", "b")], FORMAT, max_length_tokens=60)

    assert len(pairs.rows[0].ids) <= 60
    assert decoded(pairs.rows[0], slice(pairs.rows[0].prompt_tokens, None)) == "Block it.<|end|>"
    assert "word59<|end|>" in decoded(pairs.rows[0], slice(0, pairs.rows[0].prompt_tokens))
    assert pairs.warnings("train rows") == [
        "1 of 2 train rows lost the beginning of their prompt to max_length_tokens 60"
    ]


def test_a_response_that_does_not_fit_is_cut_without_an_ending_and_told() -> None:
    pairs = TokenPairs.of([Pair("My card?", LONG)], FORMAT, max_length_tokens=60)

    assert len(pairs.rows[0].ids) == 60
    assert pairs.rows[0].ids[-1] not in FORMAT.ending
    assert pairs.cut_responses == 1
    assert pairs.warnings("train rows")[-1].startswith("1 of 1 train rows lost the end of their response")


def test_a_long_prompt_leaves_half_of_the_length_to_a_long_response() -> None:
    pairs = TokenPairs.of([Pair(LONG, LONG)], FORMAT, max_length_tokens=100)

    assert (pairs.cut_prompts, pairs.cut_responses) == (1, 1)
    assert 45 <= pairs.rows[0].prompt_tokens <= 50
    assert len(pairs.rows[0].ids) == 100


def test_a_template_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(TrainingError, match="the chat template alone takes"):
        TokenPairs.of([Pair("a", "b")], FORMAT, max_length_tokens=12)


def test_passes_hold_every_row_once_and_no_more_tokens_than_allowed() -> None:
    rows = [TokenPair(tuple(range(length)), 1) for length in (3, 9, 4, 30, 8, 5)]

    groups = [[rows.index(row) for row in group] for group in TokenPair.passes(rows, 20)]

    assert groups == [[3], [1, 4], [5, 2, 0]]


def test_rows_are_filled_up_on_the_right_and_the_filling_carries_no_loss() -> None:
    ids, mask, labels = TokenPair.padded([TokenPair((1, 2, 3), 1), TokenPair((4, 5), 1)], 0)

    assert ids.tolist() == [[1, 2, 3], [4, 5, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert labels.tolist() == [[TokenPair.IGNORED, 2, 3], [TokenPair.IGNORED, 5, TokenPair.IGNORED]]
