"""Reading: a file, bytes or a string to a raw item, safe on hostile input."""

from __future__ import annotations

import inspect
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import UnibindError, UnreadableError
from .formats.completeness import check_complete
from .limits import Limits
from .registry import modality_names, modality_spec
from .segments import Segment, SegmentReader, split_segment
from .source import Source, decoding, ending_of, is_file, is_url, open_source
from .spec import FileFormat, ModalitySpec, Raw

__all__ = ["Limits", "modality_of", "read", "suffixes"]


def suffixes() -> dict[str, tuple[str, ...]]:
    """The file endings by which each modality is recognized."""
    return {name: modality_spec(name).suffixes for name in modality_names()}


@cache
def known_endings(modality: str | None = None) -> frozenset[str]:
    """The file endings by which modalities are recognized, or all those of one, those that need its name included."""
    if modality is None:
        return frozenset(ending for claimed in suffixes().values() for ending in claimed)
    return frozenset(ending for row in modality_spec(modality).formats for ending in row.suffixes + row.also)


def has_known_ending(path: str | Path) -> bool:
    """Whether a modality is recognized by the ending of a file's or URL's name."""
    return ending_of(path) in known_endings()


def modality_of(path: str | Path | Source, limits: Limits | None = None) -> str:
    """The modality of a file, or of bytes with a name, by its ending; where several share it, by the first bytes.

    Raises UnibindError where neither decides.
    """
    suffix = path.suffix if isinstance(path, Source) else ending_of(path)
    rows = [row for name in modality_names() for row in modality_spec(name).formats if suffix in row.suffixes]
    name = path.name if isinstance(path, Source) else path
    if not rows:
        known = " ".join(dict.fromkeys(suffix for claimed in suffixes().values() for suffix in claimed))
        raise UnibindError(
            f"{name}: no modality has the ending {suffix!r}; specify the modality, or use one of {known}"
        )
    if len({row.modality for row in rows}) > 1:
        whole = path if isinstance(path, Source) else type(path)(split_segment(str(path))[0])
        rows = _certain(rows, open_source(whole, limits or Limits()).head)
    names = sorted({row.modality for row in rows})
    if len(names) > 1:
        raise UnibindError(f"{name} could be {' or '.join(names)}; specify which with modality=... (or --modality)")
    return names[0]


def read(
    item: str | Path | bytes | Source, modality: str | None = None, *, limits: Limits | None = None, **options: Any
) -> Raw:
    """Decode one item.

    The modality of a path may be left out; that of bytes may not. A str that does not name a file is itself the item
    for a modality that can be written (a text). A path that ends in `#t=10,20` is the segment of a recording from 10 to
    20 seconds. `options` are passed to the reader of the file's format. Raises
    MissingFileError, LimitError or UnreadableError, each one sentence that names the file, and nothing else, whatever
    the file contains.
    """
    limits = limits or Limits()
    if isinstance(item, str | Path) and _may_have_segments(modality):
        uri, segment = split_segment(str(item))
        if segment is not None:
            return _read_segment(type(item)(uri), segment, modality or modality_of(uri, limits), limits)
    if modality is None:
        if isinstance(item, bytes):
            raise UnibindError("the modality of bytes cannot be detected; specify it with modality=...")
        open_source(item, limits)  # a missing or empty file is reported before an unknown ending
        modality = modality_of(item, limits)
    spec = modality_spec(modality)
    if spec.from_string is not None and isinstance(item, str) and not _names_file(item, spec):
        return spec.from_string(item)
    source = open_source(item, limits)
    with decoding(source, modality):
        reader = format_of(source, spec).read
        try:
            inspect.signature(reader).bind(source, limits, **options)
        except TypeError as error:
            raise UnibindError(f"the {modality} reader has no such option: {error}") from None
        check_complete(source)
        return reader(source, limits, **options)


def duration_of(item: str | Path, modality: str, limits: Limits) -> float:
    """How long a recording is, in seconds; raises what `read` raises."""
    source = open_source(Path(item) if isinstance(item, str) and not is_url(item) else item, limits)
    with decoding(source, modality):
        return _segment_reader(modality, source.name).duration(source, limits)


def _read_segment(item: str | Path, segment: Segment, modality: str, limits: Limits) -> Raw:
    reader = _segment_reader(modality, str(item))
    if not segment.start_s < segment.end_s:
        raise UnreadableError(f"{item}{segment} ends before it starts; correct the seconds")
    source = open_source(Path(item) if isinstance(item, str) and not is_url(item) else item, limits)
    with decoding(source, modality):
        return reader.read(source, limits, segment)


def _may_have_segments(modality: str | None) -> bool:
    return modality is None or modality_spec(modality).segments is not None


def _segment_reader(modality: str, name: str) -> SegmentReader:
    reader = modality_spec(modality).segments
    if reader is None:
        raise UnreadableError(f"{name} is {modality}, which has no segments; leave out what follows #t=")
    return reader


def _certain(rows: list[FileFormat], head: bytes) -> list[FileFormat]:
    """The rows that recognize a file's first bytes, fallback rows only if no other does; else the fallback rows.

    All rows where that leaves none.
    """
    matches = [row for row in rows if row.recognizes(head)]
    return [row for row in matches if not row.fallback] or matches or [row for row in rows if row.fallback] or rows


def format_of(source: Source, spec: ModalitySpec) -> FileFormat:
    """The row of a modality's table that reads a file.

    The first of: a row of the file's ending that recognizes it or has no signature, any row that recognizes it, a row
    of its ending, a fallback row. Raises UnreadableError where there is none.
    """
    by_suffix = [row for row in spec.formats if source.suffix and source.suffix in row.suffixes + row.also]
    candidates = [
        *(row for row in by_suffix if row.sniff is None or row.recognizes(source.head)),
        *(row for row in spec.formats if row.recognizes(source.head)),
        *by_suffix,
        *(row for row in spec.formats if row.fallback),
    ]
    if not candidates:
        known = ", ".join(row.name for row in spec.formats)
        raise UnreadableError(f"{source.name} is not in a known {spec.name} format; known are {known}")
    return candidates[0]


def _names_file(item: str, spec: ModalitySpec) -> bool:
    return item.lower().endswith(spec.suffixes) and is_file(Path(item))
