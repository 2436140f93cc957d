"""What `generate` and `describe` share: the options about models, and how estimates and usage are shown."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._console import ADVANCED, MODEL, notify, print_json, print_table

if TYPE_CHECKING:
    from ...knowledge.llm.budget import CostEstimate
    from ...knowledge.llm.session import RunOptions, Usage


_OPTIONS: dict[str, tuple[Any, Any]] = {  # name -> (annotation, default)
    "model": (
        Annotated[
            list[str],
            typer.Option(
                "--model",
                metavar="NAME",
                help="Model name on the server; repeat to use several.",
                rich_help_panel=MODEL,
            ),
        ],
        inspect.Parameter.empty,
    ),
    "base_url": (
        Annotated[
            str | None,
            typer.Option(
                "--base-url", metavar="URL", help="OpenAI-compatible server. Default: OpenAI.", rich_help_panel=MODEL
            ),
        ],
        None,
    ),
    "temperature": (
        Annotated[
            float | None,
            typer.Option(
                min=0.0, metavar="FLOAT", help="Sampling temperature. Default: the server's.", rich_help_panel=MODEL
            ),
        ],
        None,
    ),
    "max_tokens": (
        Annotated[
            int | None,
            typer.Option(
                min=1,
                metavar="COUNT",
                help="Token limit for this base, including earlier runs.",
                rich_help_panel=MODEL,
            ),
        ],
        None,
    ),
    "max_cost": (
        Annotated[
            float | None,
            typer.Option(
                min=0.0,
                metavar="AMOUNT",
                help="Cost limit for this base, including earlier runs.",
                rich_help_panel=MODEL,
            ),
        ],
        None,
    ),
    "price": (
        Annotated[
            list[str] | None,
            typer.Option(
                metavar="IN/OUT",
                help="Price per million tokens, such as 0.15/0.60; one for all models, or one per model.",
                rich_help_panel=MODEL,
            ),
        ],
        None,
    ),
    "prompts": (
        Annotated[
            Path | None,
            typer.Option(metavar="DIR", help="Prompt files that replace the packaged ones.", rich_help_panel=ADVANCED),
        ],
        None,
    ),
    "language": (
        Annotated[
            str | None,
            typer.Option(
                metavar="CODE",
                help="Language of the descriptions: en, de, fr, es, it, pt, nl or any. Default: en.",
                rich_help_panel=ADVANCED,
            ),
        ],
        None,
    ),
    "concurrency": (
        Annotated[int, typer.Option(min=1, metavar="COUNT", help="Requests in flight.", rich_help_panel=ADVANCED)],
        8,
    ),
    "timeout": (
        Annotated[
            float, typer.Option(min=0.1, metavar="SECONDS", help="Time limit per answer.", rich_help_panel=ADVANCED)
        ],
        120.0,
    ),
    "retries": (
        Annotated[
            int, typer.Option(min=0, metavar="COUNT", help="Retries of a failed request.", rich_help_panel=ADVANCED)
        ],
        6,
    ),
    "dry_run": (
        Annotated[
            bool,
            typer.Option(
                "--dry-run", help="Show the expected requests, tokens and cost, and exit.", rich_help_panel=ADVANCED
            ),
        ],
        False,
    ),
}


@dataclass(frozen=True)
class LLMChoice:
    """The shared options of a verb; `arguments` are keyword arguments of the job functions in `knowledge.llm`."""

    models: tuple[str, ...]
    base_url: str | None
    language: str | None
    options: RunOptions
    dry_run: bool

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of a job."""
        return {
            "model": self.models,
            "base_url": self.base_url,
            "language": self.language,
            "options": self.options,
        }


def with_llm_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Replace the parameter `llm: LLMChoice` of a verb by the options that make one."""

    @functools.wraps(verb)
    def with_options(**arguments: Any) -> None:
        values = {name: arguments.pop(name) for name in _OPTIONS}
        verb(**arguments, llm=_choice(**values))

    signature = inspect.signature(verb, eval_str=True)
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in signature.parameters.values()]
    place = next(i for i, parameter in enumerate(own) if parameter.name == "llm")
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _OPTIONS.items()
    ]
    with_options.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*own[:place], *added, *own[place + 1 :]]
    )
    with_options.__annotations__ = {}
    return with_options


def _choice(
    model: list[str], base_url: str | None, language: str | None, price: list[str] | None, dry_run: bool, **options: Any
) -> LLMChoice:
    from ...knowledge.llm.budget import Price
    from ...knowledge.llm.session import RunOptions

    prices = tuple(Price.parse(text) for text in price or ())
    return LLMChoice(tuple(model), base_url, language, RunOptions(prices=prices, **options), dry_run)


def print_estimate(estimates: Mapping[str, CostEstimate], json: bool) -> None:
    """Print the expected requests, tokens and cost by model."""
    if json:
        print_json({model: asdict(estimate) for model, estimate in estimates.items()})
        return
    rows = [
        (
            model,
            f"{e.requests:,}",
            f"{e.input_tokens:,}",
            f"{e.output_tokens:,}",
            "-" if e.cost is None else f"{e.cost:.2f}",
        )
        for model, e in estimates.items()
    ]
    print_table(("model", "requests", "tokens in", "tokens out", "cost"), rows)
    notify("This assumes that every answer is usable; repetitions, refusals and hidden reasoning tokens add to it.")


def usage_text(usage: Usage) -> str:
    """Answers, tokens and cost of a run in a phrase."""
    cost = "" if usage.cost is None else f", cost {usage.cost:.2f}"
    return f"{usage.answered:,} answers, {usage.tokens:,} tokens{cost}"
