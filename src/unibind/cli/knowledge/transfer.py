"""`unibind knowledge import`, `export` and `merge`: exchanging descriptions with files and other bases."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .._console import INPUT, OUTPUT, ForceOption, JsonOption, ModalityOption, notify, print_json

FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="table, cupl, descriptors, unibind or names. Default: recognized by content or suffix.",
        rich_help_panel=INPUT,
    ),
]
OutOption = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="DIR", help="Folder of the base, created or extended.", rich_help_panel=OUTPUT),
]


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Whatever --knowledge takes: files of descriptions or names.", show_default=False
        ),
    ],
    out: OutOption,
    format: FormatOption = None,
    generator: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Author of the texts, if the file does not say.", rich_help_panel=INPUT),
    ] = None,
    modality: ModalityOption = None,
    aspect: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Aspect of the texts, if the file does not say.", rich_help_panel=INPUT),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Import descriptions from CuPL, "classify by description" or UniBind's train JSON, a table, or bare names.

    Only repetitions are filtered out of imported texts. Importing a file again changes nothing; importing an exported
    table with changed texts edits the descriptions.

    Examples:
      $ unibind knowledge import cupl_prompts.json --out kb --generator gpt-3
      $ unibind knowledge import descriptors.json own.csv --out kb --modality image
    """
    from ...knowledge.merging import import_files

    result = import_files(out, files, format, generator=generator, modality=modality, aspect=aspect)
    if json:
        print_json({"base": str(out), **asdict(result)})
    else:
        changes = f"{result.new:,} new" + (f", {result.edited:,} edited" if result.edited else "")
        notify(f"{result.read:,} descriptions read: {changes}; {out} now contains {result.descriptions:,}")


def export(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Folder of a base, or a table of descriptions.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write: .json, .jsonl, .csv or .parquet.")],
    format: FormatOption = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Write a base to one file: a table with all columns, or CuPL, descriptors or UniBind's train JSON.

    Examples:
      $ unibind knowledge export kb kb.csv
      $ unibind knowledge export kb cupl.json --format cupl
    """
    from ...files import check_output
    from ...knowledge import KnowledgeBase
    from ...knowledge.formats import write_descriptions

    check_output(file, force=force)
    opened = KnowledgeBase.load(base)
    write_descriptions(opened, file, format)
    if json:
        print_json({"file": str(file), "descriptions": len(opened)})
    else:
        notify(f"{len(opened):,} descriptions of {len(opened.categories):,} classes written to {file}")


def merge(
    sources: Annotated[
        list[Path], typer.Argument(metavar="BASE...", help="Folders of bases, or files.", show_default=False)
    ],
    out: OutOption,
    json: JsonOption = False,
) -> None:
    """Merge bases, with the origin of each text and people's edits.

    Examples:
      $ unibind knowledge merge kb_of_anna kb_of_ben more.csv --out kb
    """
    from ...knowledge.merging import merge_bases

    result = merge_bases(out, sources)
    if json:
        print_json({"base": str(out), "descriptions": result.kept.total(), "removed": result.removed})
    else:
        notify(f"{out} now contains {result.kept.total():,} descriptions of {len(result.kept):,} classes")
