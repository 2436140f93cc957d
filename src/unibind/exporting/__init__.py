"""Stores in the formats of other libraries: vectors with ids, labels, splits, paths and contracts.

`FORMATS` is the registry: a format is one function and one row. Every format is written batch by batch, completely or
not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .arrays import write_npy
from .arrow_tables import write_lance, write_parquet
from .faiss_index import write_faiss
from .formats import Export, ExportFormat, ExportSummary, export_store
from .items import CONTRACT_FILE, ITEMS_FILE
from .qdrant_collection import write_local, write_server

__all__ = ["FORMATS", "Export", "ExportFormat", "ExportSummary", "export_store"]

FORMATS: Mapping[str, ExportFormat] = MappingProxyType(
    {
        "npy": ExportFormat(
            "NumPy: a folder with vectors.npy, items.csv and contract.json",
            write_npy,
            entries=("vectors.npy", ITEMS_FILE, CONTRACT_FILE),
        ),
        "parquet": ExportFormat("Parquet: one file FILE.parquet", write_parquet, suffix=".parquet"),
        "lance": ExportFormat(
            "Lance: one table FOLDER.lance",
            write_lance,
            suffix=".lance",
            entries=("_versions", "data", "_transactions", "_indices", "_deletions"),
        ),
        "faiss": ExportFormat(
            "FAISS: a folder with index.faiss (exact, by cosine), items.csv and contract.json",
            write_faiss,
            entries=("index.faiss", ITEMS_FILE, CONTRACT_FILE),
            searched=True,
        ),
        "qdrant": ExportFormat(
            "Qdrant: a local folder, or a collection on a server: http://HOST:6333/NAME",
            write_local,
            entries=("collection", "meta.json", ".lock", CONTRACT_FILE),
            searched=True,
            write_url=write_server,
        ),
    }
)
