"""How busy encoding keeps the encoder, its throughput beside decoding alone, and its memory as items grow in number.

    python benchmarks/encode.py speed --items 2000 --kinds image,audio,text
    python benchmarks/encode.py memory --items 1000,10000,100000

Files are made from a seed: pictures of 320 x 240, sounds of 3 s, texts of 5 to 60 words in a table; for memory, small
pictures of 32 x 32. No store is indexed for search. Every run is a process of its own. `busy` is the share of the time,
from the first batch to the last, in which the encoder encoded; the number of workers is the one that encoding chooses.
Decoding alone reads and preprocesses the same items with as many workers, and throws the results away; its time begins
with the first item.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from PIL import Image
from processes import resident_mib

import unibind
from unibind.data.intake import read_manifest
from unibind.data.loader import load_items
from unibind.data.opening import open_backbone
from unibind.modalities.limits import Limits
from unibind.processes import usable_cores

RATE, SOUND_S = 16_000, 3
WORDS = ["red", "green", "dog", "cat", "street", "rain", "music", "crowd", "engine", "forest", "river", "night"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(dest="task", required=True)
    speed = tasks.add_parser("speed", help="the encoder's share of the time, beside decoding alone")
    speed.add_argument("--items", type=int, default=2000)
    speed.add_argument("--kinds", default=",".join(MAKERS))
    memory = tasks.add_parser("memory", help="the peak of the process, by the number of items")
    memory.add_argument("--items", default="1000,10000,100000")
    for task in (speed, memory):
        task.add_argument("--backbone", default="starter")
        task.add_argument("--json", type=Path, metavar="FILE")
    for name in ("encode", "decode"):  # in a process of its own
        run = tasks.add_parser(name)
        run.add_argument("source", type=Path)
        run.add_argument("backbone")
        run.add_argument("workers", type=int, nargs="?")
    arguments = parser.parse_args()
    if arguments.task in ("encode", "decode"):
        print(json.dumps({"encode": encode, "decode": decode}[arguments.task](arguments)))
        return
    rows = {"speed": measure_speed, "memory": measure_memory}[arguments.task](arguments)
    print("  ".join(f"{name:>18s}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value:>18,.3g}" if isinstance(value, float) else f"{value:>18}" for value in row.values()))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(machine() | {"rows": rows}, indent=1) + "\n")


def machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": usable_cores(),
        "memory, GiB": round(memory / 2**30),
        "threads": torch.get_num_threads(),
        "command": " ".join(sys.argv),
    }


def measure_speed(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for kind in arguments.kinds.split(","):
        with tempfile.TemporaryDirectory() as folder:
            source = MAKERS[kind](Path(folder), arguments.items)
            encoded = in_process("encode", source, arguments.backbone)
            decoded = in_process("decode", source, arguments.backbone, encoded["workers"])
        rows.append(
            {
                "kind": kind,
                "workers": encoded["workers"],
                "read, ms": 1000 * encoded["read_s"],
                "encode, ms": 1000 * encoded["encode_s"],
                "busy": encoded["busy"],
                "items/s": encoded["busy"] / encoded["encode_s"],
                "decoded alone/s": decoded["items"] / decoded["seconds"],
                "whole run, s": encoded["seconds"],
            }
        )
    return rows


def measure_memory(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for count in map(int, arguments.items.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            source = make_pictures(Path(folder), count, (32, 32))
            found = in_process("encode", source, arguments.backbone)
            rows.append({"items": count, "peak, MiB": found["peak_mib"], "whole run, s": found["seconds"]})
    return rows


# --- in a process of its own ---------------------------------------------------------------------------------------


def in_process(task: str, source: Path, backbone: str, *more: object) -> dict[str, Any]:
    command = [sys.executable, __file__, task, source, backbone, *more]
    done = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def encode(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        summary = unibind.encode(
            arguments.source, Path(folder) / "store", backbone=arguments.backbone, index=False, progress=False
        )
    assert not summary.quarantined
    return asdict(summary.pace) | {"seconds": summary.seconds, "peak_mib": resident_mib(os.getpid(), "VmHWM")}


def decode(arguments: argparse.Namespace) -> dict[str, Any]:
    backbone, items = open_backbone(arguments.backbone), read_manifest(arguments.source)
    loading = load_items(
        items, backbone, workers=arguments.workers, limits=Limits(), facts=True, ahead=2 * 64
    )  # as far ahead as encoding reads
    with closing(loading) as loaded:
        next(loaded)
        started = time.monotonic()
        count = sum(1 for _ in loaded)
        return {"items": count, "seconds": time.monotonic() - started}


# --- files ---------------------------------------------------------------------------------------------------------


def make_pictures(folder: Path, count: int, size: tuple[int, int] = (320, 240)) -> Path:
    chance = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"{number // 1000:04}" / f"{number:07}.jpg"
        path.parent.mkdir(exist_ok=True)
        coarse = Image.fromarray(chance.integers(0, 256, (8, 8, 3), np.uint8))
        coarse.resize(size, Image.Resampling.BICUBIC).save(path, quality=90)
    return folder


def make_sounds(folder: Path, count: int) -> Path:
    chance = np.random.default_rng(0)
    for number in range(count):
        soundfile.write(folder / f"{number:07}.flac", 0.1 * chance.standard_normal(RATE * SOUND_S), RATE)
    return folder


def make_texts(folder: Path, count: int) -> Path:
    chance = np.random.default_rng(0)
    table = folder / "texts.csv"
    lines = (" ".join(chance.choice(WORDS, chance.integers(5, 61))) for _ in range(count))
    table.write_text("id,text\n" + "".join(f"t{number},{line}\n" for number, line in enumerate(lines)))
    return table


MAKERS: dict[str, Callable[[Path, int], Path]] = {"image": make_pictures, "audio": make_sounds, "text": make_texts}


if __name__ == "__main__":
    main()
