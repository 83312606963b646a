"""Find texts that base models cannot read well, because of their language, their script or their length."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...domain.annotation import Task
from ...domain.field_texts import field_texts, readable_text
from ...domain.readable import listed
from ...errors import EncoderError
from ...exporters.heads.base import AnswerColumn
from ...tasks import ServingPlan
from ..services import Services

if TYPE_CHECKING:
    from ...models.base.legibility import Legibility
    from ...models.base.tokeniser import Tokeniser

__all__ = ["reading_faults", "task_faults"]

MOST_FOREIGN = 0.2
"""Up to this share of texts in other languages, a model that was trained on English will do."""
MOST_UNKNOWN, MOST_SPELLED, MOST_ALIKE = 0.1, 0.4, 0.1
"""Up to these shares, texts are read well enough; languages that a model knows stay far below, others far above."""
READERS = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", "intfloat/multilingual-e5-small"
WRITERS = "Qwen/Qwen3-0.6B", "bigscience/bloomz-560m"


@dataclass(frozen=True, slots=True)
class ReadingFault:
    """A part of the texts that a model cannot read.

    Attributes:
        found: what was found, as a clause.
        fix: what to do about it, as a clause.
    """

    found: str
    fix: str

    def __str__(self) -> str:
        return f"{self.found}; {self.fix}"


def task_faults(services: Services, plan: ServingPlan, tasks: Iterable[Task]) -> list[ReadingFault]:
    """Return what the models in the settings cannot read of these tasks."""
    return reading_faults(
        plan,
        [(task.id, plan.text(task.data)) for task in tasks],
        base_model=services.options.models.base_model,
        text_base_model=services.options.models.text_base_model,
    )


def reading_faults(
    plan: ServingPlan,
    texts: Sequence[tuple[int, str]],
    *,
    base_model: str,
    text_base_model: str = "",
    cut_at_tokens: int | None = None,
) -> list[ReadingFault]:
    """Return what the models behind a plan's controls cannot read of these texts.

    A base model is skipped where its tokenizer cannot be loaded, or does not give the positions of its tokens.

    Args:
        texts: each with the id of its task.
        base_model: the model that reads for controls that are answered with labels.
        text_base_model: the model that writes for controls that are answered with a text; "" if there is none.
        cut_at_tokens: how many tokens of a text are read for choices by a version that reads the beginning alone.
    """
    faults: list[ReadingFault] = []
    if plan.labeled and (reader := _tokeniser(base_model)) is not None:
        faults += _script_faults(texts, reader, base_model, "LABELLOOP_BASE_MODEL", READERS)
        faults += _length_faults(texts, reader, plan, cut_at_tokens)
    if plan.has_texts and (writer := _tokeniser(text_base_model)) is not None:
        faults += _script_faults(texts, writer, text_base_model, "LABELLOOP_TEXT_BASE_MODEL", WRITERS)
    return faults


def _tokeniser(base_model: str) -> "Tokeniser | None":
    from ...models.base.tokeniser import load_tokeniser

    try:
        return load_tokeniser(base_model) if base_model else None
    except EncoderError:
        return None  # the code that loads the model reports this


def _script_faults(
    texts: Sequence[tuple[int, str]], tokeniser: "Tokeniser", base_model: str, setting: str, others: Iterable[str]
) -> Iterator[ReadingFault]:
    from ...models.base.legibility import Legibility

    readable = [readable_text(text) for _, text in texts]
    try:
        reasons = _reasons(Legibility.of(readable, tokeniser))
    except EncoderError:
        reasons = []  # such a tokenizer does not give the positions of its tokens
    if reasons := reasons + _language_reasons(readable, base_model):
        instead = " or ".join(name for name in others if name != base_model)
        yield ReadingFault(
            f"{base_model} cannot read these texts well: {', '.join(reasons)}",
            f"set {setting} to a model that knows their language, such as {instead}, and train with it",
        )


def _language_reasons(texts: Sequence[str], base_model: str) -> list[str]:
    from ...models.base.languages import ENGLISH, language_shares, reads_english_alone

    if not reads_english_alone(base_model):
        return []
    foreign = {name: share for name, share in language_shares(texts).items() if name != ENGLISH}
    if sum(foreign.values()) <= MOST_FOREIGN:
        return []
    named = ", ".join(f"{name} ({share:.0%})" for name, share in foreign.items())
    return [f"it was trained on English, and texts are in {named}"]


def _reasons(legibility: "Legibility") -> list[str]:
    reasons = []
    if legibility.unknown > MOST_UNKNOWN:
        reasons.append(f"{legibility.unknown:.0%} of their letters are unknown tokens to it")
    if legibility.spelled > MOST_SPELLED:
        reasons.append(f"{legibility.spelled:.0%} of their letters are read one by one, as in a foreign script")
    if legibility.alike > MOST_ALIKE:
        reasons.append(f"{legibility.alike:.0%} of their words look like another one without accents and vowel signs")
    return reasons


def _length_faults(
    texts: Sequence[tuple[int, str]], tokeniser: "Tokeniser", plan: ServingPlan, cut_at_tokens: int | None
) -> Iterator[ReadingFault]:
    from ...models.base.legibility import longer_texts
    from ...models.base.long_texts import LONGEST
    from ...models.text.sentences import MOST_READ_BYTES, is_read_in_part

    whole = [served.name for served in plan.labeled if not AnswerColumn.of(served).has_spans]
    marked = [served.name for served in plan.labeled if AnswerColumn.of(served).has_spans]
    if whole and cut_at_tokens is not None:
        yield from _longer(
            texts,
            longer_texts([text for _, text in texts], tokeniser, cut_at_tokens),
            f"have more than {cut_at_tokens} tokens, and this version does not read what comes after those",
            whole,
            "train again: new versions read texts to their end",
        )
    elif whole:
        yield from _longer(
            texts,
            [i for i, (_, text) in enumerate(texts) if any(map(is_read_in_part, field_texts(text).values()))],
            f"have more than {MOST_READ_BYTES:,} bytes, of which passages spread from beginning to end are read",
            whole,
            "take apart texts in which what matters may stand between such passages",
        )
    if marked:
        yield from _longer(
            texts,
            [i for i, (_, text) in enumerate(texts) if len(text) > LONGEST],
            f"have more than {LONGEST:,} characters, and nothing is marked after those",
            marked,
            "take such texts apart",
        )


def _longer(
    texts: Sequence[tuple[int, str]], longer: Sequence[int], fault: str, controls: Sequence[str], fix: str
) -> Iterator[ReadingFault]:
    if longer:
        tasks = listed(map(str, dict.fromkeys(texts[position][0] for position in longer)))
        share = f"{len(longer)} of {len(texts)} texts ({len(longer) / len(texts):.1%})"
        yield ReadingFault(f"{share} {fault}, for {' and '.join(map(repr, controls))} (tasks {tasks})", fix)
