"""A process that is killed while it replaces a file, an export or a model leaves the old one or the new one.

One process makes everything ready and forks a writer for each kill, so that a kill costs little.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.toys import DIM, ToyBackbone
from unibind import UniBind, files, serialization
from unibind.affine import AffineMap
from unibind.align.heads import Head
from unibind.disk_errors import TEMPORARY
from unibind.exporting import FORMATS, Export
from unibind.files import FILE, staged, write_all, write_whole
from unibind.knowledge import Description, KnowledgeBase

KILLS, SEED = 20, 0
LINES = 20_000


def save_model(folder, n):
    base = KnowledgeBase([Description(f"d{i}", "red", f"text {n}") for i in range(50)])
    head = Head(AffineMap(n * np.eye(DIM, dtype=np.float32), np.zeros(DIM, np.float32)))
    UniBind(ToyBackbone(), heads={"image": head}, knowledge=base).save_pretrained(folder, measured={"n": n})


def read_model(folder):
    files.recover(folder)
    parts = serialization.read(folder)
    manifest = json.loads((folder / serialization.MANIFEST).read_text())
    assert {p.name for p in folder.iterdir()} >= {*serialization.MODEL.marks, "README.md"}
    return {manifest["measured"]["n"], int(parts.heads["image"].affine.weight[0, 0])} | {
        int(d.text.split()[1]) for d in parts.knowledge.descriptions
    }


def save_export(folder, n):
    cells = [dict.fromkeys(("id", "label"), str(n)) for _ in range(200)]
    export = Export(200, DIM, {}, iter([(cells, np.full((200, DIM), n, np.float32))]))
    with staged(folder, kind=FORMATS["npy"].kind) as new:
        FORMATS["npy"].write(export, new)


def read_export(folder):
    files.recover(folder)
    rows = (folder / "items.csv").read_text().splitlines()[1:]
    vectors = np.load(folder / "vectors.npy")
    assert (len(rows), vectors.shape) == (200, (200, DIM))
    return {int(row.split(",")[0]) for row in rows} | {int(x) for x in np.unique(vectors)}


def save_staged_file(path, n):
    with staged(path, kind=FILE) as new:
        new.write_text(f"{n}\n" * LINES)


def save_whole(path, n):
    write_whole(path, f"{n}\n" * LINES)


def save_pair(path, n):
    write_all({path: f"{n}\n" * LINES, path.with_name("other"): f"{n}\n"})


def read_text(path):
    lines = path.read_text().splitlines()
    assert len(lines) == LINES
    return set(map(int, lines))


WRITERS = {
    "model": (save_model, read_model),
    "export": (save_export, read_export),
    "staged file": (save_staged_file, read_text),
    "file": (save_whole, read_text),
    "files": (save_pair, read_text),
}


def kill_writers(name, folder):
    """Kill a writer KILLS times, each at a random moment; what is read in between must come from one write.

    Returns how many kills came in the middle of one, and what is in the folder after another write.
    """
    save, read = WRITERS[name]
    target, moments, halfway = folder / "out", random.Random(SEED), 0
    save(target, 0)
    for kill in range(1, KILLS + 1):
        receive, send = os.pipe()
        writer = os.fork()
        if writer == 0:
            for n in count(1000 * kill):
                save(target, n)
                os.write(send, b".")  # another one is complete
        assert os.read(receive, 1) == b"."
        time.sleep(moments.uniform(0, 0.03))
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        os.close(send)
        complete = 1 + len(os.read(receive, 1 << 16))
        os.close(receive)
        halfway += any(p.name.startswith(TEMPORARY) for p in folder.iterdir())
        found = read(target)
        assert len(found) == 1, found
        assert found.pop() - 1000 * kill in (complete - 1, complete)
        files._swept.clear()  # as in a new process
    save(target, 1)
    return {"halfway": halfway, "after": sorted(p.name for p in folder.iterdir())}


def kill_all(root):
    """Print the result of `kill_writers`, or what it raised, for every case."""
    exchanged, results = files._exchanged, {}
    for name, swap in CASES:
        files._exchanged = exchanged if swap == "exchange" else lambda one, other: False
        folder = Path(root, f"{name} {swap}")
        folder.mkdir()
        try:
            results[f"{name} {swap}"] = kill_writers(name, folder)
        except Exception as error:
            results[f"{name} {swap}"] = {"error": repr(error)}
    print(json.dumps(results))


CASES = [*((name, "exchange") for name in WRITERS), ("model", "two renames"), ("export", "two renames")]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    script = f"from tests.test_killed_writes import kill_all; kill_all({str(tmp_path_factory.mktemp('kills'))!r})"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "swap"), CASES)
def test_killed_writers_leave_the_old_or_the_new(results, name, swap):
    result = results[f"{name} {swap}"]
    assert "error" not in result, result["error"]
    assert result["halfway"] > 0, "no kill came in the middle of a write"
    assert result["after"] == (["other", "out"] if name == "files" else ["out"])
