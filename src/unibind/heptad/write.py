"""Heptad as ordinary files: PNG, TXT, WAV, PLY, 16-bit TIFF, MP4 and a 40-bit event stream for every object."""

from __future__ import annotations

import csv
import io
import json
import wave
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UnibindError, UnknownNameError
from ..files import write_whole
from . import CATEGORIES, SPLITS
from .sample import Sample, draw_sample
from .sensors import FPS, EventStream
from .sounds.toolkit import RATE

COLUMNS = ("id", "uri", "modality", "label", "split", "description", "object")


def _png(sample: Sample) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(sample.image()).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _txt(sample: Sample) -> bytes:
    return (sample.caption() + "\n").encode()


def _wav(sample: Sample) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sample.audio() * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def _ply(sample: Sample) -> bytes:
    points = sample.points().astype("<f4")
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n"
    return (header + "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n").encode() + points.tobytes()


def _tiff(sample: Sample) -> bytes:
    import tifffile

    buffer = io.BytesIO()
    note = json.dumps({"unit": "centikelvin"})
    tifffile.imwrite(buffer, sample.thermal(), description=note, software=None, metadata=None)
    return buffer.getvalue()


def _mp4(sample: Sample) -> bytes:
    import av

    buffer = io.BytesIO()
    frames = sample.frames
    with av.open(buffer, "w", format="mp4") as container:
        # one thread and a fixed GOP: the same frames give the same bytes
        options = {"crf": "20", "preset": "ultrafast", "threads": "1", "g": "10"}
        stream = container.add_stream("libx264", rate=Fraction(FPS), options=options)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def _bin(sample: Sample) -> bytes:
    return atis_records(sample.events())


def atis_records(events: EventStream) -> bytes:
    """40-bit records of N-MNIST and N-Caltech101: column, row, then polarity and 23 bits of microseconds."""
    records = np.empty((len(events.t), 5), np.uint8)
    records[:, 0] = events.x
    records[:, 1] = events.y
    records[:, 2] = (events.p.astype(np.int64) << 7) | ((events.t >> 16) & 0x7F)
    records[:, 3] = (events.t >> 8) & 0xFF
    records[:, 4] = events.t & 0xFF
    return records.tobytes()


# modality -> (suffix, encoder)
FILES: dict[str, tuple[str, Callable[[Sample], bytes]]] = {
    "image": ("png", _png),
    "text": ("txt", _txt),
    "audio": ("wav", _wav),
    "point_cloud": ("ply", _ply),
    "thermal": ("tiff", _tiff),
    "video": ("mp4", _mp4),
    "event": ("bin", _bin),
}


def write_sample(sample: Sample, out: Path) -> list[dict[str, str]]:
    """Write the seven files of one object below `out`; their manifest rows."""
    description = sample.caption()
    rows = []
    for modality, (suffix, encode) in FILES.items():
        uri = f"{sample.id}.{suffix}"
        path = out / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}")
        part.write_bytes(encode(sample))
        part.replace(path)
        rows.append(
            {
                "id": f"{sample.id}/{modality}",
                "uri": uri,
                "modality": modality,
                "label": sample.category,
                "split": sample.split,
                "description": "" if modality == "text" else description,
                "object": sample.id,
            }
        )
    return rows


def _write_category(job: tuple[str, str, int, int, Path]) -> list[dict[str, str]]:
    category, split, count, seed, out = job
    return [row for index in range(count) for row in write_sample(draw_sample(category, index, split, seed), out)]


def make(
    out: Path,
    per_category: int | Mapping[str, int],
    *,
    seed: int = 0,
    workers: int = 2,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Draw `per_category` objects of every category and write them; the path of `manifest.csv`, written last.

    `per_category` is the number for train, val and test alike, or one for each split. The same seed gives the same
    bytes. `progress` is told how many objects are new. Raises UnibindError for a count below 1, UnknownNameError for
    a split.
    """
    counts = dict(per_category) if isinstance(per_category, Mapping) else dict.fromkeys(SPLITS[1:], per_category)
    for split, count in counts.items():
        if split not in SPLITS:
            raise UnknownNameError("Heptad split", split, SPLITS)
        if count < 1:
            raise UnibindError(f"Heptad needs at least 1 object a category in {split}, not {count}")
    jobs = [(c, split, count, seed, out) for split, count in counts.items() for c in CATEGORIES]
    rows: list[dict[str, str]] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        for written in pool.map(_write_category, jobs):
            rows += written
            if progress is not None:
                progress(len(written) // len(FILES))
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_whole(out / "manifest.csv", text.getvalue())
    return out / "manifest.csv"
