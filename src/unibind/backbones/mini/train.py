"""Train mini's six towers from scratch on Heptad's pretrain split, the way ImageBind was trained.

    python -m unibind.backbones.mini.train --out weights --per-category 128 --seed 0

Images are trained against their captions (text embeddings are frozen), then every other modality against the frozen
image embeddings of the same objects, never against text. Objects are generated and preprocessed once and kept in
memory (about 0.2 MB each). Each tower is written when it is done and its scores are added to `card.json`, so an
interrupted run resumes where it stopped; `README.md` is written last.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
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
from ...heptad.captions import NAMED
from ...heptad.sample import sample_object, sense_all
from ...heptad.sensors import FPS
from ...heptad.sounds.toolkit import RATE
from ...modalities.audio import Audio
from ...modalities.event import Events
from ...modalities.image import Image
from ...modalities.point_cloud import PointCloud
from ...modalities.spec import Raw
from ...modalities.thermal import Thermal
from ...modalities.video import Video
from .._shared.minilm import embed_texts
from .._shared.precision import has_native_bfloat16
from .augment import AUGMENTATIONS
from .preprocessing import preprocess
from .towers import TOWERS, load_tower, save_tower

HOLDOUT_EVERY = 10  # one object in ten per category is held out from training
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


def raw_items(sensed: dict[str, Any]) -> dict[str, Raw]:
    """Raw items of one object as the readers would return them, without the lossy compression of files."""
    t, x, y, p = sensed["event"].T
    frames = sensed["video"]
    height, width = frames.shape[1:3]
    return {
        "image": Image(sensed["image"]),
        "audio": Audio(sensed["audio"], RATE),
        "point_cloud": PointCloud(sensed["point_cloud"]),
        "thermal": Thermal(sensed["thermal"], celsius=True),
        "video": Video(_Frames(frames), len(frames) / FPS, FPS, width, height),
        "event": Events(t - t[0], x.astype(np.int32), y.astype(np.int32), p.astype(bool), width, height),
    }


def _inputs(job: tuple[str, int, int]) -> dict[str, NDArray[np.float16]]:
    """Preprocessed inputs of one object, float16."""
    torch.set_num_threads(1)
    category, index, seed = job
    sensed = sense_all(sample_object(category, index, "pretrain", seed))
    return {m: preprocess(m, raw).numpy().astype(np.float16) for m, raw in raw_items(sensed).items()}


@dataclass(frozen=True)
class Data:
    """N preprocessed objects of a seed, the categories in turn, so that the first ones are those of a smaller N."""

    seed: int
    inputs: dict[str, Tensor]  # per modality, float16 [N, ...]
    labels: Tensor  # category indices [N]
    holdout: Tensor  # bool [N]: not used for training

    @property
    def per_category(self) -> int:
        """Objects of each category."""
        return len(self.labels) // len(heptad.CATEGORIES)

    def first(self, per_category: int) -> Data:
        """The first objects of every category."""
        count = per_category * len(heptad.CATEGORIES)
        inputs = {m: x[:count] for m, x in self.inputs.items()}
        return replace(self, inputs=inputs, labels=self.labels[:count], holdout=self.holdout[:count])

    def captions(self, named: float) -> Tensor:
        """Text embeddings [N, 384] of the objects' captions, of which a share `named` names the category."""
        objects = [(heptad.CATEGORIES[label], n // len(heptad.CATEGORIES)) for n, label in enumerate(self.labels)]
        return embed_texts([sample_object(c, i, "pretrain", self.seed).text(named) for c, i in objects])


def prepare_data(per_category: int, seed: int, workers: int) -> Data:
    """Generate and preprocess the pretrain split."""
    jobs = [(c, i, seed) for i in range(per_category) for c in heptad.CATEGORIES]
    inputs: dict[str, Tensor] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        for n, tensors in enumerate(pool.map(_inputs, jobs, chunksize=8)):
            for modality, array in tensors.items():
                if modality not in inputs:
                    inputs[modality] = torch.empty(len(jobs), *array.shape, dtype=torch.float16)
                inputs[modality][n] = torch.from_numpy(array)
            if (n + 1) % 480 == 0:
                print(f"{n + 1} of {len(jobs)} objects generated", flush=True)
    labels = torch.tensor([heptad.CATEGORIES.index(c) for c, _, _ in jobs])
    indices = torch.tensor([index for _, index, _ in jobs])
    holdout = (indices + labels) % HOLDOUT_EVERY == 0  # balanced over categories, even when there are few objects
    return Data(seed, inputs, labels, holdout)


# --- training ------------------------------------------------------------------------------------------------------


def train_tower(modality: str, data: Data, targets: Tensor, class_names: Tensor) -> tuple[nn.Module, dict[str, Any]]:
    """Train one tower against `targets` [N, 384] of the same objects; return it with its scores on the holdout."""
    torch.manual_seed(data.seed)
    fast_bfloat16 = has_native_bfloat16("cpu")  # emulated, it takes eight times as long as float32
    generator = torch.Generator().manual_seed(data.seed)
    tower = TOWERS[modality]()
    log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
    inputs, rows = data.inputs[modality], torch.nonzero(~data.holdout)[:, 0]
    epochs, steps = EPOCHS[modality], max(1, len(rows) // BATCH)
    optimizer = torch.optim.AdamW([*tower.parameters(), log_scale], lr=2e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=epochs * steps, pct_start=0.15)
    start, scores = time.monotonic(), {}
    for epoch in range(1, epochs + 1):
        tower.train()
        losses = []
        order = rows[torch.randperm(len(rows), generator=generator)]
        for step in range(steps):
            batch = order[step * BATCH : (step + 1) * BATCH]
            x = AUGMENTATIONS[modality](inputs[batch].float(), generator)
            with torch.autocast("cpu", torch.bfloat16, enabled=fast_bfloat16):
                z = tower(x)
            loss = symmetric_info_nce(z, targets[batch], log_scale.exp())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                log_scale.clamp_(0, math.log(MAX_LOGIT_SCALE))
            losses.append(loss.item())
        if epoch % 4 == 0 or epoch == epochs:
            scores = evaluate_tower(tower, modality, data, targets, class_names)
            summary = " ".join(f"{name} {value:.3f}" for name, value in scores.items())
            seconds = time.monotonic() - start
            print(
                f"{modality:12s} epoch {epoch:2d}/{epochs} loss {np.mean(losses):.3f} {summary} {seconds:.0f} s",
                flush=True,
            )
    return tower, scores | {"seconds": round(time.monotonic() - start, 1), "loss": round(float(np.mean(losses)), 4)}


@torch.inference_mode()
def embed_inputs(tower: nn.Module, inputs: Tensor) -> Tensor:
    """Embeddings [N, 384] of preprocessed inputs [N, ...]."""
    tower.eval()
    return torch.cat([tower(x.float()) for x in inputs.split(BATCH)]).clone()


def evaluate_tower(
    tower: nn.Module, modality: str, data: Data, targets: Tensor, class_names: Tensor
) -> dict[str, float]:
    """Scores on the holdout: recall@1 of each object's own target, and top-1 by class-name embeddings [24, 384]."""
    z, own_targets = embed_inputs(tower, data.inputs[modality][data.holdout]), targets[data.holdout]
    recall = (z @ own_targets.T).argmax(dim=1) == torch.arange(len(z))
    correct = (z @ class_names.T).argmax(dim=1) == data.labels[data.holdout]
    return {"recall@1": recall.float().mean().item(), "class_name_top1": correct.float().mean().item()}


def train(out: Path, data: Data, *, named: float = NAMED) -> dict[str, Any]:
    """Train the towers that are missing in `out` and return the card with their scores.

    A share `named` of the captions names the category. Raises UnibindError if `out` contains a run with other
    arguments.
    """
    card = open_card(out, data.per_category, data.seed, named)
    class_names = embed_texts(list(heptad.CATEGORIES))
    targets = data.captions(named)
    for (
        modality
    ) in TOWERS:  # image comes first: its targets are the captions, and its embeddings are the targets of the rest
        path = out / f"{modality}.safetensors"
        if path.is_file() and modality in card["scores"]:
            print(f"{modality}: already trained, {path}", flush=True)
        else:
            tower, card["scores"][modality] = train_tower(modality, data, targets, class_names)
            save_tower(tower, path)
            write_whole(out / "card.json", json.dumps(card, indent=1) + "\n")
        if modality == "image":
            targets = embed_inputs(load_tower("image", path), data.inputs["image"])
    write_whole(out / "README.md", card_text(card))
    return card


def open_card(out: Path, per_category: int, seed: int, named: float) -> dict[str, Any]:
    """Return the card of the run in `out`, or a new one. Raises UnibindError for a run with other arguments."""
    run = {
        "command": f"python -m unibind.backbones.mini.train --per-category {per_category} --seed {seed}"
        + ("" if named == NAMED else f" --named {named}"),
        "seed": seed,
        "named": named,
        "objects": per_category * len(heptad.CATEGORIES),
        "torch": torch.__version__,
        "epochs": EPOCHS,
        "parameters": {m: sum(p.numel() for p in build().parameters()) for m, build in TOWERS.items()},
    }
    path = out / "card.json"
    card: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else run | {"scores": {}}
    different = [name for name, value in run.items() if card.get(name) != value]
    if different:
        raise UnibindError(f"{path} belongs to a run with different {', '.join(different)}; choose another --out")
    return card


def card_text(card: dict[str, Any]) -> str:
    """Render the model card in Markdown."""
    minutes = sum(scores["seconds"] for scores in card["scores"].values()) / 60
    lines = [
        "# mini",
        "",
        "Six small towers into the 384-dimensional space of all-MiniLM-L6-v2, trained from scratch on procedural data",
        f"(the pretrain split of Heptad, {card['objects']} objects, seed {card['seed']}) and stored in half precision.",
        "Like ImageBind, images were trained against their captions and every other modality only against the image of",
        "the same object, never against text. The space is image-centered on purpose: that is the flaw a fit corrects.",
        "The towers know nothing about real photographs or recordings.",
        "",
        f"    {card['command']}",
        "",
        f"Training took {minutes:.0f} minutes on 2 cores (torch {card['torch']}). Scores on the held-out tenth of the",
        "pretrain objects (recall@1 of the object's caption for images, of its image for the other modalities):",
        "",
        "| tower | parameters | epochs | recall@1 | top-1 by class names | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for modality, scores in card["scores"].items():
        lines.append(
            f"| {modality} | {card['parameters'][modality]:,} | {card['epochs'][modality]} | {scores['recall@1']:.3f} "
            f"| {scores['class_name_top1']:.3f} | {scores['seconds']:.0f} |"
        )
    return "\n".join(
        [*lines, "", "License: MIT, like the code. The text tower is Apache-2.0 and not part of this folder.", ""]
    )


def main() -> None:
    """Parse arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/mini"), help="output folder for the weights (default: runs/mini)"
    )
    parser.add_argument("--per-category", type=int, default=128, help="objects per category (default: 128)")
    parser.add_argument("--seed", type=int, default=0, help="seed of data and training (default: 0)")
    parser.add_argument(
        "--named", type=float, default=NAMED, help=f"share of captions that name the category (default: {NAMED})"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that generate objects (default: 2)")
    arguments = parser.parse_args()
    start = time.monotonic()
    data = prepare_data(arguments.per_category, arguments.seed, arguments.workers)
    print(f"{len(data.labels)} objects generated and preprocessed in {time.monotonic() - start:.0f} s", flush=True)
    train(arguments.out, data, named=arguments.named)


if __name__ == "__main__":
    main()
