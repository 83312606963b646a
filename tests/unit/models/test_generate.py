import math
from itertools import count

import pytest

from ml_backend.models.generation.generator import TextGenerator
from ml_backend.models.generation.language_model import LanguageModel
from tests.tiny_language_models import byte_tokenizer, tiny_decoder

KINDS = ["llama", "gpt2", pytest.param("qwen2", marks=pytest.mark.long)]
PROMPTS = ["My card was stolen yesterday, what should I do now?", "Hello", "", "Please answer in one short sentence."]


def tiny(kind: str = "llama", **options: object) -> LanguageModel:
    tokenizer = byte_tokenizer(has_chat_template=True)
    return LanguageModel.of(tiny_decoder(kind, tokenizer, **options), tokenizer, name=kind, digest="0" * 64)


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_of_different_length_are_answered_together_as_each_would_be_alone(kind: str) -> None:
    generator = TextGenerator.of(tiny(kind), max_new_tokens=12)

    together = generator.generate(PROMPTS)

    alone = [generator.generate([prompt])[0] for prompt in PROMPTS]
    assert [draft.text for draft in together] == [draft.text for draft in alone]
    assert [draft.tokens for draft in together] == [draft.tokens for draft in alone]
    assert len({draft.text for draft in together}) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_cache_changes_nothing(kind: str) -> None:
    import torch

    model = tiny(kind)
    generator = TextGenerator.of(model, max_new_tokens=8)
    ids, _ = generator.format.prompt_ids("Hello")
    expected, logs = [], []
    for _ in range(8):
        with torch.inference_mode():
            logits = model.module(torch.tensor([ids + expected]), use_cache=False).logits
        expected.append(int(logits[0, -1].argmax()))

        logs.append(float(logits[0, -1].float().log_softmax(dim=-1).max()))

    (draft,) = generator.generate(["Hello"])

    assert draft.text == generator.format.decode(expected)
    assert draft.confidence == pytest.approx(math.exp(sum(logs) / len(logs)), rel=1e-3)


def test_a_response_without_its_ending_is_marked_incomplete() -> None:
    (draft,) = TextGenerator.of(tiny(), max_new_tokens=5).generate(["Hello"])

    assert (draft.tokens, draft.is_complete) == (5, False)


def test_a_response_ends_with_the_first_token_that_ends_it() -> None:
    model = tiny()
    free = TextGenerator.of(model, max_new_tokens=12)
    ids, _ = free.format.prompt_ids("Hello")
    ((written, _),) = free.writer.write([ids], most_tokens=12, longest=None, stop_ids=[])
    model.module.generation_config.eos_token_id = written[4]

    (draft,) = TextGenerator.of(model, max_new_tokens=12).generate(["Hello"])

    assert (draft.tokens, draft.is_complete) == (written.index(written[4]) + 1, True)


@pytest.mark.parametrize(("prompts", "tokens"), [(1, 3), (2, 6)], ids=["one prompt", "a batch has the time of all"])
def test_what_is_there_when_the_time_is_up_is_the_draft(prompts: int, tokens: int) -> None:
    ticks = count()
    generator = TextGenerator.of(tiny(), max_new_tokens=50, budget_s=3.0, clock=lambda: float(next(ticks)))

    drafts = generator.generate(["Hello"] * prompts)

    assert [(draft.tokens, draft.is_complete) for draft in drafts] == [(tokens, False)] * prompts


def test_a_prompt_longer_than_the_model_reads_is_cut_and_answered() -> None:
    generator = TextGenerator.of(tiny(length=64), max_new_tokens=20)

    long, short = generator.generate(["stolen card " * 50, "Hello"])

    assert long.is_prompt_cut
    assert 1 <= long.tokens <= 20
    assert not short.is_prompt_cut


def test_settings_for_sampling_that_a_model_brings_along_do_not_count() -> None:
    model = tiny()
    expected = TextGenerator.of(model, max_new_tokens=8).generate(["Hello"])
    model.module.generation_config.do_sample = True
    model.module.generation_config.temperature = 5.0
    model.module.generation_config.repetition_penalty = 9.0

    assert TextGenerator.of(model, max_new_tokens=8).generate(["Hello"]) == expected


def test_rows_are_counted_after_every_batch() -> None:
    told: list[int] = []
    generator = TextGenerator.of(tiny(length=4096), max_new_tokens=2000, budget_s=0.0)

    generator.generate(["a", "b", "c"], on_rows=told.append)

    assert told == [2, 3]


def test_no_prompts_give_no_drafts() -> None:
    assert TextGenerator.of(tiny()).generate([]) == []


def test_a_tokenizer_that_pads_on_the_left_or_right_makes_no_difference() -> None:
    model = tiny()
    expected = TextGenerator.of(model, max_new_tokens=6).generate(PROMPTS)
    model.tokenizer.padding_side = "left"

    assert TextGenerator.of(model, max_new_tokens=6).generate(PROMPTS) == expected
