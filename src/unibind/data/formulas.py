"""Texts in CSV files: spreadsheets run a cell that begins like a formula, so an apostrophe goes before it.

This is what spreadsheets themselves take for "the following is text" (OWASP, "CSV injection"). Every table that unibind
writes is shielded, and every table that it reads is unshielded, so texts come back exactly as they were.
"""

from __future__ import annotations

import re
from typing import TypeVar

Cell = TypeVar("Cell")

_FORMULA = "[=+\\-@\\t\\r\uff1d\uff0b\uff0d\uff20]"  # the last four are the wide forms of the first four
_LIKE_FORMULA = re.compile(f"'*{_FORMULA}")
_SHIELDED = re.compile(f"'+{_FORMULA}")
_QUOTED = re.compile(f"'{_FORMULA}.*'", re.DOTALL)  # as in '+', which people write for the text +
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def shielded(cell: Cell) -> Cell | str:
    """The cell, with an apostrophe before a text that a spreadsheet would run; numbers stay as they are.

    A text that ends in an apostrophe gets two, so that it differs from a text that is quoted as a whole.
    """
    if not isinstance(cell, str) or not _LIKE_FORMULA.match(cell):
        return cell
    if _NUMBER.fullmatch(cell) or _QUOTED.fullmatch(cell):
        return cell
    return ("''" if cell.endswith("'") else "'") + cell


def unshielded(cell: str) -> str:
    """Inverse of `shielded`."""
    if not _SHIELDED.match(cell) or _QUOTED.fullmatch(cell):
        return cell
    return cell[2:] if cell.startswith("''") and cell.endswith("'") else cell[1:]
