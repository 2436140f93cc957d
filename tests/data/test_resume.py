"""Twenty runs that are killed at random moments, one after the other, leave a store like that of an undisturbed run."""

import multiprocessing
import random
import time
from dataclasses import replace

import pytest

from tests.helpers.stuck import text_files
from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind.data import store_writer
from unibind.data.encode import encode_items
from unibind.data.store import Store

KILLS, ITEMS, DEADLINE_S = 20, 600, 120


class Slow(ToyBackbone):
    """Takes 10 ms per batch; cannot read every fiftieth text."""

    def preprocess(self, modality, raw):
        if raw.text == "unreadable":
            raise ValueError(raw.text)
        return super().preprocess(modality, raw)

    def encode(self, modality, batch):
        time.sleep(0.01)
        return super().encode(modality, batch)


def encode(items, path):
    """In a process of its own."""
    store_writer._COMMIT_ITEMS = 4
    encode_items(items, Slow(), Store.open(path), batch_size=2, workers=0)


def facts(store):
    return {row.id: replace(row, key="") for row in store.rows()}


@pytest.mark.slow
def test_twenty_killed_runs_and_a_last_one_equal_one_undisturbed(tmp_path):
    texts = ["unreadable" if n % 50 == 7 else f"{CATEGORIES[n % 3]} {n}" for n in range(ITEMS)]
    items = text_files(tmp_path / "t", texts)
    path, moments = Store.create(tmp_path / "killed").path, random.Random(0)
    context = multiprocessing.get_context("forkserver")  # so that a run begins at once
    context.set_forkserver_preload(["unibind.data.loader", "pyarrow", "lance_namespace", __name__])
    growth = [0]
    for _ in range(KILLS):
        run = context.Process(target=encode, args=(items, path), daemon=True)
        run.start()
        end = time.monotonic() + DEADLINE_S
        while len(Store.open(path)) == growth[-1]:  # it does not write yet
            assert run.is_alive()
            assert time.monotonic() < end
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 0.1))
        run.kill()
        run.join()
        growth.append(len(Store.open(path)))
    assert sorted(set(growth)) == growth, "every run adds to the one before"
    assert growth[-1] < ITEMS - ITEMS // 50, "the last one has something left to do"
    killed, undisturbed = Store.open(path), Store.create(tmp_path / "undisturbed")
    quarantine = []
    for store in (killed, undisturbed):
        last = Slow()
        encode_items(items, last, store, batch_size=500, workers=0)
        quarantine.append([(entry["id"], entry["error"]) for entry in store.quarantined()])
    assert quarantine[0] == quarantine[1]
    assert len(quarantine[0]) == ITEMS // 50
    assert facts(killed) == facts(undisturbed)
    assert killed.vectors("text").vectors.tobytes() == undisturbed.vectors("text").vectors.tobytes()
