"""What all runs that ask language models share: when to stop, and that no answer on its way gets lost."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from .budget import BudgetSpent
from .client import Client, Message, Reply, RequestRefused, ServerError, ServerRefusal

# Failures without an answer between them that end a run: the server counts as gone, or as the wrong one.
_MOST_FAILURES: dict[type[ServerError], int] = {ServerError: 5, RequestRefused: 50}


def request_key(*parts: object) -> str:
    """Key of a request: the same for the same parts."""
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()[:20]


class RequestRunner:
    """Asks until the budget is spent or the server is gone; `stopped` then says why, in a sentence."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.stopped: str | None = None
        self.requests = 0
        self._failures = Counter[type[ServerError]]()  # since the last answer
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
            self._failures[type(error)] += 1
            if self._failures[type(error)] >= _MOST_FAILURES[type(error)]:
                self.stopped = self.stopped or str(error)
            return str(error)
        self._failures.clear()
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
