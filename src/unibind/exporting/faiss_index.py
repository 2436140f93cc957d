"""FAISS: an exact index of inner products, which are cosines; row i of items.csv is the item of the index's id i."""

from __future__ import annotations

from pathlib import Path

from ..extras import import_extra
from .formats import Export
from .items import items_csv, write_contract


def write_faiss(export: Export, folder: Path) -> None:
    """Write index.faiss, items.csv and contract.json; FAISS holds the index in memory, 4 bytes for each number.

    Raises MissingExtraError without faiss.
    """
    faiss = import_extra("faiss", "exporting to FAISS")
    folder.mkdir()
    index = faiss.IndexFlatIP(export.dim)
    with items_csv(folder) as append:
        for cells, vectors in export.batches:
            append(cells)
            index.add(vectors)
    faiss.write_index(index, str(folder / "index.faiss"))
    write_contract(folder, export)
