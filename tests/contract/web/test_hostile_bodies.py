"""Label Studio's requests with one value replaced by a hostile one: each is refused or stored, on every database."""

import copy
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.databases import empty_tables
from tests.recordings import recorded, recorded_names
from tests.services import build_test_services
from tests.visitors import as_backend

HOSTILE: tuple[Any, ...] = (
    *(0, -1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**30, -(2**63), 1.5, 1e308, 1e30, True, None),
    *("", "\0", "a\0b", "\ud800", "half \udc00 pair", "\U0001f600", "\x1b[31m\n2026-01-01 FORGED", "x" * 100_000),
    *("9" * 30, "1.5", "1e400", "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00-14:00", "NaN"),
    *([], {}, [[]], [None], [{}], {"": ""}, {"id": 2**64}, [1, "x", None, {"a": [1]}]),
)
INPUTS = 250
"""Per database. Thousands were tried."""


@pytest.fixture
def client(tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture) -> Iterator[FlaskClient]:
    caplog.set_level(logging.CRITICAL, logger="ml_backend")
    services = build_test_services(tmp_path, database_url=database_url)
    empty_tables(services.database.engine)
    yield as_backend(services)
    services.database.close()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key in a JSON value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from places(inner)


def mutated(body: Any, random: Random) -> Any:
    changed = copy.deepcopy(body)
    for _ in range(random.choice([1, 1, 1, 2])):
        container, key = random.choice(list(places(changed)))
        container[key] = copy.deepcopy(random.choice(HOSTILE))
    return changed


def test_whatever_stands_in_a_body_is_stored_or_refused(client: FlaskClient) -> None:
    random = Random(17)
    names = [name for prefix in ("webhook_", "setup", "predict_") for name in recorded_names(prefix)]
    assert client.post("/setup", json=recorded("setup")).status_code == 200
    statuses = set()

    for _ in range(INPUTS):
        name = random.choice(names)
        body = mutated(recorded(name), random)
        status = client.post("/" + name.partition("_")[0], json=body).status_code
        statuses.add(status)
        assert status in (200, 400, 404, 409, 413, 422), f"{status} for {name}: {json.dumps(body)[:2000]}"

    assert {200, 400} <= statuses
    for path in ("/", "/metrics", "/versions"):
        assert client.get(path).status_code == 200


@pytest.mark.parametrize("number", [1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**30])
def test_what_has_no_such_id_is_not_found(client: FlaskClient, number: int) -> None:
    paths = [f"/api/projects/{number}/train", f"/api/jobs/{number}/cancel", f"/api/jobs/{number}/resume"]

    assert [client.post(path, json={}).status_code for path in paths] == [404, 404, 404]
