"""What a power cut leaves of a store, state by state: it opens with the last complete version, says so, and goes on."""

import json
import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.test_store import IMAGE, pictures, unit
from unibind.data import lance_files
from unibind.data.lance_files import TableFiles
from unibind.data.store import Store
from unibind.data.store_check import repair
from unibind.data.store_entries import Quarantined
from unibind.errors import UnibindError


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    store = Store.create(tmp_path_factory.mktemp("stores") / "store")
    for axis, name in enumerate("abc"):
        store.add(pictures(name), unit(axis), IMAGE)
    store.quarantine([Quarantined("q", "q.png", "image", "UnreadableError", "broken")])
    return store.path


@pytest.fixture
def path(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "store")


def items(path):
    return TableFiles(path / "items.lance")


def newest(path):
    files = items(path)
    return files.manifest(files.numbers()[0])


def last_data(path):
    """The data file that only the newest version has."""
    files = items(path)
    now, before = (files.read(number).files for number in files.numbers()[:2])
    (name,) = now.keys() - before.keys()
    return files.folder / name


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def zero(file):
    file.write_bytes(bytes(file.stat().st_size))


def half_transaction(path):
    for file in (path / "items.lance" / "_transactions").iterdir():
        cut(file)


LOST = {  # the last commit is lost
    "an empty manifest": lambda path: newest(path).write_bytes(b""),
    "a manifest cut off": lambda path: cut(newest(path)),
    "a manifest of zeros": lambda path: zero(newest(path)),
    "a manifest that is missing": lambda path: newest(path).unlink(),
    "a data file that is missing": lambda path: last_data(path).unlink(),
    "a data file cut off": lambda path: cut(last_data(path)),
    "an empty data file": lambda path: last_data(path).write_bytes(b""),
}
KEPT = {  # nothing is
    "a half written transaction": half_transaction,
    "no transactions": lambda path: shutil.rmtree(path / "items.lance" / "_transactions"),
    "a half written hint": lambda path: (path / "items.lance/_versions/latest_version_hint.json").write_text('{"ver'),
    "an empty hint": lambda path: (path / "items.lance/_versions/latest_version_hint.json").write_text(""),
    "no hint": lambda path: (path / "items.lance/_versions/latest_version_hint.json").unlink(),
    "an old hint": lambda path: (path / "items.lance/_versions/latest_version_hint.json").write_text('{"version":1}'),
    "a stale mark": lambda path: (path / ".store.json.x7").write_text('{"form'),
    "a temporary manifest": lambda path: (path / "items.lance" / "_versions" / ".tmp123").write_bytes(b"x"),
    "a data file nobody names": lambda path: (path / "items.lance" / "data" / "x.lance").write_bytes(b"x"),
}


@pytest.mark.parametrize("state", [*LOST, *KEPT])
def test_the_store_opens_says_what_it_lost_and_goes_on(path, state, caplog):
    {**LOST, **KEPT}[state](path)
    there = {"a", "b"} if state in LOST else {"a", "b", "c"}
    with caplog.at_level(logging.WARNING):
        opened = Store.open(path)
    files = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    assert opened.ids() == there
    assert np.array_equal(opened.vectors("image").vectors, unit(*range(len(there))))
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == files  # readers change nothing
    if state in LOST and "manifest that is missing" not in state:  # which leaves no trace
        assert "was not written completely" in caplog.text
        assert "version 2 of the table items is used" in caplog.text
    else:
        assert caplog.text == ""
    if "c" not in there:
        opened.add(pictures("c"), unit(2), IMAGE)
    opened.add(pictures("d"), unit(3), IMAGE)
    caplog.clear()
    again = Store.open(path)
    assert np.array_equal(again.vectors("image").vectors, unit(0, 1, 2, 3))
    assert [entry["id"] for entry in again.quarantined()] == ["q"]
    assert caplog.text == ""


@pytest.mark.parametrize("table", ["items", "contracts", "quarantine"])
def test_a_table_whose_first_commit_was_cut_begins_again(tmp_path, table, caplog):
    store = Store.create(tmp_path / "store")
    store.quarantine([Quarantined("q", "q.png", "image", "UnreadableError", "broken")])
    if table != "quarantine":
        store.add(pictures("a"), unit(0), IMAGE)
    if table == "contracts":
        shutil.rmtree(store.path / "items.lance")
    files = TableFiles(store.path / f"{table}.lance")
    zero(files.manifest(1))
    opened = Store.open(store.path)
    assert "was just begun, and begins again" in caplog.text
    opened.quarantine([Quarantined("r", "r.png", "image", "UnreadableError", "broken")])
    opened.add(pictures("a", "b"), unit(0, 1), IMAGE)
    assert Store.open(store.path).ids() == {"a", "b"}


