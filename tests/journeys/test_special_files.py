"""Pipes, sockets and devices are refused in one sentence wherever a file is asked for."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.toys import ToyBackbone
from unibind.data.intake import read_manifest
from unibind.errors import UnreadableError
from unibind.knowledge import KnowledgeBase


@pytest.fixture
def specials(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    for name in ("pipe.png", "pipe.csv", "pipe.tar", "pipe.json", "pipe.npy"):
        os.mkfifo(name)
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "link.wav").symlink_to("pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.jpg")
        yield tmp_path


@pytest.mark.parametrize(
    "name", ["pipe.png", "pipe.csv", "pipe.tar", "pipe.json", "pipe.npy", "zero.png", "link.wav", "socket.jpg"]
)
def test_each_is_refused_as_a_source_and_as_an_item(specials, name):
    message = f"{name} is a (named pipe|device|socket), not a file; save"
    with pytest.raises(UnreadableError, match=message):
        unibind.encode(specials / name, specials / "store", backbone=ToyBackbone(), workers=0)
    with pytest.raises(UnreadableError, match=message):
        unibind.read(specials / name)
    with pytest.raises(UnreadableError, match=message):
        unibind.UniBind(ToyBackbone()).embed(name)


def test_those_in_a_folder_are_set_aside(specials):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(specials / "good.png")
    manifest = read_manifest(specials)
    assert [item.uri for item in manifest] == [str(specials / "good.png")]
    reasons = {Path(entry.source).name: entry.reason for entry in manifest.report.set_aside}
    assert reasons.keys() >= {"pipe.png", "pipe.tar", "pipe.npy", "zero.png", "link.wav", "socket.jpg"}
    assert all("not a file; save what it gives to a file" in reason for reason in reasons.values())


def test_the_command_says_the_same(specials):
    assert "pipe.png is a named pipe, not a file" in run_json("inspect", "pipe.png", code=2)[0]["error"]
    shown = run("classify", "zero.png", "--classes", "cat,dog", code=2)
    assert "zero.png is a device, not a file; save what it gives to a file, and pass that" in shown.stderr
    with pytest.raises(UnreadableError, match=r"pipe\.csv is a named pipe"):
        KnowledgeBase.open("pipe.csv")
