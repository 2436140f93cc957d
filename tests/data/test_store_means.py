"""The means of a store: by hand, for its training items, kept for its version, and never a reason for a failure."""

import errno
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.data.test_store import IMAGE, TEXT, pictures, unit
from tests.helpers.command import run, run_json
from unibind.data import store_means as module
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.data.store_check import check_store, repair
from unibind.data.store_means import MEANS, damaged_means, store_means
from unibind.disk_errors import TEMPORARY
from unibind.errors import WriteError
from unibind.files import sweep


@pytest.fixture
def store(tmp_path):
    """Three training pictures and one of the test split; two texts without a split."""
    store = Store.create(tmp_path / "store")
    store.add(pictures("a", "b", "c", split="train"), unit(0, 0, 1), IMAGE)
    store.add(pictures("d", split="test"), unit(3), IMAGE)
    store.add([Item(name, "text", text=name) for name in ("one", "two")], unit(2, 3), TEXT)
    return store


def vectors_of(means):
    return {m: mean.vector.tolist() for m, mean in means.items()}


def expected():
    """Of three training pictures and of both texts, with 16 items at the origin."""
    return {
        m: np.float32(v).tolist() for m, v in {"image": [2 / 19, 1 / 19, 0, 0], "text": [0, 0, 1 / 18, 1 / 18]}.items()
    }


def forbid_learning(monkeypatch):
    monkeypatch.setattr(module, "_made", lambda *_: pytest.fail("the means were learned again"))


def test_means_are_those_of_the_training_items_or_of_all_where_a_modality_has_none(store):
    means = store_means(store)
    assert vectors_of(means) == expected()
    assert {m: mean.items for m, mean in means.items()} == {"image": 3, "text": 2}


def test_an_empty_store_has_none_and_keeps_no_file(tmp_path):
    store = Store.create(tmp_path / "store")
    assert store_means(store) == {}
    assert not (store.path / MEANS).exists()


def test_they_are_read_from_the_folder_and_from_a_copy_of_it(store, monkeypatch):
    store_means(store)
    shutil.copytree(store.path, store.path.with_name("copy"))
    shutil.move(store.path, store.path.with_name("moved"))
    forbid_learning(monkeypatch)
    for name in ("copy", "moved"):
        assert vectors_of(store_means(Store.open(store.path.with_name(name)))) == expected()


def test_another_version_has_other_means_and_each_reader_those_of_its_own(store):
    before, kept = Store.open(store.path), Store.open(store.path, version=store.version)
    store_means(store)
    store.add(pictures("e", split="train"), unit(1), IMAGE)
    assert store_means(store)["image"].vector.tolist() == np.float32([2 / 20, 2 / 20, 0, 0]).tolist()
    assert vectors_of(store_means(before)) == vectors_of(store_means(kept)) == expected()


def test_a_store_opened_at_a_version_leaves_the_file_as_it_is(store):
    kept = Store.open(store.path, version=store.version)
    store.add(pictures("e", split="train"), unit(1), IMAGE)
    store_means(store)
    content = (store.path / MEANS).read_bytes()
    store_means(kept)
    assert (store.path / MEANS).read_bytes() == content


def test_only_what_was_written_since_is_read(store, monkeypatch):
    store_means(store)
    rows, read = [], Store.sound_vectors
    monkeypatch.setattr(Store, "sound_vectors", lambda *of: rows.append(len(of[1])) or read(*of))
    store.add(pictures("e", split="train"), unit(1), IMAGE)
    assert store_means(store)["image"].items == 4
    assert sum(rows) == 1
    store.remove([row for row in store.rows() if row.id == "a"])
    assert store_means(store)["image"].items == 3
    assert sum(rows) == 1 + 2  # those beside the one that was removed


@pytest.mark.slow
def test_a_compaction_a_removal_and_a_relabeling_are_followed(store):
    store_means(store)
    store.compact(full=True)
    assert vectors_of(store_means(store)) == expected()
    store.remove([row for row in store.rows() if row.id == "c"])
    assert store_means(store)["image"].items == 2
    run("store", "relabel", store.path, "--modality", "image", "--split", "train")
    assert store_means(Store.open(store.path))["image"].items == 3


def test_a_version_number_that_comes_again_is_not_mistaken_for_the_first(store, tmp_path):
    """A copy taken before a change has the same next number, with another content."""
    shutil.copytree(store.path, tmp_path / "copy")
    store.add(pictures("e", split="train"), unit(1), IMAGE)
    store_means(store)
    other = Store.open(tmp_path / "copy")
    other.add(pictures("e", split="train"), unit(2), IMAGE)
    shutil.copy(store.path / MEANS, other.path / MEANS)
    assert other.version == store.version
    assert store_means(other)["image"].vector.tolist() == np.float32([2 / 20, 1 / 20, 1 / 20, 0]).tolist()


