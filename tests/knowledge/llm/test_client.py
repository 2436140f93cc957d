"""The client against a local server that fails in every way."""

import asyncio
import email.utils
import time

import pytest

from tests.helpers.llm_server import LLMServer, Turn, cut, garbled, late, silence, status
from unibind.errors import UnibindError
from unibind.knowledge.llm import client as llm
from unibind.knowledge.llm.budget import Budget, BudgetExceeded, Price
from unibind.knowledge.llm.client import Client, Reply, RequestRejected, ServerError, ServerRefusal

ASKED = [{"role": "user", "content": "What is a drum?"}]
SCHEMA = {"type": "object", "properties": {}}
KEY = "sk-very-secret-1234567890"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(llm, "_FIRST_WAIT_S", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server():
    with LLMServer(lambda _: "a round box") as running:
        yield running


def ask(server, times=1, schema=None, **options):
    async def work():
        async with Client(server.base_url, "m", **options) as client:
            answers = await asyncio.gather(*(client.ask(ASKED, schema) for _ in range(times)))
            return client, answers

    return asyncio.run(work())


@pytest.mark.slow
def test_an_answer_and_its_tokens(server):
    _, (reply,) = ask(server)
    assert reply == Reply("a round box", 100, 50)
    assert server.requests[0]["messages"] == ASKED
    assert server.keys == ["Bearer none"]


def test_tokens_are_estimated_where_the_server_does_not_count(server):
    server.script(Turn("x" * 400, usage=None, finish_reason="length"))
    _, (reply,) = ask(server)
    assert (reply.input_tokens, reply.output_tokens, reply.cut) == (8, 100, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "failure",
    [
        status(500),
        status(503),
        status(429),
        status(408),
        cut(),
        garbled(),
        Turn(body=b"[]"),
        Turn(body=b'{"choices": []}'),
        Turn(body=b"null"),
        Turn(body=b'{"choices": [{"message": {"content": 5}}]}'),
        Turn(body=b"\xff\xfe"),
        late(5.0),
        silence(),
    ],
    ids=repr,
)
def test_transient_errors_are_retried(server, failure):
    server.script(failure)
    client, (reply,) = ask(server, timeout=2.5)  # far more than an answer takes, also on a busy machine
    assert reply.text == "a round box"
    assert client.retried == 1


def test_retries_are_limited(server):
    server.answer = lambda _: status(500, message="out of order")
    with pytest.raises(ServerError, match="out of order"):
        ask(server, retries=2)
    assert len(server.requests) == 3


@pytest.mark.slow
def test_pauses_grow(server, monkeypatch):
    monkeypatch.setattr(llm, "_FIRST_WAIT_S", 0.1)
    server.script(status(500), status(500), status(500))
    ask(server)
    first, second, third = (b - a for a, b in zip(server.times, server.times[1:], strict=False))
    assert first >= 0.075
    assert second >= 0.15
    assert third >= 0.3


@pytest.mark.slow
@pytest.mark.parametrize("value", ["0.6", None], ids=["seconds", "date"])
def test_all_requests_observe_retry_after(server, value):
    value = value or email.utils.formatdate(time.time() + 1.7, usegmt=True)  # whole seconds: at least 0.7 from now
    server.script(status(429, retry_after=value))
    ask(server, times=6, concurrency=2)
    begun = server.times[0]
    # one other request was in flight with the first; all others wait
    assert sum(t - begun > 0.55 for t in server.times) >= 5
    assert len(server.requests) == 7


def test_a_very_long_pause_is_not_waited_for(server):
    server.script(status(429, retry_after=86_400))
    with pytest.raises(ServerError):
        ask(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [status(401, message="bad key"), status(404, message="no such model"), status(429, kind="insufficient_quota")],
    ids=["key", "model", "credit"],
)
def test_permanent_errors_are_not_retried(server, answer):
    server.script(answer)
    with pytest.raises(ServerRefusal, match=r"m at 127\.0\.0\.1"):
        ask(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_rejected_request_does_not_affect_the_next(server, code):
    filtered = status(code, message="content filter")
    server.answer = lambda request: filtered if "gun" in str(request["messages"]) else "{}"

    async def both():
        async with Client(server.base_url, "m") as client:
            with pytest.raises(RequestRejected, match=r"rejects this request .*content filter"):
                await client.ask([{"role": "user", "content": "gun"}], SCHEMA)
            await client.ask([{"role": "user", "content": "drum"}], SCHEMA)

    asyncio.run(both())
    assert server.requests[-1]["response_format"]["type"] == "json_schema"
    assert len(server.requests) <= 4


def test_an_unreachable_server_is_reported_in_a_sentence():
    with LLMServer() as gone:
        url = gone.base_url
    gone.base_url = url
    with pytest.raises(ServerError, match="check the server"):
        ask(gone, retries=1)


def test_concurrency_is_limited(server):
    server.answer = lambda _: late(0.05, "x")
    ask(server, times=12, concurrency=3)
    assert server.max_in_flight == 3


def test_unsupported_response_formats_are_dropped(server):
    def picky(request):
        kind = request.get("response_format", {}).get("type")
        return status(400, message=f"{kind} is not supported") if kind else "plain"

    server.answer = picky
    _, replies = ask(server, times=3, schema=SCHEMA, concurrency=1)
    assert [r.text for r in replies] == ["plain"] * 3
    assert [r.get("response_format", {}).get("type") for r in server.requests] == [
        "json_schema",
        "json_object",
        None,
        None,
        None,
    ]
    assert server.requests[0]["response_format"]["json_schema"]["schema"] == SCHEMA


def test_the_new_name_of_the_token_limit(server):
    server.script(status(400, message="Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."))
    ask(server, schema=SCHEMA, max_output_tokens=77)
    assert server.requests[0]["max_tokens"] == server.requests[1]["max_completion_tokens"] == 77
    assert server.requests[1]["response_format"]["type"] == "json_schema"


def test_a_bad_request_is_not_retried_endlessly(server):
    server.answer = lambda _: status(400, message="use max_completion_tokens; response_format")
    with pytest.raises(ServerError):
        ask(server, schema=SCHEMA)
    assert len(server.requests) == 4


# --- the key -------------------------------------------------------------------------------------------------------


def test_the_key_comes_from_the_environment_and_stays_out_of_messages(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.token = "another"
    with pytest.raises(ServerRefusal) as caught:
        ask(server)
    assert server.keys == [f"Bearer {KEY}"]
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    server.token = KEY
    server.script(f"your key is {KEY}")
    assert ask(server)[1][0].text == "your key is [key]"


def test_openai_itself_needs_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(UnibindError, match="OPENAI_API_KEY"):
        Client(None, "m")


# --- the budget ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [{"max_tokens": 1000}, {"max_cost": 0.01}])
def test_the_budget_is_never_exceeded(server, limit):
    budget = Budget(**limit, prices={"m": Price(10.0, 10.0)})  # 1,000 tokens cost 0.01

    async def work():
        async with Client(server.base_url, "m", budget=budget, max_output_tokens=150, concurrency=4) as client:
            return await asyncio.gather(*(client.ask(ASKED) for _ in range(30)), return_exceptions=True)

    results = asyncio.run(work())
    answered = [r for r in results if isinstance(r, Reply)]
    assert len(answered) == len(server.requests)
    assert all(isinstance(r, (Reply, BudgetExceeded)) for r in results)
    assert 5 <= len(answered) <= 6
    assert budget.tokens == 150 * len(answered) <= 1000
    assert budget.cost == pytest.approx(budget.tokens * 1e-5)


def test_a_cost_limit_needs_a_price():
    with pytest.raises(UnibindError, match="price of m"):
        Budget(max_cost=1.0).reserve("m", 1, 1)
