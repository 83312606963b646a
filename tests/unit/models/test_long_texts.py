"""Long texts are read as if all of them were tokenised."""

import random

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from ml_backend.models.base.long_texts import LONGEST, beginning, ending
from ml_backend.models.base.tokeniser import FastTokeniser

WORDS = [
    "refund",
    "card",
    "naïve",
    "Zürich!",
    "don't",
    "4,200.50",
    "नमस्ते",
    "数据库",
    "ﬁne",
    "e\u0301tude",
    "🙂",
    "--",
    "(a)",
]
GAPS = [" ", "  ", "\n", "\n\n", "\t", "\u00a0", " \r\n "]
CORPUS = [" ".join(WORDS)] * 3 + ["refund the card, please", "don't!\n\nZürich"]


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, tokenizer.token_to_id(name)) for name in special[1:]]
    )
    return tokenizer


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            # Punctuation takes the line breaks after it along, as in Llama 3.
            pre_tokenizers.Split(
                pattern=Regex(
                    r"'s|'t|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
                ),
                behavior="isolated",
            ),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet))
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.UnigramTrainer(vocab_size=100, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False),
    )
    return tokenizer


TOKENIZERS = {"WordPiece": wordpiece, "byte-level BPE": byte_level, "Unigram": unigram}


@pytest.fixture(params=TOKENIZERS, scope="module")
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return TOKENIZERS[request.param]()


def long_text(seed: int, words: int) -> str:
    draw = random.Random(seed)
    return "".join(draw.choice(WORDS) + draw.choice(GAPS) for _ in range(words))


@pytest.mark.parametrize("most", [3, 17, 64])
@pytest.mark.parametrize("seed", range(4))
def test_a_long_text_has_the_tokens_that_it_had_when_all_of_it_was_tokenised(
    tokenizer: Tokenizer, most: int, seed: int
) -> None:
    text = long_text(seed, words=3000)
    whole = Tokenizer.from_str(tokenizer.to_str())
    whole.enable_truncation(most)

    assert FastTokeniser(tokenizer, 0).ids([text, "short"], most) == [
        whole.encode(each).ids for each in (text, "short")
    ]


@pytest.mark.parametrize("most", [1, 20, 90])
@pytest.mark.parametrize("seed", range(4))
def test_an_ending_has_the_last_tokens_of_the_whole_text(tokenizer: Tokenizer, most: int, seed: int) -> None:
    text = long_text(seed, words=3000)

    def ids(each: str) -> list[int]:
        found: list[int] = tokenizer.encode(each, add_special_tokens=False).ids
        return found

    found = ending(text, most, lambda each: len(ids(each)))

    assert len(found) < len(text)
    assert ids(found)[-most:] == ids(text)[-most:]


@pytest.mark.parametrize(
    "text",
    ["word " * 2_000_000, "数据库" * 3_000_000, "x" * 10_000_000, "\n" * 10_000_000, "a" * 9_999_990 + " the end"],
    ids=["words", "no white space", "one word", "white space alone", "one word and two"],
)
def test_no_more_of_a_text_is_tokenised_than_a_bounded_part(text: str) -> None:
    looked_at: list[int] = []

    def count(part: str) -> int:
        looked_at.append(len(part))
        return len(part.split())

    assert max(len(beginning(text, 256, count)), len(ending(text, 256, count)), *looked_at) <= LONGEST


@pytest.mark.parametrize("length", [0, 1, 8_191, 8_192, 8_193])
def test_a_text_that_is_not_long_is_left_alone(length: int) -> None:
    text = "ab " * (length // 3) + "x" * (length % 3)

    assert beginning(text, 4096, len) == ending(text, 4096, len) == text


def test_a_limit_above_the_longest_is_kept() -> None:
    text = "word " * 500_000

    assert len(beginning(text, 50_000, lambda part: len(part.split()))) == 32 * 50_000
