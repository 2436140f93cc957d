"""What all runs that ask language models share: when to stop, and that no answer on its way gets lost."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from .budget import BudgetSpent
from .llm import Client, Message, Reply, RequestRefused, ServerError, ServerRefusal

_FAILURES = 5  # requests without an answer, one after the other, until the server counts as gone
_REFUSED = 50  # requests that it does not take, one after the other, until it counts as the wrong one


def request_key(*parts: object) -> str:
    """Key of a request: the same for the same parts."""
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()[:20]


class Asker:
    """Asks until the budget is spent or the server is gone; `stopped` then says why, in a sentence."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.stopped: str | None = None
        self.requests = 0
        self._failures = self._not_taken = 0
        self._refused: ServerRefusal | None = None

    async def ask(self, messages: Sequence[Message], schema: Mapping[str, Any], model: str) -> Reply | str:
        """The answer, or why there is none; once stopped, nothing is sent."""
        if self.stopped:
            return self.stopped
        try:
            reply = await self.client.ask(messages, schema, model=model)
        except (BudgetSpent, ServerRefusal) as error:
            self.stopped = self.stopped or str(error)
            if isinstance(error, ServerRefusal):
                self._refused = self._refused or error
            return str(error)
        except ServerError as error:
            if isinstance(error, RequestRefused):
                self._not_taken += 1
            else:
                self._failures += 1
            if self._failures >= _FAILURES or self._not_taken >= _REFUSED:
                self.stopped = self.stopped or str(error)
            return str(error)
        self._failures = self._not_taken = 0
        self.requests += 1
        return reply

    def raise_refusal(self) -> None:
        """Raise the ServerRefusal that was met, if one was; to be called when all that was on its way has come in."""
        if self._refused is not None:
            raise self._refused


class Group:
    """Tasks that are all waited for; the first error is raised when the others have ended, so that no answer that is
    on its way gets lost."""

    async def __aenter__(self) -> Group:
        self._tasks: list[asyncio.Task[None]] = []
        return self

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a task."""
        self._tasks.append(asyncio.create_task(work))

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
