"""Manifests in files: CSV, JSONL, JSON and Parquet with columns of many names, and lists of paths without a header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ...errors import UnibindError
from ...modalities.reading import has_known_ending
from ...modalities.source import is_file, is_url
from ..tables import BadRow, Dialect, table_rows
from ..text_encoding import decoded_lines
from .collecting import Collector
from .columns import NAMES, columns, is_known
from .modality_choice import Modalities
from .parquet_files import PARQUET, held_columns, rows_with_files
from .rows import collect_rows
from .split_names import known_split

_SEPARATORS = "[,;\t|]"
_LISTED = ("uri", "label", "split")  # the columns of a list without a header, as far as they go


def collect_table(
    path: Path,
    into: Collector,
    modalities: Modalities,
    *,
    source: str | None = None,
    folder: Path | str | None = None,
) -> None:
    """Collect the items of a table, row by row; relative paths start from its folder, where no other root was chosen.

    `source` is what messages call a table that was fetched from elsewhere, and `folder` is where that was. Parquet
    files may have the files themselves in their cells, which are read again when they are encoded. Raises
    MissingFileError, and UnibindError for a file that is not a table or has no column of files or texts.
    """
    source, folder = source or str(path), into.root or folder or path.parent
    dialect = Dialect(is_known, lambda cells: _columns_of_list(cells, folder))
    held = held_columns(path) if path.suffix.lower() == PARQUET else {}
    rows = rows_with_files(path, held) if held else table_rows(path, dialect)
    names, any_whole = dict[str, None](), False

    def noted() -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
        nonlocal any_whole
        for number, row in rows:
            if not isinstance(row, BadRow):
                any_whole = True
                names.update(dict.fromkeys(row))
            yield number, row

    collect_rows(noted(), source, folder, into, modalities)
    if any_whole and not columns(tuple(names)).hold_items:
        raise UnibindError(
            f"{source} has no column of files or texts; call it one of {', '.join(NAMES['uri'][:5])}, text, or like a "
            "modality"
        )


def names_items(path: Path) -> bool:
    """Whether a text file is a table rather than a text: its first line that is not blank names a file, or columns."""
    with closing(decoded_lines(path)) as lines:
        line = next((line for line in lines if line.strip()), "")
    cells = tuple(cell.strip() for cell in re.split(_SEPARATORS, line))
    return (
        _is_place(line.strip(), path.parent)
        or _columns_of_list(cells, path.parent) is not None
        or (len(cells) > 1 and columns(cells).hold_items)
    )


def _columns_of_list(cells: Sequence[str], folder: Path | str) -> Sequence[str] | None:
    """The columns of a table without a header, by the cells of its first row: a file, and perhaps its label and split.

    None where the first cell names no file, or where there is more.
    """
    if not cells or len(cells) > len(_LISTED) or not _is_place(cells[0], folder):
        return None
    if len(cells) == len(_LISTED) and known_split(cells[-1]) is None:
        return None
    return _LISTED[: len(cells)]


def _is_place(cell: str, folder: Path | str) -> bool:
    beside = isinstance(folder, Path) and bool(cell) and is_file(folder / cell)
    return bool(cell) and (is_url(cell) or has_known_ending(cell) or beside)
