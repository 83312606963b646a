"""Splits of texts: given once, whoever asks first and however many ask at once."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from threading import Barrier

import pytest

from ml_backend.domain.placement import PlacedText, TextSketch
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.storage.database import Database, open_database
from tests.fakes import FakeClock


@pytest.fixture(autouse=True)
def projects(database: Database) -> None:
    for number in (7, 8):
        config = {"label_config": "<View/>", "fingerprint": "f"}
        database.projects.add(number, slug="a", title="A", split=SplitFractions(), **config)


def sketch(name: str, *keys: int) -> TextSketch:
    return TextSketch(sha256(name.encode()).hexdigest(), name.encode(), keys)


class Rule:
    """Puts all texts into one split, and keeps what it was given."""

    def __init__(self, split: Split, *, is_by_hash: bool = False) -> None:
        self.split, self.is_by_hash = split, is_by_hash
        self.given: list[tuple[list[bytes], list[tuple[bytes, set[int], Split]], Mapping[Split, int]]] = []

    def __call__(
        self, new: Sequence[TextSketch], placed: Sequence[PlacedText], counts: Mapping[Split, int]
    ) -> list[PlacedText]:
        known = [(text.signature, set(text.keys), text.split) for text in placed]
        self.given.append(([text.signature for text in new], known, counts))
        return [PlacedText(each.digest, each.signature, each.keys, self.split, self.is_by_hash) for each in new]


def test_a_text_keeps_the_split_that_it_got_first(database: Database) -> None:
    one, two = sketch("one", 1), sketch("two", 2)

    assert database.splits.place(7, [one], Rule(Split.TEST)) == {one.digest: Split.TEST}
    later = Rule(Split.TRAIN)
    assert database.splits.place(7, [one, two], later) == {one.digest: Split.TEST, two.digest: Split.TRAIN}

    assert [new for new, _, _ in later.given] == [[b"two"]]
    assert database.splits.find(7, [one.digest, sketch("three").digest]) == {one.digest: Split.TEST}
    assert database.splits.find(8, [one.digest]) == {}


def test_the_rule_sees_the_texts_of_the_project_that_have_a_key_in_common(database: Database) -> None:
    lowest, highest = -(2**63), 2**63 - 1
    database.splits.place(7, [sketch("one", lowest, 5), sketch("two", 5, 6), sketch("three", 9)], Rule(Split.TEST))
    database.splits.place(8, [sketch("four", 5)], Rule(Split.TEST))
    rule = Rule(Split.TRAIN)

    database.splits.place(7, [sketch("five", highest, 5), sketch("six", lowest)], rule)

    ((_, placed, _),) = rule.given
    assert placed == [(b"one", {lowest, 5}, Split.TEST), (b"two", {5}, Split.TEST)]


def test_the_rule_is_given_how_many_texts_came_into_a_split_otherwise_than_by_their_hash(database: Database) -> None:
    for name, split, is_by_hash in (("a", Split.TRAIN, False), ("b", Split.TRAIN, True), ("c", Split.TEST, False)):
        database.splits.place(7, [sketch(name)], Rule(split, is_by_hash=is_by_hash))
    rule = Rule(Split.TRAIN)
    database.splits.place(7, [sketch("d")], rule)

    assert [counts for _, _, counts in rule.given] == [{Split.TRAIN: 1, Split.TEST: 1}]
    assert database.splits.counts(7) == {Split.TRAIN: 3, Split.TEST: 1}
    assert database.splits.counts(8) == {}


def test_processes_that_place_the_same_texts_at_once_agree(database: Database, database_url: str) -> None:
    sketches = [sketch(str(number), number) for number in range(40)]
    together = Barrier(4)

    def place(number: int) -> dict[str, Split]:
        split = list(Split)[number % 3]
        with closing(open_database(database_url, FakeClock())) as own:
            together.wait()
            found: dict[str, Split] = {}
            for start in range(0, 40, 10):
                batch = sketches[start : start + 10]
                found |= own.splits.place(7, batch if number % 2 else batch[::-1], Rule(split))
            return found

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(place, range(4)))

    assert all(answer == answers[0] for answer in answers)
    assert database.splits.find(7, answers[0]) == answers[0]
    assert sum(database.splits.counts(7).values()) == 40


def test_thousands_of_texts_are_found_and_placed_at_once(database: Database) -> None:
    """Databases take some ten thousand values in a statement."""
    sketches = [sketch(str(number), *range(number, number + 16)) for number in range(3000)]
    placed = database.splits.place(7, sketches, Rule(Split.TRAIN))
    again = database.splits.place(7, [replace(sketches[0], digest="ff" * 32)], Rule(Split.TEST))

    assert database.splits.find(7, [each.digest for each in sketches] * 20) == placed
    assert again == {"ff" * 32: Split.TEST}
