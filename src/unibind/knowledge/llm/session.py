"""What `generate` and `describe` share: options, filter rules, prompts, budget and client of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ...backbones import Backbone
from ...data.opening import open_backbone
from ...errors import UnibindError, UnknownNameError
from ...files import check_output
from ..building import saved_rules
from ..filters import FilterRules
from ..journal import BASE, Answer, Journal
from .budget import Budget, Price, prices_by_model
from .client import Client
from .prompts import PromptLibrary

BackboneSource = str | Backbone | Callable[[], Backbone] | None  # a name, a backbone, or what opens one when needed


@dataclass(frozen=True)
class RunOptions:
    """How requests are sent and what they may cost.

    At most `concurrency` requests are in flight; each answer may take `timeout` seconds, and failed requests are
    retried up to `retries` times. `temperature` None is the server's default. `max_tokens` and `max_cost` limit the
    spending on a base in all its runs; `prices` are one for all models, or one per model. `prompts` is a folder of
    files that replace the packaged prompts.
    """

    concurrency: int = 8
    timeout: float = 120.0
    retries: int = 6
    temperature: float | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    prices: tuple[Price, ...] = ()
    prompts: str | Path | None = None

    def __post_init__(self) -> None:
        """Refuse options with which no request could be answered."""
        if self.concurrency < 1 or self.retries < 0 or self.timeout <= 0:
            raise UnibindError("concurrency must be at least 1, retries at least 0, and the timeout above 0 seconds")

    def budget(self, models: Sequence[str]) -> Budget:
        """The budget; raises UnibindError for a cost limit without the price of every model."""
        prices = prices_by_model(models, self.prices)
        if self.max_cost is not None and len(prices) < len(models):
            raise UnibindError("a cost limit needs prices; pass them with --price IN/OUT")
        return Budget(self.max_tokens, self.max_cost, prices)


@dataclass(frozen=True)
class Usage:
    """What a run used: answered requests, repeated ones, and the tokens and cost of the base in all its runs (`cost`
    None without prices). `stopped` says why the run ended early.
    """

    answered: int
    retried: int
    tokens: int
    cost: float | None
    stopped: str | None


class Session:
    """A base that models write to: its journal, the filter rules, the prompts and the budget.

    `filters` are changes to the rules of the base's last build, by the names of FilterRules' fields. Raises
    UnknownNameError for other names.
    """

    def __init__(
        self,
        out: str | Path,
        model: str | Sequence[str],
        *,
        base_url: str | None = None,
        language: str | None = None,
        filters: Mapping[str, Any] | None = None,
        options: RunOptions | None = None,
    ) -> None:
        check_output(out, kind=BASE)
        self.journal = Journal(out)
        self.models = (model,) if isinstance(model, str) else tuple(dict.fromkeys(model))
        if not self.models:
            raise UnibindError("pass at least one model, as the server calls it")
        self.base_url = base_url
        self.options = options or RunOptions()
        changes = dict(filters or {}) | ({} if language is None else {"language": language})
        self.rules = _changed(saved_rules(self.journal), changes)
        self.prompts = PromptLibrary(self.options.prompts, language=self.rules.language)
        self.budget = self.options.budget(self.models)

    def connect(self, max_output_tokens: int) -> Client:
        """A client that keeps to the budget and the options."""
        return Client(
            self.base_url,
            self.models[0],
            concurrency=self.options.concurrency,
            timeout=self.options.timeout,
            retries=self.options.retries,
            budget=self.budget,
            max_output_tokens=max_output_tokens,
            temperature=self.options.temperature,
        )

    def count_spent(self, answer: Answer) -> None:
        """Count an answer of an earlier run, because a budget applies to all runs of a base."""
        self.budget.spend(answer.model, answer.input_tokens, answer.output_tokens)

    def usage(self, answered: int, retried: int, stopped: str | None) -> Usage:
        """What the run used so far."""
        cost = self.budget.cost if self.budget.prices else None
        return Usage(answered, retried, self.budget.tokens, cost, stopped)


def _changed(rules: FilterRules, changes: Mapping[str, Any]) -> FilterRules:
    known = [field.name for field in fields(FilterRules)]
    for name in changes:
        if name not in known:
            raise UnknownNameError("filter", name, known)
    return replace(rules, **changes)


def resolve_backbone(source: BackboneSource) -> Backbone:
    """The backbone that a source stands for; None is the default one."""
    if source is None or isinstance(source, (str, Backbone)):
        return open_backbone(source, only_texts=True)
    return source()
