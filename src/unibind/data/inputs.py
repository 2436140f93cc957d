"""What a person may pass as an item, turned into what the loader reads.

A str that names an existing file is that file; a str with a known file ending that does not exist is an error; a URL is
fetched; any other str is a text. Paths, bytes, binary file objects, raw items and objects that a modality recognizes
(such as PIL images) are items too, and a tuple of them is one item of several parts. The shape of an array never
decides its modality.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, cast

from ..errors import LimitError, MissingFileError, UnibindError
from ..files import check_not_special
from ..modalities import ANCHOR, Raw, raw_from_object
from ..modalities.interleaved import Interleaved
from ..modalities.limits import Limits
from ..modalities.reading import modality_of, read, suffixes
from ..modalities.segments import split_segment
from ..modalities.source import is_file, is_url
from ..modalities.text import Text
from .loader import Failure, RawItem, read_item
from .manifest import Item, modality_in_time


def is_single(items: object) -> bool:
    """Whether this is one item rather than an iterable of items."""
    return (
        isinstance(items, str | bytes | Path | Raw | tuple) or _is_file_object(items) or not isinstance(items, Iterable)
    )


def names_file(text: str) -> bool:
    """Whether a str means a file or URL rather than a text.

    Raises MissingFileError where it has the ending of a media file and no such file exists.
    """
    if is_url(text) or is_file(Path(split_segment(text)[0])):
        return True
    if "\n" not in text:
        check_not_special(text)
    ending = Path(text).suffix.lower() if "\n" not in text else ""
    if ending and any(ending in endings for endings in suffixes().values()):
        raise MissingFileError(f"no such file: {text[:300]}; check the path, or pass unibind.Text(...) if it is a text")
    return False


def item_name(item: object, index: int) -> str:
    """How results and messages refer to an item."""
    if isinstance(item, tuple):
        return " + ".join(item_name(part, index) for part in item)
    if isinstance(item, Text):
        return item.text
    return str(item) if isinstance(item, str | Path) else f"item {index}"


def loadable_items(
    items: Iterable[Any], modality: str | None, limits: Limits
) -> Iterator[tuple[str, Item | RawItem | Failure]]:
    """Yield (name, what the loader reads) for every item, lazily; ids are positions ("0", "1", ...)."""
    for index, item in enumerate(items):
        name = item_name(item, index)
        try:
            yield name, loadable_item(item, str(index), modality, limits)
        except UnibindError as error:
            yield name, Failure.of(error)
        except Exception as error:  # an object that only looks like an item
            reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
            yield name, Failure("UnreadableError", f"{name} cannot be read: {reason}")


def loadable_item(item: Any, key: str, modality: str | None, limits: Limits) -> Item | RawItem:
    """One item as the loader reads it: a manifest item for files and texts, a raw item for what is in memory.

    Raises UnibindError for objects that are not items, bytes without a modality, and what readers raise.
    """
    if isinstance(item, tuple):
        return RawItem(key, _together(item, limits))
    if isinstance(item, Raw):
        return RawItem(key, item)
    if isinstance(item, str) and (modality == ANCHOR or (modality is None and not names_file(item))):
        return Item(key, ANCHOR, text=item) if item.strip() else RawItem(key, read(item, ANCHOR))
    if isinstance(item, str | Path):
        return Item(key, modality or modality_in_time(item, limits), uri=str(item))
    if isinstance(item, bytes):
        return RawItem(key, read(item, modality, limits=limits))
    if _is_file_object(item):
        return RawItem(key, _read_file_object(item, modality, limits))
    raw = raw_from_object(item)
    if raw is None:
        raise UnibindError(
            f"a {type(item).__name__} is not an item; pass a path, a text, bytes with modality=, or a raw type such as "
            "unibind.Audio(samples, rate)"
        )
    return RawItem(key, raw)


def _together(parts: tuple[Any, ...], limits: Limits) -> Raw:
    """One item of several parts, which are read at once."""
    loadable = [loadable_item(part, "", None, limits) for part in parts]
    raws = tuple(part.raw if isinstance(part, RawItem) else read_item(part, limits) for part in loadable)
    return cast("Raw", Interleaved(raws))  # its modality depends on its parts


def _is_file_object(item: object) -> bool:
    return callable(getattr(item, "read", None)) and not isinstance(item, Raw)


def _read_file_object(file: Any, modality: str | None, limits: Limits) -> Raw:
    """Decode an open binary file; `modality` may be left out where the file's name tells it."""
    data = file.read(limits.max_bytes + 1)
    if not isinstance(data, bytes):
        raise UnibindError("a file object must be opened in binary mode; open it with mode 'rb'")
    if len(data) > limits.max_bytes:
        raise LimitError(f"the file object has more than {limits.max_bytes:,} bytes, the limit; raise it")
    name = getattr(file, "name", None)
    if modality is None and isinstance(name, str):
        modality = modality_of(name, limits)
    return read(data, modality, limits=limits)


def one_or_many(items: Any) -> tuple[bool, Iterable[Any]]:
    """Whether `items` is a single item, and an iterable of all items."""
    return (True, [items]) if is_single(items) else (False, chain(items))
