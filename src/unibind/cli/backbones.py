"""`unibind backbones`: the available frozen encoders, and what is known about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._console import INPUT, JsonOption, add_verb, notify, print_json, print_table

if TYPE_CHECKING:
    from ..backbones import BackboneDescription, Card, KnownModel

_COLUMNS = ("backbone", "modalities", "width", "license", "weights", "usable")
_LISTED = ("backbone", "what it is", "modalities", "width", "license", "usable")
_MODEL_COLUMNS = ("model", "modalities", "parameters", "in bfloat16", "width", "license", "note")

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
    """List every backbone: what it is, its modalities and license, and whether it can be used now.

    Below are models worth having, as their makers describe them. Nothing is downloaded.

    Examples:
      $ unibind backbones list
      $ unibind backbones list --commercial-only --json
    """
    from ..backbones import backbone_specs
    from ..backbones.spec import commercial_only as commercial_only_everywhere

    rows = [_row(kind, spec.card) for kind, spec in backbone_specs().items()]
    if commercial_only or commercial_only_everywhere():
        rows = [_commercial(row) for row in rows if row["commercial"] is not False]
    if json:
        print_json(rows)
    else:
        print_table(_LISTED, [_listed(row) for row in rows])
        for row in rows:
            _print_models(row)


def _commercial(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"models": [model for model in row["models"] if model["commercial"]]}


def _print_models(row: dict[str, Any]) -> None:
    """A backbone's table of models, if it has one."""
    if row["models"]:
        kind = row["name"].partition(":")[0]
        title = f"Models worth having, as their makers describe them: write {kind}:MODEL"
        print_table(_MODEL_COLUMNS, [_model_cells(model) for model in row["models"]], title=title)


def _model_cells(model: dict[str, Any]) -> tuple[str, ...]:
    return (
        model["name"],
        ", ".join(model["modalities"]),
        f"{model['parameters']:,} M",
        f"{model['memory_gb']:g} GB",
        str(model["width"]),
        model["license"],
        model["note"],
    )


def _row(kind: str, card: Card) -> dict[str, Any]:
    """What is known about a backbone; `commercial` is None if its license depends on the model."""
    from ..doctor import missing

    return {
        "name": card.name,
        "summary": card.summary,
        "knows": card.knows,
        "modalities": card.modalities,
        "width": card.dim,
        "license": str(card.license) if card.license else None,
        "commercial": card.license.commercial if card.license else None,
        "weights": card.weights,
        "extra": card.extra,
        "missing": missing(kind, card),
        "models": [_model(model) for model in card.models],
    }


def _model(model: KnownModel) -> dict[str, Any]:
    """What its makers say of a model; `parameters` in millions, `memory_gb` of its weights in bfloat16."""
    return {
        "name": model.name,
        "modalities": model.modalities,
        "parameters": model.parameters,
        "memory_gb": round(model.memory_gb, 2),
        "width": model.dim,
        "license": str(model.license),
        "commercial": model.license.commercial,
        "note": model.note,
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


def _listed(row: dict[str, Any]) -> tuple[str, ...]:
    name, modalities, width, license, _, usable = _cells(row)
    return name, row["summary"], modalities, width, license, usable


def show(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Such as starter, or transformers:FOLDER.", show_default=False),
    ],
    json: JsonOption = False,
) -> None:
    """Show one backbone: what it encodes, its license and weights, the options of --set, and its contracts.

    A contract is everything that decides what an embedding means. Nothing is downloaded.

    Examples:
      $ unibind backbones show starter
      $ unibind backbones show transformers:models/clip --json
    """
    from ..backbones import describe_backbone

    described = describe_backbone(name)
    row = _row(name.partition(":")[0], described.card)
    if json:
        print_json(_details(row, described))
    else:
        _print_details(row, described)


def _details(row: dict[str, Any], described: BackboneDescription) -> dict[str, Any]:
    return row | {
        "places": described.places,
        "options": [asdict(option) for option in described.options],
        "contracts": {modality: asdict(contract) for modality, contract in described.contracts.items()},
        "problem": described.problem,
    }


def _print_details(row: dict[str, Any], described: BackboneDescription) -> None:
    facts = zip(_COLUMNS, _cells(row), strict=True)
    knows = [("knows", row["knows"])] if row["knows"] else []
    places = [("weights are looked for", place) for place in described.places if place != row["weights"]]
    print_table((described.name, row["summary"]), [*list(facts)[1:], *knows, *places])
    print_table(("option", "default", "meaning"), [(o.name, o.default, o.meaning) for o in described.options])
    contracts = [(m, c.space, c.weights, c.precision, _facts(c.preprocessing)) for m, c in described.contracts.items()]
    if contracts:
        print_table(("contract of", "space", "weights", "precision", "preprocessing"), contracts)
    _print_models(row)
    if described.problem:
        notify(f"no contracts: {described.problem}")


def _facts(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


add_verb(app, "list", list_backbones)
add_verb(app, "show", show)