def test_memory_does_not_grow_with_the_store(store, monkeypatch):
    sizes, read = [], Store.scan_fragments

    def watched(self, *which, **options):
        for fragment, table in read(self, *which, **options, size=2):
            sizes.append(len(table))
            yield fragment, table

    monkeypatch.setattr(Store, "scan_fragments", watched)
    assert vectors_of(store_means(store)) == expected()
    assert max(sizes) == 2
    assert sum(sizes) == 6


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_cannot_be_written_costs_only_time(store, monkeypatch, code):
    def refuse(path, content):
        raise WriteError(f"{path} cannot be written", code)

    monkeypatch.setattr(module, "write_whole", refuse)
    for _ in range(2):
        assert vectors_of(store_means(store)) == expected()
    assert not (store.path / MEANS).exists()


def damaged_contents(content):
    yield b""
    yield b"\x00" * 100
    yield content[:-5]
    yield content + b"x"
    at = content.index(np.float64(2).tobytes())
    yield content[:at] + np.float64(3).tobytes() + content[at + 8 :]
    yield content.replace(b'\\"items\\": 3', b'\\"items\\": 4')
    yield content.replace(b'\\"format\\": 2', b'\\"format\\": 3')
    yield content.replace(b'"sums"', b'"summ"')
    yield module._content({"x": {("image", False): (np.full(4, 1e38), 1)}})


@pytest.mark.slow
def test_a_damaged_file_is_found_ignored_written_anew_and_removed_by_repair(store):
    store_means(store)
    path = store.path / MEANS
    whole = path.read_bytes()
    assert check_store(store).sound
    for content in damaged_contents(whole):
        assert content != whole
        path.write_bytes(content)
        assert str(path) in damaged_means(store.path)
        assert not check_store(store).sound
        assert vectors_of(store_means(store)) == expected()
        assert path.read_bytes() == whole
    path.write_bytes(b"")
    assert str(path) in run("store", "check", store.path, code=1).stderr
    assert repair(store).means
    assert not path.exists()
    assert check_store(store).sound
    assert not repair(store).means


def test_a_folder_or_a_pipe_in_the_place_of_the_file_is_passed_over(store):
    path = store.path / MEANS
    path.mkdir()
    assert vectors_of(store_means(store)) == expected()
    path.rmdir()
    os.mkfifo(path)
    assert vectors_of(store_means(store)) == expected()


def test_vectors_that_are_damaged_leave_their_modality_out_with_a_warning(store, monkeypatch, caplog):
    def broken(self, table, modality, sound=Store.sound_vectors):
        if modality == "text":
            raise module.UnibindError("the store is damaged")
        return sound(self, table, modality)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "sound_vectors", broken)
        assert store_means(store).keys() == {"image"}
    assert "the mean of text is not known: the store is damaged" in caplog.text
    assert vectors_of(store_means(store)) == expected()  # what was incomplete is not kept


@pytest.mark.slow
def test_a_process_that_is_killed_before_the_file_has_its_name_leaves_no_half(store):
    script = (
        "import os, pathlib, sys\n"
        "from unibind.data.store import Store\n"
        "from unibind.data.store_means import store_means\n"
        "pathlib.Path.replace = lambda *_: os._exit(9)\n"
        "store_means(Store.open(sys.argv[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, store.path], check=False)
    assert done.returncode == 9
    assert [path.name for path in store.path.iterdir() if path.name.startswith(TEMPORARY)]
    assert not (store.path / MEANS).exists()
    assert check_store(Store.open(store.path)).sound
    assert vectors_of(store_means(store)) == expected()
    sweep(store.path)  # as the next process does that writes there
    assert not [path.name for path in store.path.iterdir() if path.name.startswith(TEMPORARY)]


def test_the_store_shows_what_search_removes(store):
    shown = run_json("store", "show", store.path)["means"]
    assert shown["image"] == {"items": 3, "split": "train", "length": pytest.approx(5**0.5 / 19)}
    assert shown["text"] == {"items": 2, "split": None, "length": pytest.approx(2**0.5 / 18)}
    words = run("store", "show", store.path).stderr.replace("\n", " ")
    assert "; search removes a mean of length 0.12, of 3 train items" in words
    assert "; search removes a mean of length 0.08, of 2 stored items" in words
