"""`unibind knowledge edit` and `block`: what a person changes, which no later run undoes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._console import JsonOption, print_json, say

BaseArgument = Annotated[Path, typer.Argument(help="The folder of a base.")]


def edit(
    base: BaseArgument,
    name: Annotated[str, typer.Argument(metavar="ID", help="Of the description: `unibind knowledge show --class`.")],
    text: Annotated[str, typer.Argument(help="What it shall say.")],
    json: JsonOption = False,
) -> None:
    """Give a description another text, for good; a blocked one comes back with it.

    \b
    unibind knowledge edit kb 1eff07f516848267 "Sticks bounce off the skin of the drum."
    """
    from ...knowledge.journal import existing

    with existing(base) as folder:
        folder.edit(name, text)
        _tell(base, len(folder.build().descriptions), json)


def block(
    base: BaseArgument,
    names: Annotated[list[str], typer.Argument(metavar="ID...", help="Of descriptions.", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Leave descriptions out, for good: they stay out when models write more.

    \b
    unibind knowledge block kb 1eff07f516848267 f32e15ecf5463125
    """
    from ...knowledge.journal import existing

    with existing(base) as folder:
        folder.block(*names)
        _tell(base, len(folder.build().descriptions), json)


def _tell(base: Path, count: int, json: bool) -> None:
    if json:
        print_json({"base": str(base), "descriptions": count})
    else:
        say(f"{base} now holds {count:,} descriptions")
