"""Parquet files that stand for far more than they are, and damaged ones, are refused before they are read."""

import tracemalloc

import pyarrow
import pytest
from pyarrow import parquet

from unibind import parquet_rows as module
from unibind.data.intake import read_manifest
from unibind.errors import LimitError, UnibindError
from unibind.knowledge import KnowledgeBase
from unibind.parquet_rows import MAX_CELL, parquet_rows


def written(path, columns, rows=None):
    parquet.write_table(pyarrow.table(columns), path, **({} if rows is None else {"row_group_size": rows}))
    return path


def all_rows(path):
    return list(parquet_rows(path, {"uri", "label"}.__contains__))


def test_rows_are_as_they_were_written(tmp_path):
    columns = {"uri": ["a.png", None, "c.png"] * 5000, "label": [1, 2, None] * 5000, "other": [[1]] * 15000}
    path = written(tmp_path / "t.parquet", columns)
    expected = [{"uri": u, "label": n} for u, n in zip(columns["uri"], columns["label"], strict=True)]
    assert all_rows(path) == expected
    assert list(parquet_rows(path, {"none"}.__contains__)) == [{}] * 15000


def repeated(text, count):
    return pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * count, pyarrow.int32()), [text])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"uri": repeated("a.png", 3_000_000)}, "3,000,000 rows"),
        ({"uri": repeated("a" * (MAX_CELL + 1), 3)}, "cell of 1,000,001 bytes in uri"),
        ({"uri": repeated("a" * MAX_CELL, 600)}, "far more text than it has bytes"),
        ({"uri": ["a" * (MAX_CELL + 1)]}, "cell of 1,000,001 bytes in uri"),
        ({"uri": [[1, 2]]}, "the column uri of"),
        ({"uri": [{"a": 1}]}, "the column uri of"),
    ],
)
def test_bombs_are_refused_within_little_memory(tmp_path, columns, words):
    path = written(tmp_path / "t.parquet", columns)
    assert path.stat().st_size < 4_000_000
    tracemalloc.start()
    try:
        with pytest.raises(UnibindError, match=words) as refused:
            for _ in parquet_rows(path, {"uri", "label"}.__contains__):
                pass
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()
    assert "\n" not in str(refused.value)
    for read in (read_manifest, KnowledgeBase.load):
        with pytest.raises(UnibindError):
            read(path)


def test_a_column_that_unpacks_to_too_much_is_refused_by_the_footer(tmp_path, monkeypatch):
    path = written(tmp_path / "t.parquet", {"uri": [f"{i}" * 100 for i in range(1000)]})
    monkeypatch.setattr(module, "_MAX_COLUMN", 1000)
    with pytest.raises(LimitError, match="unpacks to"):
        all_rows(path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    broken = pyarrow.array([b"\xff\xfe"], pyarrow.binary()).view(pyarrow.string())
    with pytest.raises(UnibindError, match="not a complete Parquet file"):
        all_rows(written(tmp_path / "t.parquet", {"uri": broken}))
