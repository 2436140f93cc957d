"""Write Heptad as ordinary files: PNG, TXT, WAV, PLY, 16-bit TIFF, MP4 and 40-bit event records per object."""

from __future__ import annotations

import csv
import io
import json
import wave
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import UnibindError, UnknownNameError
from ..extras import import_extra
from ..files import OutputKind, check_output, write_all, write_whole
from ..processes import ignore_interrupts, interrupts_deferred, worker_context
from .categories import CATEGORIES, SPLITS
from .sample import Sample, sample_object
from .sensors import ABSOLUTE_ZERO, FPS
from .sounds.toolkit import RATE

COLUMNS = ("id", "uri", "modality", "label", "split", "description", "object")
MANIFEST = "manifest.csv"
HEPTAD = OutputKind("objects of Heptad", marks=(MANIFEST, *SPLITS), resumable=True)
_CHUNK = 16  # objects per job of a worker


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
    description = json.dumps({"unit": "centikelvin"})
    centikelvin = np.round((sample.thermal().astype(np.float64) - ABSOLUTE_ZERO) * 100).astype(np.uint16)
    tifffile.imwrite(buffer, centikelvin, description=description, software=None, metadata=None)
    return buffer.getvalue()


def _mp4(sample: Sample) -> bytes:
    av = import_extra("av", "writing the videos of Heptad")

    buffer = io.BytesIO()
    frames = sample.video()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "23", "preset": "ultrafast"})
        stream.thread_count = 1  # for reproducible bytes
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def _bin(sample: Sample) -> bytes:
    return encode_atis(sample.event())


def encode_atis(events: NDArray[np.int64]) -> bytes:
    """Encode events [N, 4] (microseconds, x, y, polarity) as the 40-bit records of N-MNIST and N-Caltech101.

    A record is x (8 bits), y (8 bits), polarity (1 bit) and time (23 bits), big-endian.
    """
    t, x, y, polarity = events.T
    return np.stack([x, y, polarity << 7 | t >> 16, t >> 8 & 0xFF, t & 0xFF], axis=1).astype(np.uint8).tobytes()


# modality -> (file suffix, encoder)
FILE_FORMATS: dict[str, tuple[str, Callable[[Sample], bytes]]] = {
    "image": ("png", _png),
    "text": ("txt", _txt),
    "audio": ("wav", _wav),
    "point_cloud": ("ply", _ply),
    "thermal": ("tiff", _tiff),
    "video": ("mp4", _mp4),
    "event": ("bin", _bin),
}


def write_sample(sample: Sample, out: Path) -> list[dict[str, str]]:
    """Write the seven files of one object under `out`, all or none, and return their manifest rows."""
    description = sample.text()
    rows, contents = [], dict[Path, bytes | str]()
    for modality, (suffix, encode) in FILE_FORMATS.items():
        uri = f"{sample.id}.{suffix}"
        contents[out / uri] = encode(sample)
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
    write_all(contents)
    return rows


_Job = tuple[str, str, range, int, Path]  # category, split, indices, seed, output folder


def _write_job(job: _Job) -> list[dict[str, str]]:
    category, split, indices, seed, out = job
    return [row for index in indices for row in write_sample(sample_object(category, index, split, seed), out)]


def _run_jobs(jobs: list[_Job], workers: int) -> Iterator[list[dict[str, str]]]:
    """Yield the manifest rows of each job in order. One worker: this process runs the jobs."""
    if workers == 1:
        yield from map(_write_job, jobs)
        return
    pool = ProcessPoolExecutor(workers, worker_context(), initializer=ignore_interrupts)
    try:
        with interrupts_deferred():
            results = pool.map(_write_job, jobs)
        yield from results
    finally:
        pool.shutdown(cancel_futures=True)


def make(
    out: Path,
    per_category: int | Mapping[str, int],
    *,
    seed: int = 0,
    workers: int = 2,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Generate objects and write them under `out`; return the path of `manifest.csv`, which is written last.

    `per_category` is the number of objects per category, either one number for each of train, val and test, or one
    per split. The same seed gives the same bytes. `progress` is called with the number of objects written since its
    last call. Raises UnibindError for a count below 1 and for a
    folder with other files, and UnknownNameError for an unknown split.
    """
    counts = dict(per_category) if isinstance(per_category, Mapping) else dict.fromkeys(SPLITS[1:], per_category)
    _check_counts(counts)
    check_output(out, kind=HEPTAD)
    rows: list[dict[str, str]] = []
    for new_rows in _run_jobs(_jobs(counts, seed, out), workers):
        rows += new_rows
        if progress is not None:
            progress(len(new_rows) // len(FILE_FORMATS))
    write_whole(out / MANIFEST, _to_csv(rows))
    return out / MANIFEST


def _check_counts(counts: Mapping[str, int]) -> None:
    for split, count in counts.items():
        if split not in SPLITS:
            raise UnknownNameError("Heptad split", split, SPLITS)
        if count < 1:
            raise UnibindError(f"Heptad needs at least 1 object per category in {split}, not {count}")


def _jobs(counts: Mapping[str, int], seed: int, out: Path) -> list[_Job]:
    return [
        (category, split, range(start, min(start + _CHUNK, count)), seed, out)
        for split, count in counts.items()
        for category in CATEGORIES
        for start in range(0, count, _CHUNK)
    ]


def _to_csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
