"""A disk that is full or read-only is one sentence that names the store, which opens afterwards with what it had."""

import errno
import os
import subprocess

import lancedb
import numpy as np
import pytest

from tests.data.test_store import IMAGE, pictures, unit
from tests.helpers.command import run
from unibind.data import lance_files
from unibind.data.store import Store
from unibind.data.store_check import check_store
from unibind.errors import UnibindError

FULL = "cannot be written: the disk is full; what was stored before is kept, so make room and run the command again"
READ_ONLY = "cannot be written: permission denied; check who may write there"


def full_on_write(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("lance error: LanceError(IO): No space left on device (os error 28),\n at file.rs:1")

    for name in ("add", "delete", "merge_insert"):
        monkeypatch.setattr(lancedb.table.LanceTable, name, refuse)


def full_on_sync(monkeypatch):
    def refuse(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lance_files, "sync", refuse)


def full_for_the_lock(monkeypatch):
    def refuse(path, flags, *rest, opened=os.open):
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return opened(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)


@pytest.mark.parametrize("where", [full_on_write, full_on_sync, full_for_the_lock])
def test_a_full_disk_is_one_sentence_and_nothing_is_lost(tmp_path, where):
    store = Store.create(tmp_path / "store")
    store.add(pictures("a", "b"), unit(0, 1), IMAGE)
    for change in (
        lambda: store.add(pictures("c"), unit(2), IMAGE),
        lambda: store.update(store.rows()),
        lambda: store.remove(store.rows()),
    ):
        with pytest.MonkeyPatch.context() as monkeypatch:
            where(monkeypatch)
            with pytest.raises(UnibindError) as refused:
                change()
        assert str(refused.value) == f"the store {store.path} {FULL}"
        assert check_store(Store.open(store.path)).sound
    written = full_on_sync is where  # what could not be synced may be there or not; it is never half there
    assert Store.open(store.path).ids() in ([{"a", "b"}, set()] if written else [{"a", "b"}])
    store.add(pictures("d"), unit(3), IMAGE)
    assert "d" in Store.open(store.path).ids()
    assert Store.open(store.path).owner() is None


def test_files_that_could_not_be_merged_do_not_fail_the_change(tmp_path, monkeypatch, caplog):
    store = Store.create(tmp_path / "store")

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lancedb.table.LanceTable, "merge_insert", refuse)
    for number in range(20):
        store.add(pictures(str(number)), unit(number % 4), IMAGE)
    assert "were not merged" in caplog.text
    assert "the disk is full" in caplog.text
    monkeypatch.undo()
    store.add(pictures("last"), unit(0), IMAGE)
    assert len(Store.open(store.path).vectors("image").ids) == 21


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount file systems; the tests above have stand-ins")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
def test_a_disk_that_fills_up_and_becomes_read_only(small_disk):
    store = Store.create(small_disk / "store")
    vectors = np.random.default_rng(0).normal(size=(400, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    stored = 0
    with pytest.raises(UnibindError) as refused:
        for number in range(100):
            store.add(pictures(*(f"{number}-{i}" for i in range(400))), vectors, IMAGE)
            stored += 400
    assert str(refused.value) == f"the store {store.path} {FULL}"
    assert stored >= 400
    opened = Store.open(store.path)
    assert len(opened) == stored
    assert check_store(opened).sound
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(UnibindError) as refused:
        opened.remove(opened.rows()[:1])
    assert str(refused.value) == f"the store {store.path} {READ_ONLY}"
    assert "nothing is wrong" in run("store", "check", store.path).stderr  # reading needs no writing
    shown = run("store", "compact", store.path, code=2).stderr
    assert shown == f"unibind: the store {store.path} {READ_ONLY}\n"
