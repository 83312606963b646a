from datetime import date

from ml_backend.domain.fit import TaskFit
from ml_backend.storage.database import Database
from tests.fakes import FakeClock


def test_a_task_keeps_its_first_fit_and_the_newest_one(database: Database, clock: FakeClock) -> None:
    first = date(2025, 12, 29)
    database.fits.put(7, "a-7-v1", {5: 0.04, 6: 0.5, 2**40: 0.01})
    database.fits.put(8, "b-8-v1", {5: 0.03})
    clock.advance(7 * 86_400)
    database.fits.put(7, "a-7-v2", {5: 0.6, 6: 0.05, 9: 0.02})
    database.fits.put(7, "a-7-v2", {})

    assert database.fits.unfit(7) == [
        TaskFit(2**40, "a-7-v1", 0.01),
        TaskFit(9, "a-7-v2", 0.02),
        TaskFit(6, "a-7-v2", 0.05),
    ]
    clock.advance(21 * 86_400)
    # Counted twice, since weeks that are over are not counted again.
    weeks = [database.fits.first_by_week(7) for _ in range(2)]
    assert weeks == [{first: (3, 2), date(2026, 1, 5): (1, 1)}] * 2
    assert database.fits.first_by_week(9) == {}
    assert [database.fits.count(project_id) for project_id in (7, 8, 9)] == [4, 1, 0]
