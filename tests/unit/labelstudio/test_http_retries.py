"""Calls that are made again, and failures that are told to be passing or lasting."""

import logging
import time

import httpx
import pytest

from ml_backend.errors import StudioError, StudioRejected, StudioUnreachable
from tests.unit.labelstudio.scripted import Answer, Make, Scripted, ok, refused


@pytest.mark.parametrize(
    "failure",
    [
        *(httpx.ConnectError("refused"), httpx.RemoteProtocolError("cut"), httpx.ReadError("reset")),
        *map(refused, (429, 502, 503, 504)),
    ],
)
def test_a_read_is_tried_again_twice(http_over: Make, failure: Answer, caplog: pytest.LogCaptureFixture) -> None:
    transport = Scripted(failure, failure, ok())

    with caplog.at_level(logging.WARNING, "ml_backend"):
        assert http_over(transport).get("api/x") == {"ok": True}

    assert len([record for record in caplog.messages if record.endswith("trying again")]) == 2


def test_a_read_is_given_up_after_the_third_attempt(http_over: Make) -> None:
    transport = Scripted(*[httpx.ConnectError("refused")] * 3, ok())

    with pytest.raises(StudioUnreachable, match=r"cannot be reached for GET api/x \(refused\); check that it runs"):
        http_over(transport).get("api/x")

    assert len(transport.requests) == 3


@pytest.mark.parametrize(
    ("method", "failure"),
    [
        *(("GET", failure) for failure in (httpx.ReadTimeout("slow"), *map(refused, (500, 404, 400)))),
        *(("POST", failure) for failure in (httpx.ConnectError("refused"), httpx.ReadTimeout("slow"))),
        *(("POST", failure) for failure in map(refused, (502, 503))),
    ],
)
def test_a_read_that_will_not_get_better_and_any_change_are_sent_once(
    http_over: Make, method: str, failure: Answer
) -> None:
    transport = Scripted(failure, ok())
    http = http_over(transport)

    with pytest.raises(StudioError):
        http.get("api/x") if method == "GET" else http.send("POST", "api/x", {})

    assert len(transport.requests) == 1


def busy(retry_after: str) -> httpx.Response:
    return httpx.Response(429, headers={"Retry-After": retry_after})


@pytest.mark.parametrize(
    ("asked", "known_s"),
    [("0", 0.0), ("7", 7.0), ("3600", 3600.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)],
)
def test_what_label_studio_asks_to_wait_is_told(http_over: Make, asked: str, known_s: float | None) -> None:
    with pytest.raises(StudioRejected) as caught:
        http_over(Scripted(busy(asked))).send("POST", "api/x")

    assert (caught.value.is_passing, caught.value.retry_after_s) == (True, known_s)


def test_a_read_waits_as_long_as_it_is_asked_to_but_not_for_minutes(http_over: Make) -> None:
    started = time.monotonic()
    assert http_over(Scripted(busy("1"), ok())).get("api/x") == {"ok": True}
    assert time.monotonic() - started >= 1

    transport = Scripted(busy("60"), ok())
    with pytest.raises(StudioRejected):
        http_over(transport).get("api/x")
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("failure", "is_passing"),
    [
        *((failure, True) for failure in (httpx.ConnectError("refused"), httpx.ReadTimeout("slow"))),
        *((refused(status), True) for status in (500, 504)),
        *((refused(status), False) for status in (400, 401, 404, 413)),
        (httpx.InvalidURL("nonsense"), False),
    ],
)
def test_passing_failures_are_told_from_lasting_ones(http_over: Make, failure: Answer, is_passing: bool) -> None:
    with pytest.raises(StudioError) as caught:
        http_over(Scripted(failure)).send("POST", "api/x")

    assert caught.value.is_passing is is_passing
