"""`unibind bridge`: lead foreign towers of a composed backbone into its anchor's space, from texts alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._console import JsonOption, KnowledgeOption, busy, open_knowledge, percent, print_json, print_table, say

if TYPE_CHECKING:
    from ..align.bridge import BuiltBridge

_METHODS = {"padded": "no map", "procrustes": "rotation only", "ridge": "bridge", "refined": "bridge, refined"}


def bridge(
    file: Annotated[Path, typer.Argument(help='A composed backbone\'s TOML; tables with bridge = "FILE" get one.')],
    knowledge: KnowledgeOption = None,
    modality: Annotated[
        list[str] | None, typer.Option("--modality", "-m", help="Only this table's bridge; repeat the option.")
    ] = None,
    items: Annotated[
        Path | None, typer.Option("--items", help="Store or manifest with items, no labels needed: mends the gap.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Use only items of this split.")] = None,
    noise: Annotated[float, typer.Option(min=0.0, help="What the map must bear, in variances of the texts.")] = 4.0,
    steps: Annotated[int, typer.Option(min=0, help="Contrastive steps after the closed form.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of the texts held out.")] = 0,
    device: Annotated[str | None, typer.Option("--device", help="Where the text towers run: cpu, cuda, ...")] = None,
    json: JsonOption = False,
) -> None:
    """Bridge towers that have a text tower of their own into the space of [text], by reading the same descriptions.

    Recall is of held-out texts: does a mapped text find itself among the anchor's? It says nothing of items yet.

    \b
    unibind bridge parts.toml
    unibind bridge parts.toml --items recordings/ --knowledge my_classes.jsonl
    """
    from ..align.bridge import BridgeConfig, build_bridges
    from ..backbones.composed.table import load_parts

    base = open_knowledge(knowledge)
    with busy("bridging"):
        built = build_bridges(
            load_parts(file),
            base,
            modalities=modality,
            items=items,
            split=split,
            config=BridgeConfig(noise=noise, steps=steps, seed=seed),
            device=device,
        )
    if json:
        print_json([{"modality": b.modality, "bridge": str(b.path), **b.bridge.made} for b in built])
        return
    print_table(("modality", "map", "recall@1 %", "recall@5 %", "texts held out"), [r for b in built for r in _rows(b)])
    for one in built:
        say(f"{one.modality}: {one.path}; {_gap(one)}")


def _rows(built: BuiltBridge) -> list[tuple[object, ...]]:
    made = built.bridge.made
    return [
        (built.modality, _METHODS[method], percent(found["@1"]), percent(found["@5"]), made["holdout_count"])
        for method, found in made["recall"].items()
    ]


def _gap(built: BuiltBridge) -> str:
    made = built.bridge.made
    if made["gap"] is None:
        return "the offset of its items from texts is not corrected: name some with --items"
    return f"items lie {made['gap']:.3f} from texts, corrected by the mean of {made['items']}"
