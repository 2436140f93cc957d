"""No cell of a table that we write is a formula to a spreadsheet, and every text comes back as it was."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unibind.data.formulas import shielded, unshielded

RUN = ("=", "+", "-", "@", "\t", "\r", "\uff1d")
NASTY = st.text(alphabet="'=+-@\t\r\n1.e a\uff1d\"", max_size=8)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=HYPERLINK('//x')", "'=HYPERLINK('//x')"),
        ("-dash.png", "'-dash.png"),
        ("@home", "'@home"),
        ("+1", "+1"),
        ("-2.5e-3", "-2.5e-3"),
        ("-2+3", "'-2+3"),
        ("'=x", "''=x"),
        ("=x'", "''=x'"),
        ("'+'", "'+'"),
        ("it's = 1", "it's = 1"),
        ("'quoted'", "'quoted'"),
        ("", ""),
    ],
)
def test_what_is_written(text, written):
    assert shielded(text) == written
    assert unshielded(written) == text


@given(NASTY | st.text(max_size=5))
@example("''+'")
@example("'+'")
@example("+'")
def test_every_text_comes_back_and_none_runs(text):
    assert unshielded(shielded(text)) == text
    if shielded(text).startswith(RUN):
        float(text)  # only numbers may begin like a formula


@given(st.text(max_size=5).filter(lambda text: not text.startswith("'")))
def test_tables_of_others_are_read_as_they_are(text):
    assert unshielded(text) == text


def test_cells_that_are_no_text_stay():
    assert (shielded(-0.5), shielded(None), shielded(3)) == (-0.5, None, 3)
    line = io.StringIO()
    csv.writer(line).writerow(map(shielded, [-0.5, "=1", None]))
    assert line.getvalue() == "-0.5,'=1,\r\n"
