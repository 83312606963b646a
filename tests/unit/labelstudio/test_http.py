"""One call at a time: tokens, timeouts, and refusals in words."""

import io
import json
from contextlib import closing
from threading import Barrier, Thread
from typing import Any

import httpx
import pytest

from ml_backend.errors import StudioError, StudioRejected, StudioUnauthorized, StudioUnreachable
from ml_backend.labelstudio.http import StudioHttp
from tests.unit.labelstudio.scripted import LEGACY, Answer, Make, Scripted, ok, refused

PERSONAL = "eyJhbGciOiJIUzI1NiJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.c2lnbmF0dXJl"
RENEWAL = "/api/token/refresh/"
TO_LOGIN = httpx.Response(302, headers={"location": "/login"})
DETAIL = "Label Studio refused GET api/x with 400: "


@pytest.mark.parametrize("token", [f" {LEGACY}\n", "my.own.token", "eyJhbGciOi"])
def test_a_legacy_token_is_sent_as_it_is(http_over: Make, token: str) -> None:
    transport = Scripted(ok())

    assert http_over(transport, token).get("api/x", {"a": 1}) == {"ok": True}

    (request,) = transport.requests
    assert str(request.url) == "http://studio.test/api/x?a=1"
    assert request.headers["Authorization"] == f"Token {token.strip()}"
    assert request.headers["User-Agent"] == "labelloop"


@pytest.mark.parametrize(("url", "path"), [("http://studio.test/", ""), ("https://tools.test/studio", "/studio")])
def test_a_personal_token_buys_an_access_token_once_also_where_the_url_has_a_path(
    http_over: Make, url: str, path: str
) -> None:
    transport = Scripted(ok({"access": "one"}), ok(), ok())
    http = http_over(transport, PERSONAL, url)

    http.get("api/x")
    http.send("POST", "api/y", {"b": 2})

    (renewal, authorization, content), *calls = transport.sent
    assert (renewal, authorization, json.loads(content)) == (f"{path}{RENEWAL}", None, {"refresh": PERSONAL})
    assert calls == [(f"{path}/api/x", "Bearer one", b""), (f"{path}/api/y", "Bearer one", b'{"b": 2}')]
    assert PERSONAL not in str(transport.requests[1].headers)


def test_an_access_token_that_ran_out_is_renewed_and_the_call_made_again(http_over: Make) -> None:
    transport = Scripted(
        ok({"access": "one"}), ok(), refused(401), ok({"access": "two"}), ok({"made": 1}), httpx.Response(204)
    )
    http = http_over(transport, PERSONAL)
    http.get("api/x")

    assert http.send("POST", "api/y", {"b": 2}) == {"made": 1}
    assert http.send("DELETE", "api/z") is None

    assert [call for call in transport.sent if call[0] != RENEWAL] == [
        ("/api/x", "Bearer one", b""),
        ("/api/y", "Bearer one", b'{"b": 2}'),
        ("/api/y", "Bearer two", b'{"b": 2}'),
        ("/api/z", "Bearer two", b""),
    ]


