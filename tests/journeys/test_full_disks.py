"""A disk that is full, or a limit on files, is one sentence that names the output; the old output is still there.

Every verb writes twice: below a limit of the process on the size of files, which works everywhere, and on a small disk
in memory, where mounting one is allowed.
"""

import contextlib
import os
import resource
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from tests.helpers import stand_ins
from tests.helpers.command import run
from tests.helpers.labs import BRIDGED, KNOWLEDGE, open_labs
from tests.helpers.llm_server import LLMServer, descriptions
from tests.helpers.released import saved
from tests.helpers.tiny_imagebind import public_state
from unibind import serialization
from unibind.exporting import FORMATS
from unibind.knowledge import KnowledgeBase

REASONS = {"limit": "the system allows no file of this size", "disk": "the disk is full"}
KB = 1024


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Photos in a store, descriptions and a released checkpoint."""
    folder = tmp_path_factory.mktemp("made")
    for i, color in enumerate(("red", "blue") * 4):
        path = folder / "photos" / color / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((8, 8, 3), i, np.uint8)
        pixels[..., 0 if color == "red" else 2] = 200
        Image.fromarray(pixels).save(path)
    texts = [f"{color},A {color} thing number {i} of many." for color in ("red", "blue") for i in range(20)]
    (folder / "kb.csv").write_text("\n".join(["category,text", *texts]) + "\n")
    saved(folder / "audio.pth", public_state("audio"))
    run("encode", folder / "photos", "--out", folder / "store")
    return folder


@pytest.fixture(params=["limit", "disk"])
def place(request, tmp_path, made, monkeypatch):
    """A folder to write to, and the context in which there is no space."""
    monkeypatch.chdir(made)
    monkeypatch.setenv("UNIBIND_CACHE", "")
    folder = tmp_path / "place"
    folder.mkdir()
    if request.param == "limit":
        yield folder, _limited, REASONS["limit"]
        return
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a disk is not allowed here; the limit is tested")
    yield folder, lambda: _filled(folder), REASONS["disk"]
    subprocess.run(["umount", folder], check=True)


@contextlib.contextmanager
def _limited():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def _filled(folder):
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(KB))
    yield
    filler.unlink()


def entries(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


FOLDERS = {
    "fit": ("fit", "store", "--knowledge", "kb.csv", "--force", "--out"),
    "eval": ("eval", "store", "--force", "--out"),
    "weights convert": ("weights", "convert", "audio.pth", "--force"),
    **{f"export {name}": ("export", "store", "--to", name, "--force", "--out") for name in FORMATS},
}
MARKS = {
    "fit": serialization.MODEL.marks,
    "eval": ("report.html", "report.json"),
    "weights convert": ("audio.safetensors",),
    **{f"export {name}": row.entries for name, row in FORMATS.items()},
}
FILES = {
    "search --html": ("search", "red", "--store", "store", "--force", "--html"),
    "search --png": ("search", "red", "--store", "store", "--force", "--png"),
    "search --out": ("search", "red", "--store", "store", "--force", "--out"),
    "knowledge export": ("knowledge", "export", "kb.csv", "--force"),
    "knowledge show --html": ("knowledge", "show", "kb.csv", "--force", "--html"),
    "knowledge show --png": ("knowledge", "show", "kb.csv", "--force", "--png"),
    "heptad show": ("heptad", "show", "--category", "dog", "--force", "--out"),
    "inspect --png": ("inspect", "photos/red/0.png", "--force", "--png"),
}
SUFFIXES = {"search --out": ".csv", "knowledge export": ".csv"}
NEW = {
    "knowledge import": ("knowledge", "import", "kb.csv", "--out"),
    "knowledge merge": ("knowledge", "merge", "kb.csv", "--out"),
    "heptad make": ("heptad", "make", "--per-category", 1, "--split", "test", "--workers", 1, "--out"),
    "demo": ("demo", "--per-category", 3, "--workers", 1, "--out"),
}


def refused(arguments, out, reason, named=None):
    done = run(*arguments, out, code=2)
    *_, last = done.stderr.splitlines()
    assert last.startswith(f"unibind: {named or out}")
    assert f" cannot be written, because {reason}; " in last


@pytest.mark.slow
@pytest.mark.parametrize("verb", FOLDERS)
def test_a_folder_stays_as_it_was(verb, place, monkeypatch):
    folder, no_space, reason = place
    stand_ins.faiss(monkeypatch)
    stand_ins.qdrant(monkeypatch)
    out = folder / ("out" + (FORMATS[verb.split()[1]].suffix if verb.startswith("export") else ""))
    if marks := MARKS[verb]:
        out.mkdir()
        for name in marks:
            (out / name).write_text("old")
    else:
        out.write_text("old")
    before = entries(folder)
    with no_space():
        refused(FOLDERS[verb], out, reason)
    assert entries(folder) == before
    assert list(folder.iterdir()) == [out]


@pytest.mark.slow
@pytest.mark.parametrize("verb", FILES)
def test_a_file_stays_as_it_was(verb, place):
    folder, no_space, reason = place
    out = folder / f"out{SUFFIXES.get(verb, '')}"
    out.write_text("old")
    with no_space():
        refused(FILES[verb], out, reason)
    assert entries(folder) == {out.name: b"old"}


@pytest.mark.slow
@pytest.mark.parametrize("verb", NEW)
def test_what_is_continued_has_nothing_halfway_and_continues(verb, place):
    folder, no_space, reason = place
    out = folder / "out"
    with no_space():
        refused(NEW[verb], out, reason)
    assert [name for name, content in entries(folder).items() if content] == []
    if verb.startswith("knowledge"):
        run(*NEW[verb], out)
        assert len(KnowledgeBase.load(out)) == 40


@pytest.mark.slow
def test_answers_that_do_not_fit_are_asked_for_again(place, monkeypatch):
    folder, no_space, reason = place
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with LLMServer() as server:
        command = ("knowledge", "generate", "drum,bell", "--model", "m", "--per-class", 10, "--max-similarity", 0)
        command = (*command, "--base-url", server.base_url, "--out")
        with no_space():
            refused(command, folder / "out", reason)
        assert list(entries(folder)) == ["out/answers.jsonl"]
        assert entries(folder)["out/answers.jsonl"] == b""
        run(*command, folder / "out")
    assert KnowledgeBase.load(folder / "out").categories == ("drum", "bell")


@pytest.mark.slow
def test_descriptions_of_items_that_do_not_fit_are_asked_for_again(place, monkeypatch):
    folder, no_space, reason = place
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    words = "A plain square card that fills the view.", "Its surface is bright and smooth all over."
    with LLMServer(answer=lambda request: descriptions(*words)) as s:
        command = ("knowledge", "describe", "photos", "--model", "m", "--base-url", s.base_url, "--out")
        with no_space():
            refused(command, folder / "out", reason)
        assert not any(entries(folder).values())
        run(*command, folder / "out")
    assert len(KnowledgeBase.load(folder / "out")) == 8


@pytest.mark.slow
def test_a_bridge_stays_as_it_was(place, monkeypatch):
    open_labs(monkeypatch)
    folder, no_space, reason = place
    (folder / "parts.toml").write_text(BRIDGED)
    KNOWLEDGE.save(folder.parent / "base.jsonl")
    out = folder / "audio.safetensors"
    out.write_text("old")
    command = ("bridge", folder / "parts.toml", "--steps", 10, "--force", "--knowledge")
    with no_space():
        refused(command, folder.parent / "base.jsonl", reason, named=out)
    assert out.read_text() == "old"


@pytest.mark.slow
@pytest.mark.parametrize("verb", [*FOLDERS, *FILES, *NEW])
def test_a_read_only_disk_is_refused_before_the_work(verb, made, tmp_path, monkeypatch):
    monkeypatch.chdir(made)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(str(tmp_path)) and access(path, mode))
    out = tmp_path / f"out{SUFFIXES.get(verb, '')}"
    if verb.startswith("export"):
        out = out.with_suffix(FORMATS[verb.split()[1]].suffix)
    done = run(*{**FOLDERS, **FILES, **NEW}[verb], out, code=2)
    *_, last = done.stderr.splitlines()
    assert last == f"unibind: {out} cannot be written, because {tmp_path} is not writable; choose another path"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_import_that_does_not_fit_leaves_the_base_as_it_was(place, made):
    folder, no_space, reason = place
    run("knowledge", "import", "kb.csv", "--out", folder / "out")
    before = entries(folder)
    more = folder.parent / "more.csv"
    more.write_text("category,text\n" + "".join(f"green,A green thing number {i} of many.\n" for i in range(4000)))
    with no_space():
        refused(("knowledge", "import", more, "--out"), folder / "out", reason)
    assert entries(folder) == before
    assert len(KnowledgeBase.load(folder / "out")) == 40
    shutil.rmtree(folder / "out")
    assert os.listdir(folder) == []  # noqa: PTH208
