"""Speed of photo's image tower in images a second, as ratios to the plain float32 network in the same run.

    pip install --no-deps efficientnet-lite-pytorch==0.1.0    # the plain network, for which the weights were converted
    python benchmarks/photo_speed.py                          # about a minute on 2 cores
    python benchmarks/photo_speed.py --busy                   # beside other programs: processor time of one thread
    python benchmarks/photo_speed.py --device cuda --batch 256
    python benchmarks/photo_speed.py --data photos/           # on your own JPEG files instead of generated pictures

Rounds of all candidates alternate and the best of each counts, so that other work on the machine hurts all alike. With
preprocessing, pictures are decoded already: cropping and resizing (of 500 x 375 pixels) is measured, in this process.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

import unibind
from unibind.backbones.photo.efficientnet import MEAN, STD, load_network, weights_file
from unibind.backbones.photo.model import Photo
from unibind.modalities.image import Image

PRECISIONS = ("float32", "bfloat16")


def reference() -> torch.nn.Module:
    """The package's network, eager and in float32."""
    if importlib.util.find_spec("efficientnet_lite_pytorch") is None:
        sys.exit("the plain network is missing; run `pip install --no-deps efficientnet-lite-pytorch==0.1.0`")
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(weights_file())).eval()


def seconds(work, clock) -> float:
    started = clock()
    work()
    return clock() - started


def generated(count: int) -> list[Image]:
    """Pictures of colored tiles."""
    noise = np.random.default_rng(0)
    tiles = noise.integers(0, 256, (count, 3, 4, 3), np.uint8)
    return [Image(each.repeat(125, axis=0).repeat(125, axis=1)) for each in tiles]


def measure(pictures: list[Image], *, rounds: int, device: str, clock) -> dict:
    """Images a second of every candidate, and how far the logits and embeddings are from the reference."""
    backbones = {precision: Photo(["image"], precision=precision, device=device) for precision in PRECISIONS}
    pixels = torch.stack([backbones["float32"].preprocess("image", picture) for picture in pictures])
    plain = reference().to(device)
    x = ((pixels[:, 0].permute(0, 3, 1, 2).float() - MEAN) / STD).contiguous().to(device)

    def whole(backbone: Photo) -> torch.Tensor:
        return backbone.encode("image", torch.stack([backbone.preprocess("image", picture) for picture in pictures]))

    works = {"plain network, float32": lambda: plain(x).cpu()}
    works |= {f"tower, {p}": (lambda b=b: b.encode("image", pixels)) for p, b in backbones.items()}
    works |= {f"tower and preprocessing, {p}": (lambda b=b: whole(b)) for p, b in backbones.items()}
    difference = float((plain(x) - load_network().to(device)(x)).abs().max())
    exact, low = (works[f"tower, {precision}"]() for precision in PRECISIONS)
    best = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            best[name] = min(best[name], seconds(work, clock))
    rates = {name: len(pictures) / took for name, took in best.items()}
    return {"images_per_s": rates, "logits_differ_by": difference, "bfloat16_cosine": float((exact * low).sum(1).min())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path, help="folder of JPEG files")
    parser.add_argument("--busy", action="store_true", help="one thread, by processor time: images a second of a core")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    if arguments.busy:
        torch.set_num_threads(1)
    machine = torch.cuda.get_device_name() if arguments.device != "cpu" else f"{torch.get_num_threads()} CPU threads"
    print(f"{machine}, torch {torch.__version__}, batches of {arguments.batch}")
    clock = time.process_time if arguments.busy else time.perf_counter
    files = sorted(arguments.data.glob("*.jpg"))[: arguments.batch] if arguments.data else []
    pictures = [unibind.read(file) for file in files] or generated(arguments.batch)
    found = measure(pictures, rounds=arguments.rounds, device=arguments.device, clock=clock)
    rates = found["images_per_s"]
    plain = next(iter(rates.values()))
    print(f"{'':40} {'images/s':>9} {'x plain':>8}")
    for name, rate in rates.items():
        print(f"{name:40} {rate:9.1f} {rate / plain:8.2f}")
    print(f"logits differ from the plain network's by at most {found['logits_differ_by']:.1e}")
    print(f"smallest cosine of bfloat16 to float32: {found['bfloat16_cosine']:.4f}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "torch": torch.__version__, **found}, indent=1))


if __name__ == "__main__":
    main()
