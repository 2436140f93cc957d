"""Many small commits leave few files, and one more row does not rewrite a large store."""

import numpy as np
import pytest

from tests.helpers.toys import DIM, ToyBackbone
from unibind import Item, Store

BACKBONE = ToyBackbone()


def unit_rows(count, seed):
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def add(store, first, count):
    items = [Item(f"{i:06}", "image", uri=f"https://example.org/{i}", label="red") for i in range(first, first + count)]
    store.add(items, unit_rows(count, first), BACKBONE.contract("image"))


def sizes(store):
    """Path -> (size in bytes, modification time) of every file of the store."""
    facts = ((file, file.stat()) for file in store.path.rglob("*") if file.is_file())
    return {file: (stat.st_size, stat.st_mtime_ns) for file, stat in facts}


@pytest.mark.slow
def test_one_more_row_leaves_the_large_files_as_they_are(tmp_path):
    store = Store.create(tmp_path / "store")
    add(store, 0, 70_000)  # more than the last tier: such a file is never merged again
    before = sizes(store)
    add(store, 70_000, 1)
    store.compact()
    after = sizes(store)
    largest = max(before, key=lambda file: before[file][0])
    assert after[largest] == before[largest]
    written = sum(size for file, (size, _) in after.items() if after[file] != before.get(file))
    assert written < before[largest][0] / 10
    assert len(Store.open(tmp_path / "store")) == 70_001


@pytest.mark.slow
def test_many_small_commits_leave_few_files_and_every_row(tmp_path, monkeypatch):
    monkeypatch.setattr("unibind.data.lance_tables._KEEP_S", 0.0)  # for readers that are just opening them
    store = Store.create(tmp_path / "store")
    for commit in range(80):
        add(store, 4 * commit, 4)
    assert len(list((tmp_path / "store" / "items.lance" / "data").iterdir())) < 40  # not 80 and their merged copies
    opened = Store.open(tmp_path / "store").vectors("image")
    assert opened.ids == [f"{i:06}" for i in range(320)]
    expected = np.concatenate([unit_rows(4, 4 * commit) for commit in range(80)])
    assert np.array_equal(opened.vectors, expected)


def test_merging_takes_some_rows_at_a_time_and_leaves_large_files_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("unibind.data.lance_tables._TIERS", ((5, 3), (8, 9)))
    monkeypatch.setattr("unibind.data.lance_tables._MERGED_ROWS", 8)
    store = Store.create(tmp_path / "store")
    for first, count in ((0, 9), (9, 4), (13, 4), (17, 4)):
        add(store, first, count)
    store.refresh()
    assert sorted(fragment.rows for fragment in store.fragments()) == [4, 8, 9]
    assert store.vectors("image").ids == [f"{i:06}" for i in range(21)]
