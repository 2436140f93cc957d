"""One process writes to a store at a time, dead ones have no claim, and what two wrote is not doubled."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from tests.data.test_store import IMAGE, pictures, store, unit  # noqa: F401
from tests.helpers.command import run
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.data.store_check import find_doubles, repair
from unibind.data.store_lock import LOCK, _started
from unibind.errors import UnibindError

_HOLD = """
import sys, time
from unibind.data.store import Store
with Store.open(sys.argv[1]).writing():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def held(store):  # noqa: F811
    """A store that another process is writing."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", _HOLD, store.path]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield store, process
    process.kill()
    process.communicate()


def claim(path, **facts):
    """Leave a lock of somebody else."""
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "started": 0, "since": 0.0, "command": "x", "token": "x"}
    (path / LOCK).write_text(json.dumps(owner | facts))


@pytest.mark.slow
def test_the_second_writer_stops_and_names_the_first_until_that_is_killed(held, tmp_path):
    store, process = held  # noqa: F811
    opened = Store.open(store.path)
    for change in (
        lambda: opened.add(pictures("n"), unit(0), IMAGE),
        lambda: opened.update(opened.rows()),
        lambda: opened.remove(opened.rows()),
        lambda: opened.compact(),
        lambda: opened.note_backbone("toy", {}),
    ):
        with pytest.raises(UnibindError, match=f"is being written by process {process.pid} on .*; wait until it ends"):
            change()
    assert opened.owner().pid == process.pid
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"x")
    shown = run("encode", tmp_path / "pictures", "--out", store.path, code=2)
    assert f"is being written by process {process.pid}" in shown.stderr
    assert len(Store.open(store.path).rows()) == 4  # readers are not disturbed
    process.kill()
    process.wait()
    opened.add(pictures("n"), unit(0), IMAGE)
    assert not (store.path / LOCK).exists()


def test_two_open_stores_of_one_process_take_turns(store):  # noqa: F811
    other = Store.open(store.path)
    with store.writing():
        with pytest.raises(UnibindError, match="is being written"):
            other.add(pictures("n"), unit(0), IMAGE)
        store.add(pictures("n"), unit(0), IMAGE)
    with pytest.raises(UnibindError, match="already contains the item 'n'"):  # it sees what the first has written
        other.add(pictures("n"), unit(0), IMAGE)
    other.add(pictures("m"), unit(0), IMAGE)
    with pytest.raises(UnibindError, match=r"already contains the file .*m\.png"):
        store.add([Item("another id", "image", uri="m.png")], unit(0), IMAGE)
    assert Store.open(store.path).counts()["image"] == 5


@pytest.mark.parametrize(
    ("facts", "silent_s", "lives"),
    [
        ({"started": _started(os.getpid())}, 0, True),
        ({"started": _started(os.getpid()) + 1}, 0, sys.platform != "linux"),  # another process has the number now
        ({"pid": 1 << 30}, 0, False),
        ({"host": "another"}, 0, True),
        ({"host": "another"}, 10, True),
        ({"host": "another"}, 1000, False),
    ],
)
def test_locks_of_the_dead_are_taken_over(store, facts, silent_s, lives):  # noqa: F811
    claim(store.path, **facts)
    os.utime(store.path / LOCK, (time.time() - silent_s,) * 2)
    if lives:
        with pytest.raises(UnibindError, match="is being written"):
            store.add(pictures("n"), unit(0), IMAGE)
    else:
        store.add(pictures("n"), unit(0), IMAGE)
    assert (store.path / LOCK).exists() == lives


def test_a_half_written_lock_and_leftovers_of_killed_writers_are_no_obstacle(store):  # noqa: F811
    (store.path / LOCK).write_text('{"pid":')
    for name in (".writer.json.abc", ".store.json.abc"):
        (store.path / name).write_text("{")
    store.add(pictures("n"), unit(0), IMAGE)
    assert {e.name for e in store.path.iterdir() if "json" in e.name} == {"store.json"}


def test_a_writer_that_lost_its_lock_commits_nothing(store):  # noqa: F811
    with store.writing():
        claim(store.path, host="another")
        with pytest.raises(UnibindError, match=r"no longer locked by this process but by process .* on another"):
            store.add(pictures("n"), unit(0), IMAGE)
    assert Store.open(store.path).counts()["image"] == 3
    assert store.owner().host == "another"  # whose lock stays


def double(store, *, ids):  # noqa: F811
    """Write rows of stored items again, as two writers did."""
    rows = [row for row in store.rows() if row.id in ids]
    copies = [replace(row, key=f"{row.key}2") for row in rows]
    store._tables.append("items", store._stored(copies, unit(0, 1), IMAGE))


def test_doubles_are_found_and_removed(store):  # noqa: F811
    double(store, ids=("a", "b"))
    assert len(Store.open(store.path).rows()) == 6
    found = find_doubles(store.rows())
    assert {row.id for row in found} == {"a", "b"}
    assert all(row.key.endswith("2") for row in found)  # one and the same is kept, whatever the order of the rows
    assert repair(store).doubles == 2
    assert sorted(row.id for row in Store.open(store.path).rows()) == ["a", "b", "it's", "t"]
    assert repair(store).doubles == 0
