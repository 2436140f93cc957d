"""`unibind knowledge generate`: descriptions of classes by language models."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from .._console import ADVANCED, INPUT, OUTPUT, JsonOption, notify, print_json, print_table
from ._llm_options import LLMChoice, print_estimate, usage_text, with_llm_options

if TYPE_CHECKING:
    from ...knowledge.llm.generate import GenerationResult

_MAX_ROWS = 30  # classes in a table on the screen


@with_backbone_options
@with_llm_options
def generate(
    classes: Annotated[
        str | None,
        typer.Argument(
            metavar="CLASSES", help="A .txt file, a comma-separated list, or a labeled manifest.", show_default=False
        ),
    ] = None,
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Folder of the base, created or continued.", rich_help_panel=OUTPUT
        ),
    ],
    labels_of: Annotated[
        str | None,
        typer.Option(
            metavar="REPO_OR_DIR",
            help="Describe the labels of this classifier, for the modality it reads. Only its config.json is read.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    per_class: Annotated[
        int,
        typer.Option(min=1, metavar="COUNT", help="Distinct descriptions per class.", rich_help_panel=INPUT),
    ] = 100,
    modality: Annotated[
        list[str] | None,
        typer.Option(
            "--modality",
            "-m",
            metavar="NAME",
            help="Modality to describe for; repeat for several. Default: the backbone's, or all.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    aspects: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="Comma-separated aspects, such as looks,sound. Default: all.", rich_help_panel=INPUT
        ),
    ] = None,
    llm: LLMChoice,
    questions: Annotated[
        int,
        typer.Option(
            min=0, metavar="COUNT", help="Questions to ask first, per modality; 0: none.", rich_help_panel=ADVANCED
        ),
    ] = 6,
    per_request: Annotated[
        int,
        typer.Option(
            min=1, metavar="COUNT", help="Largest number of descriptions per request.", rich_help_panel=ADVANCED
        ),
    ] = 10,
    max_similarity: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="COSINE",
            help="Remove near duplicates at or above this cosine similarity; 0: keep them. Default: 0.95.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    drop_misfits: Annotated[
        bool | None,
        typer.Option(
            "--drop-misfits/--keep-misfits",
            help="Remove or keep texts that fit another class better.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    min_words: Annotated[
        int | None,
        typer.Option(min=1, metavar="COUNT", help="Fewest words per text. Default: 4.", rich_help_panel=ADVANCED),
    ] = None,
    max_words: Annotated[
        int | None,
        typer.Option(min=1, metavar="COUNT", help="Most words per text. Default: 60.", rich_help_panel=ADVANCED),
    ] = None,
    backbone: BackboneChoice = NO_CHOICE,
    json: JsonOption = False,
) -> None:
    """Have language models write distinct descriptions of classes.

    The API key is read from OPENAI_API_KEY; local servers need none. Run the command again to continue a stopped run;
    no answer is paid for twice. Exits with 1 if a class has too few descriptions.

    Examples:
      $ unibind knowledge generate classes.txt --out kb --model llama3.1 --base-url http://localhost:11434/v1
      $ unibind knowledge generate "drum,bell" --out kb --model gpt-4.1-mini --price 0.4/1.6 --dry-run
      $ unibind knowledge generate --labels-of MIT/ast-finetuned-audioset-10-10-0.4593 --out kb --model gpt-4.1-mini
    """
    from ...data.opening import open_backbone
    from ...knowledge.classes import classes_to_describe
    from ...knowledge.llm.generate import generation_job

    filters: dict[str, Any] = {"drop_misfits": drop_misfits, "min_words": min_words, "max_words": max_words}
    filters = {name: value for name, value in filters.items() if value is not None}
    if max_similarity is not None:
        filters["max_similarity"] = max_similarity or None
    wanted = classes_to_describe(classes, labels_of)
    job = generation_job(
        wanted.names,
        out,
        per_class=per_class,
        modalities=modality or wanted.modalities,
        aspects=None if aspects is None else [a.strip() for a in aspects.split(",") if a.strip()],
        questions=questions,
        per_request=per_request,
        filters=filters,
        backbone=None if backbone == NO_CHOICE else partial(open_backbone, **backbone.arguments, only_texts=True),
        **llm.arguments,
    )
    if llm.dry_run:
        print_estimate(job.estimate(), json)
        return
    result = job.run()
    if json:
        print_json(result.to_json())
    else:
        _print_result(result)
    if result.incomplete:
        raise typer.Exit(1)


def _print_result(result: GenerationResult) -> None:
    kept, incomplete, usage = result.built.kept, result.incomplete, result.usage
    if incomplete:
        rows = [(o.category, kept[o.category], o.requested, o.reason) for o in incomplete[:_MAX_ROWS]]
        title = f"classes with too few descriptions: {len(incomplete):,}"
        print_table(("class", "descriptions", "requested", "reason"), rows, title=title)
    if result.built.removed:
        print_table(("removed because", "texts"), result.built.removed.most_common())
    if result.misfits:
        print_table(("class", "texts that fit another class better"), result.misfits.most_common(_MAX_ROWS))
    notify(f"{kept.total():,} descriptions in {result.base}; {usage_text(usage)}")
    if usage.stopped:
        notify(f"unibind: stopped early: {usage.stopped}; run the command again to continue")
    elif any(o.reason == "yields nothing new" for o in incomplete):
        notify(
            "unibind: the models repeat themselves; add models, aspects or modalities, or request fewer descriptions"
        )
