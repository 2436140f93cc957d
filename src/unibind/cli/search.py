"""`unibind search`: find items of any modality by a text or a file of any modality."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import JsonOption, print_json, print_table, say

if TYPE_CHECKING:
    from ..retrieval import Hit


@with_backbone_options
def search(
    query: Annotated[str, typer.Argument(help="A text, or the path of a file.")],
    store: Annotated[Path, typer.Option("--store", "-s", help="Where to search: a store made by `unibind encode`.")],
    model: Annotated[str | None, typer.Option("--model", help="A fitted model whose heads to apply.")] = None,
    modality: Annotated[
        list[str] | None, typer.Option("--modality", "-m", help="Search only these modalities; repeat the option.")
    ] = None,
    query_modality: Annotated[str | None, typer.Option(help="What the query is, where its name does not say.")] = None,
    split: Annotated[str | None, typer.Option(help="Search only this split.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Results to show.")] = 5,
    correct_gap: Annotated[bool, typer.Option(help="Remove each modality's mean, so that none crowds out.")] = True,
    backbone: BackboneChoice = NO_CHOICE,
    png: Annotated[Path | None, typer.Option("--png", help="Draw the results into this PNG.")] = None,
    json: JsonOption = False,
) -> None:
    """Search a store; the query's own modality does not matter.

    \b
    unibind search "A photo of a drum" --store runs/demo/store --model runs/demo/model -m event -m image
    unibind search dog.wav --store runs/demo/store --model runs/demo/model --png dogs.png
    """
    from ..data.encode import raw_items
    from ..data.store import Store
    from ..modalities import check_modality
    from ..modalities.source import is_file
    from ..modalities.text import Text
    from ..model import UniBind
    from ..retrieval import Index

    opened = Store.open(store)
    unibind = backbone.open_model(model) if model else UniBind(backbone.open(opened))
    names = [check_modality(m, tuple(opened.modalities())) for m in modality or opened.modalities()]
    named = query_modality not in (None, "text") or is_file(Path(query))
    raw = raw_items([query], query_modality)[0] if named else Text(query)
    parts = {m: unibind.project(opened.vectors(modality=m, split=split)) for m in names}
    contract, means = unibind.contract(raw.modality), {}
    alone = [
        m for m, e in parts.items() if not e.contract.shares_space(contract) and e.contract.shares_anchor(contract)
    ]
    if not modality and len(alone) < len(parts):
        parts = {m: e for m, e in parts.items() if m not in alone}
        for left in alone:
            say(f"{left} is left out: it has another space than the query, unfitted and without a bridge")
    if raw.modality in opened.modalities() and raw.modality not in names:  # the gap is removed from both sides
        means[raw.modality] = unibind.project(opened.vectors(modality=raw.modality)).vectors.mean(axis=0)
    index = Index(parts, correct_gap=correct_gap, query_means=means)
    hits = index.search(unibind.embed([raw]), contract, k)[0]
    if json:
        print_json({"query": query, "modality": raw.modality, "gaps": index.gaps(), "hits": [asdict(h) for h in hits]})
    else:
        rows = [(h.rank, f"{h.score:.3f}", h.modality, h.label or "", h.uri or h.text or h.id) for h in hits]
        print_table(("rank", "score", "modality", "label", "item"), rows)
    if png is not None:
        _draw(hits, png)
        say(f"drawn in {png}")


def _draw(hits: list[Hit], png: Path) -> None:
    from ..modalities.pictures import grid, picture, save_png
    from ..modalities.reading import read
    from ..modalities.text import Text

    pictures = [picture(read(h.uri, h.modality) if h.uri else Text(h.text or h.id), 256) for h in hits]
    captions = [f"{h.rank}. {h.label or h.id} ({h.score:.2f}, {h.modality})" for h in hits]
    save_png(grid(pictures, min(5, len(hits)), captions), png)
