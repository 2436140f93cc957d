"""What requests to language models cost: tokens, prices, and limits that are never exceeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...errors import UnibindError

_CHARACTERS_PER_TOKEN = 4.0  # of English prose, with the vocabularies of current models


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has, for servers that do not report it."""
    return max(1, round(len(text) / _CHARACTERS_PER_TOKEN))


class BudgetExceeded(UnibindError):
    """The next request might exceed the budget; finished work is kept."""


@dataclass(frozen=True)
class Price:
    """The price of a model: currency units per million tokens of prompts (`input`) and answers (`output`)."""

    input: float
    output: float

    @classmethod
    def parse(cls, text: str) -> Price:
        """Read IN/OUT, such as 0.15/0.60; raises UnibindError for anything else."""
        try:
            input_price, output_price = (float(part) for part in text.split("/"))
        except ValueError:
            raise UnibindError(f"a price is IN/OUT per million tokens, such as 0.15/0.60, not {text!r}") from None
        return cls(input_price, output_price)

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """Cost in currency units."""
        return (input_tokens * self.input + output_tokens * self.output) / 1e6


FREE = Price(0.0, 0.0)


def prices_by_model(models: Sequence[str], prices: Sequence[Price]) -> dict[str, Price]:
    """Match prices to models: none, one price for all models, or one per model. Raises UnibindError otherwise."""
    if len(prices) not in (0, 1, len(models)):
        raise UnibindError(f"pass one price, or one for each of the {len(models)} models, not {len(prices)}")
    return dict(zip(models, list(prices) * (len(models) if len(prices) == 1 else 1), strict=False))


@dataclass(frozen=True)
class CostEstimate:
    """Expected requests and tokens, if every answer is usable; `cost` in currency units, None without a price."""

    requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None = None


@dataclass(frozen=True)
class Reservation:
    """Tokens and cost set aside for a request in flight."""

    tokens: int
    cost: float


class Budget:
    """Tokens and money spent so far, and their limits (None: no limit).

    `prices` are per model. A model without a price counts as free, except that `max_cost` needs the price of every
    model that is used.
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
        self.reserved_tokens, self._reserved_cost = 0, 0.0  # of requests in flight

    def reset(self) -> None:
        """Forget what was spent."""
        self.input_tokens = self.output_tokens = 0
        self.cost = 0.0

    @property
    def tokens(self) -> int:
        """Tokens spent on prompts and answers."""
        return self.input_tokens + self.output_tokens

    def reserve(self, model: str, input_tokens: int, output_tokens: int) -> Reservation:
        """Set aside the most that a request can take. Raises BudgetExceeded where that might exceed a limit."""
        if self.max_cost is not None and model not in self.prices:
            raise UnibindError(f"a cost limit needs the price of {model}; pass it with --price IN/OUT")
        request = Reservation(
            input_tokens + output_tokens, self.prices.get(model, FREE).cost(input_tokens, output_tokens)
        )
        tokens = self.tokens + self.reserved_tokens + request.tokens
        cost = self.cost + self._reserved_cost + request.cost
        if self.max_tokens is not None and tokens > self.max_tokens:
            raise BudgetExceeded(f"{self.tokens:,} of at most {self.max_tokens:,} tokens are spent; raise --max-tokens")
        if self.max_cost is not None and cost > self.max_cost:
            raise BudgetExceeded(f"{self.cost:.4f} of at most {self.max_cost:.4f} are spent; raise --max-cost")
        self.reserved_tokens += request.tokens
        self._reserved_cost += request.cost
        return request

    def release(self, reservation: Reservation) -> None:
        """Return what was set aside for a request that was answered or given up."""
        self.reserved_tokens -= reservation.tokens
        self._reserved_cost -= reservation.cost

    def spend(self, model: str, input_tokens: int, output_tokens: int) -> None:
        """Count the tokens of an answer."""
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.cost += self.prices.get(model, FREE).cost(input_tokens, output_tokens)

    def estimate(self, model: str, requests: int, input_tokens: int, output_tokens: int) -> CostEstimate:
        """An estimate with the cost at this budget's price of a model."""
        price = self.prices.get(model)
        cost = None if price is None else price.cost(input_tokens, output_tokens)
        return CostEstimate(requests, input_tokens, output_tokens, cost)
