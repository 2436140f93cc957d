"""`unibind knowledge import`, `export` and `merge`: from and to other people's files, and bases together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._console import JsonOption, ModalityOption, print_json, say

FormatOption = Annotated[
    str | None, typer.Option("--format", help="table, cupl, descriptors or unibind. Default: told by the file.")
]


def import_(
    files: Annotated[list[Path], typer.Argument(help="JSON, JSONL, CSV or Parquet files.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The base: a folder, made or continued.")],
    format: FormatOption = None,
    generator: Annotated[str | None, typer.Option(help="Who wrote the texts, where the file does not say it.")] = None,
    modality: ModalityOption = None,
    aspect: Annotated[str | None, typer.Option(help="What the texts tell of, where the file does not say it.")] = None,
    json: JsonOption = False,
) -> None:
    """Take descriptions from files into a base: CuPL, "classify by description", UniBind's train JSON, or a table.

    Of imported texts nothing but repetitions is filtered out. Import a file again, and nothing is doubled;
    change texts in an exported table and import it, and the base's descriptions are edited.

    \b
    unibind knowledge import cupl_prompts.json --out kb --generator gpt-3
    unibind knowledge import descriptors.json mine.csv --out kb --modality image
    """
    from ...knowledge.building import rebuild
    from ...knowledge.formats import read_descriptions
    from ...knowledge.journal import Journal
    from ...knowledge.merging import import_descriptions

    read = [read_descriptions(f, format, generator=generator, modality=modality, aspect=aspect) for f in files]
    with Journal(out) as folder:
        taken = import_descriptions(folder, (description for descriptions in read for description in descriptions))
        built = rebuild(folder)
    count = sum(len(descriptions) for descriptions in read)
    if json:
        print_json({"base": str(out), "read": count, **taken._asdict(), "descriptions": built.kept.total()})
    else:
        news = f"{taken.new:,} of them new" + (f", {taken.edited:,} edited" if taken.edited else "")
        say(f"{count:,} descriptions read, {news}; {out} now holds {built.kept.total():,}")


def export(
    base: Annotated[Path, typer.Argument(help="The folder of a base, or a table of descriptions.")],
    file: Annotated[Path, typer.Argument(help="Its ending says how: .json, .jsonl, .csv or .parquet.")],
    format: FormatOption = None,
    json: JsonOption = False,
) -> None:
    """Write a base into one file: a table with everything, or as CuPL, descriptors or UniBind's train JSON.

    \b
    unibind knowledge export kb kb.csv
    unibind knowledge export kb cupl.json --format cupl
    """
    from ...knowledge import KnowledgeBase
    from ...knowledge.formats import write_descriptions

    opened = KnowledgeBase.load(base)
    write_descriptions(opened, file, format)
    if json:
        print_json({"file": str(file), "descriptions": len(opened.descriptions)})
    else:
        say(f"{len(opened.descriptions):,} descriptions of {len(opened.categories):,} classes: {file}")


def merge(
    sources: Annotated[list[Path], typer.Argument(help="Folders of bases, or files.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The base they come into: a folder, made or continued.")],
    json: JsonOption = False,
) -> None:
    """Bring bases together, with who wrote each text, how and when, and with what people edited or blocked.

    \b
    unibind knowledge merge kb_of_anna kb_of_ben more.csv --out kb
    """
    from ...knowledge.journal import Journal
    from ...knowledge.merging import merge_folders

    with Journal(out) as folder:
        built = merge_folders(folder, sources)
    if json:
        print_json({"base": str(out), "descriptions": built.kept.total(), "removed": built.removed})
    else:
        say(f"{out} now holds {built.kept.total():,} descriptions of {len(built.kept):,} classes")
