"""Nothing in a name, label or message acts on the terminal; JSON stays exact."""

import json
import logging

import pytest

from tests.helpers.command import run
from unibind.cli import _console, _PrintableFormatter
from unibind.errors import printable

HOSTILE = "a\x1b]0;owned\x07\x9b31m\r\n\u202ecod.exe\u2028\udcff\ud800\U000e0041z"
SHOWN = r"a\x1b]0;owned\x07\x9b31m\r\n\u202ecod.exe\u2028\xff\ud800\U000e0041z"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HOSTILE, SHOWN),
        ("caf\u00e9 \u732b \U0001f468\u200d\U0001f469\u200d\U0001f467 \u05d0\u05d1 'it''s, \"so\"", None),  # as it is
        (3.5, "3.5"),
    ],
)
def test_printable(text, shown):
    assert printable(text) == (text if shown is None else shown)


def test_tables_and_messages_are_printable(capsys):
    _console.print_table((HOSTILE,), [(HOSTILE,)], title=HOSTILE)
    _console.notify(HOSTILE)
    out, err = capsys.readouterr()
    assert out.count(SHOWN) == 3
    assert err == SHOWN + "\n"
    assert all(character.isprintable() or character == "\n" for character in out + err)


def test_json_is_exact_and_printable(capsys):
    _console.print_json({HOSTILE: [HOSTILE]})
    out = capsys.readouterr().out
    assert json.loads(out) == {HOSTILE: [HOSTILE]}
    assert all(character.isprintable() or character == "\n" for character in out)


def test_log_lines_are_printable():
    record = logging.LogRecord("unibind", logging.WARNING, __file__, 1, "class %s", (HOSTILE,), None)
    assert _PrintableFormatter("unibind: %(message)s").format(record) == f"unibind: class {SHOWN}"


NAME = "\x1b[31m\n\u202e\udcff.png"  # as a shell's `*` may find it


@pytest.mark.parametrize(
    "arguments", [("inspect", NAME), ("inspect", f"--{NAME}"), ("encode", NAME, "-o", "s"), (NAME,)]
)
def test_errors_are_printable(arguments):
    shown = run(*arguments, code=2)
    assert r"\x1b[31m" in shown.stderr
    assert all(character.isprintable() or character == "\n" for character in shown.stderr + shown.stdout)
