"""Segments: the part of a recording between two moments, as an item of its own."""

from __future__ import annotations

from ..errors import UnibindError
from .registry import modality_spec
from .spec import Raw


def segment(raw: Raw, start_s: float, end_s: float | None = None) -> Raw:
    """The part of a decoded item from `start_s` to `end_s`, in seconds from its start; None is its end.

    An end beyond that of the item is cut off. Raises UnibindError for a modality whose items have no duration, and for
    a segment that begins after the end or ends before it begins.
    """
    cut = modality_spec(raw.modality).segment
    if cut is None:
        raise UnibindError(f"an item of the modality {raw.modality} has no duration, so it has no segments")
    duration_s = float(raw.duration_s)  # type: ignore[attr-defined]
    end_s = duration_s if end_s is None else min(end_s, duration_s)
    if not 0 <= start_s < end_s:
        raise UnibindError(
            f"the segment from {start_s:g} s on is not in the {raw.modality} item, which is {duration_s:g} s long; "
            "encode the file again"
        )
    found: Raw = cut(raw, start_s, end_s)
    return found
