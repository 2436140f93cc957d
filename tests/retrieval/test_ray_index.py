"""An index that workers of Ray build is one that LanceDB searches and goes on with."""

import numpy as np
import pyarrow
import pytest

from unibind.data.engines.ray_data.cluster import connected
from unibind.retrieval.views.rows import schema
from unibind.retrieval.views.table import ViewTable
from unibind.retrieval.views.vector_index import PQ, VectorIndex

ROWS, WIDTH = 17_000, 16


def rows(vectors, first=0):
    names = [str(first + i) for i in range(len(vectors))]
    columns = {field.name: pyarrow.nulls(len(names), field.type) for field in schema(WIDTH)}
    flat = pyarrow.array(vectors.astype(np.float32).reshape(-1))
    return pyarrow.table(columns | {"key": names, "vector": pyarrow.FixedSizeListArray.from_arrays(flat, WIDTH)})


def found(table, vectors, index, count=10):
    return [set(table.nearest(vector, count, ["key"], index, None, 1.0)["key"].to_pylist()) for vector in vectors]


@pytest.mark.slow
def test_workers_build_the_index_and_new_rows_join_it(tmp_path):
    random = np.random.default_rng(0)
    centers = random.normal(size=(100, WIDTH)) * 4
    vectors = centers[random.integers(0, 100, ROWS)] + random.normal(size=(ROWS, WIDTH))
    table = ViewTable(tmp_path, tmp_path)
    table.create(schema(WIDTH))
    for start in range(0, ROWS, 5000):
        table.add([rows(vectors[start : start + 5000], start)])
    index = VectorIndex.chosen(ROWS, WIDTH, memory=1)
    assert index.kind == PQ
    asked = vectors[:20]
    exact = found(table, asked, None)
    with connected():
        table.build(index, "ray")
    assert table.has_index()
    assert table.unindexed() == 0
    recalls = [len(a & b) / len(a) for a, b in zip(found(table, asked, index), exact, strict=True)]
    assert np.mean(recalls) > 0.9
    table.add([rows(-vectors[:6000], ROWS)])
    assert table.unindexed() == 6000
    table.settle(0)
    assert table.unindexed() == 0
    assert found(table, [-vectors[7]], index, 1) == [{str(ROWS + 7)}]
    table.sync()
    assert ViewTable(tmp_path, tmp_path).damage() is None
