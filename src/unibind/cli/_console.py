"""What the verbs share: registration with examples, common options, tables and JSON on standard output.

Names, labels and texts of users and models are made `printable` here, so that none of them can act on a terminal.
"""

from __future__ import annotations

import functools
import inspect
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import ArgumentInfo

from ..errors import UNSAFE_IN_JSON, printable
from ..progress import busy as busy

INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it
INPUT, MODEL, CENTERS, ANSWERS, OUTPUT, ADVANCED = PANELS = (  # of --help
    "Input",
    "Model",
    "Centers",
    "Answers",
    "Output",
    "Advanced",
)

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON for machines instead of tables.", rich_help_panel=OUTPUT)
]
ModalityOption = Annotated[
    str | None,
    typer.Option(
        "--modality",
        "-m",
        metavar="MODALITY",
        help="Modality of the files, where their names do not tell it.",
        rich_help_panel=INPUT,
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option("--force", help="Replace what is at the output path already.", rich_help_panel=OUTPUT),
]
ModalityChoiceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--modality",
        "-m",
        metavar="MODALITY",
        help="Modality of files whose names do not tell it; DIR=MODALITY for those in a folder. Repeatable.",
        rich_help_panel=INPUT,
    ),
]
KnowledgeOption = Annotated[
    str | None,
    typer.Option(
        "--knowledge",
        metavar="BASE",
        help="Classes: the folder of a base, a file of descriptions (table, JSON) or of names (.txt, labels), or names "
        "separated by commas; `heptad` is the packaged base.",
        rich_help_panel=MODEL,
    ),
]


ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="DIR", help="A fitted model: folder or Hub name.", rich_help_panel=MODEL),
]
ClassesOption = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="NAMES",
        help="Class names, separated by commas, or a .txt file: zero-shot.",
        rich_help_panel=MODEL,
    ),
]
UnlabeledOption = Annotated[
    Path | None,
    typer.Option(
        "--unlabeled",
        metavar="STORE",
        help="A store of items like these, of all classes: improves zero-shot answers without a label.",
        rich_help_panel=MODEL,
    ),
]
CalibrateOption = Annotated[
    Path | None,
    typer.Option(
        "--calibrate",
        metavar="STORE",
        help="Fit the confidences on the labeled items of a store's split val, which no fit has learned from.",
        rich_help_panel=MODEL,
    ),
]


CONTINUE = "run the same command again to continue"
NOTHING_KEPT = "nothing was written; run the same command again to start over"

AllowDuplicatesOption = Annotated[
    bool,
    typer.Option(
        "--allow-duplicates", help="Go on where the same content is in several splits.", rich_help_panel=ADVANCED
    ),
]


EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="local|ray",
        help="Where the work is done: on this machine, or on the Ray cluster that RAY_ADDRESS names (where it is not "
        "set, Ray is started on this machine).",
        rich_help_panel=ADVANCED,
    ),
]
ItemTimeoutOption = Annotated[
    float,
    typer.Option(
        min=0.1, metavar="SECONDS", help="Time to read one file, after which it is given up.", rich_help_panel=ADVANCED
    ),
]


def add_verb(app: typer.Typer, name: str, verb: Callable[..., None], *, kept: str = NOTHING_KEPT) -> None:
    """Register a verb: options in the order of their panels, the examples of its docstring at the end of its help.

    `kept` tells after Ctrl-C what was kept and how to go on; "{out}" in it is the value of the argument `out`.
    """
    text, _, examples = (inspect.getdoc(verb) or "").partition("Examples:\n")
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
    lines = [line.strip().replace("[", "\\[") for line in examples.splitlines() if line.strip()]

    @functools.wraps(verb)
    def ordered(**arguments: Any) -> None:
        try:
            verb(**arguments)
        except KeyboardInterrupt as error:
            notify(f"unibind: interrupted; {kept.format(**arguments)}")
            raise typer.Exit(INTERRUPTED) from error

    signature = inspect.signature(verb, eval_str=True)
    parameters = sorted(signature.parameters.values(), key=_panel_rank)
    ordered.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    )
    ordered.__annotations__ = {}
    epilog = "\n\n".join(["Examples:", *lines]) if lines else None
    app.command(name, help="\n\n".join(paragraphs), epilog=epilog)(ordered)


def _panel_rank(parameter: inspect.Parameter) -> int:
    """Arguments first, then the panels in their order; options without a panel last."""
    facts = getattr(parameter.annotation, "__metadata__", (None,))[0]
    if isinstance(facts, ArgumentInfo):
        return -1
    panel = getattr(facts, "rich_help_panel", None)
    return PANELS.index(panel) if panel in PANELS else len(PANELS)


def print_json(value: Any) -> None:
    """One JSON document on standard output: exact, with escapes for characters that could act on a terminal."""
    text = json.dumps(value, indent=1, default=str, ensure_ascii=False)
    typer.echo(UNSAFE_IN_JSON.sub(lambda match: json.dumps(match.group())[1:-1], text))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """A table on standard output; plain cells, so that user text can neither change its look nor act on a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=None if title is None else Text(printable(title), "table.title"),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
    )
    for column in columns:
        table.add_column(Text(printable(column)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:  # a pipe has no width to fit into
        console = Console(width=max(console.width, 160))
    console.print(table)


def print_line(text: str) -> None:
    """A line on standard output."""
    typer.echo(printable(text))


def notify(message: str) -> None:
    """A line for the person, on standard error."""
    typer.echo(printable(message), err=True)


def command_line() -> str:
    """The command line of this process, quoted for a shell."""
    return shlex.join(["unibind", *sys.argv[1:]])


def percent(share: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * share:.1f}"
