"""A process that is killed while it changes a store leaves each row old or new: never twice, never gone."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from unibind.backbones import Contract
from unibind.data.manifest import Item
from unibind.data.store import Store

ROWS, WIDTH = 60, 8
CONTRACT = Contract(space="toy@1", backbone="toy", modality="image", weights="w")

# For ever: every row gets the number of the round as its label and, in odd rounds, as its vector.
_CHANGE = """
import dataclasses, itertools, sys
import numpy as np
from tests.data.test_kills import CONTRACT, WIDTH
from unibind.data.store import Store

store = Store.open(sys.argv[1])
for n in itertools.count(1):
    rows = [dataclasses.replace(row, label=str(n), content=str(n)) for row in store.rows()]
    if n % 2:
        store.replace(rows, np.full((len(rows), WIDTH), n, np.float32), CONTRACT)
    else:
        store.update(rows)
    if n % 5 == 0:
        store.compact()
    print(n, flush=True)
"""


@pytest.mark.slow
def test_a_killed_change_leaves_each_row_old_or_new(tmp_path):
    store = Store.create(tmp_path / "store")
    items = [Item(f"{i:03}", "image", uri=f"{i}.png", label="0") for i in range(ROWS)]
    store.add(items, np.zeros((ROWS, WIDTH), np.float32), CONTRACT)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    moments = random.Random(0)
    for _ in range(3):
        command = [sys.executable, "-c", _CHANGE, store.path]
        run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert run.stdout.readline() == "1\n"  # it is at work
        time.sleep(moments.uniform(0, 0.2))
        run.send_signal(signal.SIGKILL)
        run.communicate()
        found = Store.open(store.path).vectors("image")
        assert found.ids == [item.id for item in items]
        assert found.labels == found.contents
        assert len(set(found.labels)) == 1  # one commit changes all rows
        n = int(found.labels[0])
        assert n >= 1
        assert (found.vectors == (n if n % 2 else n - 1)).all()
