"""Bytes of a connection, made into whole requests."""

from collections.abc import Iterable
from http import HTTPStatus

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import LimitRequestHeaders, ParseException
from gunicorn.http.message import Request as Head

from ml_backend.web.incoming import BadBody, Incoming, Stage

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
SIZED = b"POST /setup HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nhello world"
CHUNKED_HEAD = b"POST /setup HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED = CHUNKED_HEAD + b"5\r\nhello\r\n06;name=value\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n"


def incoming(limit: int = 1000) -> Incoming:
    return Incoming(Config(), ("127.0.0.1", 1), lambda _head: limit)


def requests_of(each: Incoming, pieces: Iterable[bytes]) -> list[tuple[str, bytes]]:
    """Path and body of every request that comes of these pieces."""
    found = []
    for piece in pieces:
        each.receive(piece)
        while (request := each.next_request()) is not None:
            found.append((request.path, request.body.read()))
    return found


@pytest.mark.parametrize(
    ("sent", "path", "body"),
    [
        (GET, "/health", b""),
        (SIZED, "/setup", b"hello world"),
        (CHUNKED, "/setup", b"hello world"),
        (CHUNKED_HEAD + b"0\r\n\r\n", "/setup", b""),
        (CHUNKED_HEAD + b"B\r\nhello\r\nworl\r\n0\r\n\r\n", "/setup", b"hello\r\nworl"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_request_is_given_out_once_all_of_it_is_here(sent: bytes, path: str, body: bytes, size: int) -> None:
    each, pieces = incoming(), [sent[start : start + size] for start in range(0, len(sent), size)]

    assert requests_of(each, pieces[:-1]) == []
    assert requests_of(each, pieces[-1:]) == [(path, body)]
    assert (each.stage, each.held_bytes, each.is_cut_short) == (Stage.NOTHING, 0, False)


def test_requests_that_come_at_once_are_given_out_one_by_one() -> None:
    each = incoming()

    assert requests_of(each, [GET + CHUNKED + SIZED + GET + SIZED[:-3]]) == [
        ("/health", b""),
        ("/setup", b"hello world"),
        ("/setup", b"hello world"),
        ("/health", b""),
    ]
    assert (each.stage, each.held_bytes) == (Stage.BODY, 8)
    assert requests_of(each, [b"rld"]) == [("/setup", b"hello world")]


def test_the_limit_is_asked_for_once_and_only_while_a_body_is_awaited() -> None:
    asked: list[str] = []

    def limit(head: Head) -> int:
        asked.append(head.path)
        return 100

    each = Incoming(Config(), None, limit)
    requests_of(each, [GET, SIZED, *(SIZED[n : n + 1] for n in range(len(SIZED)))])

    assert asked == ["/setup"]


def test_a_request_that_will_be_refused_is_given_out_without_its_body_as_the_last_one() -> None:
    each = incoming(limit=0)
    each.receive(SIZED[:-5])

    request = each.next_request()

    assert request is not None
    assert (request.path, request.body.read(), request.should_close()) == ("/setup", b"hello ", True)
    assert (each.is_cut_short, each.held_bytes) == (True, 0)


@pytest.mark.parametrize(
    "sent",
    [
        SIZED[:-5],
        b"POST /setup HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
        CHUNKED_HEAD + b"FFFF\r\n" + b"x" * 11,
        CHUNKED_HEAD + b"1\r\nx\r\n" * 11,
    ],
)
def test_a_body_beyond_the_limit_is_not_waited_for(sent: bytes) -> None:
    each = incoming(limit=10)
    each.receive(sent)

    with pytest.raises(BadBody, match="at most 10") as caught:
        each.next_request()

    assert caught.value.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


@pytest.mark.parametrize(
    "body", [b"zz\r\n", b"\r\n", b"-1\r\n", b"5\r\nhello!\r\n", b"1\r\nxy\r\n", b"5 5\r\n", b"1" * 5000]
)
def test_chunks_that_are_none_are_refused(body: bytes) -> None:
    each = incoming()
    each.receive(CHUNKED_HEAD + body)

    with pytest.raises(BadBody) as caught:
        each.next_request()

    assert caught.value.status == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ],
)
def test_heads_that_are_none_are_refused(head: bytes) -> None:
    each = incoming()
    each.receive(head)

    with pytest.raises(ParseException):
        each.next_request()


@pytest.mark.parametrize("sent", [b"G" * (64 * 1024 + 1), GET[:-2] + b"A: b\r\n" * 20_000 + b"\r\n"])
def test_heads_without_an_end_are_refused(sent: bytes) -> None:
    each = incoming()
    each.receive(sent)

    with pytest.raises(LimitRequestHeaders):
        each.next_request()


def test_a_client_that_asks_whether_its_body_is_wanted_is_told_so_once() -> None:
    head, _, body = SIZED.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n").partition(b"hello")
    each = incoming()

    assert requests_of(each, [head]) == []
    assert [each.takes_up_continue(), each.takes_up_continue()] == [True, False]
    assert requests_of(each, [b"hello" + body]) == [("/setup", b"hello world")]
    assert not each.takes_up_continue()
