"""Manifests: tables and folders that list items, their modality, and what is known about them.

A table (CSV, JSONL, Parquet) has a column `uri` or `text`, and optionally `id`, `modality`, `label`, `split`,
`description` and `object`; other columns are ignored. A manifest can also be UniBind's own JSON, a list of {data,
label, description}, or a folder `split/label/file`, `label/file` or plain files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ..errors import MissingFileError, UnibindError, UnreadableError
from ..modalities import check_modality
from ..modalities.text import Text
from .location import canonical_location
from .tables import Row, read_rows, write_rows


@dataclass(frozen=True)
class Item:
    """One input: a file (`uri`) or an inline `text`, never both.

    Items that record the same object in several modalities share its `object` id.
    """

    id: str
    modality: str
    uri: str | None = None
    text: str | None = None
    label: str | None = None
    split: str | None = None
    description: str | None = None
    object: str | None = None

    def __post_init__(self) -> None:
        """Check the modality, and that there is exactly one content."""
        check_modality(self.modality)
        if (self.uri is None) == (self.text is None):
            content = "neither a uri nor a text" if self.uri is None else "both a uri and a text"
            raise UnibindError(f"item {self.id!r} has {content}; give exactly one of them")
        if self.text is not None and self.modality != Text.modality:
            raise UnibindError(
                f"item {self.id!r} is an inline text of modality {self.modality}; set its modality to {Text.modality}"
            )


_COLUMNS = tuple(field.name for field in fields(Item))
_UNIBIND_URI = "data"  # name of the uri in UniBind's own JSON
_MAX_DEPTH = 3  # split/label/file


def read_manifest(path: str | Path, *, modality: str | None = None) -> list[Item]:
    """Items of a table, in its order, or of a folder, by name.

    Relative uris are resolved against the folder of the table. The modality of an item is that of its row, otherwise
    `modality`, otherwise the one of the file's name and first bytes. An item without an id of its own has its canonical
    location as its id (`data.location`). Raises MissingFileError if `path` does not exist, and UnibindError, naming
    file and row, for rows that are not items, duplicate ids, and manifests without items.
    """
    path = Path(path)
    if modality is not None:
        check_modality(modality)
    items = list(_folder_items(path, modality) if path.is_dir() else _table_items(path, modality))
    if not items:
        raise UnibindError(f"{path} contains no items; add some, or pass another manifest")
    check_unique((item.id for item in items), str(path))
    return items


def items_from_paths(paths: Iterable[str | Path], modality: str | None = None) -> list[Item]:
    """Items of plain files, without labels; the id is the canonical location of the file."""
    items = [Item(canonical_location(str(path)), modality or _modality_of(path), uri=str(path)) for path in paths]
    check_unique((item.id for item in items), "the list of files")
    return items


def write_manifest(items: Sequence[Item], path: str | Path) -> None:
    """Write items as CSV, JSONL or Parquet (by suffix); relative uris become relative to the manifest's folder."""
    path = Path(path)
    rows = [asdict(item) | {"uri": relative(item.uri, path.parent)} for item in items]
    write_rows(path, rows, _COLUMNS)


def check_unique(ids: Iterable[str], where: str) -> None:
    """Raise UnibindError naming the first id that occurs twice."""
    seen = set[str]()
    for name in ids:
        if name in seen:
            raise UnibindError(f"the id {name!r} occurs twice in {where}; give every item a distinct id")
        seen.add(name)


def resolve(uri: str | None, folder: Path) -> str | None:
    """A uri relative to `folder` as a path from the working directory; absolute paths and URLs are unchanged."""
    return uri if uri is None or is_absolute(uri) else os.path.normpath(folder / uri)


def relative(uri: str | None, folder: Path) -> str | None:
    """Inverse of `resolve`: a path from the working directory as a path relative to `folder`."""
    return uri if uri is None or is_absolute(uri) else Path(os.path.relpath(uri, folder)).as_posix()


def is_absolute(uri: str) -> bool:
    """Whether a uri is a URL or an absolute path."""
    return "://" in uri or Path(uri).is_absolute()


def _modality_of(path: str | Path) -> str:
    """The modality of a file's name and first bytes; for a file that cannot be opened, that of its suffix.

    Reading such a file will report the error later, so one bad file does not make the manifest invalid.
    """
    from ..modalities.reading import modality_of, suffixes

    try:
        return modality_of(path)
    except (MissingFileError, UnreadableError):
        ending = Path(path).suffix.lower()
        return next(modality for modality, claimed in suffixes().items() if ending in claimed)


# --- tables --------------------------------------------------------------------------------------------------------


def _table_items(path: Path, modality: str | None) -> Iterator[Item]:
    for number, row in read_rows(path, (*_COLUMNS, _UNIBIND_URI)):
        try:
            yield _item(row, path.parent, modality)
        except UnibindError as error:
            raise UnibindError(f"{path}, row {number}: {error}") from error


def _item(row: Row, folder: Path, modality: str | None) -> Item:
    uri, text = resolve(row.get("uri") or row.get(_UNIBIND_URI), folder), row.get("text")
    columns = {name: row.get(name) for name in ("label", "split", "description", "object")}
    kind = row.get("modality") or (Text.modality if uri is None else modality or _modality_of(uri))
    return Item(row.get("id") or canonical_location(uri, text), kind, uri, text, **columns)


# --- folders -------------------------------------------------------------------------------------------------------


def _folder_items(folder: Path, modality: str | None) -> Iterator[Item]:
    for file in _files(folder, 1):
        parts = file.relative_to(folder).parts
        label = parts[-2] if len(parts) > 1 else None
        split = parts[-3] if len(parts) > 2 else None
        name = canonical_location(str(file))
        yield Item(name, modality or _modality_of(file), uri=str(file), label=label, split=split)


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """Visible files of `folder`, at level `depth` of the manifest, and of its subfolders, by name."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            yield path
        elif depth < _MAX_DEPTH:
            yield from _files(path, depth + 1)
        else:
            raise UnibindError(f"{path} is deeper than split/label/file; write a manifest with a uri column instead")
