"""Data frames and data sets: pandas, polars, Arrow tables, and Hugging Face datasets, known by what they can do.

None of these libraries is imported: a frame is what has columns of cells, and a data set what has features and casts
its columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from ...errors import UnibindError
from ...modalities import modality_names
from ..content import Content, digest_of
from .collecting import Collector
from .columns import columns, is_known
from .modality_choice import Modalities
from .rows import collect_rows


def is_frame(source: Any) -> bool:
    """Whether this is a data frame or an Arrow table."""
    return hasattr(source, "columns") and hasattr(source, "__getitem__") and not isinstance(source, Mapping)


def is_lazy_frame(source: Any) -> bool:
    """Whether this is a frame whose cells are still to be computed, such as one of polars."""
    return callable(getattr(source, "collect", None)) and hasattr(source, "collect_schema")


def is_data_set(source: Any) -> bool:
    """Whether this is a Hugging Face data set."""
    return hasattr(source, "features") and callable(getattr(source, "cast_column", None))


def collect_frame(frame: Any, into: Collector, modalities: Modalities) -> None:
    """Collect the items of the rows of a frame; relative paths start from the working directory.

    Raises UnibindError for a frame without a column of files or texts.
    """
    names = getattr(frame, "column_names", None) or list(frame.columns)
    _check_names(names)
    known = [name for name in names if isinstance(name, str) and is_known(name)]
    cells = zip(*(_cells(frame[name]) for name in known), strict=True)
    rows = zip(count(1), (dict(zip(known, row, strict=True)) for row in cells), strict=False)
    collect_rows(rows, "the data frame", into.root or Path(), into, modalities)


def collect_data_set(data_set: Any, into: Collector, modalities: Modalities) -> None:
    """Collect the items of the rows of a data set; files in it stay there, and are fetched when they are encoded.

    Raises UnibindError for a data set without a column of files or texts, and for one that is streamed.
    """
    if not hasattr(data_set, "__len__"):
        raise UnibindError(
            "a streamed data set can be read only once; load it without streaming, or pass list(data_set.take(1000))"
        )
    features = dict(data_set.features)
    typed = {name: kind for name, feature in features.items() if (kind := _modality_of(feature)) is not None}
    _check_names([*features, *(("uri",) if typed else ())])
    data_set = data_set.with_format(None)  # plain cells rather than tensors
    for name in typed:
        data_set = data_set.cast_column(name, type(features[name])(decode=False))
    facts = [name for name in features if name in typed or is_known(name)]
    held = data_set.select_columns(facts)
    rows = zip(count(1), _rows(held, features, typed, partial(_fetch, held)), strict=False)
    collect_rows(rows, "the data set", into.root or Path(), into, modalities, typed)


def _check_names(names: Any) -> None:
    written = tuple(name for name in names if isinstance(name, str))
    if not columns(written).hold_items:
        raise UnibindError(
            f"none of the columns {', '.join(map(str, names)) or '(none)'} has files or texts; call one path, text, or "
            "like a modality"
        )


def _cells(column: Any) -> list[Any]:
    return column.to_pylist() if hasattr(column, "to_pylist") else column.to_list()


def _modality_of(feature: Any) -> str | None:
    """The modality of a feature of files, whose class has its name: Image, Audio, Video."""
    name = type(feature).__name__.lower()
    return name if name in modality_names() and hasattr(feature, "decode") else None


def _rows(
    data_set: Any, features: Mapping[str, Any], typed: Mapping[str, str], holder: Callable[..., bytes]
) -> Iterator[dict[str, Any]]:
    for index in range(len(data_set)):
        row = data_set[index]
        yield {name: _cell(row[name], name, index, features[name], typed, holder) for name in row}


def _cell(
    cell: Any, name: str, index: int, feature: Any, typed: Mapping[str, str], holder: Callable[..., bytes]
) -> Any:
    if name in typed and isinstance(cell, Mapping) and cell.get("bytes") is not None:
        written = str(cell.get("path") or f"{name} of row {index + 1}")
        return Content(written, digest_of(cell["bytes"]), None, holder, (index, name))
    if hasattr(feature, "int2str") and isinstance(cell, int):
        return feature.int2str(cell) if cell >= 0 else None  # -1 marks what has no label
    return cell


def _fetch(data_set: Any, index: int, name: str) -> bytes:
    return bytes(data_set[index][name]["bytes"])
