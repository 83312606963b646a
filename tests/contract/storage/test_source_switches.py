from ml_backend.storage.database import Database
from tests.fakes import FakeClock


def test_a_switch_is_kept_per_project_and_source_with_who_and_when(database: Database, clock: FakeClock) -> None:
    database.source_switches.put(7, "names a bill", is_on=False, actor="ada")
    database.source_switches.put(8, "names a bill", is_on=False, actor="ada")
    clock.advance(60)
    database.source_switches.put(7, "names a bill", is_on=True, actor="ben")

    (switch,) = database.source_switches.all(7).values()
    assert (switch["source"], switch["is_on"], switch["actor"]) == ("names a bill", True, "ben")
    assert switch["switched_at"] == clock.now
    assert not database.source_switches.all(9)
