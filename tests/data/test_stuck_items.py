"""Items that hang, crash or take all memory cost their worker, and nothing else; real processes, generous deadlines."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from threading import Thread

import pytest

import unibind
from tests.helpers.command import takes_interrupts
from tests.helpers.stuck import RELEASE, Stuck, Unstarted, text_files
from tests.helpers.toys import CATEGORIES, ToyBackbone
from tests.helpers.waiting import until
from unibind.data import store_writer, worker_pool
from unibind.data.encode import embed, encode_items
from unibind.data.store import Store
from unibind.errors import MissingFileError, UnibindError, UnreadableError
from unibind.modalities.limits import Limits

DEADLINE_S = 120
PATIENCE_S = 4.0  # for one item: good ones take milliseconds


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "store")


def texts(count):
    return [CATEGORIES[n % 3] for n in range(count)]


@pytest.mark.slow
def test_bad_items_cost_their_workers_and_nothing_else(store, tmp_path):
    deeds = {2: "hang", 9: "crash", 17: "bomb", 18: "crash"}
    items = text_files(tmp_path / "t", [deeds.get(n, text) for n, text in enumerate(texts(30))])
    limits = Limits(max_memory=1 << 29)
    summary = encode_items(items, Stuck(), store, workers=2, item_timeout=PATIENCE_S, limits=limits)
    assert (summary.encoded, summary.quarantined) == (26, 4)
    found = {entry["id"]: entry for entry in store.quarantined()}
    assert {name: entry["error"] for name, entry in found.items()} == {
        "002.txt": "TimedOut",
        "009.txt": "WorkerDied",
        "017.txt": "LimitError",
        "018.txt": "WorkerDied",
    }
    assert f"{items[2].uri} was not read within 4 s; " in found["002.txt"]["message"]
    assert store.ids() == {item.id for n, item in enumerate(items) if n not in deeds}

    again = encode_items(items, Stuck(), store, workers=2, item_timeout=PATIENCE_S)
    assert (again.encoded, again.unchanged, again.quarantined, again.not_retried) == (0, 26, 0, 4)
    assert again.message.endswith("0 quarantined, 4 not tried again")
    for n in (2, 9):
        (tmp_path / "t" / f"{n:03}.txt").write_text("a repaired red")
    repaired = encode_items(items, Stuck(), store)
    assert (repaired.encoded, repaired.not_retried) == (2, 2)
    retried = encode_items(items, ToyBackbone(), store, retry_quarantine=True)
    assert (retried.encoded, retried.not_retried, store.quarantined()) == (2, 0, [])


def test_a_file_that_was_missing_is_always_tried_again(store, tmp_path):
    items = text_files(tmp_path / "t", texts(2))
    there = (tmp_path / "t" / "001.txt").rename(tmp_path / "elsewhere")
    assert encode_items(items, ToyBackbone(), store, workers=0).quarantined == 1
    assert encode_items(items, ToyBackbone(), store, workers=0).quarantined == 1
    there.rename(tmp_path / "t" / "001.txt")
    assert encode_items(items, ToyBackbone(), store, workers=0).encoded == 1


def test_without_workers_a_hanging_item_is_left_behind(store, tmp_path):
    items = text_files(tmp_path / "t", ["red", "hang", "blue"])
    summary = encode_items(items, Stuck(), store, workers=0, item_timeout=0.3)
    assert summary.quarantined >= 1
    assert {"000.txt", "002.txt"} >= store.ids()
    with pytest.raises(UnreadableError, match=r"001\.txt was not read within 0\.3 s"):
        embed([items[1].uri], Stuck(), item_timeout=0.3)


def test_a_drive_that_does_not_answer_ends_the_run(store, tmp_path, monkeypatch):
    monkeypatch.setattr(store_writer, "_MOST_TIMED_OUT", 3)
    items = text_files(tmp_path / "t", ["hang"] * 5)
    with pytest.raises(UnibindError, match=r"3 items in a row could not be read in time.*check their drive"):
        encode_items(items, Stuck(), store, workers=0, item_timeout=0.05)
    assert len(store.quarantined()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_ready_is_written_while_an_item_hangs(store, tmp_path, monkeypatch, workers):
    monkeypatch.setattr(store_writer, "_COMMIT_S", 0.3)
    items = text_files(tmp_path / "t", [*texts(2048), f"wait {tmp_path}"])
    run = Thread(target=encode_items, args=(items, Stuck(), store), kwargs={"workers": workers})
    run.start()
    try:
        until(lambda: len(Store.open(store.path)) == 2048)
        assert run.is_alive()
    finally:
        (tmp_path / RELEASE).touch()
        run.join()
    assert len(store) == 2049


@pytest.mark.slow
def test_a_worker_that_does_not_start_ends_the_run_with_a_sentence(store, tmp_path, monkeypatch):
    monkeypatch.setattr(worker_pool, "_START_S", 1.0)
    with pytest.raises(UnibindError, match="a worker process did not start within 1 s"):
        encode_items(text_files(tmp_path / "t", texts(3)), Unstarted(), store, workers=1)
    assert store.quarantined() == []


_SCRIPT = """
import sys
import unibind
from tests.helpers.stuck import Stuck, Unstarted

folder, store, backbone, workers = sys.argv[1:]
print("encoding", flush=True)
unibind.encode(folder, store, backbone=globals()[backbone](), batch_size=2, workers=int(workers))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "workers"), [("Stuck", 0), ("Stuck", 1), ("Unstarted", 1)])
def test_ctrl_c_ends_a_run_that_hangs(tmp_path, backbone, workers):
    # the script has no `if __name__ == "__main__":`, and no worker runs it again
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    text_files(tmp_path / "t", ["hang", "red", "green"])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, script, tmp_path / "t", tmp_path / "store", backbone, str(workers)]
    run = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=takes_interrupts,
    )
    assert run.stdout.readline() == "encoding\n"
    until(lambda: Store.is_at(tmp_path / "store"))
    time.sleep(1)
    os.killpg(run.pid, signal.SIGINT)
    interrupted = time.monotonic()
    stdout, stderr = run.communicate(timeout=DEADLINE_S)
    assert time.monotonic() - interrupted < DEADLINE_S / 4
    assert stdout == ""
    assert stderr.count("Traceback") == 1
    assert stderr.endswith("KeyboardInterrupt\n")


class Vanishing(ToyBackbone):
    """The folder of the items is gone after the first batch."""

    folder = None

    def encode(self, modality, batch):
        if self.folder is not None:
            self.folder.rename(self.folder.with_name("away"))
            self.folder = None
        return super().encode(modality, batch)


def test_a_drive_that_vanishes_is_quarantine_and_a_sentence(store, tmp_path):
    folder = tmp_path / "drive"
    items = text_files(folder, texts(2000))
    backbone = Vanishing()
    backbone.folder = folder
    summary = encode_items(items, backbone, store, workers=0, folders=[folder])
    assert summary.encoded + summary.quarantined == 2000
    assert 0 < summary.quarantined < 2000
    errors = Counter(entry["error"] for entry in store.quarantined())
    assert errors["MissingFileError"] >= summary.quarantined - 1
    assert errors.keys() <= {"MissingFileError", "UnreadableError"}  # at most the one that was being read meanwhile
    with pytest.raises(MissingFileError, match="drive does not exist"):
        unibind.encode(folder, store, backbone=ToyBackbone())
    (tmp_path / "away").rename(folder)
    assert encode_items(items, ToyBackbone(), store, workers=0).quarantined == 0
    assert len(store) == 2000
    shutil.rmtree(folder)
