"""`unibind knowledge generate`: descriptions of categories by language models."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from .._console import JsonOption, print_json, print_table, say
from ._llm_options import prices_of, progress_of, tell_estimate

if TYPE_CHECKING:
    from ...knowledge.filters import Embed, Rules
    from ...knowledge.llm.budget import Budget
    from ...knowledge.llm.generate import Plan, Summary
    from ...knowledge.llm.prompts import Wording

_LISTED = 30  # classes in a table on the screen


@with_backbone_options
def generate(
    classes: Annotated[str, typer.Argument(help="A .txt file, a comma list, or a manifest whose labels count.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The base: a folder, made or continued.")],
    model: Annotated[list[str], typer.Option("--model", help="As the server calls it; repeat it to mix models.")],
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="An OpenAI-compatible server, ending in /v1. Default: OpenAI's.")
    ] = None,
    per_class: Annotated[int, typer.Option(min=1, help="Unlike descriptions wanted of every class.")] = 100,
    modality: Annotated[
        list[str] | None, typer.Option("--modality", "-m", help="What to describe for; repeat it. Default: all seven.")
    ] = None,
    aspects: Annotated[str | None, typer.Option(help="A comma list, such as looks,sound. Default: all.")] = None,
    questions: Annotated[int, typer.Option(min=0, help="Questions asked for first, a modality; 0: none.")] = 6,
    per_request: Annotated[int, typer.Option(min=1, help="Most descriptions asked for at once.")] = 10,
    prompts: Annotated[Path | None, typer.Option(help="Folder of prompt files that replace the packaged ones.")] = None,
    near: Annotated[
        float | None, typer.Option(help="Cosine from which two texts count as the same; 0: off. Default: 0.95.")
    ] = None,
    drop_misfits: Annotated[
        bool | None,
        typer.Option("--drop-misfits/--keep-misfits", help="What becomes of texts that fit another class better."),
    ] = None,
    language: Annotated[str | None, typer.Option(help="en, de, fr, es, it, pt, nl, or any. Default: en.")] = None,
    shortest: Annotated[int | None, typer.Option(min=1, help="Fewest words. Default: 4.")] = None,
    longest: Annotated[int | None, typer.Option(min=1, help="Most words. Default: 60.")] = None,
    backbone: BackboneChoice = NO_CHOICE,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests on their way at once.")] = 8,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one answer.")] = 120.0,
    retries: Annotated[int, typer.Option(min=0, help="Further tries of a request that fails.")] = 6,
    temperature: Annotated[float | None, typer.Option(min=0.0, help="Default: the server's.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Most tokens for this base, earlier runs too.")] = None,
    max_cost: Annotated[float | None, typer.Option(min=0.0, help="Most it may cost, earlier runs too.")] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(metavar="IN/OUT", help="Price of a million tokens, e.g. 0.15/0.60; one, or one a model."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and ask nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Have language models describe classes, until each has enough unlike descriptions.

    The key comes from the environment (OPENAI_API_KEY); servers of one's own need none. Run it again to go on where it
    stopped: no answer is paid for twice. The exit code is 1 where a class has too few.

    \b
    unibind knowledge generate classes.txt --out kb --model llama3.1 --base-url http://localhost:11434/v1
    unibind knowledge generate "drum,bell" --out kb --model gpt-4.1-mini --per-class 1000 --dry-run --price 0.4/1.6
    """
    from ...knowledge.building import saved_rules
    from ...knowledge.classes import read_classes
    from ...knowledge.journal import Journal
    from ...knowledge.llm.budget import Budget
    from ...knowledge.llm.client import Client
    from ...knowledge.llm.generate import Generator, Plan, estimate
    from ...knowledge.llm.prompts import Wording
    from ...modalities.reading import suffixes

    folder = Journal(out)
    models = tuple(dict.fromkeys(model))
    chosen = None if aspects is None else tuple(a.strip() for a in aspects.split(",") if a.strip())
    plan = Plan(
        read_classes(classes),
        per_class,
        models,
        tuple(modality or (m for m, s in suffixes().items() if s)),
        chosen,
        questions,
        per_request,
    )
    rules = _rules(saved_rules(folder), near, drop_misfits, language, shortest, longest)
    wording = Wording(prompts, language=rules.language)
    check_asked(plan, wording)
    budget = Budget(max_tokens, max_cost, prices_of(models, price or []))
    if dry_run:
        tell_estimate(estimate(folder, plan, wording, rules), budget, json)
        return

    async def ask(progress: Callable[[int], None], embed: Embed | None) -> Summary:
        client = Client(
            base_url,
            models[0],
            concurrency=concurrency,
            timeout=timeout,
            retries=retries,
            budget=budget,
            max_output_tokens=plan.most_output_tokens,
            temperature=temperature,
        )
        async with client:
            generator = Generator(
                folder, client, plan, wording, rules, concurrency=concurrency, embed=embed, progress=progress
            )
            return await generator.run()

    total = len(plan.categories) * per_class
    with folder, _embedder(backbone, out, rules) as embed, progress_of(total, budget) as progress:
        summary = asyncio.run(ask(progress, embed))
    _tell(out, summary, budget, json)
    if any(outcome.why for outcome in summary.outcomes):
        raise typer.Exit(1)


