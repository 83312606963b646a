"""Measurements, comparisons and votes: the newest of each stays, on either engine, whatever tasks hold."""

from ml_backend.domain.job import JobState
from ml_backend.storage.database import Database
from tests.fakes import FakeClock

PAIR = {"project_key": "a-7", "first": "a-7-v1", "second": "a-7-v2", "control": "reply", "snapshot_id": "s"}
HOSTILE = "NUL \0 and half a pair \ud800"


def keep(database: Database, version: str, split: str, score: float) -> None:
    about = {"summary": {"score": score, "label": HOSTILE}, "figures": {"rows": 3}, "answers": b"\x00\xff"}
    database.measurements.keep("a-7", version, "s", split, **about)


def test_a_measurement_on_the_same_rows_takes_the_place_of_the_one_before(database: Database) -> None:
    for score in (0.1, 0.2):
        keep(database, "a-7-v1", "test", score)
    keep(database, "a-7-v1", "validation", 0.3)

    found = database.measurements.find("a-7", "a-7-v1", "s", "test")

    assert found is not None
    assert (found["summary"]["score"], bytes(found["answers"])) == (0.2, b"\x00\xff")
    assert [each["split"] for each in database.measurements.summaries("a-7")] == ["validation", "test"]
    assert database.measurements.find("a-7", "a-7-v2", "s", "test") is None
    assert database.measurements.summaries("b-8") == []


def test_the_newest_comparison_is_found_whichever_version_is_named_first(database: Database, clock: FakeClock) -> None:
    for value in (1, 2):
        clock.advance(1)
        database.measurements.add_comparison("a-7", "a-7-v1", "a-7-v2", "s", {"value": value})

    names = ("a-7-v1", "a-7-v2")
    found = [database.measurements.comparison("a-7", *both, "s") for both in (names, names[::-1])]

    assert [each and each["figures"]["value"] for each in found] == [2, 2]
    assert database.measurements.comparison("a-7", "a-7-v1", "a-7-v3", "s") is None


def test_the_time_of_a_training_is_found_by_its_version_whatever_its_result_quotes(database: Database) -> None:
    for result in ({"model_version": "a-7-v1", "seconds": 12.5, "warnings": [HOSTILE]}, {"reason": "nothing"}):
        job, _ = database.jobs.request("train", 7, {}, dedupe_key="x", claim=True)
        database.jobs.finish(job, JobState.SUCCEEDED, result=result)

    assert database.measurements.training_seconds(7) == {"a-7-v1": 12.5}


def test_a_person_has_one_vote_per_prompt_and_ends_once(database: Database) -> None:
    for person, choice in (("anna", "first"), ("ben", "second"), ("anna", "equal")):
        database.votes.put(PAIR, 4, person, choice)
    for _ in range(2):
        database.votes.end(PAIR, "anna")

    assert [(each["person"], each["choice"]) for each in database.votes.of_pair(PAIR)] == [
        ("anna", "equal"),
        ("ben", "second"),
    ]
    assert [dict(each) for each in database.votes.pairs("a-7")] == [PAIR]
    assert database.votes.has_ended(PAIR, "anna")
    assert not database.votes.has_ended(PAIR, "ben")
    assert not database.votes.has_ended(PAIR | {"snapshot_id": "t"}, "anna")
