"""What a bare installation does: the default backbone works, and what needs an extra says how to install it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from unibind.extras import EXTRAS

REPOSITORY = Path(__file__).parents[1]
NOT_INSTALLED = sorted({module for extra in EXTRAS.values() for module in extra.modules} - {"tokenizers"})
BARE = f"import sys; sys.modules.update(dict.fromkeys({NOT_INSTALLED}))\n"


def in_bare_installation(code, *arguments):
    return subprocess.run([sys.executable, "-c", BARE + code, *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    from PIL import Image

    folder = tmp_path_factory.mktemp("files")
    Image.new("RGB", (32, 32), "red").save(folder / "red.png")
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
    (tmp_path / "cloud.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    code = """
import unibind
from unibind.demo import run_demo
from unibind.heptad.sheet import contact_sheet
from unibind.knowledge.llm.client import Client
for attempt in (
    lambda: unibind.read(sys.argv[1]),
    lambda: run_demo(sys.argv[2]),
    lambda: contact_sheet(categories=["dog"]),
    lambda: Client("http://localhost:9", "none"),
):
    try:
        attempt()
    except unibind.UnibindError as error:
        print(error)
"""
    done = in_bare_installation(code, tmp_path / "cloud.obj", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    needed = ["points", "all", "report", "llm"]
    lines = done.stdout.splitlines()
    assert len(lines) == len(needed)
    for line, extra in zip(lines, needed, strict=True):
        assert line.endswith(f"install it with `pip install 'unibind[{extra}]'`")
    assert not (tmp_path / "demo").exists()


def test_doctor_and_pyproject_know_the_same_extras():
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(declared) - {"all", "dev", "docs"} == set(EXTRAS)
