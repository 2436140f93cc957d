"""`unibind knowledge describe`: descriptions of items by multimodal language models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from .._console import JsonOption, ModalityOption, print_json, print_table, say
from ._llm_options import prices_of, progress_of, tell_estimate

if TYPE_CHECKING:
    from ...knowledge.llm.budget import Budget
    from ...knowledge.llm.describe import Summary

_LISTED = 10  # items without a description that are named on the screen


@with_backbone_options
def describe(
    manifest: Annotated[Path, typer.Argument(help="CSV, JSONL, Parquet, UniBind JSON, or a folder label/file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The base: a folder, made or continued.")],
    model: Annotated[list[str], typer.Option("--model", help="One that sees, as the server calls it; repeat to mix.")],
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="An OpenAI-compatible server, ending in /v1. Default: OpenAI's.")
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option("--split", help="Whose items; repeat it, or `all`. Default: train.")
    ] = None,
    modality: ModalityOption = None,
    tell_label: Annotated[bool, typer.Option("--tell-label", help="Tell the model the item's category.")] = False,
    hears: Annotated[bool, typer.Option("--hears", help="Send sounds as sounds; else as spectrograms.")] = False,
    one_picture: Annotated[
        bool, typer.Option("--one-picture", help="All views and frames on one sheet, for servers that want that.")
    ] = False,
    side: Annotated[int, typer.Option(min=64, max=4096, help="Most pixels of a picture's longer side.")] = 512,
    frames: Annotated[int, typer.Option(min=1, max=32, help="Pictures of a video or an event recording.")] = 6,
    prompts: Annotated[Path | None, typer.Option(help="Folder of prompt files that replace the packaged ones.")] = None,
    language: Annotated[str | None, typer.Option(help="en, de, fr, es, it, pt, nl, or any. Default: en.")] = None,
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
    """Have multimodal language models describe the items of a manifest, each once; texts are left out.

    The key comes from the environment (OPENAI_API_KEY). Descriptions are shortened to what the backbone's text tower
    reads. Run it again to go on where it stopped. The exit code is 1 where items are left without a description. Give
    the base to `unibind fit --knowledge`.

    \b
    unibind knowledge describe data/manifest.csv --out kb --model qwen2.5vl --base-url http://localhost:11434/v1
    unibind knowledge describe sounds/ --out kb --model gpt-4o-audio-preview --hears --dry-run --price 2.5/10
    """
    from ...data.manifest import read_manifest
    from ...knowledge.building import saved_rules
    from ...knowledge.journal import Journal
    from ...knowledge.llm.budget import Budget
    from ...knowledge.llm.client import Client
    from ...knowledge.llm.describe import MOST_OUTPUT_TOKENS, Describer, Plan, choose, estimate
    from ...knowledge.llm.prompts import Wording
    from ...knowledge.truncate import fits_context
    from ...modalities import RenderOptions

    folder = Journal(out)
    models = tuple(dict.fromkeys(model))
    splits = None if split and "all" in split else tuple(split or ("train",))
    items = choose(read_manifest(manifest, modality=modality), splits)
    plan = Plan(items, models, RenderOptions(side, frames, hears, one_picture), tell_label)
    rules = saved_rules(folder)
    rules = rules if language is None else replace(rules, language=language)
    wording = Wording(prompts, language=rules.language)
    budget = Budget(max_tokens, max_cost, prices_of(models, price or []))
    if dry_run:
        tell_estimate(estimate(folder, plan, wording, rules), budget, json)
        return
    fits = fits_context(replace(backbone, options=backbone.options | {"modalities": ["text"]}).open())

    async def ask(progress: Callable[[int], None]) -> Summary:
        client = Client(
            base_url,
            models[0],
            concurrency=concurrency,
            timeout=timeout,
            retries=retries,
            budget=budget,
            max_output_tokens=MOST_OUTPUT_TOKENS,
            temperature=temperature,
        )
        async with client:
            describer = Describer(
                folder, client, plan, wording, rules, fits, concurrency=concurrency, progress=progress
            )
            return await describer.run()

    with folder, progress_of(len(items), budget) as progress:
        summary = asyncio.run(ask(progress))
    _tell(out, summary, budget, json)
    if summary.missing:
        raise typer.Exit(1)


def _tell(out: Path, summary: Summary, budget: Budget, json: bool) -> None:
    if json:
        print_json(
            {
                "base": str(out),
                "descriptions": summary.built.kept.total(),
                "described": summary.described,
                "there": summary.there,
                "missing": summary.missing,
                "requests": summary.requests,
                "retried": summary.retried,
                "tokens": budget.tokens,
                "cost": budget.cost if budget.prices else None,
                "stopped": summary.stopped,
            }
        )
        return
    if summary.missing:
        rows = list(summary.missing.items())
        print_table(("item", "why"), rows[:_LISTED], title=f"without a description: {len(rows):,}")
        if len(rows) > _LISTED:
            say(f"... and {len(rows) - _LISTED:,} more")
    cost = f", cost {budget.cost:.2f}" if budget.prices else ""
    say(
        f"{summary.described:,} items described, {summary.there:,} were; {out} holds {summary.built.kept.total():,} "
        f"descriptions; {summary.requests:,} answers, {budget.tokens:,} tokens{cost}"
    )
    if summary.stopped:
        say(f"unibind: stopped early: {summary.stopped}; run it again to go on")
