"""Readers see one whole version, whatever a writer appends, replaces, merges and removes meanwhile."""

import os
import subprocess
import sys

import numpy as np
import pytest

from unibind.backbones import Contract
from unibind.data.store import Store

CONTRACT = Contract(space="toy@1", backbone="toy", modality="image", weights="w")
ROWS = 5  # of one commit
READS = 8

# For ever: a commit of five rows, now and then a change of all rows, and all that merging and removing can do.
_WRITE = """
import dataclasses, itertools, sys
import numpy as np
from tests.data.test_readers import CONTRACT, ROWS
from unibind.data.manifest import Item
from unibind.data import lance_tables
from unibind.data.store import Store

lance_tables._KEEP_S = 0.5
store = Store.open(sys.argv[1])
with store.writing():
    for n in itertools.count():
        items = [Item(f"{n}-{i}", "image", uri=f"{n}-{i}.png", label="0") for i in range(ROWS)]
        store.add(items, np.eye(ROWS, dtype=np.float32), CONTRACT)
        if n % 10 == 9:
            store.update([dataclasses.replace(row, label=str(n)) for row in store.rows()])
            store.compact(full=n % 20 == 19)
        if n == 10:
            print("at work", flush=True)
"""


@pytest.mark.slow
def test_readers_are_not_disturbed_by_a_writer(tmp_path):
    store = Store.create(tmp_path / "store")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _WRITE, store.path]
    writer = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout.readline() == "at work\n"
        old = Store.open(store.path)
        before, versions = old.vectors("image"), set()
        for _ in range(READS):
            opened = Store.open(store.path)
            first, rows = opened.vectors("image"), opened.rows()
            assert len(first.ids) == len(rows) == len(opened)
            assert len(first.ids) % ROWS == 0
            again = opened.vectors("image")
            assert again.ids == first.ids
            assert np.array_equal(again.vectors, first.vectors)
            assert again.labels == first.labels
            versions.add(opened.version)
        after = old.vectors("image")
        assert (after.ids, after.labels) == (before.ids, before.labels)
        assert len(versions) > 1  # the writer was at work
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.communicate()
