"""Asking language models: any server that speaks OpenAI's chat completions, through the official SDK."""

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

from ...errors import MissingExtraError, UnibindError
from .budget import Budget, BudgetSpent, Reservation, estimated_tokens

KEY_VARIABLE = "OPENAI_API_KEY"
NO_KEY = "none"  # sent where there is none: servers on one's own machine do not look

_REQUEST_REFUSED = (400, 413, 415, 422)  # statuses that are about the request, not about who asks
_FIRST_WAIT_S, _LONGEST_WAIT_S, _LONGEST_RETRY_AFTER_S = 0.5, 60.0, 900.0
_MARGIN = 1.3  # by which a prompt may be more tokens than estimated
_IMAGE_TOKENS = 1000  # about what a picture or sound in a prompt takes

Message = Mapping[str, Any]


class ServerError(UnibindError):
    """No answer to one request after all retries; another may be answered."""


class RequestRefused(ServerError):
    """The server does not take this one request: its content filter, a picture too large, a prompt too long."""


class ServerRefusal(UnibindError):
    """The server refuses every request of this kind: wrong key, unknown model, no credit left."""


@dataclass(frozen=True)
class Reply:
    """An answer: its `text`, the tokens it took, and whether the server cut it at the limit of tokens."""

    text: str
    input_tokens: int
    output_tokens: int
    cut: bool = False


