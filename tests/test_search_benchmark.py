"""The benchmark of search: what it takes for the nearest is so, and vectors are clustered and of unit length."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).resolve().parent.parent / "benchmarks" / "search.py"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(FILE.parent))
    found = importlib.util.spec_from_file_location("search_benchmark", FILE)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    monkeypatch.setattr(module, "BLOCK", 100)
    return module


def test_the_nearest_are_those_of_a_plain_sort(benchmark, tmp_path):
    benchmark.write_vectors(tmp_path, 350, 6)
    vectors = np.load(tmp_path / "vectors.npy").astype(np.float32)
    assert vectors.shape == (350, benchmark.WIDTH)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2)
    cosines = {}
    for kind in benchmark.QUERIES:
        with np.load(tmp_path / f"{kind}.npz") as file:
            queries, nearest = file["vectors"], file["nearest"]
        for query, rows in zip(queries, nearest, strict=True):
            assert rows.tolist() == np.argsort(-(vectors @ query), kind="stable")[: benchmark.K].tolist()
        cosines[kind] = (queries @ vectors.T).max(axis=1)
    assert cosines["far queries"].max() < cosines["queries"].min()


def test_vectors_are_clustered(benchmark):
    vectors = np.concatenate(list(benchmark.blocks(500)))
    nearest = np.sort(vectors @ vectors.T, axis=1)[:, -11:-1]
    assert nearest.mean() > 0.5 > (vectors @ vectors.T).mean() + 0.3
