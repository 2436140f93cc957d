"""`unibind knowledge edit` and `block`: a person's changes, which no later run undoes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._console import JsonOption, notify, print_json

if TYPE_CHECKING:
    from ...knowledge.building import BuildResult

BaseArgument = Annotated[Path, typer.Argument(metavar="BASE", help="Folder of a base.")]


def edit(
    base: BaseArgument,
    name: Annotated[
        str, typer.Argument(metavar="ID", help="Id of the description: see `unibind knowledge show --class`.")
    ],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The new text.")],
    json: JsonOption = False,
) -> None:
    """Replace the text of a description permanently; this also unblocks it.

    Examples:
      $ unibind knowledge edit kb 1eff07f516848267 "Sticks bounce off the skin of the drum."
    """
    from ...knowledge.editing import edit_descriptions

    _print_result(base, edit_descriptions(base, {name: text}), json)


def block(
    base: BaseArgument,
    names: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of descriptions.", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Remove descriptions permanently: they stay out when models write more.

    Examples:
      $ unibind knowledge block kb 1eff07f516848267 f32e15ecf5463125
    """
    from ...knowledge.editing import block_descriptions

    _print_result(base, block_descriptions(base, names), json)


def _print_result(base: Path, result: BuildResult, json: bool) -> None:
    count = result.kept.total()
    if json:
        print_json({"base": str(base), "descriptions": count})
    else:
        notify(f"{base} now contains {count:,} descriptions")