def check_asked(plan: Plan, wording: Wording) -> None:
    """Raise UnibindError where the modalities have none of the aspects, UnknownNameError for names without words."""
    from ...errors import UnibindError

    if not any(wording.aspects(modality, plan.aspects) for modality in plan.modalities):
        raise UnibindError(
            f"nothing is told of {', '.join(plan.aspects or ())} in {', '.join(plan.modalities)}; name other --aspects"
        )


def _rules(saved: Rules, near: float | None, drop_misfits: bool | None, *rest: Any) -> Rules:
    """The rules of the base, with what was said changed."""
    given = {"drop_misfits": drop_misfits, **dict(zip(("language", "shortest", "longest"), rest, strict=True))}
    changed = {name: value for name, value in given.items() if value is not None}
    if near is not None:
        changed["near"] = near or None
    return replace(saved, **changed)


@contextmanager
def _embedder(backbone: BackboneChoice, out: Path, rules: Rules) -> Iterator[Embed | None]:
    """What the filters compare texts with, through the base's cache; None where they do not."""
    if rules.near is None and not rules.drop_misfits:
        yield None
        return
    from ...knowledge.embedding import CachedEmbedder

    embedder = CachedEmbedder(out, backbone.open())
    try:
        yield embedder
    finally:
        embedder.close()


def _tell(out: Path, summary: Summary, budget: Budget, json: bool) -> None:
    built = summary.built
    misfits = Counter({category: number for category, number in built.misfits.items() if number})
    if json:
        print_json(
            {
                "base": str(out),
                "descriptions": built.kept.total(),
                "classes": {o.category: {"kept": built.kept[o.category], "why": o.why} for o in summary.outcomes},
                "removed": built.removed,
                "misfits": misfits,
                "requests": summary.requests,
                "retried": summary.retried,
                "tokens": budget.tokens,
                "cost": budget.cost if budget.prices else None,
                "stopped": summary.stopped,
            }
        )
        return
    short = [o for o in summary.outcomes if o.why]
    if short:
        rows = [(o.category, built.kept[o.category], o.wanted, o.why) for o in short[:_LISTED]]
        print_table(("class", "descriptions", "wanted", "why"), rows, title=f"{len(short)} classes have too few")
    if built.removed:
        print_table(("left out because", "texts"), built.removed.most_common())
    if misfits:
        print_table(("class", "texts that fit another class better"), misfits.most_common(_LISTED))
    cost = f", cost {budget.cost:.2f}" if budget.prices else ""
    say(f"{built.kept.total():,} descriptions in {out}; {summary.requests:,} answers, {budget.tokens:,} tokens{cost}")
    if summary.stopped:
        say(f"unibind: stopped early: {summary.stopped}; run it again to go on")
    elif any(o.why == "yields nothing new" for o in short):
        say("unibind: the models repeat themselves there; add a model, aspects or modalities, or ask for fewer")
