"""`unibind knowledge describe`: descriptions of items by multimodal language models."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from .._console import INPUT, OUTPUT, JsonOption, ModalityChoiceOption, notify, print_json, print_table
from ._llm_options import LLMChoice, print_estimate, usage_text, with_llm_options

if TYPE_CHECKING:
    from ...knowledge.llm.describe import DescriptionResult

_MAX_ROWS = 10  # items without a description that are listed on the screen


@with_backbone_options
@with_llm_options
def describe(
    manifest: Annotated[
        Path,
        typer.Argument(metavar="MANIFEST", help="A folder, a table (CSV, TSV, JSONL, JSON, Parquet) or an archive."),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Folder of the base, created or continued.", rich_help_panel=OUTPUT
        ),
    ],
    split: Annotated[
        list[str] | None,
        typer.Option(
            "--split",
            metavar="NAME",
            help="Split to describe; repeat, or `all`. Default: train.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    modality: ModalityChoiceOption = None,
    include_label: Annotated[
        bool, typer.Option("--include-label", help="Reveal an item's label to the model.", rich_help_panel=INPUT)
    ] = False,
    send_audio: Annotated[
        bool, typer.Option("--send-audio", help="Send sounds as audio instead of spectrograms.", rich_help_panel=INPUT)
    ] = False,
    one_picture: Annotated[
        bool,
        typer.Option(
            "--one-picture",
            help="Put all views of an item on one sheet, if the server needs it.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    side: Annotated[
        int,
        typer.Option(
            min=64, max=4096, metavar="PIXELS", help="Longer side of a picture, at most.", rich_help_panel=INPUT
        ),
    ] = 512,
    frames: Annotated[
        int,
        typer.Option(
            min=1, max=32, metavar="COUNT", help="Pictures per video or event recording.", rich_help_panel=INPUT
        ),
    ] = 6,
    llm: LLMChoice,
    backbone: BackboneChoice = NO_CHOICE,
    json: JsonOption = False,
) -> None:
    """Have multimodal language models describe the items of a manifest.

    The API key is read from OPENAI_API_KEY; local servers need none. Texts are truncated to the context length of the
    backbone's text tower; items that are texts are skipped. Run the command again to continue a stopped run. Exits with
    1 if an item has no description.

    Examples:
      $ unibind knowledge describe data.csv --out kb --model qwen2.5vl --base-url http://localhost:11434/v1
      $ unibind knowledge describe sounds/ --out kb --model gpt-4o-audio-preview --send-audio --dry-run
    """
    from ...data.intake import parse_modality_choice
    from ...data.opening import open_backbone
    from ...knowledge.llm.describe import description_job
    from ...modalities import RenderOptions

    job = description_job(
        manifest,
        out,
        splits=None if split and "all" in split else tuple(split or ("train",)),
        modality=parse_modality_choice(modality),
        include_label=include_label,
        render=RenderOptions(side, frames, send_audio, one_picture),
        backbone=partial(open_backbone, **backbone.arguments, only_texts=True),
        **llm.arguments,
    )
    if not json:
        for line in job.intake.lines():
            notify(line)
    if llm.dry_run:
        print_estimate(job.estimate(), json)
        return
    result = job.run()
    if json:
        print_json(result.to_json())
    else:
        _print_result(result)
    if result.missing:
        raise typer.Exit(1)


def _print_result(result: DescriptionResult) -> None:
    if result.missing:
        rows = list(result.missing.items())
        title = f"items without a description: {len(rows):,}"
        print_table(("item", "reason"), rows[:_MAX_ROWS], title=title)
        if len(rows) > _MAX_ROWS:
            notify(f"... and {len(rows) - _MAX_ROWS:,} more")
    notify(
        f"{result.described:,} items described now, {result.already_described:,} earlier; "
        f"{result.built.kept.total():,} descriptions in {result.base}; {usage_text(result.usage)}"
    )
    if result.usage.stopped:
        notify(f"unibind: stopped early: {result.usage.stopped}; run the command again to continue")
