"""The Ray engine: the store of the local one, row for row, whatever dies meanwhile."""

import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow
import pytest

from tests.helpers.mortal import ENCODER, READER, WAIT, Mortal
from tests.helpers.toys import CATEGORIES
from unibind.data.encode import encode_items
from unibind.data.engines.ray_data.cluster import connected
from unibind.data.engines.ray_data.plan import Plan, read_block
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.data.store_check import check_store
from unibind.errors import UnibindError, UnknownNameError

TEXTS, PICTURES = 380, 120
CRASHING, CRASHING_LATER = "050.txt", "004.txt"
REPOSITORY = Path(__file__).parents[2]
_DEADLINE_S = 300.0  # for what takes some seconds

# --- the plan ------------------------------------------------------------------------------------------------------


def plan_of(folder, count, size):
    work = [(Item(f"t{i}", "text", text="a"), None) for i in range(count)]
    return Plan([*work, (Item("p", "image", uri="/p.png"), None)], folder, size)


def test_blocks_have_one_modality_and_every_task_once(tmp_path):
    plan = plan_of(tmp_path, 5, 2)
    blocks = [read_block(tmp_path, block) for block in range(plan.blocks)]
    assert [[task.item.id for task in tasks] for tasks in blocks] == [["t0", "t1"], ["t2", "t3"], ["t4"], ["p"]]
    assert [task.position for tasks in blocks for task in tasks] == list(range(6))
    assert plan.directory is None


def test_a_task_is_taken_once_and_what_got_lost_is_planned_again(tmp_path):
    plan = plan_of(tmp_path, 20, 4)
    assert plan.take(np.arange(9))
    assert not plan.take(np.array([8, 9]))  # one of them was taken: neither is
    assert plan.take(np.array([10, 20]))
    assert plan.left() == 10
    again = [read_block(tmp_path, block) for block in plan.again()]
    assert [[task.position for task in tasks] for tasks in again] == [[9, 11], [12, 13, 14, 15], [16, 17, 18, 19]]


def test_a_host_that_does_not_see_the_store_is_named(tmp_path):
    with pytest.raises(UnibindError, match=r"does not see .*file system that all of its hosts share"):
        read_block(tmp_path, 0)


def test_relative_paths_need_the_working_directory(tmp_path):
    assert Plan([(Item("a", "image", uri="a.png"), None)], tmp_path, 4).directory == Path.cwd()


