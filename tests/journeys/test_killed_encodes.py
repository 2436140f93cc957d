"""Runs that are killed while they encode a shard, a list from another program or a watched folder, or build an index.

What they leave is continued: in the end the store equals that of a run that nobody disturbed.
"""

import io
import multiprocessing
import random
import sys
import tarfile
import threading
import time
import types
from dataclasses import replace

import pytest

import unibind
from tests.helpers.pictures import png
from tests.helpers.random_store import random_store
from tests.helpers.toys import ToyBackbone
from unibind.data import store_writer
from unibind.data.store import Store

pytestmark = pytest.mark.slow

FILES, KILLS, DEADLINE_S = 200, 3, 120


class Slow(ToyBackbone):
    """Takes 50 ms per batch."""

    def encode(self, modality, batch):
        time.sleep(0.05)
        return super().encode(modality, batch)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(FILES):
        (tmp_path / "photos" / f"{number:03}.png").write_bytes(png(number))
    return tmp_path / "photos"


@pytest.fixture
def shard(folder):
    with tarfile.open(folder.with_name("photos.tar"), "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    return folder.with_name("photos.tar")


# --- each in a process of its own ----------------------------------------------------------------------------------


def encode(source, path, backbone=None):
    store_writer._COMMIT_ITEMS = 10
    unibind.encode(source, path, backbone=backbone or Slow(), workers=0, batch_size=2, progress=False)


def encode_listed(folder, path, backbone=None):
    listed = "".join(f"{file}\n" for file in sorted(folder.iterdir()))
    sys.stdin = types.SimpleNamespace(buffer=io.BytesIO(listed.encode()))
    encode("-", path, backbone)


def watch(folder, path):
    store_writer._COMMIT_ITEMS = 10
    unibind.watch(folder, path, backbone=Slow(), workers=0, batch_size=2, interval=0.02, progress=False)


def build_indexes(path):
    while True:
        unibind.build_index(path, backbone=ToyBackbone())
        unibind.drop_indexes(path)


def started(target, *args):
    context = multiprocessing.get_context("forkserver")  # so that a run begins at once
    context.set_forkserver_preload(["unibind.data.loader", "pyarrow", "lance_namespace", __name__])
    run = context.Process(target=target, args=args, daemon=True)
    run.start()
    return run


def until(condition, run):
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert run.is_alive()
        assert time.monotonic() < end
        time.sleep(0.02)


def kill_some(target, source, path):
    """Kill runs at random moments, each after it has written something; the store has more after each."""
    moments, growth = random.Random(0), [0]
    for _ in range(KILLS):
        run = started(target, source, path)
        until(lambda: Store.is_at(path) and len(Store.open(path)) > growth[-1], run)
        time.sleep(moments.uniform(0, 0.05))
        run.kill()
        run.join()
        growth.append(len(Store.open(path)))
    assert growth[-1] < FILES, "nothing was left to do"


def rows(path):
    return {row.id: replace(row, key="") for row in Store.open(path).rows()}


def vectors(path):
    return Store.open(path).vectors("image").vectors.tobytes()


# --- what they leave -----------------------------------------------------------------------------------------------


def test_a_killed_run_of_a_shard_goes_on_where_it_was(shard, tmp_path):
    kill_some(encode, shard, tmp_path / "killed")
    last = ToyBackbone()
    left = FILES - len(Store.open(tmp_path / "killed"))
    encode(shard, tmp_path / "killed", last)
    encode(shard, tmp_path / "undisturbed", ToyBackbone())
    assert last.encoded["image"] == left
    assert rows(tmp_path / "killed") == rows(tmp_path / "undisturbed")
    assert vectors(tmp_path / "killed") == vectors(tmp_path / "undisturbed")


def test_a_killed_run_of_a_list_that_another_program_writes_goes_on_where_it_was(folder, tmp_path):
    kill_some(encode_listed, folder, tmp_path / "killed")
    encode_listed(folder, tmp_path / "killed", ToyBackbone())
    encode(sorted(folder.iterdir()), tmp_path / "undisturbed", ToyBackbone())
    assert rows(tmp_path / "killed") == rows(tmp_path / "undisturbed")
    assert vectors(tmp_path / "killed") == vectors(tmp_path / "undisturbed")


def test_a_watch_that_was_killed_goes_on_and_sees_what_changed_meanwhile(folder, tmp_path):
    kill_some(watch, folder, tmp_path / "killed")
    (folder / "000.png").unlink()
    (folder / "001.png").write_bytes(png(250))
    (folder / "new.png").write_bytes(png(251))
    stop = threading.Event()
    how = {"backbone": ToyBackbone(), "workers": 0, "stop": stop, "progress": False}
    unibind.watch(folder, tmp_path / "killed", updated=lambda _: stop.set(), **how)
    encode(folder, tmp_path / "undisturbed", ToyBackbone())
    found = rows(tmp_path / "killed")
    assert found.pop(str(folder / "000.png")).state == "missing"
    assert found == rows(tmp_path / "undisturbed")
    assert vectors(tmp_path / "killed") == vectors(tmp_path / "undisturbed")


def best(path):
    return [hit.score for hit in unibind.search("red", path, backbone=ToyBackbone(), k=20)]


def test_a_killed_build_of_an_index_leaves_a_store_that_is_searched_and_written(tmp_path):
    path = random_store(tmp_path / "store", image=600).path
    expected, moments = best(path), random.Random(0)
    for _ in range(KILLS):
        shown = len(list(path.rglob("view.safetensors")))
        run = started(build_indexes, path)
        until(lambda shown=shown: len(list(path.rglob("view.safetensors"))) != shown or shown, run)
        time.sleep(moments.uniform(0, 0.3))
        run.kill()
        run.join()
        assert best(path) == pytest.approx(expected, abs=2e-3)
        with Store.open(path).writing():  # a dead writer has no claim
            pass
    unibind.build_index(path, backbone=ToyBackbone())
    (index,) = unibind.show_indexes(path)
    assert (index.items, index.behind) == (600, False)
    assert best(path) == pytest.approx(expected, abs=2e-3)
