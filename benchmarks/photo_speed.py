"""Speed of photo's image tower in images a second, as ratios to the plain float32 network in the same run.

    pip install --no-deps efficientnet-lite-pytorch==0.1.0    # the plain network, for which the weights were converted
    python benchmarks/photo_speed.py                          # about a minute on 2 cores
    python benchmarks/photo_speed.py --device cuda --batch 256

Rounds of all candidates alternate and the best of each counts, so that other work on the machine hurts all alike. With
preprocessing, pictures are decoded already: cropping and resizing 500 x 375 pixels is measured, in this process.
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


def seconds(work, device: str) -> float:
    started = time.perf_counter()
    work()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def measure(*, batch: int, rounds: int, device: str) -> dict:
    """Images a second of every candidate, and how far the logits and embeddings are from the reference."""
    noise = np.random.default_rng(0)
    pictures = [Image(noise.integers(0, 256, (375, 500, 3), np.uint8)) for _ in range(batch)]
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
            best[name] = min(best[name], seconds(work, device))
    rates = {name: batch / took for name, took in best.items()}
    return {"images_per_s": rates, "logits_differ_by": difference, "bfloat16_cosine": float((exact * low).sum(1).min())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    machine = torch.cuda.get_device_name() if arguments.device != "cpu" else f"{torch.get_num_threads()} CPU threads"
    print(f"{machine}, torch {torch.__version__}, batches of {arguments.batch}")
    found = measure(batch=arguments.batch, rounds=arguments.rounds, device=arguments.device)
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
