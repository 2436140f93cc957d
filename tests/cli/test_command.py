"""The command line without data: help, wrong arguments, start-up."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).parent / "unibind"
VERBS = (
    ["demo"],
    ["inspect"],
    ["heptad", "make"],
    ["heptad", "show"],
    ["encode"],
    ["bridge"],
    ["fit"],
    ["eval"],
    ["classify"],
    ["search"],
    ["doctor"],
    ["backbones", "list"],
    ["weights", "convert"],
    ["knowledge", "generate"],
    ["knowledge", "describe"],
    ["knowledge", "show"],
    ["knowledge", "check"],
    ["knowledge", "edit"],
    ["knowledge", "block"],
    ["knowledge", "embed"],
    ["knowledge", "import"],
    ["knowledge", "export"],
    ["knowledge", "merge"],
)


def run(*arguments):
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_shows_an_example(verb):
    done = run(*verb, "--help")
    assert done.returncode == 0
    assert f"unibind {' '.join(verb)} " in done.stdout


def test_start_up_imports_nothing_heavy():
    code = (
        "import sys, unibind, unibind.cli;"
        "print([m for m in ('torch','numpy','av','lancedb','matplotlib','PIL','transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["inspect", "nowhere.png"], "nowhere.png"),
        (["classify", "x.wav", "--model", "no/where/at/all"], "no/where/at/all"),
        (["encode", "nowhere.csv", "--out", "store"], "nowhere.csv"),
        (["fit", "nowhere", "--out", "model"], "nowhere"),
        (["search", "a drum", "--store", "nowhere"], "nowhere"),
        (["encode", ".", "--out", "store", "--backbone", "magic"], "magic"),
    ],
)
def test_wrong_requests_get_one_sentence(arguments, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drum").mkdir()
    (tmp_path / "drum" / "a.txt").write_text("a drum")
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("unibind: ")
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_usage_errors_exit_2():
    assert run("demo", "--per-category", "none").returncode == 2
    assert run("nonsense").returncode == 2


def test_version():
    assert run("--version").stdout.startswith("unibind 0.")
