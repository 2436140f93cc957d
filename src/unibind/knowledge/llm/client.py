"""A client for any server that supports OpenAI's chat completions, on top of the official SDK."""

from __future__ import annotations

import asyncio
import email.utils
import json
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from ...errors import UnibindError
from ...extras import import_extra
from .budget import Budget, BudgetExceeded, Reservation, estimated_tokens

KEY_VARIABLE = "OPENAI_API_KEY"
NO_KEY = "none"  # sent where no key is set: local servers ignore it

_REQUEST_REJECTED = (400, 413, 415, 422)  # statuses that concern the request, not the sender
_FIRST_WAIT_S, _MAX_WAIT_S, _MAX_RETRY_AFTER_S = 0.5, 60.0, 900.0
_PROMPT_MARGIN = 1.3  # by which a prompt may have more tokens than estimated
_MEDIA_TOKENS = 1000  # rough size of a picture or sound in a prompt

Message = Mapping[str, Any]


class ServerError(UnibindError):
    """A request was not answered after all retries; others may be."""


class RequestRejected(ServerError):
    """The server rejects this one request: its content filter, a picture that is too large, a prompt too long."""


class ServerRefusal(UnibindError):
    """The server refuses every request of this kind: wrong key, unknown model, no credit left."""


@dataclass(frozen=True)
class Reply:
    """An answer: its `text`, the tokens it took, and whether it was cut off at the token limit."""

    text: str
    input_tokens: int
    output_tokens: int
    cut: bool = False


class Client:
    """A server and its default model; use it as `async with Client(...) as client`.

    The key is read from OPENAI_API_KEY and removed from error messages and answers. At most `concurrency` requests are
    in flight. Each is retried up to `retries` times with growing pauses, and a pause requested by the server
    (Retry-After) applies to all of them. Redirects are refused, so that prompts and key go to no server that was not
    named. `timeout` is the time for a complete answer in seconds. `max_output_tokens` is sent with every request, so
    that `budget` can reserve the most that it may take. `base_url` None means OPENAI_BASE_URL or OpenAI itself.
    """

    def __init__(
        self,
        base_url: str | None,
        model: str,
        *,
        concurrency: int = 8,
        timeout: float = 120.0,
        retries: int = 6,
        budget: Budget | None = None,
        max_output_tokens: int = 2000,
        temperature: float | None = None,
    ) -> None:
        openai = import_extra("openai", "asking language models")
        self.model = model
        self.budget = budget or Budget()
        self.retried = 0  # repeated requests, for any reason
        self._key = os.environ.get(KEY_VARIABLE, "").strip()
        if not self._key and base_url is None and "OPENAI_BASE_URL" not in os.environ:
            raise UnibindError(f"no API key: set {KEY_VARIABLE} in the environment, or pass a server with --base-url")
        self._openai = openai
        self._sdk = openai.AsyncOpenAI(
            api_key=self._key or NO_KEY,
            base_url=base_url,
            timeout=timeout,
            max_retries=0,  # retries are made here, because pauses are shared between requests
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),  # the SDK's own client follows them
        )
        self._timeout, self._retries = timeout, retries
        self._max_output_tokens, self._temperature = max_output_tokens, temperature
        self._slots = asyncio.Semaphore(concurrency)
        self._settled = asyncio.Event()
        self._paused_until = 0.0
        self._dialects: dict[str, _Dialect] = {}

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._sdk.close()

    async def ask(
        self, messages: Sequence[Message], schema: Mapping[str, Any] | None = None, *, model: str | None = None
    ) -> Reply:
        """The answer to a conversation; `schema` (a JSON schema of an object) is requested where supported.

        Raises BudgetExceeded before anything is sent, ServerError after all retries (RequestRejected where the request
        is the cause), and ServerRefusal where no request can succeed.
        """
        model = model or self.model
        prompt_tokens = count_prompt(messages)
        async with self._slots:
            reservation = await self._reserve(model, round(prompt_tokens * _PROMPT_MARGIN))
            try:
                reply = await self._ask_with_retries(model, messages, schema, prompt_tokens)
            finally:
                self.budget.release(reservation)
                self._settled.set()
            self.budget.spend(model, reply.input_tokens, reply.output_tokens)
        return reply

    async def _reserve(self, model: str, input_tokens: int) -> Reservation:
        """Before giving up, wait for requests in flight, which have reserved more than they will take."""
        while True:
            try:
                return self.budget.reserve(model, input_tokens, self._max_output_tokens)
            except BudgetExceeded:
                if not self.budget.reserved_tokens:
                    raise
                self._settled.clear()
                await self._settled.wait()

    # --- one request -----------------------------------------------------------------------------------------------

    async def _ask_with_retries(
        self, model: str, messages: Sequence[Message], schema: Mapping[str, Any] | None, prompt_tokens: int
    ) -> Reply:
        dialect = self._dialects.get(model, _Dialect())
        tries = 0
        while True:
            await self._wait_out_pause()
            arguments = dialect.arguments(schema, self._max_output_tokens)
            try:
                reply = await self._ask_once(model, messages, arguments, prompt_tokens)
                self._dialects[model] = dialect  # only a success shows what the server supports
                return reply
            except self._openai.APIStatusError as error:
                if error.status_code in _REQUEST_REJECTED:
                    dialect = self._simplify(dialect, arguments, error, model)
                    self.retried += 1
                    continue
                await self._pause_after(error, tries, model)
            except (self._openai.OpenAIError, TimeoutError, _InvalidResponse) as error:
                if tries >= self._retries:
                    raise ServerError(self._message(error, model)) from None
                await asyncio.sleep(_backoff(tries))
            tries += 1
            self.retried += 1

    def _simplify(self, dialect: _Dialect, arguments: Mapping[str, Any], error: Exception, model: str) -> _Dialect:
        """A simpler form of a rejected request; raises RequestRejected where none is left."""
        simpler = dialect.without(arguments, str(error))
        if simpler is None:
            message = self._message(error, model, "rejects this request", "the request's content and the model")
            raise RequestRejected(message) from None
        return simpler

    async def _pause_after(self, error: Any, tries: int, model: str) -> None:
        """Wait before the next try; raises ServerRefusal or ServerError where another try is useless."""
        if 300 <= error.status_code < 400:
            raise ServerRefusal(self._redirect(error, model)) from None
        if not _is_transient(error):
            raise ServerRefusal(self._message(error, model)) from None
        pause = _retry_after(error.response.headers)
        if tries >= self._retries or (pause or 0) > _MAX_RETRY_AFTER_S:
            raise ServerError(self._message(error, model)) from None
        if pause is None:
            await asyncio.sleep(_backoff(tries))
        else:  # applies to all requests
            self._paused_until = max(self._paused_until, time.monotonic() + pause)

    async def _ask_once(
        self, model: str, messages: Sequence[Message], arguments: Mapping[str, Any], prompt_tokens: int
    ) -> Reply:
        if self._temperature is not None:
            arguments = {**arguments, "temperature": self._temperature}
        conversation: Any = list(messages)
        call = self._sdk.chat.completions.create(model=model, messages=conversation, **arguments)
        try:
            answer = await asyncio.wait_for(call, self._timeout)
            choice = answer.choices[0]
            text = choice.message.content or getattr(choice.message, "refusal", None) or ""
        except (json.JSONDecodeError, AttributeError, IndexError, TypeError, UnicodeDecodeError) as error:
            raise _InvalidResponse("the response is not a chat completion") from error
        if not isinstance(text, str):
            raise _InvalidResponse("the response is not a chat completion")
        usage = answer.usage
        return Reply(
            self._without_key(text),
            getattr(usage, "prompt_tokens", None) or prompt_tokens,
            getattr(usage, "completion_tokens", None) or estimated_tokens(text),
            choice.finish_reason == "length",
        )

    async def _wait_out_pause(self) -> None:
        while (remaining := self._paused_until - time.monotonic()) > 0:
            await asyncio.sleep(remaining * random.uniform(1.0, 1.1))  # so that not all requests resume at once

    def _message(
        self, error: Exception, model: str, problem: str = "does not answer", check: str = "the server, model and key"
    ) -> str:
        """The error in one line, without the key."""
        detail = " ".join((str(error) or type(error).__name__).split())
        if isinstance(error, (TimeoutError, self._openai.APITimeoutError)):
            detail = f"no answer within {self._timeout:g} s"
        return f"{model} at {self._sdk.base_url.host} {problem} ({self._without_key(detail)[:300]}); check {check}"

    def _redirect(self, error: Any, model: str) -> str:
        """What to do about a server that sends requests elsewhere."""
        place = " ".join(error.response.headers.get("location", "an unnamed place").split())
        return (
            f"{model} at {self._sdk.base_url.host} redirects requests to {self._without_key(place)[:300]}, and prompts "
            "and key are not sent on; if you trust that server, pass its address with --base-url"
        )

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


