"""Running requests to language models: when to stop, and waiting for all that are in flight."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from .budget import BudgetExceeded
from .client import Client, Message, Reply, RequestRejected, ServerError, ServerRefusal

T = TypeVar("T")

# Consecutive failures that end a run: the server counts as gone, or as the wrong one.
_MAX_FAILURES: dict[type[ServerError], int] = {ServerError: 5, RequestRejected: 50}


def request_key(*parts: object) -> str:
    """Key of a request: equal for equal parts."""
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()[:20]


class RequestRunner:
    """Sends requests until the budget is spent or the server is gone; `stopped` then says why, in a sentence."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.stopped: str | None = None
        self.answered = 0
        self._failures = Counter[type[ServerError]]()  # since the last answer
        self._refusal: ServerRefusal | None = None

    async def ask(self, messages: Sequence[Message], schema: Mapping[str, Any], model: str) -> Reply | str:
        """The answer, or why there is none; once stopped, nothing is sent."""
        if self.stopped:
            return self.stopped
        try:
            reply = await self.client.ask(messages, schema, model=model)
        except (BudgetExceeded, ServerRefusal) as error:
            self.stopped = self.stopped or str(error)
            if isinstance(error, ServerRefusal):
                self._refusal = self._refusal or error
            return str(error)
        except ServerError as error:
            self._failures[type(error)] += 1
            if self._failures[type(error)] >= _MAX_FAILURES[type(error)]:
                self.stopped = self.stopped or str(error)
            return str(error)
        self._failures.clear()
        self.answered += 1
        return reply

    def raise_refusal(self) -> None:
        """Raise the ServerRefusal that stopped the run, if any; call it when no request is in flight any more."""
        if self._refusal is not None:
            raise self._refusal


async def run_together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines concurrently; where one raises, cancel the others and raise its error."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in work:
                group.create_task(coroutine)
    except BaseExceptionGroup as errors:  # callers expect one error in one sentence
        raise errors.exceptions[0] from None


def run_blocking(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also from within an event loop such as a notebook's."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
