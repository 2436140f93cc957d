"""`unibind knowledge embed`: the embeddings of a base, kept beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from .._console import JsonOption, print_json, progress_bar, say


@with_backbone_options
def embed(
    base: Annotated[Path, typer.Argument(help="The folder of a base.")],
    backbone: BackboneChoice = NO_CHOICE,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts given to the tower at once.")] = 64,
    json: JsonOption = False,
) -> None:
    """Embed the descriptions of a base that have no embedding yet; `fit`, `eval` and the filters then find them.

    Embeddings are kept in the base's folder by text and contract, so a base that has grown costs its new texts only.
    Stop it whenever you like, and run it again.

    \b
    unibind knowledge embed kb
    unibind knowledge embed kb --backbone transformers:openai/clip-vit-base-patch32 --json
    """
    import time

    from ...knowledge.embedding import CachedEmbedder, texts_in
    from ...knowledge.journal import existing

    count, started = sum(1 for _ in texts_in(existing(base).path)), time.monotonic()
    embedder = CachedEmbedder(base, backbone.open())
    with progress_bar() as progress:
        task = progress.add_task("embedding", total=count)
        new = embedder.fill(texts_in(base), batch_size=batch_size, progress=lambda n: progress.advance(task, n))
    seconds = time.monotonic() - started
    if json:
        print_json({"base": str(base), "descriptions": count, "embedded": new, "seconds": round(seconds, 3)})
    else:
        say(f"{count:,} descriptions in {base}, of which {new:,} were embedded now, in {seconds:.1f} s")
