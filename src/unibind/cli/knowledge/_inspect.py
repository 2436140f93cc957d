"""What `show` and `check` share: a base, embedded, with a report of every class."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from .._backbone_options import BackboneChoice
from .._console import busy

if TYPE_CHECKING:
    from ...data.embeddings import TextEmbeddings
    from ...knowledge import KnowledgeBase
    from ...knowledge.inspection import ClassReport


def look_at(path: Path, backbone: BackboneChoice) -> tuple[KnowledgeBase, TextEmbeddings, list[ClassReport]]:
    """The base in a folder or table, its embeddings (through the folder's cache) and a report of every class."""
    from ...knowledge import KnowledgeBase
    from ...knowledge.building import removed_rows
    from ...knowledge.embedding import embed_descriptions
    from ...knowledge.inspection import inspect_base
    from ...knowledge.journal import Journal

    base = KnowledgeBase.load(path)
    removed: dict[str, Counter[str]] = {}
    if path.is_dir():
        for row in removed_rows(Journal(path)):
            removed.setdefault(row["category"], Counter())[row["reason"]] += 1
    with busy("embedding"):
        embedded = embed_descriptions(base, backbone.open())
    return base, embedded, inspect_base(base, embedded, removed)
