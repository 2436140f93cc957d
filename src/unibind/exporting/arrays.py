"""NumPy: vectors.npy with the vectors, row by row those of items.csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .formats import Export
from .items import items_csv, write_contract


def write_npy(export: Export, folder: Path) -> None:
    """Write vectors.npy (float32 [N, D]), items.csv and contract.json."""
    folder.mkdir()
    header = {"descr": "<f4", "fortran_order": False, "shape": (export.count, export.dim)}
    with (folder / "vectors.npy").open("wb") as file, items_csv(folder) as append:
        np.lib.format.write_array_header_1_0(file, header)
        for cells, vectors in export.batches:
            append(cells)
            file.write(np.ascontiguousarray(vectors, "<f4").tobytes())
    write_contract(folder, export)
