"""Train mini's six towers from scratch on Heptad's pretrain split, the way ImageBind was trained.

    python -m unibind.backbones.mini.train --out weights --per-category 128 --seed 0

First images against their captions (text vectors are frozen), then every other modality against the frozen image
vectors of the same objects, never against text. Objects are drawn, preprocessed once and kept in memory (about 0.2 MB
each). Each tower is written when it is done and its scores go into `card.json`, so an interrupted run goes on where it
stopped; `README.md` comes last.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ... import heptad
from ...contrastive import symmetric_info_nce
from ...errors import UnibindError
from ...files import write_whole
from ...heptad.sample import arrays, draw_sample
from ...heptad.sensors import FPS
from ...heptad.sounds.toolkit import RATE
from ...modalities.audio import Audio
from ...modalities.event import Events
from ...modalities.image import Image
from ...modalities.point_cloud import PointCloud
from ...modalities.spec import Raw
from ...modalities.text import Text
from ...modalities.thermal import Thermal
from ...modalities.video import Video
from .._shared.batching import collate
from .augment import AUGMENTATIONS
from .preprocessing import preprocess
from .text import load_text_tower
from .towers import DIM, TOWERS, load_tower, save_tower

HELD_OUT = 10  # one object in ten is not trained on, in every category
BATCH = 128
EPOCHS = {"image": 36, "audio": 18, "point_cloud": 16, "thermal": 24, "video": 16, "event": 16}
MAX_LOGIT_SCALE = 100.0


# --- data ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Frames:
    """A video in memory."""

    pixels: NDArray[np.uint8]

    def frames(self, timestamps_s: NDArray[np.float64]) -> NDArray[np.uint8]:
        return self.pixels[np.clip(np.floor(timestamps_s * FPS + 1e-9).astype(int), 0, len(self.pixels) - 1)]


def raw_items(arrays: dict[str, Any]) -> dict[str, Raw]:
    """An object's arrays as the readers would give them, without the files between (so without their compression)."""
    t, x, y, p = arrays["event"].T
    frames = arrays["video"]
    height, width = frames.shape[1:3]
    return {
        "image": Image(arrays["image"]),
        "audio": Audio(arrays["audio"], RATE),
        "point_cloud": PointCloud(arrays["point_cloud"]),
        "thermal": Thermal(arrays["thermal"], celsius=True),
        "video": Video(_Frames(frames), len(frames) / FPS, FPS, width, height),
        "event": Events(t - t[0], x.astype(np.int32), y.astype(np.int32), p.astype(bool), width, height),
    }


def _inputs(job: tuple[str, int, int]) -> tuple[str, dict[str, NDArray[np.float16]]]:
    """Caption and preprocessed inputs of one object, in half precision."""
    torch.set_num_threads(1)
    category, index, seed = job
    sensed = arrays(draw_sample(category, index, "pretrain", seed))
    return sensed["text"], {m: preprocess(m, raw).numpy().astype(np.float16) for m, raw in raw_items(sensed).items()}


@dataclass(frozen=True)
class Data:
    """Preprocessed objects: `inputs[modality]` float16 [N, ...], caption vectors [N, 384], category indices [N], and
    which objects are not trained on, bool [N].
    """

    inputs: dict[str, Tensor]
    captions: Tensor
    labels: Tensor
    held_out: Tensor


def draw_data(per_category: int, seed: int, workers: int) -> Data:
    """Draw and preprocess the pretrain split."""
    jobs = [(c, i, seed) for i in range(per_category) for c in heptad.CATEGORIES]
    captions: list[str] = []
    inputs: dict[str, Tensor] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        for n, (caption, tensors) in enumerate(pool.map(_inputs, jobs, chunksize=8)):
            captions.append(caption)
            for modality, array in tensors.items():
                if modality not in inputs:
                    inputs[modality] = torch.empty(len(jobs), *array.shape, dtype=torch.float16)
                inputs[modality][n] = torch.from_numpy(array)
            if (n + 1) % 480 == 0:
                print(f"drawn {n + 1} of {len(jobs)} objects", flush=True)
    labels = torch.tensor([heptad.CATEGORIES.index(c) for c, _, _ in jobs])
    indices = torch.tensor([index for _, index, _ in jobs])
    held_out = (indices + labels) % HELD_OUT == 0  # as many of every category, even where there are few
    return Data(inputs, embed_texts(captions), labels, held_out)


@torch.inference_mode()
def embed_texts(texts: list[str]) -> Tensor:
    """Text vectors [N, 384] of the frozen text tower."""
    tower = load_text_tower().eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    out = torch.empty(len(texts), DIM)
    for start in range(0, len(order), 64):
        rows = order[start : start + 64]
        out[rows] = tower(collate([preprocess("text", Text(texts[i])) for i in rows]))
    return out.clone()


# --- training ------------------------------------------------------------------------------------------------------


