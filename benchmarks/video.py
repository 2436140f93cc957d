"""A 10 s video of 250 frames to ImageBind's input (five clips, two frames each), beside decoding every frame.

    python benchmarks/video.py
    python benchmarks/video.py --size 1280x720 --json video.json

Both take the same frames and preprocess them in the same way; they differ in what is decoded and turned into pixels.
Clips differ in how often a key frame comes: the needed frames are reached by jumping to the key frame before them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from unibind import read
from unibind.backbones.imagebind.preprocessing import Preprocessing

FPS, SECONDS = 25, 10


@dataclass(frozen=True)
class EveryFrame:
    """The baseline: decodes all frames to pixels, then picks the needed ones."""

    path: Path

    def frames(self, timestamps_s: np.ndarray) -> np.ndarray:
        with av.open(self.path) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return np.stack([frames[min(int(t * FPS), len(frames) - 1)] for t in timestamps_s])


def make(path: Path, width: int, height: int, key_every: int) -> None:
    """A clip of moving stripes and noise in H.264."""
    noise = np.random.default_rng(0).integers(0, 60, (height, width, 3), np.uint8)
    columns = np.arange(width)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", FPS, options={"g": str(key_every), "preset": "fast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(FPS * SECONDS):
            stripes = (((columns + 5 * i) // 40 % 2) * 120).astype(np.uint8)
            pixels = np.roll(noise, i, axis=0) + stripes[None, :, None]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def compare(path: Path, rounds: int) -> tuple[float, float]:
    """Best times in seconds of the baseline and of unibind, which must agree."""
    preprocessing = Preprocessing()

    def plain() -> Tensor:
        return preprocessing("video", replace(read(path), source=EveryFrame(path)))

    def ours() -> Tensor:
        return preprocessing("video", read(path))

    assert torch.equal(plain(), ours())
    return best(plain, rounds), best(ours, rounds)


def best(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    rows = []
    print(f"{'a key frame every':>18} {'every frame, s':>15} {'unibind, s':>11} {'ratio':>6}")
    for key_every in (12, 50, 250):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"
            make(path, width, height, key_every)
            baseline, quick = compare(path, arguments.rounds)
        rows.append({"key_every": key_every, "baseline_s": baseline, "unibind_s": quick, "ratio": baseline / quick})
        print(f"{key_every:>11} frames {baseline:>15.3f} {quick:>11.3f} {baseline / quick:>6.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"size": arguments.size, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
