"""What asking a language model may cost: tokens, prices, and a limit that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import UnibindError

_CHARACTERS_A_TOKEN = 4.0  # of English prose, with the vocabularies of current models


def estimated_tokens(text: str) -> int:
    """About how many tokens a text is, where the server does not say."""
    return max(1, round(len(text) / _CHARACTERS_A_TOKEN))


class BudgetSpent(UnibindError):
    """The next request might go over the limit; what was finished is kept."""


@dataclass(frozen=True)
class Price:
    """What a model costs: currency units a million tokens, of the prompt (`input`) and of the answer (`output`)."""

    input: float
    output: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """In currency units."""
        return (input_tokens * self.input + output_tokens * self.output) / 1e6


FREE = Price(0.0, 0.0)


@dataclass(frozen=True)
class Reservation:
    """Tokens set aside for a request on its way."""

    tokens: int
    cost: float


class Budget:
    """Tokens and money spent so far, and the most that may be (None: no limit).

    `prices` by model; a model without one is free, which is refused beside a `max_cost`.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        max_cost: float | None = None,
        prices: Mapping[str, Price] | None = None,
    ) -> None:
        self.max_tokens, self.max_cost, self.prices = max_tokens, max_cost, dict(prices or {})
        self.input_tokens = self.output_tokens = 0
        self.cost = 0.0
        self.held_tokens, self._held_cost = 0, 0.0  # of requests on their way

    @property
    def tokens(self) -> int:
        """Tokens spent, of prompts and answers."""
        return self.input_tokens + self.output_tokens

    def reserve(self, model: str, input_tokens: int, output_tokens: int) -> Reservation:
        """Set the most a request can take aside. Raises BudgetSpent where that might go over a limit."""
        if self.max_cost is not None and model not in self.prices:
            raise UnibindError(f"a limit of cost needs the price of {model}; give it with --price IN/OUT")
        wanted = Reservation(
            input_tokens + output_tokens, self.prices.get(model, FREE).cost(input_tokens, output_tokens)
        )
        tokens, cost = self.tokens + self.held_tokens + wanted.tokens, self.cost + self._held_cost + wanted.cost
        if self.max_tokens is not None and tokens > self.max_tokens:
            raise BudgetSpent(f"{self.tokens:,} of at most {self.max_tokens:,} tokens are spent; raise --max-tokens")
        if self.max_cost is not None and cost > self.max_cost:
            raise BudgetSpent(f"{self.cost:.4f} of at most {self.max_cost:.4f} are spent; raise --max-cost")
        self.held_tokens += wanted.tokens
        self._held_cost += wanted.cost
        return wanted

    def release(self, reservation: Reservation) -> None:
        """Give back what was set aside: the request was answered or given up."""
        self.held_tokens -= reservation.tokens
        self._held_cost -= reservation.cost

    def spend(self, model: str, input_tokens: int, output_tokens: int) -> None:
        """Count what an answer took; nothing is refused here, it is paid for."""
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.cost += self.prices.get(model, FREE).cost(input_tokens, output_tokens)
