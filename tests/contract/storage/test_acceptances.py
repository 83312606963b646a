from dataclasses import replace

import pytest

from ml_backend.domain.acceptance import KeptCertificate
from ml_backend.storage.database import Database
from tests.certificates import acceptance_of, certificate_of
from tests.fakes import FakeClock

TRY = certificate_of(7)


@pytest.fixture
def certificate(database: Database) -> KeptCertificate:
    return database.certificates.add(TRY)


def test_one_certificate_is_in_force_and_a_failure_leaves_it_so(database: Database, clock: FakeClock) -> None:
    first = database.certificates.add(TRY)
    clock.advance(60)
    failed = database.certificates.add(replace(TRY, threshold=None, ending="too many errors"))
    assert database.certificates.open(7) == first
    clock.advance(60)
    second = database.certificates.add(replace(TRY, limit=0.01))
    assert database.certificates.open(7) == second
    assert database.certificates.open(8) is None
    assert database.certificates.failures(7) == 1
    kept = database.certificates.all(7)
    assert [each.id for each in kept] == [second.id, failed.id, first.id]
    assert [each.ending for each in kept] == ["", "too many errors", "another certificate took its place"]
    assert (kept[1].created_at, kept[1].ended_at) == (failed.created_at, failed.ended_at)


def test_a_certificate_ends_once(database: Database, certificate: KeptCertificate) -> None:
    assert database.certificates.end(certificate, "audits", was_refuted=True)
    assert not database.certificates.end(certificate, "off")
    (kept,) = database.certificates.all(7)
    assert (kept.ending, kept.was_refuted) == ("audits", True)
    assert database.certificates.open(7) is None


def test_an_intention_is_settled_or_withdrawn_and_never_made_twice(
    database: Database, certificate: KeptCertificate
) -> None:
    first, second = (acceptance_of(certificate, task_id) for task_id in (5, 6))
    database.acceptances.intend([first, second])
    database.acceptances.intend([first])
    assert database.acceptances.intended(7) == [first, second]
    database.acceptances.settle(certificate.id, {5: 2**40, 6: None})
    assert database.acceptances.intended(7) == []
    assert database.acceptances.standing(7, "a-7-v1") == [replace(first, annotation_id=2**40)]
    assert database.acceptances.annotations(7, [2**40, 3]) == {2**40}
    known = database.acceptances.covered(certificate.id, "a-7-v1", 7)
    assert {task_id: each.undone_at is None for task_id, each in known.items()} == {5: True, 6: False}


def test_what_was_undone_stays_and_can_be_covered_by_another_certificate(
    database: Database, certificate: KeptCertificate
) -> None:
    accepted = acceptance_of(certificate, 5)
    database.acceptances.intend([accepted])
    database.acceptances.settle(certificate.id, {5: 11})
    database.acceptances.undo([accepted])
    assert database.acceptances.standing(7, "a-7-v1") == []
    later = database.certificates.add(TRY)
    assert database.acceptances.covered(later.id, "a-7-v1", 7) == {}
    database.acceptances.intend([acceptance_of(later, 5)])
    by_task = database.acceptances.of_tasks(7, [5, 6])
    assert [(each.certificate_id, each.annotation_id) for each in by_task[5]] == [
        (certificate.id, 11),
        (later.id, None),
    ]


def test_audits_are_open_while_their_certificate_is(database: Database, certificate: KeptCertificate) -> None:
    audit = acceptance_of(certificate, 5, is_audit=True)
    database.acceptances.intend([audit, acceptance_of(certificate, 6)])
    assert database.acceptances.open_audits(7, [5, 6]) == {5}
    database.acceptances.answer(audit, "2026-01-01T12:00:00Z", is_wrong=True)
    assert database.acceptances.audits(7, "a-7-v1") == [
        replace(audit, answered_at="2026-01-01T12:00:00Z", is_wrong=True)
    ]
    database.certificates.end(certificate, "off")
    assert database.acceptances.open_audits(7, [5, 6]) == set()
