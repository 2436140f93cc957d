"""Items: their modality, where they are, and what is known about them; and manifests, the tables that list them.

`data.intake` reads manifests and everything else that has items.
"""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from ..deadlines import Deadline
from ..errors import MissingFileError, UnibindError, UnreadableError
from ..modalities import check_modality
from ..modalities.limits import Limits
from ..modalities.source import Source
from ..modalities.text import Text
from .content import Content
from .tables import write_rows


@dataclass(frozen=True)
class Item:
    """One input: a file (`uri`) or an inline `text`, never both; `content` is that of an input that has no file.

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
    content: Content | None = field(default=None, repr=False, compare=False)

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


_COLUMNS = tuple(fact.name for fact in fields(Item) if fact.name != "content")


def write_manifest(items: Sequence[Item], path: str | Path) -> None:
    """Write items as CSV, JSONL or Parquet (by suffix); relative uris become relative to the manifest's folder.

    Raises UnibindError for items without a file, whose content no table has.
    """
    path = Path(path)
    in_memory = next((item.id for item in items if item.content is not None), None)
    if in_memory is not None:
        raise UnibindError(f"the item {in_memory!r} has no file; save its content, and list the file instead")
    facts = ({name: getattr(item, name) for name in _COLUMNS} for item in items)
    rows = [row | {"uri": relative(row["uri"], path.parent)} for row in facts]
    write_rows(path, rows, _COLUMNS)


def check_unique(ids: Iterable[str], where: str) -> None:
    """Raise UnibindError naming the first id that occurs twice."""
    seen = set[str]()
    for name in ids:
        if name in seen:
            raise UnibindError(f"the id {name!r} occurs twice in {where}; give every item a distinct id")
        seen.add(name)


def resolve(uri: str | None, folder: Path | str) -> str | None:
    """A uri relative to `folder` as a path from the working directory; absolute paths and URLs are unchanged.

    A folder that is a str is a URL, which ends with a slash, and what is relative to it becomes one.
    """
    if uri is None or is_absolute(uri):
        return uri
    return folder + posixpath.normpath(uri) if isinstance(folder, str) else os.path.normpath(folder / uri)


def relative(uri: str | None, folder: Path) -> str | None:
    """Inverse of `resolve`: a path from the working directory as a path relative to `folder`."""
    return uri if uri is None or is_absolute(uri) else Path(os.path.relpath(uri, folder)).as_posix()


def is_absolute(uri: str) -> bool:
    """Whether a uri is a URL or an absolute path."""
    return "://" in uri or Path(uri).is_absolute()


def detected_modality(path: str | Path | Source) -> str:
    """The modality of a file's name and first bytes; for a file that cannot be opened, that of its suffix.

    Reading such a file will report the error later, so one bad file does not make the manifest invalid.
    """
    from ..modalities.reading import modality_of, suffixes
    from ..modalities.source import ending_of

    try:
        return modality_of(path) if isinstance(path, Source) else modality_in_time(path)
    except (MissingFileError, UnreadableError):
        ending = path.suffix if isinstance(path, Source) else ending_of(path)
        return next(modality for modality, claimed in suffixes().items() if ending in claimed)


_SNIFF_S, _REST_S = 10.0, 60.0  # to read the first bytes of a file; how long a folder is left alone that took longer
_sniffing = Deadline(_SNIFF_S)
_silent: dict[str, float] = {}  # folders that did not answer, and when


def modality_in_time(path: str | Path, limits: Limits | None = None) -> str:
    """What `modality_of` says; raises UnreadableError also where the file's drive does not answer."""
    from ..modalities.reading import modality_of

    folder = os.path.dirname(path)  # noqa: PTH120 - also of URLs
    if time.monotonic() - _silent.get(folder, -_REST_S) >= _REST_S:
        try:
            return _sniffing.call(modality_of, path, limits)
        except TimeoutError:
            _silent[folder] = time.monotonic()
    raise UnreadableError(f"{path} was not read within {_SNIFF_S:g} s; check its drive")