class Client:
    """A server and the model asked there; use it as `async with Client(...) as client`.

    The key is read from OPENAI_API_KEY and kept out of messages and answers. At most `concurrency` requests are on
    their way, each is tried `retries` times more with growing pauses, and when the server asks for a pause
    (Retry-After) all of them keep it. `timeout` is for a whole answer, in seconds. `max_output_tokens` is sent with
    every request, so that `budget` knows the most that one can take. `base_url` None: OpenAI's, or OPENAI_BASE_URL.
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
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError("asking language models", "llm") from error
        self.model = model
        self.budget = budget or Budget()
        self.retried = 0  # requests made again, whatever for
        self._key = os.environ.get(KEY_VARIABLE, "").strip()
        if not self._key and base_url is None and "OPENAI_BASE_URL" not in os.environ:
            raise UnibindError(f"set {KEY_VARIABLE} in the environment, or name a server with --base-url")
        self._openai = openai
        self._sdk = openai.AsyncOpenAI(
            api_key=self._key or NO_KEY, base_url=base_url, timeout=timeout, max_retries=0
        )  # retries are made here: they are shared between requests and counted
        self._timeout, self._retries = timeout, retries
        self._most, self._temperature = max_output_tokens, temperature
        self._gate = asyncio.Semaphore(concurrency)
        self._settled = asyncio.Event()
        self._quiet_until = 0.0
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
        """The answer to a conversation; `schema` (JSON schema of an object) is asked for where the server knows how.

        Raises BudgetSpent before anything is sent, ServerError where no answer could be had (RequestRefused where it
        is the request's fault), and ServerRefusal where there is no use in asking again.
        """
        model = model or self.model
        prompt_tokens = count_prompt(messages)
        async with self._gate:
            reservation = await self._reserve(model, round(prompt_tokens * _MARGIN))
            try:
                reply = await self._persist(model, messages, schema, prompt_tokens)
            finally:
                self.budget.release(reservation)
                self._settled.set()
            self.budget.spend(model, reply.input_tokens, reply.output_tokens)
        return reply

    async def _reserve(self, model: str, input_tokens: int) -> Reservation:
        """Wait for requests on their way that have set more aside than they will take, before giving up."""
        while True:
            try:
                return self.budget.reserve(model, input_tokens, self._most)
            except BudgetSpent:
                if not self.budget.held_tokens:
                    raise
                self._settled.clear()
                await self._settled.wait()

    # --- one request, until it is answered -------------------------------------------------------------------------

    async def _persist(
        self, model: str, messages: Sequence[Message], schema: Mapping[str, Any] | None, prompt_tokens: int
    ) -> Reply:
        dialect = self._dialects.get(model, _Dialect())
        tries = 0
        while True:
            await self._keep_quiet()
            arguments = dialect.arguments(schema, self._most)
            try:
                reply = await self._once(model, messages, arguments, prompt_tokens)
                self._dialects[model] = dialect  # what one refused request left out is no news of the server
                return reply
            except self._openai.APIStatusError as error:
                if error.status_code in _REQUEST_REFUSED:
                    simpler = dialect.without(arguments, str(error))
                    if simpler is None:
                        raise RequestRefused(
                            self._words(error, model, "refuses this request", "what is sent, and the model")
                        ) from None
                    dialect = simpler
                    self.retried += 1
                    continue
                if not _passing(error):
                    raise ServerRefusal(self._words(error, model)) from None
                pause = _retry_after(error.response.headers)
                if tries >= self._retries or (pause or 0) > _LONGEST_RETRY_AFTER_S:
                    raise ServerError(self._words(error, model)) from None
                if pause is not None:  # asked of all of us, not of this request only
                    self._quiet_until = max(self._quiet_until, time.monotonic() + pause)
                else:
                    await asyncio.sleep(_backoff(tries))
                tries += 1
            except (self._openai.OpenAIError, TimeoutError, _Garbled) as error:
                if tries >= self._retries:
                    raise ServerError(self._words(error, model)) from None
                await asyncio.sleep(_backoff(tries))
                tries += 1
            self.retried += 1

    async def _once(
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
            raise _Garbled("what came back is no chat completion") from error
        if not isinstance(text, str):
            raise _Garbled("what came back is no chat completion")
        usage = answer.usage
        return Reply(
            text.replace(self._key, "[key]") if self._key else text,
            getattr(usage, "prompt_tokens", None) or prompt_tokens,
            getattr(usage, "completion_tokens", None) or estimated_tokens(text),
            choice.finish_reason == "length",
        )

    async def _keep_quiet(self) -> None:
        while (left := self._quiet_until - time.monotonic()) > 0:
            await asyncio.sleep(left * random.uniform(1.0, 1.1))  # not all at once afterwards

    def _words(
        self, error: Exception, model: str, does: str = "does not answer", check: str = "server, model and key"
    ) -> str:
        """What went wrong, in a line, without the key."""
        said = " ".join((str(error) or type(error).__name__).split())
        if isinstance(error, (TimeoutError, self._openai.APITimeoutError)):
            said = f"no answer within {self._timeout:g} s"
        if self._key:
            said = said.replace(self._key, "[key]")
        return f"{model} at {self._sdk.base_url.host} {does} ({said[:300]}); check {check}"


class _Garbled(Exception):
    """A response that is no chat completion."""


@dataclass(frozen=True)
class _Dialect:
    """What a model's server has been found to understand; starts with everything."""

    formats: tuple[str, ...] = ("json_schema", "json_object")  # best first, then none
    limit: str = "max_tokens"

    def arguments(self, schema: Mapping[str, Any] | None, most: int) -> dict[str, Any]:
        """Keyword arguments of a request."""
        given: dict[str, Any] = {self.limit: most}
        if schema is not None and self.formats:
            kind = self.formats[0]
            described = {"name": "answer", "strict": True, "schema": dict(schema)}
            given["response_format"] = {"type": kind} | ({kind: described} if kind == "json_schema" else {})
        return given

    def without(self, sent: Mapping[str, Any], complaint: str) -> _Dialect | None:
        """Without what a refused request may have had too much; None where nothing is left to leave out."""
        if "max_completion_tokens" in complaint and "max_tokens" in sent:
            return replace(self, limit="max_completion_tokens")
        if "response_format" not in sent:
            return None
        return replace(self, formats=tuple(kind for kind in self.formats if kind != sent["response_format"]["type"]))


def count_prompt(messages: Sequence[Message]) -> int:
    """About how many tokens a conversation is."""
    total = 0
    for message in messages:
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            total += estimated_tokens(part["text"]) if part["type"] == "text" else _IMAGE_TOKENS
        total += 4  # role and separators
    return total


def _passing(error: Any) -> bool:
    """Whether the same request may be answered later."""
    return (
        error.status_code in (408, 409, 429) or error.status_code >= 500
    ) and error.code != "insufficient_quota"  # that 429 means: no credit left


def _backoff(tries: int) -> float:
    return min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**tries) * random.uniform(0.75, 1.0)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait: a number or a date (RFC 9110, section 10.2.3); None where it does not."""
    said = headers.get("retry-after", "")
    try:
        seconds = float(said)
    except ValueError:
        date = email.utils.parsedate_tz(said)
        if date is None:
            return None
        seconds = email.utils.mktime_tz(date) - time.time()
    return max(0.0, seconds) if seconds == seconds else None