def test_threads_that_find_the_token_run_out_renew_it_once(http_over: Make) -> None:
    current = "one"
    renewals = []
    both_refused = Barrier(2, timeout=10)

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal current
        if request.url.path == RENEWAL:
            renewals.append(request)
            current = "one" if len(renewals) == 1 else "two"
            return ok({"access": current})
        if request.url.path == "/api/first" or request.headers["Authorization"] == "Bearer two":
            return ok()
        both_refused.wait()
        return refused(401)

    http = http_over(httpx.MockTransport(answer), PERSONAL)
    http.get("api/first")
    answers: list[Any] = []
    threads = [Thread(target=lambda: answers.append(http.get("api/x"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [{"ok": True}] * 2
    assert len(renewals) == 2


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (refused(401, {"detail": "Token is expired"}), StudioUnauthorized, r"\(Token is expired\).*Account & Settings"),
        # A fresh access token is not renewed again.
        ([ok({"access": "one"}), refused(401, {"detail": "no"})], StudioUnauthorized, r"refused the token \(no\)"),
        (refused(404), StudioRejected, "POST api/token/refresh/ with 404: Not Found"),
        (refused(500), StudioRejected, "with 500"),
        (ok({"detail": "?"}), StudioRejected, "without an access token; check that LABELLOOP_STUDIO_URL"),
        (ok(["access"]), StudioRejected, "without an access token"),
        (httpx.Response(200, text="<html>"), StudioRejected, "something that is not JSON; check"),
        (TO_LOGIN, StudioRejected, "redirects POST api/token/refresh/ to /login"),
        (httpx.ReadTimeout("slow"), StudioUnreachable, "did not answer GET api/x within 5 s"),
    ],
)
def test_a_renewal_that_fails_is_told(
    http_over: Make, answer: Answer | list[Answer], error: type[StudioError], message: str
) -> None:
    answers = answer if isinstance(answer, list) else [answer]

    with pytest.raises(error, match=message) as caught:
        http_over(Scripted(*answers), PERSONAL).get("api/x")

    assert PERSONAL not in str(caught.value)


@pytest.mark.parametrize("token", ["", "  ", "two words", "caf\xe9", "tab\there"])
def test_what_can_be_no_token_is_refused_before_anything_is_sent(http_over: Make, token: str) -> None:
    transport = Scripted()

    with pytest.raises(StudioUnauthorized, match="Set LABELLOOP_STUDIO_TOKEN"):
        http_over(transport, token).get("api/x")

    assert transport.requests == []


def test_a_call_may_wait_longer_for_the_answer_but_not_for_the_connection(http_over: Make) -> None:
    transport = Scripted(ok(), httpx.ReadTimeout("slow"), httpx.ReadTimeout("slow"))
    http = http_over(transport)
    http.send("POST", "api/x", {}, timeout_s=900)
    assert transport.requests[0].extensions["timeout"] == {"connect": 5, "read": 900, "write": 900, "pool": 900}

    with pytest.raises(StudioUnreachable, match=r"POST api/x within 900 s \(ReadTimeout\).*LABELLOOP_STUDIO_TIMEOUT_S"):
        http.send("POST", "api/x", {}, timeout_s=900)
    with pytest.raises(StudioUnreachable, match=r"GET api/x within 5 s \(ReadTimeout\).*LABELLOOP_STUDIO_TIMEOUT_S"):
        http.get("api/x")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            refused(400, {"detail": "Validation error", "validation_errors": {"title": ["Too short"]}}),
            DETAIL + r'Validation error: {"title": \["Too short"\]}',
        ),
        (refused(400, {"detail": "x" * 1000}), DETAIL + "x" * 300 + r"\.\.\.$"),
        (refused(400, ["a", "b"]), DETAIL + r"\['a', 'b'\]"),
        (refused(400, {}), DETAIL + "no reason given"),
        (refused(400, {"detail": f"bad {LEGACY}"}), DETAIL + r"bad \[token\]$"),
        (httpx.Response(400, text="<html>a long page</html>"), DETAIL + "Bad Request$"),
        (TO_LOGIN, "redirects GET api/x to /login; set LABELLOOP_STUDIO_URL"),
        (httpx.Response(200, text="<html>"), "something that is not JSON; check that LABELLOOP_STUDIO_URL"),
        (httpx.Response(200, content=b"\xff\xfe"), "something that is not JSON"),
    ],
)
def test_a_refusal_says_what_label_studio_said(http_over: Make, answer: Answer, message: str) -> None:
    with pytest.raises(StudioRejected, match=message) as caught:
        http_over(Scripted(answer)).get("api/x")

    assert isinstance(answer, httpx.Response)
    assert caught.value.status == answer.status_code


def test_disabled_legacy_tokens_are_told_with_the_way_out(http_over: Make) -> None:
    detail = "Authentication token no longer valid: legacy token authentication has been disabled for this organization"

    with pytest.raises(StudioUnauthorized, match=f"{detail}.*a personal access token works on every instance"):
        http_over(Scripted(refused(401, {"detail": detail}))).get("api/x")


@pytest.mark.parametrize("url", ["http://", "http://[", "http://a b", "ftp://studio.test", "http://x:notaport"])
def test_what_is_no_url_is_told(http_over: Make, url: str) -> None:
    with pytest.raises(StudioUnreachable, match="LABELLOOP_STUDIO_URL"):
        http_over(None, LEGACY, url).get("api/x")


@pytest.mark.parametrize("body", [{"n": float("nan")}, {"text": "half \ud83d"}])
def test_what_json_cannot_hold_is_not_sent(http_over: Make, body: Any) -> None:
    transport = Scripted(ok())

    with pytest.raises(StudioRejected, match="POST api/x was not sent: "):
        http_over(transport).send("POST", "api/x", body)

    assert transport.requests == []


def test_a_download_goes_into_the_file_also_with_a_token_that_ran_out(http_over: Make) -> None:
    content = b"[1, 2]" * 100_000
    transport = Scripted(
        ok({"access": "one"}), ok(), refused(401), ok({"access": "two"}), httpx.Response(200, content=content)
    )
    http, target = http_over(transport, PERSONAL), io.BytesIO()
    http.get("api/x")

    http.download("api/file", {"a": 1}, target)

    assert target.getvalue() == content


def test_a_refused_download_says_why_and_writes_nothing(http_over: Make) -> None:
    target = io.BytesIO()

    with pytest.raises(StudioRejected, match="Label Studio refused GET api/x with 404: gone"):
        http_over(Scripted(refused(404, {"detail": "gone"}))).download("api/x", {}, target)

    assert target.getvalue() == b""


@pytest.mark.parametrize(
    ("url", "uses_proxy"),
    [
        ("http://localhost:8080", False),
        ("http://127.0.0.1:8080", False),
        ("http://[::1]:8080", False),
        ("http://studio.test", True),
    ],
)
def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, url: str, uses_proxy: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    with closing(StudioHttp(url, LEGACY, 5)) as http:
        assert repr(http) == f"StudioHttp({url!r})"  # no token
        assert http._client.trust_env is uses_proxy
