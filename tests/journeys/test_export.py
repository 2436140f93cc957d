"""Taking one's vectors elsewhere, on the command line and in Python: the same items, vectors and contracts."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.docs import DOCS
from tests.helpers.toy_store import filled_store
from tests.helpers.toys import ToyBackbone
from unibind.exporting import FORMATS


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return filled_store(tmp_path / "store", ToyBackbone(), per_category=2)


def test_both_ways_write_the_same(store):
    run("export", "store", "--to", "parquet", "--out", "cli.parquet", "-m", "image", "--split", "test")
    unibind.export("store", "python.parquet", "parquet", modalities=["image"], split="test")
    table = parquet.read_table("cli.parquet")
    assert table.equals(parquet.read_table("python.parquet"), check_metadata=True)
    assert table.num_rows == 6
    assert table["label"].to_pylist().count("red") == 2


def test_arrays_and_items_belong_together(store):
    summary = run_json("export", "store", "--to", "npy", "--out", "arrays")
    assert summary == {"out": "arrays", "items": {"audio": 18, "image": 18}, "dim": 8}
    with Path("arrays/items.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    vectors = np.load("arrays/vectors.npy")
    colors = {"red": 0, "green": 1, "blue": 2}
    assert all(colors[row["label"]] == vector.argmax() for row, vector in zip(rows, vectors, strict=True))
    contracts = json.loads(Path("arrays/contract.json").read_text())["contracts"]
    assert {row["contract"] for row in rows} == {contract["hash"] for contract in contracts.values()}


def test_nothing_is_replaced_without_force(store):
    run("export", "store", "--to", "npy", "--out", "arrays")
    assert "--force" in run("export", "store", "--to", "npy", "--out", "arrays", code=2).stderr
    run("export", "store", "--to", "npy", "--out", "arrays", "-m", "audio", "--force")
    assert len(np.load("arrays/vectors.npy")) == 18


def test_an_unknown_format_lists_the_known_ones(store):
    assert "npy, parquet, lance, faiss, qdrant" in run("export", "store", "--to", "hdf5", "--out", "x", code=2).stderr


def test_the_help_and_the_docs_name_every_format():
    page = (DOCS / "how-to" / "export-a-store.md").read_text(encoding="utf-8")
    for name in FORMATS:
        assert name in run("export", "--help").stdout
        assert f"\n| `{name}` |" in page
