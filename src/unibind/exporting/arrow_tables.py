"""Parquet and Lance: one table, a row per item with its vector, and the contracts in the metadata of its schema."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .formats import Export
from .items import COLUMNS

if TYPE_CHECKING:
    import pyarrow

METADATA = "unibind"  # key of the contracts, as JSON, in the schema's metadata


def write_parquet(export: Export, path: Path) -> None:
    """Write one Parquet file with a column `vector` of fixed-size lists."""
    from pyarrow import parquet

    with parquet.ParquetWriter(path, _schema(export)) as writer:
        for batch in _record_batches(export):
            writer.write_batch(batch)


def write_lance(export: Export, path: Path) -> None:
    """Write one Lance table, the folder `path`."""
    import lancedb

    name = path.name.removesuffix(".lance")
    table = lancedb.connect(str(path.parent)).create_table(name, schema=_schema(export))
    for batch in _record_batches(export):  # not handed over as a whole: LanceDB cannot read the store while it writes
        table.add(batch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about readers of older versions: the table has none yet
        table.optimize(cleanup_older_than=timedelta(0))  # one file and version instead of one for each batch


def _schema(export: Export) -> pyarrow.Schema:
    import pyarrow

    columns = [(name, pyarrow.string()) for name in COLUMNS]
    vector = ("vector", pyarrow.list_(pyarrow.float32(), export.dim))
    return pyarrow.schema([*columns, vector], metadata={METADATA: json.dumps(export.facts())})


def _record_batches(export: Export) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow

    schema = _schema(export)
    for cells, vectors in export.batches:
        columns = [pyarrow.array([row[name] for row in cells], pyarrow.string()) for name in COLUMNS]
        numbers = pyarrow.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
        columns.append(pyarrow.FixedSizeListArray.from_arrays(numbers, export.dim))
        yield pyarrow.record_batch(columns, schema=schema)