def test_without_a_whole_version_nothing_is_made_up(path):
    for number in items(path).numbers():
        items(path).manifest(number).write_bytes(b"")
    before = sorted(path.rglob("*"))
    with pytest.raises(UnibindError, match="no version of the table items before it is whole"):
        Store.open(path)
    assert sorted(path.rglob("*")) == before


def test_repair_sets_the_damaged_version_aside(path, caplog):
    cut(last_data(path))
    repair(Store.open(path))
    caplog.clear()
    assert Store.open(path).ids() == {"a", "b"}
    assert caplog.text == ""
    assert len(list((path / "items.lance" / "_damaged").iterdir())) == 1


def test_a_store_whose_drive_is_gone_is_not_empty(path):
    store = Store.open(path)
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(UnibindError, match=r"is not a store|cannot be"):
        store.add(pictures("d"), unit(3), IMAGE)
    assert not path.exists()


def test_all_files_of_a_commit_and_their_folders_are_synced(path, monkeypatch):
    synced, order = set(), []

    def note(handle, fsync=os.fsync):
        name = str(Path(f"/proc/self/fd/{handle}").readlink())
        synced.add(name)
        order.append(name)
        fsync(handle)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("the system does not tell the names of open files")
    store = Store.open(path)
    monkeypatch.setattr(os, "fsync", note)
    before = set(path.rglob("*"))
    store.add(pictures("d"), unit(3), IMAGE)
    store.remove([row for row in store.rows() if row.id == "a"])
    new = {str(file) for file in set(path.rglob("*")) - before if "_transactions" not in file.parts}
    new = {name for name in new if not name.endswith("hint.json")}
    assert new <= synced
    folders = {str(Path(name).parent) for name in new}
    assert folders <= synced
    manifest = str(newest(path))
    data = [i for i, name in enumerate(order) if "/data/" in name]
    assert data[-1] < order.index(manifest)


def test_what_is_read_of_manifests_is_what_lance_says(path):
    import lancedb

    store = Store.open(path)
    store.remove([row for row in store.rows() if row.id == "a"])
    version = items(path).read(store.version)
    table = lancedb.connect(str(path)).open_table("items")
    assert version.number == table.version
    assert sum(f.rows - f.deleted for f in version.fragments) == len(table) == 2
    assert len(version.fragments) == table.stats()["fragment_stats"]["num_fragments"]
    assert all((path / "items.lance" / name).exists() for name in version.files)
    assert any("_deletions" in name for name in version.files) or len(version.fragments) == 2
    sizes = [size for name, size in version.files.items() if "data" in name]
    assert None not in sizes


def test_mutated_manifests_are_read_or_refused(path):
    content = newest(path).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        mutated = bytearray(content)
        for _ in range(int(rng.integers(1, 4))):
            mutated[int(rng.integers(len(mutated)))] = int(rng.integers(256))
        newest(path).write_bytes(bytes(mutated))
        assert items(path).damage(3) is None or isinstance(items(path).damage(3), str)


def test_versions_in_use_and_the_last_three_stay(path, monkeypatch):
    monkeypatch.setattr("unibind.data.lance_tables._KEEP_S", 0.0)
    reader = Store.open(path, version=1)
    later = Store.open(path)
    with pytest.raises(UnibindError, match="was opened at version 1; open it without a version to write"):
        reader.remove(reader.rows())
    store = Store.open(path)
    for number in range(40):
        store.add(pictures(f"more{number}"), unit(3), IMAGE)
    store.compact(full=True)
    assert reader.ids() == {"a"}
    assert reader.vectors("image").ids == ["a"]
    assert later.vectors("image").ids == ["a", "b", "c"]
    assert later.version == 3
    later.refresh()
    assert len(later.ids()) == 43
    kept = store.versions()
    assert kept[-1] == 1
    assert len(kept) <= 6
    with pytest.raises(UnibindError, match=r"does not keep version 2; it has .*, 1$"):
        Store.open(path, version=2)
    assert lance_files._KEPT == 3
    assert json.loads((path / "store.json").read_text())