class _InvalidResponse(Exception):
    """A response that is not a chat completion."""


@dataclass(frozen=True)
class _Dialect:
    """What a model's server supports, as far as known; starts with everything."""

    formats: tuple[str, ...] = ("json_schema", "json_object")  # best first, then none
    limit: str = "max_tokens"

    def arguments(self, schema: Mapping[str, Any] | None, max_output_tokens: int) -> dict[str, Any]:
        """Keyword arguments of a request."""
        arguments: dict[str, Any] = {self.limit: max_output_tokens}
        if schema is not None and self.formats:
            kind = self.formats[0]
            described = {"name": "answer", "strict": True, "schema": dict(schema)}
            arguments["response_format"] = {"type": kind} | ({kind: described} if kind == "json_schema" else {})
        return arguments

    def without(self, sent: Mapping[str, Any], complaint: str) -> _Dialect | None:
        """Without the part of a rejected request that may be unsupported; None where nothing can be omitted."""
        if "max_completion_tokens" in complaint and "max_tokens" in sent:
            return replace(self, limit="max_completion_tokens")
        if "response_format" not in sent:
            return None
        return replace(self, formats=tuple(kind for kind in self.formats if kind != sent["response_format"]["type"]))


def count_prompt(messages: Sequence[Message]) -> int:
    """About how many tokens a conversation has."""
    total = 0
    for message in messages:
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            total += estimated_tokens(part["text"]) if part["type"] == "text" else _MEDIA_TOKENS
        total += 4  # role and separators
    return total


def _is_transient(error: Any) -> bool:
    """Whether the same request may be answered later."""
    return (
        error.status_code in (408, 409, 429) or error.status_code >= 500
    ) and error.code != "insufficient_quota"  # a 429 that means no credit left


def _backoff(tries: int) -> float:
    return min(_MAX_WAIT_S, _FIRST_WAIT_S * 2**tries) * random.uniform(0.75, 1.0)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait: a number or a date (RFC 9110, section 10.2.3); None without the header."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        date = email.utils.parsedate_tz(value)
        if date is None:
            return None
        seconds = email.utils.mktime_tz(date) - time.time()
    return max(0.0, seconds) if seconds == seconds else None
