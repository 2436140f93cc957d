"""The command line without data: help, wrong arguments, version."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from unibind.cli import app

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
    ["explain"],
    ["search"],
    ["export"],
    ["store", "show"],
    ["store", "remove"],
    ["store", "relabel"],
    ["store", "prune"],
    ["store", "check"],
    ["store", "repair"],
    ["store", "compact"],
    ["index", "build"],
    ["index", "show"],
    ["index", "drop"],
    ["doctor"],
    ["backbones", "list"],
    ["backbones", "show"],
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


@pytest.fixture(scope="module")
def help_pages():
    """The help of every verb, as a terminal of 100 columns shows it."""
    runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
    return {verb: runner.invoke(app, [*verb, "--help"]) for verb in map(tuple, VERBS)}


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_ends_with_examples(verb, help_pages):
    page = help_pages[tuple(verb)]
    assert page.exit_code == 0
    assert f"unibind {' '.join(verb)} " in page.stdout.partition("Examples:")[2]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_shows_no_markup(verb, help_pages):
    page = help_pages[tuple(verb)].stdout
    assert "\b" not in page
    assert "of ," not in page  # what swallowed markup leaves behind


def test_the_list_of_verbs_is_complete():
    def verbs(command, path=()):
        for name, sub in command.commands.items():
            yield from verbs(sub, (*path, name)) if hasattr(sub, "commands") else [(*path, name)]

    assert set(verbs(get_command(app))) == set(map(tuple, VERBS))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["inspect", "nowhere.png"], "nowhere.png"),
        (["classify", "x.wav", "--model", "no/where/at/all"], "no/where/at/all"),
        (["classify", "drum/a.txt"], "pass --model, --classes or --knowledge"),
        (["encode", "nowhere.csv", "--out", "store"], "nowhere.csv"),
        (["fit", "nowhere", "--out", "model"], "nowhere"),
        (["search", "a drum", "--store", "nowhere"], "nowhere"),
        (["encode", ".", "--out", "store", "--backbone", "magic"], "magic"),
    ],
)
def test_a_wrong_request_gets_one_sentence_and_exit_code_2(arguments, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drum").mkdir()
    (tmp_path / "drum" / "a.txt").write_text("a drum")
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("unibind: ")
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_usage_error_exits_2():
    assert run("demo", "--per-category", "none").returncode == 2
    assert run("nonsense").returncode == 2


def test_the_version_is_printed():
    assert run("--version").stdout.startswith("unibind 0.")