# --- Ray -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ray():
    """Ray on two cores, for all tests of this file."""
    with connected():
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """500 items: texts and pictures, and some that are damaged, missing, or crash their decoder."""
    folder = tmp_path_factory.mktemp("files")
    special = {int(CRASHING[:3]): "crash", 100: f"{READER} red", 200: f"{ENCODER} blue", 300: f"{WAIT} green"}
    items = []
    for i in range(TEXTS):
        path = folder / f"{i:03}.txt"
        path.write_text(special.get(i, f"{CATEGORIES[i % 3]} {'filler ' * (i % 5)}"))
        items.append(Item(path.name, "text", uri=str(path), label=CATEGORIES[i % 3], split=("train", None)[i % 2]))
    for i in range(PICTURES):
        path = folder / f"{i:03}.png"
        PIL.Image.new("RGB", (4, 4), CATEGORIES[i % 3]).save(path)
        items.append(Item(path.name, "image", uri=str(path)))
    (folder / "007.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    (folder / "008.png").unlink()
    return items


def encode(items, store, deeds, engine, workers=1):
    return encode_items(items, Mortal(deeds), store, batch_size=16, workers=workers, engine=engine)


def deeds_done(folder):
    """A folder that says that every deed was done, and nothing waits."""
    folder.mkdir()
    for deed in (READER, ENCODER, "release"):
        (folder / deed).touch()
    return folder


def contents(store):
    """All rows without the random names of rows, sorted."""
    rows = pyarrow.concat_tables(Store.open(store.path).stored())
    return rows.drop_columns(["key", "facts_checksum"]).sort_by([("modality", "ascending"), ("id", "ascending")])


def assert_same(store, other):
    assert contents(store).equals(contents(other))
    assert contents(store).schema == contents(other).schema
    found, expected = Store.open(store.path), Store.open(other.path)
    for name in ("counts", "splits", "missing", "contracts", "quarantined", "modalities"):
        assert getattr(found, name)() == getattr(expected, name)(), name
    assert check_store(found).sound


def numbers(summary):
    names = ("encoded", "replaced", "updated", "unchanged", "missing", "quarantined", "not_retried", "duplicates")
    return {name: getattr(summary, name) for name in names}


@pytest.mark.slow
def test_the_store_is_that_of_one_machine_although_workers_are_killed(ray, files, tmp_path, capfd):
    here, there = Store.create(tmp_path / "here"), Store.create(tmp_path / "there")
    done, deeds = deeds_done(tmp_path / "done"), tmp_path / "deeds"
    deeds.mkdir()
    (deeds / "release").touch()
    expected = encode(files, here, done, "local")
    capfd.readouterr()
    found = encode(files, there, deeds, "ray")
    assert capfd.readouterr() == ("", "")
    assert (deeds / READER).exists()
    assert (deeds / ENCODER).exists()
    assert numbers(found) == numbers(expected)
    assert (found.encoded, found.quarantined) == (497, 3)
    assert {row["error"] for row in there.quarantined()} == {"WorkerDied", "UnreadableError", "MissingFileError"}
    assert_same(there, here)

    # what changed is encoded again, what failed and did not change is not, and what can be read now leaves quarantine
    Path(files[3].uri).write_text("blue now")
    Path(files[int(CRASHING_LATER[:3])].uri).write_text("crash")
    PIL.Image.new("RGB", (4, 4), "red").save(files[TEXTS + 7].uri)
    changed = [replace(item, label="other") if item.id == "005.txt" else item for item in files]
    expected = encode(changed, here, done, "local")
    found = encode(changed, there, deeds, "ray")
    assert numbers(found) == numbers(expected)
    assert (found.encoded, found.replaced, found.updated, found.missing) == (1, 1, 1, 1)
    assert_same(there, here)
    assert not list(there.path.glob(".unibind-tmp-*"))


_DRIVER = """
import sys
from unibind.data import store_writer
from unibind.data.encode import encode_items
from unibind.data.engines.ray_data import driver
from unibind.data.store import Store
from tests.data.test_ray_engine import encode
from pathlib import Path
import pickle

driver._FRAGMENT = store_writer._COMMIT_ITEMS = 32
encode(pickle.loads(Path(sys.argv[1]).read_bytes()), Store.create(sys.argv[2]), Path(sys.argv[3]), "ray", 0)
"""


@pytest.mark.slow
def test_a_driver_that_is_killed_is_continued(ray, files, tmp_path):
    items = [
        item for item in files if item.id not in (CRASHING, CRASHING_LATER)
    ]  # which would end a reader without a process of its own
    deeds = tmp_path / "deeds"
    deeds.mkdir()
    for deed in (READER, ENCODER):
        (deeds / deed).touch()
    (tmp_path / "items").write_bytes(pickle.dumps(items))
    command = [sys.executable, "-c", _DRIVER, tmp_path / "items", tmp_path / "there", deeds]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)])}
    driver = subprocess.Popen(command, env=environment)
    stored = wait_for_rows(tmp_path / "there", driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert 0 < stored < len(items)
    (deeds / "release").touch()
    there, here = Store.open(tmp_path / "there"), Store.create(tmp_path / "here")
    stored = len(there)
    ids = [row.id for row in there.rows()]
    assert len(set(ids)) == len(ids) == stored
    expected = encode(items, here, deeds_done(tmp_path / "done"), "local", 0)
    found = encode(items, there, deeds, "ray", 0)
    assert found.encoded + stored == expected.encoded
    assert_same(there, here)
    assert not list(there.path.glob(".unibind-tmp-*"))


def wait_for_rows(path, process):
    """The number of rows of a store as soon as there are some."""
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline:
        assert process.poll() is None
        if Store.is_at(path) and (stored := len(Store.open(path))):
            return stored
        time.sleep(0.1)
    raise AssertionError("nothing was stored")


def test_an_unknown_engine_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown engine 'dask'; choose one of: local, ray"):
        encode_items([], Mortal(tmp_path), Store.create(tmp_path / "store"), engine="dask")
