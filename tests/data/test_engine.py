"""The parts of the engine: reading ahead, the number of workers, arrays between processes, tables on the disk."""

import multiprocessing
import time
import tracemalloc

import numpy as np
import pytest

from tests.helpers.toys import ToyBackbone, text_items
from unibind.data import duplicates, encode, item_table, store_writer
from unibind.data.ahead import Ahead
from unibind.data.buffers import receive, send
from unibind.data.encode import encode_items
from unibind.data.intake import read_manifest
from unibind.data.item_table import ItemTable
from unibind.data.manifest import Item
from unibind.data.staffing import Pace, Staffing
from unibind.data.store import Store
from unibind.errors import UnibindError

# --- tables on the disk --------------------------------------------------------------------------------------------


def test_a_table_gives_items_back_as_they_were_and_each_once(tmp_path):
    odd = tmp_path / "caf\udce9.png"  # a name that is not UTF-8
    items = [
        Item("a", "image", uri=str(odd), label="x", split="val", object="1", description="d"),
        Item(str(tmp_path / "b.png"), "image", uri=str(tmp_path / "b.png")),
        Item("t", "text", text="a text"),
        Item("u", "text", text="a text"),
    ]
    table = ItemTable()
    assert [table.add(item, "here") for item in items] == [None] * 4
    assert list(table) == items
    assert table.counts() == {"image": 2, "text": 2}
    assert table.add(Item("c", "image", uri=str(odd))).position == 0  # the same file
    assert table.add(Item("u", "text", text="another text")).item == items[3]  # the same id
    assert len(table) == 4
    assert table.has_id("text", "u")
    assert not table.has_id("image", "u")


def test_a_full_disk_is_one_sentence():
    table = ItemTable()
    table._database.execute("PRAGMA max_page_count=20")
    with pytest.raises(UnibindError, match=r"database or disk is full.*SQLITE_TMPDIR"):
        for item in text_items(2000):
            table.add(item)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_items(tmp_path, monkeypatch):
    monkeypatch.setattr(item_table, "_AT_ONCE", 50)
    for module in (encode, duplicates):
        monkeypatch.setattr(module, "_ROWS_AT_ONCE", 50)
    monkeypatch.setattr(store_writer, "_COMMIT_ITEMS", 100)

    def peak(count):
        table = tmp_path / f"{count}.csv"
        table.write_text("id,text\n" + "".join(f"{i},a red thing of number {i:06}\n" for i in range(count)))
        store = Store.create(tmp_path / f"store{count}", precision="float16")
        tracemalloc.start()
        encode_items(read_manifest(table), ToyBackbone(), store, batch_size=8, workers=0)
        encode_items(read_manifest(table), ToyBackbone(), store, batch_size=8, workers=0)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(200)  # what is imported and cached once
    assert peak(6000) < peak(1500) + 200 * 4500  # bytes: an item in a list takes more than twice as much


# --- reading ahead -------------------------------------------------------------------------------------------------


def test_an_iterator_runs_ahead_and_no_further():
    made = []

    def numbers(stopped):
        for number in range(100):
            made.append(number)
            yield number

    ahead = Ahead(numbers, 3)
    assert [next(ahead), next(ahead)] == [0, 1]
    deadline = time.monotonic() + 60
    while len(made) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(made) == 6  # two taken, three waiting, one that waits to be put there
    ahead.close()
    assert len(made) == 6


def test_many_small_results_may_wait():
    made = []

    def numbers(stopped):
        for number in range(100):
            made.append(number)
            yield number

    ahead = Ahead(numbers, 2, lambda number: 1 << 20 if number < 10 else 16 << 20)
    deadline = time.monotonic() + 60
    while len(made) < 12 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(made) == 12  # ten of 1 MiB and one of 16 wait, and another that has no room
    ahead.close()


def test_what_it_raises_is_raised_where_it_is_read():
    def broken(stopped):
        yield 1
        raise UnibindError("broken")

    ahead = Ahead(broken, 2)
    assert next(ahead) == 1
    with pytest.raises(UnibindError, match="broken"):
        next(ahead)
    assert list(ahead) == []
    ahead.close()


# --- how many workers ----------------------------------------------------------------------------------------------


def test_there_are_as_many_workers_as_reading_takes_longer_than_encoding(monkeypatch):
    monkeypatch.setattr("unibind.data.staffing.usable_cores", lambda: 8)
    staffing = Staffing()
    staffing.note_encoded(64, 0.64)  # 10 ms an item
    assert staffing.count == 1
    for _ in range(20):
        staffing.note_read(0.035)
    assert staffing.count == 4
    for _ in range(500):
        staffing.note_read(1.0)
    assert staffing.count == 8  # the cores
    for _ in range(500):
        staffing.note_read(0.001)
    assert staffing.count == 8  # those that have nothing to do wait


def test_a_number_that_is_given_stays():
    staffing = Staffing(2)
    staffing.note_encoded(64, 0.01)
    for _ in range(50):
        staffing.note_read(1.0)
    assert staffing.count == 2
    assert "with 2 workers the encoder was busy" in staffing.pace().message
    assert Pace(0).message == ""


def test_a_run_says_what_its_parts_took(tmp_path):
    summary = encode_items(text_items(30), ToyBackbone(), Store.create(tmp_path / "s"), batch_size=10)
    assert summary.pace.workers == 0
    assert summary.pace.read_s > 0
    assert summary.pace.encode_s > 0
    assert 0 < summary.pace.busy <= 1


# --- arrays between processes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 100, 1 << 20])
def test_arrays_arrive_whole_whether_or_not_they_fit_in_the_shared_memory(room):
    here, there = multiprocessing.Pipe()
    shared = np.zeros(room, np.uint8)
    value = (np.arange(60, dtype=np.float32).reshape(3, 20), "facts", np.empty((0, 3), np.int64), {"n": 1})
    send(there, value, shared)
    found = receive(here, shared)
    shared[:] = 255  # what was received is no longer in it
    assert np.array_equal(found[0], value[0])
    assert found[0].flags.writeable
    assert (found[1], found[2].shape, found[3]) == ("facts", (0, 3), {"n": 1})
