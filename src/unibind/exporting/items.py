"""What every format says about an item, and the files beside vectors: items.csv and contract.json."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.formulas import shielded
from ..data.location import local_path
from ..data.rows import StoredItem

if TYPE_CHECKING:
    from .formats import Export

Cells = dict[str, str | None]

COLUMNS = ("id", "modality", "label", "split", "uri", "object", "description", "contract")
ITEMS_FILE, CONTRACT_FILE = "items.csv", "contract.json"


def item_cells(row: StoredItem, contract: str) -> Cells:
    """The cells of one item: `contract` is the hash of its vector's, `uri` an absolute path or a URL."""
    path = local_path(row.uri)
    given = {"uri": row.uri if path is None else os.path.abspath(path), "contract": contract}  # noqa: PTH100
    return {name: _utf8(given[name] if name in given else getattr(row, name)) for name in COLUMNS}


def _utf8(text: str | None) -> str | None:
    """The text, in which a byte of a file name that is not UTF-8 is an escape."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()


@contextmanager
def items_csv(folder: Path) -> Iterator[Callable[[Sequence[Cells]], None]]:
    """Yield the function that appends rows to the folder's items.csv."""
    with (folder / ITEMS_FILE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        yield lambda rows: writer.writerows({name: shielded(cell) for name, cell in row.items()} for row in rows)


def write_contract(folder: Path, export: Export) -> None:
    """Write the facts about all vectors."""
    (folder / CONTRACT_FILE).write_text(json.dumps(export.facts(), indent=1) + "\n", encoding="utf-8")
