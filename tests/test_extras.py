"""What a bare installation does: the default backbone works, and what needs an extra says how to install it."""

import json
import struct
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import soundfile

from unibind.extras import EXTRAS

REPOSITORY = Path(__file__).parents[1]
NOT_INSTALLED = sorted({module for extra in EXTRAS.values() for module in extra.modules} - {"tokenizers"})
BARE = f"""
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name in {NOT_INSTALLED}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())
"""


def in_bare_installation(code, *arguments):
    return subprocess.run([sys.executable, "-c", BARE + code, *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    PIL.Image.new("RGB", (32, 32), "red").save(folder / "red.png")
    return folder


@pytest.mark.slow
def test_the_default_backbone_and_the_verbs_work_without_extras(files, tmp_path):
    code = """
import unibind
from pathlib import Path
picture, store = sys.argv[1:]
model = unibind.UniBind.zero_shot(classes=["cat", "dog"])
assert model.classify(picture).label in ("cat", "dog")
assert unibind.encode([picture], store=store).encoded == 1
assert unibind.search("a cat", store)[0].modality == "image"
"""
    done = in_bare_installation(code, files / "red.png", tmp_path / "store")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_missing_extra_is_one_sentence_with_the_command(tmp_path):
    code = """
import unibind
from unibind.demo import run_demo
from unibind.heptad.sheet import contact_sheet
from unibind.knowledge.llm.client import Client
for attempt in (
    lambda: run_demo(sys.argv[1]),
    lambda: contact_sheet(categories=["dog"]),
    lambda: Client("http://localhost:9", "none"),
    lambda: unibind.encode([], sys.argv[1], engine="ray"),
):
    try:
        attempt()
    except unibind.UnibindError as error:
        print(error)
"""
    done = in_bare_installation(code, tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    needed = ["all", "report", "llm", "scale"]
    lines = done.stdout.splitlines()
    assert len(lines) == len(needed)
    for line, extra in zip(lines, needed, strict=True):
        assert line.endswith(f"install it with `pip install 'unibind[{extra}]'`")
    assert not (tmp_path / "demo").exists()


MODALITIES = {"thermal.tiff": "thermal", "events.npz": "event"}  # of files whose endings several modalities share


def write_every_kind_of_file(folder):
    """name -> the extra that reading it needs; None for files that a bare installation reads."""
    PIL.Image.fromarray(np.full((8, 8), 3000, np.uint16)).save(folder / "thermal.tiff")
    soundfile.write(folder / "sound.wav", np.zeros(800), 8000)
    soundfile.write(folder / "sound.flac", np.zeros(800), 8000)
    (folder / "mesh.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    np.savez(folder / "events.npz", t=np.arange(20), x=np.arange(20), y=np.arange(20), p=np.arange(20) % 2)
    (folder / "text.txt").write_text("a dog")
    (folder / "mesh.stl").write_bytes(bytes(80) + struct.pack("<I12fH", 1, *[0] * 3, *np.eye(3).ravel(), 0))
    for name in ("film.mp4", "sound.m4a"):
        (folder / name).write_bytes(b"\0\0\0\x20ftypM4A " + bytes(64))
    (folder / "events.es").write_bytes(b"Event Stream" + bytes(64))
    (folder / "events.dat").write_bytes(b"% Width 4\n% Height 4\n\x0c\x08" + bytes(64))
    bare = ("thermal.tiff", "sound.wav", "sound.flac", "mesh.obj", "events.npz", "text.txt")
    needs = {"mesh.stl": "points", "film.mp4": "video", "sound.m4a": "video", "events.es": "events"}
    return dict.fromkeys(bare) | needs | {"events.dat": "events"}


@pytest.mark.slow
def test_every_kind_of_file_is_read_or_its_extra_is_named(tmp_path):
    needs = write_every_kind_of_file(tmp_path)
    code = f"""
import json, unibind
MODALITIES = {MODALITIES}
said = {{}}
for path in sys.argv[1:]:
    name = path.rpartition("/")[2]
    try:
        said[name] = unibind.read(path, MODALITIES.get(name)) and None
    except unibind.UnibindError as error:
        said[name] = str(error)
print(json.dumps(said))
"""
    done = in_bare_installation(code, *(tmp_path / name for name in needs))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {name for name, error in said.items() if error is None} == {n for n, extra in needs.items() if extra is None}
    for name, extra in needs.items():
        assert extra is None or said[name].endswith(f"install it with `pip install 'unibind[{extra}]'`"), said[name]


@pytest.mark.slow
def test_reading_one_kind_of_file_imports_the_libraries_of_no_other(tmp_path):
    write_every_kind_of_file(tmp_path)
    code = f"""
import unibind
libraries = {{"soundfile", "soxr", "tifffile", "av", "trimesh", "faery", "matplotlib", "sklearn", "scipy"}}
for path in sys.argv[1:]:
    unibind.read(path, {MODALITIES}.get(path.rpartition("/")[2]))
    print(*sorted(libraries & {{name for name, module in sys.modules.items() if module is not None}}))
"""
    names = ("mesh.obj", "events.npz", "text.txt", "sound.wav", "thermal.tiff")
    done = in_bare_installation(code, *(tmp_path / name for name in names))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["", "", "", "soundfile", "soundfile tifffile"]


def test_doctor_and_pyproject_know_the_same_extras():
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(declared) - {"all", "dev", "docs"} == set(EXTRAS)
