"""The scripts in examples/ run, on tiny data, and stay short enough to be read at a glance."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from .helpers.llm_server import LLMServer

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "examples"
RATE = 16_000
CLASSES = {"bell": (880, (200, 30, 30)), "dog": (220, (30, 200, 30)), "drum": (110, (30, 30, 200))}  # Hz, color


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder split/label/file with one picture and one sound per class and split."""
    folder = tmp_path_factory.mktemp("files")
    for split, size in (("train", 64), ("val", 72)):  # no file of one split is a copy of another
        for label, (pitch, color) in CLASSES.items():
            target = folder / split / label
            target.mkdir(parents=True)
            Image.new("RGB", (size, size), color).save(target / "0.png")
            soundfile.write(target / "0.wav", np.sin(2 * np.pi * pitch * np.arange(RATE) / RATE) * size / 100, RATE)
    return folder


@pytest.fixture
def run(monkeypatch, capsys):
    """Run an example as `python examples/NAME.py ARGUMENTS` and return what it prints."""

    def run(name: str, *arguments: object) -> str:
        script = str(EXAMPLES / f"{name}.py")
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        runpy.run_path(script, run_name="__main__")
        return capsys.readouterr().out

    return run


def test_five_examples_of_at_most_forty_lines():
    lines = {path.name: len(path.read_text().splitlines()) for path in EXAMPLES.glob("*.py")}
    assert len(lines) == 5
    assert max(lines.values()) <= 40, lines


@pytest.mark.slow
def test_classify_by_names(run, files):
    output = run("classify_by_names", "bell, dog, drum", files / "val/bell/0.wav", files / "val/dog/0.png")
    labels = [line.split(": ")[1].split(" (")[0] for line in output.splitlines()]
    assert len(labels) == 2
    assert set(labels) <= set(CLASSES)


def test_compare_in_memory(run):
    output = run("compare_in_memory")
    assert [line.split(" {")[0] for line in output.splitlines()] == ["red square", "decaying tone"]


@pytest.mark.slow
def test_fit_on_your_files_then_search(run, files, tmp_path):
    output = run("fit_on_your_files", files, "--out", tmp_path)
    assert "items: 12 encoded, 0 replaced, 0 updated, 0 unchanged, 0 missing, 0 quarantined" in output
    assert (tmp_path / "model" / "unibind.json").is_file()

    arguments = ("--store", tmp_path / "store", "--model", tmp_path / "model", "--in", "audio")
    output = run("search_by_text_or_file", "the sound of a bell", *arguments)
    assert len(output.splitlines()) == 6
    assert all("audio" in line for line in output.splitlines())


@pytest.mark.slow
def test_write_descriptions(run, files, tmp_path):
    with LLMServer() as server:
        arguments = ("--out", tmp_path / "kb", "--model", "tiny", "--base-url", server.base_url, "--per-class", 3)
        output = run("write_descriptions", "bell, dog", files / "val/dog/0.png", *arguments)
    assert "because: " in output
