"""`unibind bridge`: map towers of other spaces into the anchor space of a composed backbone, from texts alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UnibindError
from ._console import (
    ADVANCED,
    INPUT,
    ForceOption,
    JsonOption,
    KnowledgeOption,
    busy,
    notify,
    percent,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from ..align.bridge import BuiltBridge

_METHODS = {"padded": "no map", "procrustes": "rotation only", "ridge": "bridge", "refined": "bridge, refined"}


def bridge(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help='TOML of a composed backbone; tables with bridge = "FILE" get one.')
    ],
    knowledge: KnowledgeOption = None,
    modality: Annotated[
        list[str] | None,
        typer.Option(
            "--modality", "-m", metavar="MODALITY", help="Only this table's bridge; repeatable.", rich_help_panel=INPUT
        ),
    ] = None,
    items: Annotated[
        Path | None,
        typer.Option(
            "--items",
            metavar="PATH",
            help="Store or manifest with items, labels not needed: corrects the modality gap.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use only items of this split.", rich_help_panel=INPUT)
    ] = None,
    noise: Annotated[
        float,
        typer.Option(
            min=0.0, help="Noise that the map must tolerate, in variances of the texts.", rich_help_panel=ADVANCED
        ),
    ] = 4.0,
    steps: Annotated[
        int, typer.Option(min=0, help="Contrastive steps after the closed form.", rich_help_panel=ADVANCED)
    ] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the held-out texts.", rich_help_panel=ADVANCED)] = 0,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="DEVICE", help="Where the text towers run.", rich_help_panel=ADVANCED),
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Bridge towers that have a text tower of their own into the anchor space, by embedding the same descriptions.

    Recall is measured on held-out texts: does a mapped text find itself among the anchor's? It does not measure items.

    Examples:
      $ unibind bridge parts.toml --knowledge kb
      $ unibind bridge parts.toml --items recordings/ --knowledge my_classes.jsonl
    """
    from ..align.bridge import BridgeConfig, build_bridges
    from ..backbones.composed.table import load_parts

    if knowledge is None:
        raise UnibindError("a bridge is fitted on descriptions; pass some with --knowledge, such as --knowledge heptad")
    with busy("bridging"):
        built = build_bridges(
            load_parts(file),
            knowledge,
            modalities=modality,
            items=items,
            split=split,
            config=BridgeConfig(noise=noise, steps=steps, seed=seed),
            device=device,
            force=force,
        )
    if json:
        print_json([{"modality": b.modality, "bridge": str(b.path), **b.bridge.provenance} for b in built])
        return
    print_table(("modality", "map", "recall@1 %", "recall@5 %", "held-out texts"), [r for b in built for r in _rows(b)])
    for one in built:
        notify(f"{one.modality}: {one.path}; {_gap(one)}")


def _rows(built: BuiltBridge) -> list[tuple[object, ...]]:
    made = built.bridge.provenance
    return [
        (built.modality, _METHODS[method], percent(recall["@1"]), percent(recall["@5"]), made["holdout_count"])
        for method, recall in made["recall"].items()
    ]


def _gap(built: BuiltBridge) -> str:
    made = built.bridge.provenance
    if made["gap"] is None:
        return "the modality gap of its items is not corrected: name some with --items"
    return f"its items lie {made['gap']:.3f} from its texts, corrected by the mean of {made['items']} items"
