"""A store that is damaged, of another schema or not writable is one sentence that names it: in Python, and printed."""

import json
import os
import shutil
import time

import lancedb
import numpy as np
import pyarrow
import pytest

from tests.helpers.command import run
from tests.helpers.toy_store import filled_store
from tests.helpers.toys import ToyBackbone
from unibind.data.lance_files import TableFiles
from unibind.data.store import Store
from unibind.data.store_entries import Quarantined
from unibind.errors import UnibindError


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "store"
    filled_store(path, ToyBackbone(), splits=("train",), per_category=1)
    return path


@pytest.fixture
def path(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "store")


def use(path):
    store = Store.open(path)
    store.quarantined()
    for modality in store.modalities():
        store.vectors(modality)


def rewrite(path, change):
    """Replace the items by what `change` makes of them."""
    database = lancedb.connect(str(path))
    table = database.open_table("items").to_arrow()
    database.create_table("items", data=change(table), mode="overwrite")


def with_column(name, values):
    return lambda table: table.set_column(table.schema.get_field_index(name), name, values(len(table)))


def infinite(table):
    width = table.schema.field("vector").type.list_size
    numbers = pyarrow.array(np.full(len(table) * width, np.inf, np.float32))
    return with_column("vector", lambda _: pyarrow.FixedSizeListArray.from_arrays(numbers, width))(table)


def cut(folder):
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


DAMAGE = {
    "a cut manifest": (lambda path: cut(path / "items.lance" / "_versions"), "cannot be read"),
    "a missing data file": (lambda path: shutil.rmtree(path / "items.lance" / "data"), "cannot be read"),
    "no contracts": (lambda path: shutil.rmtree(path / "contracts.lance"), "lacks its contract"),
    "a missing column": (lambda path: rewrite(path, lambda t: t.drop_columns(["state"])), "has no column state"),
    "a column of lists": (
        lambda path: rewrite(path, with_column("label", lambda n: pyarrow.array([["a"]] * n))),
        "the column label of its table items is list",
    ),
    "rows without a modality": (
        lambda path: rewrite(path, with_column("modality", lambda n: pyarrow.nulls(n, pyarrow.string()))),
        "has rows without modality",
    ),
    "vectors of texts": (
        lambda path: rewrite(path, with_column("vector", lambda n: pyarrow.array(["a"] * n))),
        "the vectors of its table items are string",
    ),
    "vectors that are not finite": (lambda path: rewrite(path, infinite), "vectors are not finite"),
    "a deep mark": (lambda path: (path / "store.json").write_text("[" * 100_000), "nested too deeply"),
    "a mark of another type": (lambda path: (path / "store.json").write_text("[]"), "is a list, not an object"),
    "a backbone that is none": (
        lambda path: (path / "store.json").write_text(
            json.dumps({"format": 4, "precision": "float32", "backbone": "mini"})
        ),
        "'backbone' is not a name and options",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_store_is_one_sentence(path, name):
    damage, words = DAMAGE[name]
    damage(path)
    with pytest.raises(UnibindError) as refused:
        use(path)
    text = str(refused.value)
    assert str(path) in text
    assert words in text
    assert "\n" not in text


def test_the_command_says_it_too(path):
    DAMAGE["a missing data file"][0](path)
    shown = run("search", "red", "--store", path, "--backbone", "mini", code=2)
    assert shown.stderr.startswith(f"unibind: the store {path} cannot be read")


def test_a_store_that_may_not_be_written_is_one_sentence(path, monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("lance error: LanceError(IO): Permission denied (os error 13),\n at file.rs:1")

    store = Store.open(path)
    monkeypatch.setattr(lancedb.table.LanceTable, "delete", refuse)
    with pytest.raises(UnibindError, match=r"cannot be written: permission denied; check who may write there$"):
        store.remove(store.rows()[:1])


def test_an_interrupt_is_not_swallowed(path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    store = Store.open(path)
    monkeypatch.setattr(lancedb.table.LanceTable, "delete", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.remove(store.rows()[:1])


def test_files_that_a_later_commit_will_name_are_kept(tmp_path):
    store = Store.create(tmp_path / "store")
    store.quarantine([Quarantined("a", None, "image", "E", "m")])
    files = TableFiles(store.path / "quarantine.lance")
    for age_s, kept in ((60, True), (6000, False)):  # in a block of sparing; others are of a run before
        new = files.folder / "data" / f"{age_s}.lance"
        new.write_bytes(b"x")
        os.utime(new, (time.time() - age_s,) * 2)
        with files.sparing():
            files.remove_old(0, lambda _: True)
            assert new.exists() == kept
    files.remove_old(0, lambda _: True)
    assert not list(files.folder.glob("data/60.lance"))
    assert files.damage(files.numbers()[0]) is None
