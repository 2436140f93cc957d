"""`unibind index`: make searches of a large store fast, and show and remove what does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import ADVANCED, MODEL, EngineOption, JsonOption, add_verb, notify, print_json, print_table

if TYPE_CHECKING:
    from ..retrieval.views import ViewDescription

app = typer.Typer(help="Make searches of a large store fast.", no_args_is_help=True)

StoreArgument = Annotated[Path, typer.Argument(metavar="STORE", help="A store (see `unibind encode`).")]


@with_backbone_options
def build(
    store: StoreArgument,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="DIR", help="A fitted model to search with later.", rich_help_panel=MODEL),
    ] = None,
    backbone: BackboneChoice = NO_CHOICE,
    memory: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            metavar="GB",
            help="Memory of the machine that searches, if not this one.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    engine: EngineOption = "local",
    json: JsonOption = False,
) -> None:
    """Build the index of a store for one model, or for its own backbone; an older one is replaced.

    `unibind encode` does this by itself for stores of 50,000 items and more. An index follows its store: items that are
    added, changed or removed later need no new one.

    Examples:
      $ unibind index build runs/mine
      $ unibind index build runs/mine --model runs/my_model
      $ RAY_ADDRESS=head:6379 unibind index build /shared/store --engine ray
    """
    from ..api import build_index

    bytes_of_memory = None if memory is None else int(memory * 1e9)
    described = build_index(store, model=model, memory=bytes_of_memory, engine=engine, **backbone.arguments)
    if json:
        print_json({"store": str(store), **asdict(described)})
    else:
        notify(f"index {described.name} of {store}, {described.items:,} items: {described.words}")


def show(store: StoreArgument, json: JsonOption = False) -> None:
    """Show the indexes of a store, one for each model that it was indexed with.

    Examples:
      $ unibind index show runs/mine
    """
    from ..api import show_indexes

    found = show_indexes(store)
    if json:
        print_json({"store": str(store), "indexes": [asdict(described) for described in found]})
    elif found:
        print_table(("name", "model", "items", "index", "MB", "state"), [_row(described) for described in found])
    else:
        notify(f"{store} has no index; searches look at all of its items")


def drop(
    store: StoreArgument,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The index to remove; all, if left out.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Remove one index of a store, or all; the items stay.

    Examples:
      $ unibind index drop runs/mine
    """
    from ..api import drop_indexes

    removed = drop_indexes(store, name)
    if json:
        print_json({"store": str(store), "removed": removed})
    else:
        notify(f"removed from {store}: {', '.join(removed) or 'nothing, it has no index'}")


_VERBS: dict[str, Callable[..., None]] = {"build": build, "show": show, "drop": drop}
for _name, _verb in _VERBS.items():
    add_verb(app, _name, _verb)


def _row(described: ViewDescription) -> tuple[object, ...]:
    heads = f", heads for {', '.join(described.heads)}" if described.heads else ""
    state = "follows at the next search" if described.behind else "up to date"
    if described.unindexed:
        state += f", {described.unindexed:,} items not in the index yet"
    return (
        described.name,
        f"{described.backbone}{heads}",
        f"{described.items:,}",
        described.words,
        f"{described.bytes / 1e6:,.1f}",
        state,
    )
