"""`unibind backbones`: which frozen encoders there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._console import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from ..backbones import Card

app = typer.Typer(help="Frozen encoders to choose from.", no_args_is_help=True)


@app.callback()
def _backbones() -> None:
    """Frozen encoders to choose from."""


@app.command("list")
def list_backbones(
    commercial_only: Annotated[
        bool, typer.Option("--commercial-only", help="Only those whose license allows commercial use.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List every backbone: what it encodes, under which license, where its weights come from, and if they are here.

    Nothing is downloaded.

    \b
    unibind backbones list
    unibind backbones list --commercial-only --json
    """
    from ..backbones import backbone_cards
    from ..backbones.spec import commercial_only as asked_everywhere

    rows = [_facts(kind, card) for kind, card in backbone_cards().items()]
    if commercial_only or asked_everywhere():
        rows = [facts for facts in rows if facts["commercial"] is not False]
    if json:
        print_json(rows)
    else:
        columns = ("backbone", "modalities", "width", "license", "weights", "here now")
        print_table(columns, [_cells(facts) for facts in rows])


def _facts(kind: str, card: Card | None) -> dict[str, Any]:
    """What is known of a backbone; `commercial` is None where each of its models has a license of its own."""
    from ..doctor import missing

    lacking = missing(kind, card)
    if card is None:
        return {"name": kind, "commercial": None, "missing": lacking}
    return {
        "name": card.name,
        "summary": card.summary,
        "modalities": card.modalities,
        "width": card.dim,
        "license": str(card.license) if card.license else None,
        "commercial": card.license.commercial if card.license else None,
        "weights": card.weights,
        "extra": card.extra,
        "missing": lacking,
    }


def _cells(facts: dict[str, Any]) -> tuple[str, ...]:
    missing = facts["missing"]
    return (
        facts["name"],
        ", ".join(facts.get("modalities", ())),
        str(facts.get("width") or "its own"),
        facts.get("license") or "its own",
        facts.get("weights", ""),
        "as its model" if missing is None else "no" if missing else "yes",
    )
