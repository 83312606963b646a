import pytest

from ml_backend.errors import TextServerRejected, TextServerUnreachable
from ml_backend.models.generation.generator import Draft
from ml_backend.serving.chat import ChatRequest
from ml_backend.serving.openai_server import OpenAiServer
from tests.openai_server import Script, openai_server


def client(url: str, **options: object) -> OpenAiServer:
    return OpenAiServer(url, **{"retry_wait_s": 0.01, "budget_s": 5.0, **options})


@pytest.mark.parametrize("streams", [True, False])
def test_every_prompt_gets_its_draft_in_order(streams: bool) -> None:
    told: list[int] = []
    with openai_server(Script(streams=streams)) as url:
        drafts = client(url).generate(["one", "two", "three"], on_rows=told.append)

    assert [draft.text for draft in drafts] == ["You said one", "You said two", "You said three"]
    assert all(draft.is_complete for draft in drafts)
    assert told == [1, 2, 3]


def test_a_prompt_is_sent_as_the_turn_of_a_user_and_answered_greedily() -> None:
    script = Script()
    with openai_server(script) as url:
        client(url, max_new_tokens=17).generate(["Why?"])

    assert script.requests == [
        {
            "model": "tuned",
            "messages": [{"role": "user", "content": "Why?"}],
            "max_tokens": 17,
            "temperature": 0,
            "stream": True,
        }
    ]


def test_no_prompts_ask_nothing() -> None:
    assert client("http://127.0.0.1:9/v1").generate([]) == []


def test_a_response_that_ran_into_the_token_limit_is_marked_incomplete() -> None:
    with openai_server(Script(most_tokens=2)) as url:
        assert client(url).generate(["now"]) == [Draft("You said", 2, is_complete=False)]


def test_what_is_there_when_the_time_is_up_is_the_draft() -> None:
    script = Script(answer=lambda _: " ".join(["word"] * 200), pauses_s=(0.02,))
    with openai_server(script) as url:
        (draft,) = client(url, budget_s=0.3).generate(["go on"])

    assert 1 <= draft.tokens < 100
    assert draft.text == " ".join(["word"] * draft.tokens)
    assert not draft.is_complete


def test_a_response_that_stalls_keeps_what_it_began_with() -> None:
    script = Script(answer=lambda _: "a b c d", pauses_s=(0.0, 0.0, 1.0))
    with openai_server(script) as url:
        (draft,) = client(url, budget_s=0.3).generate(["go on"])

    assert (draft.text, draft.is_complete) == ("a b", False)


def test_a_server_that_writes_nothing_in_time_is_unreachable() -> None:
    with (
        openai_server(Script(pauses_s=(0.5,), streams=False)) as url,
        pytest.raises(TextServerUnreachable, match=r"wrote nothing within 0\.2 s"),
    ):
        client(url, budget_s=0.2).generate(["hello"])


def test_no_more_prompts_are_with_the_server_than_allowed() -> None:
    script = Script(pauses_s=(0.05,))
    with openai_server(script) as url:
        client(url, concurrency=2).generate([str(number) for number in range(8)])

    assert script.most_at_a_time == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_is_asked_again(status: int) -> None:
    script = Script(refusals=[(status, "busy"), (status, "busy")])
    with openai_server(script) as url:
        (draft,) = client(url).generate(["now"])

    assert draft.text == "You said now"
    assert len(script.requests) == 3


OUT_OF_MEMORY = '{"error": {"message": "out of memory"}}'


@pytest.mark.parametrize(
    ("refusal", "kind", "asked", "message"),
    [
        ((503, "busy"), "text/plain", 3, "answered 503: busy"),
        ((400, "max_tokens is too large"), "text/plain", 1, "400: max_tokens is too large"),
        ((307, "elsewhere"), "text/plain", 1, "307: elsewhere"),
        ((200, "<html>It works!</html>"), "text/plain", 1, "something else than chat completions"),
        ((200, OUT_OF_MEMORY), "application/json", 1, "broke off: .*out of memory"),
        ((200, f"data: {OUT_OF_MEMORY}\n\n"), "text/event-stream", 1, "broke off: .*out of memory"),
    ],
    ids=["busy for long", "bad request", "redirect", "something else", "error in the answer", "error in the stream"],
)
def test_a_refusal_is_told_with_what_the_server_said(
    refusal: tuple[int, str], kind: str, asked: int, message: str
) -> None:
    script = Script(refusals=[refusal] * 5, refusal_kind=kind)
    with openai_server(script) as url, pytest.raises(TextServerRejected, match=message) as caught:
        client(url).generate(["now"])

    assert len(script.requests) == asked
    assert caught.value.status == refusal[0]


