"""Ctrl-C says what was kept and how to go on; a device that is not there is named in one sentence."""

import os
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

import unibind
from tests.helpers.command import COMMAND, run, run_json, takes_interrupts
from unibind.backbones.starter.model import Starter
from unibind.errors import UnibindError

DEADLINE_S = 120


@pytest.fixture
def photos(tmp_path):
    for i in range(6):
        path = tmp_path / "photos" / "cat" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(path)
    return tmp_path / "photos"


@pytest.fixture
def interrupted_after_two_batches(monkeypatch):
    encode, calls = Starter.encode, []

    def interrupted(self, modality, batch):
        calls.append(modality)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return encode(self, modality, batch)

    monkeypatch.setattr(Starter, "encode", interrupted)


@pytest.mark.slow
def test_an_interrupted_encode_keeps_what_it_has_and_continues(photos, tmp_path, interrupted_after_two_batches):
    store = tmp_path / "store"
    done = run("encode", photos, "--out", store, "--batch-size", 2, code=130)
    assert done.stderr == (
        f"unibind: interrupted; what was encoded is kept in {store}; run the same command again to continue\n"
    )
    assert len(unibind.Store.open(store)) == 4
    again = run_json("encode", photos, "--out", store)
    assert (again["encoded"], again["unchanged"]) == (2, 4)


@pytest.mark.slow
def test_python_keeps_the_same(photos, tmp_path, interrupted_after_two_batches):
    with pytest.raises(KeyboardInterrupt):
        unibind.encode(photos, tmp_path / "store", batch_size=2)
    assert unibind.encode(photos, tmp_path / "store").encoded == 2


def test_an_interrupted_classification_says_that_nothing_was_written(photos, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Starter, "encode", interrupt)
    done = run("classify", photos / "cat" / "0.png", "--classes", "cat,dog", code=130)
    message = "unibind: interrupted; nothing was written; run the same command again to start over\n"
    assert done.stderr.endswith(message)


@pytest.mark.slow
def test_ctrl_c_ends_a_command_and_its_processes_with_one_sentence(tmp_path):
    out = tmp_path / "data"
    command = [COMMAND, "heptad", "make", "--out", out, "--per-category", "1000", "--workers", "2"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=takes_interrupts,
    )
    until = time.monotonic() + DEADLINE_S
    while not any(out.rglob("*.mp4")) and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert stdout == ""
    *progress, last = stderr.splitlines()
    assert last == (
        f"unibind: interrupted; finished objects are kept in {out}; run the same command again for all of them"
    )
    assert all(line.startswith("generating objects: ") for line in progress)


@pytest.mark.parametrize("device", ["cuda:9", "mps:7", "gpu", "meta", "cpu cuda", ""])
def test_a_device_that_cannot_be_used_is_one_sentence(photos, device):
    done = run("classify", photos / "cat" / "0.png", "--classes", "cat,dog", "--device", device, code=2)
    assert done.stderr.startswith(f"unibind: the device {device} cannot be used here; choose one of: ")
    assert done.stderr.endswith("cpu\n")
    assert len(done.stderr.splitlines()) == 1
    with pytest.raises(UnibindError, match="cannot be used here"):
        unibind.create_backbone("starter", device=device)
