"""Opening a store counts only what was written since it was last opened; a damaged or foreign count is not believed."""

import json

import pytest

from tests.helpers.random_store import add_items, random_store
from unibind.data import fragment_counts
from unibind.data.fragment_counts import COUNTS
from unibind.data.lance_tables import LanceTables
from unibind.data.store import Store


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store whose counts are kept, however few they are."""
    monkeypatch.setattr(fragment_counts, "_WORTH_KEEPING", 1)
    return Store.open(random_store(tmp_path / "store", image=30, audio=5).path)


@pytest.fixture
def counted(monkeypatch):
    """How many rows are read to be counted, one number for each block."""
    rows, scan = [], LanceTables.scan_fragments

    def watched(self, name, columns, fragments, size):
        for fragment, table in scan(self, name, columns, fragments, size):
            rows.append(len(table))
            yield fragment, table

    monkeypatch.setattr(LanceTables, "scan_fragments", watched)
    return rows


def test_a_store_that_has_not_changed_is_opened_without_reading_rows(store, counted):
    again = Store.open(store.path)
    assert again.counts() == {"image": 30, "audio": 5}
    assert again.splits() == {"image": {None}, "audio": {None}}
    assert counted == []


def test_only_what_was_written_since_is_counted(store, counted):
    add_items(store, "image", 100, 4, split="test")
    again = Store.open(store.path)
    assert again.counts() == {"image": 34, "audio": 5}
    assert again.splits()["image"] == {None, "test"} == store.splits()["image"]
    assert counted == [4]


def test_what_a_writer_has_compacted_needs_no_counting(store, counted):
    add_items(store, "image", 100, 4)
    store.compact()
    counted.clear()
    assert Store.open(store.path).counts() == {"image": 34, "audio": 5}
    assert counted == []


def test_what_was_removed_and_lost_is_not_counted(store, counted):
    rows = {row.id: row for row in store.rows()}
    store.remove([rows["image-000003"]])
    assert store.counts() == Store.open(store.path).counts() == {"image": 29, "audio": 5}
    from dataclasses import replace

    store.update([replace(rows["image-000004"], state="missing")])
    assert store.counts() == Store.open(store.path).counts() == {"image": 28, "audio": 5}
    assert store.missing() == 1


def test_an_older_version_has_its_own_counts(store):
    version = store.version
    add_items(store, "image", 100, 4)
    Store.open(store.path)
    assert Store.open(store.path, version=version).counts() == {"image": 30, "audio": 5}


def test_a_damaged_file_is_made_again(store):
    path = store.path / COUNTS
    whole = path.read_text()
    content = json.loads(whole)
    for changed in ("", "[]", whole[:-9], whole.replace("30", "31"), json.dumps(content | {"format": 9})):
        assert changed != whole
        path.write_text(changed)
        assert Store.open(store.path).counts() == {"image": 30, "audio": 5}
        assert path.read_text() == whole


def test_small_stores_have_no_such_file(tmp_path):
    assert not (random_store(tmp_path / "store", image=3).path / COUNTS).exists()