def test_the_api_key_is_sent_and_a_wrong_one_is_explained() -> None:
    with openai_server(Script(api_key="secret")) as url:
        assert client(url, api_key="secret").generate(["x"])[0].text == "You said x"
        with pytest.raises(TextServerRejected, match=r"401: .*give its API key"):
            client(url, api_key="another").generate(["x"])


def test_a_key_shows_up_in_no_representation() -> None:
    assert "secret" not in repr(client("http://127.0.0.1:9/v1", api_key="secret"))


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(TextServerUnreachable, match=r"127\.0\.0\.1:9/v1/chat/completions did not answer"):
        client("http://127.0.0.1:9/v1", model="tuned").generate(["x"])


def test_the_only_model_needs_no_name_and_one_of_several_does() -> None:
    with openai_server(Script(models=("base", "tuned"))) as url:
        assert client(url).models() == ["base", "tuned"]
        assert client(url, model="tuned").model == "tuned"
        with pytest.raises(TextServerRejected, match="has several models or none: base, tuned"):
            client(url).generate(["x"])


def test_a_url_without_the_version_is_explained() -> None:
    with openai_server(Script()) as url, pytest.raises(TextServerRejected, match=r"404.*ends in /v1"):
        client(url.removesuffix("/v1")).generate(["x"])


def test_what_a_listener_raises_stops_the_work() -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with openai_server(Script()) as url, pytest.raises(KeyboardInterrupt):
        client(url).generate(["a", "b"], on_rows=stop)


def test_nothing_of_the_environment_reaches_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "of-the-user")
    script = Script()
    with openai_server(script) as url:
        client(url).generate(["now"])

    assert "of-the-user" not in str(script.headers)
    assert "Authorization" not in script.headers[0]


SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}}


def ask(prompt: str) -> ChatRequest:
    return ChatRequest((("user", prompt),), SCHEMA)


def test_requests_are_answered_with_tokens_counts_and_seconds() -> None:
    script = Script(gives_logprobs=True)
    with openai_server(script) as url:
        answers = dict(client(url).complete([ask("one"), ask("two words")]))

    assert [answers[k].text for k in (0, 1)] == ["You said one", "You said two words"]
    assert answers[1].tokens == (("You", -0.1), (" said", -0.1), (" two", -0.1), (" words", -0.1))
    assert (answers[1].prompt_tokens, answers[1].completion_tokens) == (2, 4)
    assert answers[1].seconds > 0
    sent = script.requests[0]
    assert sent["response_format"]["json_schema"]["schema"] == SCHEMA
    assert (sent["temperature"], sent["logprobs"]) == (0, True)


def test_parameters_that_a_server_does_not_know_are_left_out_from_then_on() -> None:
    script = Script(unknown=("logprobs", "response_format"))
    with openai_server(script) as url:
        server = client(url, concurrency=1)
        answers = list(server.complete([ask("one"), ask("two")]))

    assert [answer.text for _, answer in answers] == ["You said one", "You said two"]
    assert server.refused == {"logprobs", "response_format"}
    assert len(script.requests) == 4


def test_a_newer_name_of_the_limit_is_learned() -> None:
    newer = (400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    script = Script(refusals=[newer])
    with openai_server(script) as url:
        list(client(url).complete([ask("one")]))

    assert [("max_tokens" in each, "max_completion_tokens" in each) for each in script.requests] == [
        (True, False),
        (False, True),
    ]


def test_a_request_that_is_refused_whatever_is_left_out_is_an_answer_of_its_kind() -> None:
    script = Script(refusals=[(400, "the text is too long")] * 4)
    with openai_server(script) as url:
        server = client(url, concurrency=1)
        first, second = (answer for _, answer in server.complete([ask("long"), ask("short")]))

    assert isinstance(first, TextServerRejected)
    assert "the text is too long" in str(first)
    assert second.text == "You said short"
    assert not server.refused


def test_who_may_not_ask_is_told_at_once() -> None:
    with openai_server(Script(api_key="secret")) as url, pytest.raises(TextServerRejected, match="give its API key"):
        list(client(url).complete([ask("one")]))


def test_a_closed_connection_is_made_anew() -> None:
    with openai_server(Script()) as url:
        server = client(url)
        assert server.models() == ["tuned"]
        server.close()
        server.close()
        assert [answer.text for _, answer in server.complete([ask("one")])] == ["You said one"]
