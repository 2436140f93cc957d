"""The command line: one module per verb. Results go to standard output, progress and errors to standard error."""

from __future__ import annotations

import atexit
import gc
import io
import logging
import os
import sys

import typer

from .._version import __version__
from ..errors import UnibindError, printable
from . import (
    backbones,
    bridge,
    classify,
    demo,
    doctor,
    encode,
    evaluate,
    explain,
    export,
    fit,
    heptad,
    index,
    inspect,
    knowledge,
    search,
    store,
    weights,
)
from ._console import CONTINUE, INTERRUPTED, add_verb, notify

app = typer.Typer(
    name="unibind",
    help="One balanced embedding space for image, text, audio, point cloud, thermal, video and event data.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
add_verb(app, "demo", demo.demo, kept=f"finished steps are kept in {{out}}; {CONTINUE}")
add_verb(app, "inspect", inspect.inspect)
add_verb(app, "encode", encode.encode, kept=f"what was encoded is kept in {{out}}; {CONTINUE}")
add_verb(app, "bridge", bridge.bridge, kept="finished bridges are kept; run the command again with --force")
add_verb(app, "fit", fit.fit, kept="no model was written; run the same command again to start over")
add_verb(app, "eval", evaluate.evaluate)
add_verb(app, "classify", classify.classify)
add_verb(app, "explain", explain.explain)
add_verb(app, "search", search.search)
add_verb(app, "export", export.export)
add_verb(app, "doctor", doctor.doctor)
app.add_typer(heptad.app, name="heptad")
app.add_typer(store.app, name="store")
app.add_typer(index.app, name="index")
app.add_typer(backbones.app, name="backbones")
app.add_typer(weights.app, name="weights")
app.add_typer(knowledge.app, name="knowledge")


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"unibind {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
    commercial_only: bool = typer.Option(
        False, "--commercial-only", help="Refuse backbones whose license forbids commercial use."
    ),
) -> None:
    """Options before the verb."""
    if commercial_only:
        from ..backbones.spec import COMMERCIAL_ONLY

        os.environ[COMMERCIAL_ONLY] = "1"


class _PrintableFormatter(logging.Formatter):
    """Log lines as one printable line each."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name of the base class
        return printable(super().formatMessage(record))


def _set_up_output() -> None:
    """Log to standard error, and print what the terminal's encoding lacks as an escape."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PrintableFormatter("unibind: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.captureWarnings(True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run() -> int:
    """Run the verb; what is wrong with its arguments is shown printable, because `*` may have found any file name."""
    try:
        return int(app(standalone_mode=False) or 0)
    except typer.Abort:
        return 1
    except Exception as error:
        if not hasattr(error, "format_message"):  # of errors in arguments
            raise
        from typer.rich_utils import rich_format_error

        error.message = printable(error.message)  # type: ignore[attr-defined]
        rich_format_error(error)  # type: ignore[arg-type]
        return int(getattr(error, "exit_code", 2))


def main() -> None:
    """Entry point: user errors become one sentence and exit code 2, Ctrl-C exits 130."""
    _set_up_output()
    atexit.register(gc.freeze)  # else the objects of PyTorch are searched for garbage at the end: a third of a second
    try:
        sys.exit(_run())
    except KeyboardInterrupt:
        typer.echo("unibind: interrupted before the work began", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (UnibindError, OSError) as error:  # OSError: not allowed to write there, disk full, ...
        notify(f"unibind: {error}")
        sys.exit(2)
