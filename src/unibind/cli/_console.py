"""What the verbs share: tables and JSON on standard output, progress bars on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from ..knowledge import KnowledgeBase

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of tables.")]
ModalityOption = Annotated[
    str | None, typer.Option("--modality", "-m", help="What the files are, where their names do not say it.")
]
KnowledgeOption = Annotated[
    str | None,
    typer.Option("--knowledge", help="Descriptions: JSONL, CSV, Parquet or a base's folder. Default: the packaged."),
]


def open_knowledge(said: str | None) -> KnowledgeBase:
    """The base that `--knowledge` names, else the packaged one."""
    from ..knowledge import KnowledgeBase

    return KnowledgeBase.load(said) if said else KnowledgeBase.heptad()


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, indent=1, default=str, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """A table on standard output; plain cells, so that user text cannot change its look."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:  # a pipe has no width to fit into
        console = Console(width=max(console.width, 160))
    console.print(table)


def say(message: str) -> None:
    """A line of news for the person, on standard error."""
    typer.echo(message, err=True)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A rich progress display on standard error that leaves nothing behind; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


@contextmanager
def busy(what: str) -> Iterator[None]:
    """A spinner on standard error for work of unknown length; silent where that is no terminal."""
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def percent(share: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * share:.1f}"
