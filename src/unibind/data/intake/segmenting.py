"""Splitting recordings into segments: one item each, all of one object."""

from __future__ import annotations

from dataclasses import replace

from ...deadlines import Deadline
from ...errors import UnibindError
from ...modalities import modality_spec
from ...modalities.limits import Limits
from ...modalities.reading import duration_of
from ...modalities.segments import Segment
from ..location import canonical_location
from ..manifest import Item

_PROBE_S = 20.0  # to find out how long a recording is


class Segmenter:
    """Replaces recordings by segments of about `seconds` each."""

    def __init__(self, seconds: float | None) -> None:
        if seconds is not None and not seconds > 0:
            raise UnibindError(f"segments must be longer than {seconds:g} s; give their length in seconds")
        self._seconds, self._probing = seconds, Deadline(_PROBE_S)

    def parts(self, item: Item) -> list[Item]:
        """The segments of an item: all have the given length, but for the last, which has half to one and a half of it.

        An item that is shorter, is not a recording, or cannot be read stays whole: encoding says what is wrong.
        """
        if self._seconds is None or item.uri is None or item.content is not None:
            return [item]
        if modality_spec(item.modality).segments is None:
            return [item]
        try:
            duration = self._probing.call(duration_of, item.uri, item.modality, Limits())
        except (UnibindError, TimeoutError):
            return [item]
        count = round(duration / self._seconds)
        if count < 2:
            return [item]
        ends = [number * self._seconds for number in range(1, count)] + [duration]
        found = [Segment(number * self._seconds, end) for number, end in enumerate(ends)]
        whole = item.object or canonical_location(item.uri)
        return [replace(item, id=f"{item.id}{part}", uri=f"{item.uri}{part}", object=whole) for part in found]
