"""`unibind backbones`: the available frozen encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._console import INPUT, JsonOption, add_verb, print_json, print_table

if TYPE_CHECKING:
    from ..backbones import Card

app = typer.Typer(help="List the frozen encoders to choose from.", no_args_is_help=True)


@app.callback()
def _backbones() -> None:
    """List the frozen encoders to choose from."""


def list_backbones(
    commercial_only: Annotated[
        bool,
        typer.Option(
            "--commercial-only", help="Only those whose license allows commercial use.", rich_help_panel=INPUT
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """List every backbone: its modalities, license, source of weights, and whether it can be used now.

    Nothing is downloaded.

    Examples:
      $ unibind backbones list
      $ unibind backbones list --commercial-only --json
    """
    from ..backbones import backbone_specs
    from ..backbones.spec import commercial_only as commercial_only_everywhere

    rows = [_row(kind, spec.card) for kind, spec in backbone_specs().items()]
    if commercial_only or commercial_only_everywhere():
        rows = [row for row in rows if row["commercial"] is not False]
    if json:
        print_json(rows)
    else:
        columns = ("backbone", "modalities", "width", "license", "weights", "usable")
        print_table(columns, [_cells(row) for row in rows])


add_verb(app, "list", list_backbones)


def _row(kind: str, card: Card) -> dict[str, Any]:
    """What is known about a backbone; `commercial` is None if its license depends on the model."""
    from ..doctor import missing

    return {
        "name": card.name,
        "summary": card.summary,
        "modalities": card.modalities,
        "width": card.dim,
        "license": str(card.license) if card.license else None,
        "commercial": card.license.commercial if card.license else None,
        "weights": card.weights,
        "extra": card.extra,
        "missing": missing(kind, card),
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    depends = "depends on the model"
    missing = row["missing"]
    return (
        row["name"],
        depends if row["modalities"] is None else ", ".join(row["modalities"]),
        str(row["width"] or depends),
        row["license"] or depends,
        row["weights"],
        depends if missing is None else f"no: {missing}" if missing else "yes",
    )


add_verb(app, "list", list_backbones)
