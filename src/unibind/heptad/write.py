"""Heptad as ordinary files: PNG, TXT, WAV, PLY, 16-bit TIFF, MP4 and a 40-bit event stream for every object."""

from __future__ import annotations

import csv
import io
import json
import wave
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import UnibindError, UnknownNameError
from ..files import write_whole
from . import CATEGORIES, SPLITS
from .sample import Sample, draw_sample
from .sensors import ABSOLUTE_ZERO, FPS
from .sounds.toolkit import RATE

COLUMNS = ("id", "uri", "modality", "label", "split", "description", "object")
_CHUNK = 16  # objects a worker writes before it reports


def _png(sample: Sample) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(sample.image()).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _txt(sample: Sample) -> bytes:
    return (sample.text() + "\n").encode()


def _wav(sample: Sample) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sample.audio() * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def _ply(sample: Sample) -> bytes:
    points = sample.point_cloud().astype("<f4")
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n"
    return (header + "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n").encode() + points.tobytes()


def _tiff(sample: Sample) -> bytes:
    import tifffile

    buffer = io.BytesIO()
    note = json.dumps({"unit": "centikelvin"})
    centikelvin = np.round((sample.thermal().astype(np.float64) - ABSOLUTE_ZERO) * 100).astype(np.uint16)
    tifffile.imwrite(buffer, centikelvin, description=note, software=None, metadata=None)
    return buffer.getvalue()


def _mp4(sample: Sample) -> bytes:
    import av

    buffer = io.BytesIO()
    frames = sample.video()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "23", "preset": "ultrafast"})
        stream.thread_count = 1  # the same frames give the same bytes
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def _bin(sample: Sample) -> bytes:
    return atis_records(sample.event())


def atis_records(events: NDArray[np.int64]) -> bytes:
    """40-bit records, as in N-MNIST and N-Caltech101, of events [N, 4] (microseconds, x, y, polarity): a byte each of
    x and y, then polarity and 23 bits of time, the highest byte first."""
    t, x, y, polarity = events.T
    return np.stack([x, y, polarity << 7 | t >> 16, t >> 8 & 0xFF, t & 0xFF], axis=1).astype(np.uint8).tobytes()


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
    description = sample.text()
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


_Job = tuple[str, str, range, int, Path]  # category, split, indices, seed, folder


def _write_job(job: _Job) -> list[dict[str, str]]:
    category, split, indices, seed, out = job
    return [row for index in indices for row in write_sample(draw_sample(category, index, split, seed), out)]


def _written(jobs: list[_Job], workers: int) -> Iterator[list[dict[str, str]]]:
    """The manifest rows of each job, in order; a single worker is this process."""
    if workers == 1:
        yield from map(_write_job, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        yield from pool.map(_write_job, jobs)


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
    jobs = [
        (category, split, range(start, min(start + _CHUNK, count)), seed, out)
        for split, count in counts.items()
        for category in CATEGORIES
        for start in range(0, count, _CHUNK)
    ]
    rows: list[dict[str, str]] = []
    for written in _written(jobs, workers):
        rows += written
        if progress is not None:
            progress(len(written) // len(FILES))
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_whole(out / "manifest.csv", text.getvalue())
    return out / "manifest.csv"
