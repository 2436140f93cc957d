"""Upper bounds on what a single input may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The largest inputs that are read. Headers are checked against them before anything is allocated.

    With these defaults no item takes more than about 1 GB of memory or a few seconds to be refused. `max_unpacked` is
    the number of bytes that a file may have once it is in memory, where it must be there as a whole (meshes, arrays,
    archives); `max_parts` bounds what a file is made of: members of an archive, nodes of a scene, scans of a JPEG,
    records of a camera. A worker process may take `max_memory` bytes beyond what it has when it starts (enforced on
    Linux).
    """

    max_bytes: int = 2 << 30  # of a file
    max_unpacked: int = 256 << 20  # bytes
    max_pixels: int = 64_000_000  # of a picture or a sensor
    max_side: int = 32_768  # pixels of a picture's longer side
    max_aspect: float = 200.0  # longer over shorter side; towers enlarge the shorter side to theirs
    max_frame_pixels: int = 36_000_000  # of a video; decoders keep up to 16 frames (8K has 33 million)
    max_seconds: float = 3600.0
    max_samples: int = 160_000_000  # an hour at 44.1 kHz
    max_points: int = 10_000_000
    max_events: int = 15_000_000
    max_characters: int = 1_000_000
    max_parts: int = 4096
    max_memory: int = 4 << 30  # bytes of a worker process