def train_tower(
    modality: str, data: Data, targets: Tensor, seed: int, names: Tensor
) -> tuple[nn.Module, dict[str, Any]]:
    """Train one tower to meet `targets` [N, 384] of the same objects; the tower and its scores on held-out objects."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    tower = TOWERS[modality]()
    log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
    inputs, rows = data.inputs[modality], torch.nonzero(~data.held_out)[:, 0]
    epochs, steps = EPOCHS[modality], max(1, len(rows) // BATCH)
    optimiser = torch.optim.AdamW([*tower.parameters(), log_scale], lr=2e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=epochs * steps, pct_start=0.15)
    started, scores = time.monotonic(), {}
    for epoch in range(1, epochs + 1):
        tower.train()
        losses = []
        order = rows[torch.randperm(len(rows), generator=generator)]
        for step in range(steps):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            x = AUGMENTATIONS[modality](inputs[chosen].float(), generator)
            with torch.autocast("cpu", torch.bfloat16):
                z = tower(x)
            loss = symmetric_info_nce(z, targets[chosen], log_scale.exp())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                log_scale.clamp_(0, math.log(MAX_LOGIT_SCALE))
            losses.append(loss.item())
        if epoch % 4 == 0 or epoch == epochs:
            scores = score(tower, modality, data, targets, names)
            facts = " ".join(f"{name} {value:.3f}" for name, value in scores.items())
            seconds = time.monotonic() - started
            print(
                f"{modality:12s} epoch {epoch:2d}/{epochs} loss {np.mean(losses):.3f} {facts} {seconds:.0f} s",
                flush=True,
            )
    return tower, scores | {"seconds": round(time.monotonic() - started, 1), "loss": round(float(np.mean(losses)), 4)}


@torch.inference_mode()
def outputs(tower: nn.Module, inputs: Tensor) -> Tensor:
    """Vectors [N, 384] of preprocessed inputs."""
    tower.eval()
    return torch.cat([tower(x.float()) for x in inputs.split(BATCH)]).clone()


def score(tower: nn.Module, modality: str, data: Data, targets: Tensor, names: Tensor) -> dict[str, float]:
    """On held-out objects: recall@1 of the own target, and top-1 by bare class names [24, 384]."""
    z, wanted = outputs(tower, data.inputs[modality][data.held_out]), targets[data.held_out]
    recall = (z @ wanted.T).argmax(dim=1) == torch.arange(len(z))
    named = (z @ names.T).argmax(dim=1) == data.labels[data.held_out]
    return {"recall@1": recall.float().mean().item(), "class_name_top1": named.float().mean().item()}


def train(out: Path, *, per_category: int, seed: int, workers: int) -> dict[str, Any]:
    """Train what is missing in `out`; the card of scores. Raises UnibindError where `out` holds another run."""
    card = open_card(out, per_category, seed)
    started = time.monotonic()
    data = draw_data(per_category, seed, workers)
    card["drawing_seconds"] = round(time.monotonic() - started, 1)
    print(f"{card['objects']} objects drawn and preprocessed in {card['drawing_seconds']} s", flush=True)
    names = embed_texts(list(heptad.CATEGORIES))
    targets = data.captions
    for modality in TOWERS:  # image comes first: it meets the captions, and the others meet it
        path = out / f"{modality}.safetensors"
        if path.is_file() and modality in card["scores"]:
            print(f"{modality}: kept what is in {path}", flush=True)
        else:
            tower, card["scores"][modality] = train_tower(modality, data, targets, seed, names)
            save_tower(tower, path)
            write_whole(out / "card.json", json.dumps(card, indent=1) + "\n")
        if modality == "image":
            targets = outputs(load_tower("image", path), data.inputs["image"])
    write_whole(out / "README.md", card_text(card))
    return card


def open_card(out: Path, per_category: int, seed: int) -> dict[str, Any]:
    """The card of the run that `out` holds, or a new one; raises UnibindError for a run with other arguments."""
    run = {
        "command": f"python -m unibind.backbones.mini.train --per-category {per_category} --seed {seed}",
        "seed": seed,
        "objects": per_category * len(heptad.CATEGORIES),
        "torch": torch.__version__,
        "epochs": EPOCHS,
        "parameters": {m: sum(p.numel() for p in build().parameters()) for m, build in TOWERS.items()},
    }
    path = out / "card.json"
    found = json.loads(path.read_text()) if path.is_file() else run | {"scores": {}}
    different = [name for name, value in run.items() if found.get(name) != value]
    if different:
        raise UnibindError(f"{path} is of a run with another {', '.join(different)}; name another folder with --out")
    return found


def card_text(card: dict[str, Any]) -> str:
    """The model card."""
    minutes = (card["drawing_seconds"] + sum(found["seconds"] for found in card["scores"].values())) / 60
    lines = [
        "# mini",
        "",
        "Six small towers into the 384-d space of all-MiniLM-L6-v2, trained from scratch on procedural data (Heptad's",
        f"pretrain split, {card['objects']} objects, seed {card['seed']}), half precision. Images were trained against",
        "their captions, every other modality only against the image of the same object, never against text: as",
        "ImageBind was. It is image-centred on purpose, the starting point that a fit mends; it knows nothing of real",
        "photographs or recordings.",
        "",
        f"    {card['command']}",
        "",
        f"took {minutes:.0f} minutes on 2 cores (torch {card['torch']}). Scores on held-out pretrain objects",
        "(recall@1: own caption for images, own image for the rest, among the held-out tenth):",
        "",
        "| tower | parameters | epochs | recall@1 | top-1 by bare class names | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for modality, found in card["scores"].items():
        lines.append(
            f"| {modality} | {card['parameters'][modality]:,} | {card['epochs'][modality]} | {found['recall@1']:.3f} "
            f"| {found['class_name_top1']:.3f} | {found['seconds']:.0f} |"
        )
    return "\n".join(
        [*lines, "", "Licence: MIT, like the code. The text tower is Apache-2.0 and not part of this folder.", ""]
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/mini"), help="folder for the weights")
    parser.add_argument("--per-category", type=int, default=128, help="objects of every category")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes that draw")
    arguments = parser.parse_args()
    train(arguments.out, per_category=arguments.per_category, seed=arguments.seed, workers=arguments.workers)


if __name__ == "__main__":
    main()
