"""Answers that were given before."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml_backend.domain.example import Span
from ml_backend.domain.model import ScoredTarget
from ml_backend.serving.answer_cache import AnswerCache, CachedPredictor

LARGE = 1 << 20
CARD = ScoredTarget("card", 0.9, {"card": 0.9, "cash": 0.1})


class Counting:
    """Answers every text with its own length; the texts of `undrafted` lack their draft.

    Attributes:
        asked: the texts of every call.
    """

    controls = frozenset({"intent", "reply"})
    memory: Mapping[Hashable, int] = {"weights": 7}

    def __init__(self, version: str = "m-v1", undrafted: Sequence[str] = ()) -> None:
        self.version = version
        self.asked: list[list[str]] = []
        self.undrafted = list(undrafted)

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        self.asked.append(list(texts))
        return [self._answer(text) for text in texts]

    def draw_score(self, key: int, unasked: Collection[str] = ()) -> float | None:
        return key / 10

    def _answer(self, text: str) -> Mapping[str, ScoredTarget] | None:
        if not text.strip():
            return None
        answer = {"intent": ScoredTarget(f"{self.version} {len(text)}", 0.5, {})}
        return answer if text in self.undrafted else answer | {"reply": CARD}


def test_what_was_answered_is_not_computed_again_and_keeps_its_place() -> None:
    predictor, cache = Counting(), AnswerCache(LARGE)
    cached = CachedPredictor(predictor, cache)

    first = cached.predict(["a", "bb"])
    second = cached.predict(["ccc", "bb", "", "a", "ccc"])

    assert predictor.asked == [["a", "bb"], ["ccc", ""]]
    alone = Counting()
    assert first == alone.predict(["a", "bb"])
    assert second == alone.predict(["ccc", "bb", "", "a", "ccc"])
    assert (cache.hits, cache.misses) == (2, 5)
    assert cached.predict(["a"]) == [first[0]]
    assert len(predictor.asked) == 2


@pytest.mark.parametrize(("version", "known_as"), [("m-v2", None), ("m-v1", "m-v1 of another config")])
def test_versions_do_not_share_answers_and_neither_do_label_configs(version: str, known_as: str | None) -> None:
    cache, other = AnswerCache(LARGE), Counting(version)
    CachedPredictor(Counting("m-v1"), cache).predict(["a"])

    found = CachedPredictor(other, cache, known_as=known_as).predict(["a"])

    assert (found, other.asked) == (Counting(version).predict(["a"]), [["a"]])


def test_an_answer_without_a_draft_is_asked_for_again() -> None:
    predictor = Counting(undrafted=["a"])
    cached = CachedPredictor(predictor, AnswerCache(LARGE))

    without = cached.predict(["a", "b"])
    predictor.undrafted.clear()
    with_draft = cached.predict(["a", "b"])

    assert [found and set(found) for found in without] == [{"intent"}, {"intent", "reply"}]
    assert [found and set(found) for found in with_draft] == [{"intent", "reply"}] * 2
    assert predictor.asked == [["a", "b"], ["a"]]


def test_the_least_recently_used_answers_give_way() -> None:
    cache = AnswerCache(LARGE)
    cache.keep("v", {"a": {"intent": CARD}})
    size = cache.used_bytes
    cache = AnswerCache(3 * size)

    for text in "abc":
        cache.keep("v", {text: {"intent": CARD}})
    cache.find("v", ["a"])
    cache.keep("v", {"d": {"intent": CARD}})

    assert [found is not None for found in cache.find("v", list("abcd"))] == [True, False, True, True]
    assert (len(cache), cache.used_bytes) == (3, 3 * size)


def test_an_answer_kept_twice_counts_once() -> None:
    cache = AnswerCache(LARGE)
    for _ in range(2):
        cache.keep("v", {"a": {"intent": CARD}})

    once = AnswerCache(LARGE)
    once.keep("v", {"a": {"intent": CARD}})
    assert (len(cache), cache.used_bytes) == (1, once.used_bytes)


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (CARD, ScoredTarget("card", 0.9, {str(n): 0.1 for n in range(77)})),
        (CARD, ScoredTarget("a response in words, which may be long", 0.9, CARD.scores)),
        (ScoredTarget((), 0.9, {}), ScoredTarget((Span(0, 1, "PER"), Span(2, 3, "PER")), 0.9, {})),
    ],
)
def test_answers_that_hold_more_take_more(small: ScoredTarget, large: ScoredTarget) -> None:
    def taken(answer: ScoredTarget) -> int:
        cache = AnswerCache(LARGE)
        cache.keep("v", {"a": {"intent": answer}})
        return cache.used_bytes

    assert taken(small) < taken(large)


def test_without_room_nothing_is_kept_or_counted() -> None:
    predictor, cache = Counting(), AnswerCache(0)
    cached = CachedPredictor(predictor, cache)

    for _ in range(2):
        cached.predict(["a"])

    assert predictor.asked == [["a"], ["a"]]
    assert (len(cache), cache.hits, cache.misses) == (0, 0, 0)


def test_halves_of_surrogate_pairs_are_texts_like_others() -> None:
    predictor = Counting()
    cached = CachedPredictor(predictor, AnswerCache(LARGE))

    assert cached.predict(["\ud83d"]) == cached.predict(["\ud83d"])
    assert predictor.asked == [["\ud83d"]]


def test_scores_and_memory_are_those_of_the_predictor() -> None:
    cached = CachedPredictor(Counting(), AnswerCache(LARGE))

    assert (cached.version, cached.draw_score(3), cached.memory) == ("m-v1", 0.3, {"weights": 7})


def test_threads_share_a_small_cache_and_get_right_answers() -> None:
    predictor = Counting()
    cache = AnswerCache(20_000)
    cached = CachedPredictor(predictor, cache)
    requests = [["x" * (start + n) for n in range(1, 20)] for start in range(40)] * 5

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(cached.predict, requests))

    assert found == [Counting().predict(texts) for texts in requests]
    assert cache.used_bytes <= 20_000
    assert cache.hits + cache.misses == 19 * 200
