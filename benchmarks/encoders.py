"""Speed and memory of ImageBind-huge's towers with random weights, as ratios to a plain baseline in the same run.

    python benchmarks/encoders.py                         # everything, on the CPU: about ten minutes on 2 cores
    python benchmarks/encoders.py --only speed --towers text audio --layers 4
    python benchmarks/encoders.py --device cuda --batch 64 --json gpu.json

The baseline is a float32 eager forward of the same towers without the tricks: texts padded to 77 tokens, images
doubled to two frames. Rounds of baseline and candidates alternate and the best of each counts, so that other work on
the machine hurts both alike.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from full_size import IMAGEBIND, imagebind_tower, randomize
from torch.nn import functional

from unibind.backbones._shared.precision import to_precision
from unibind.backbones._shared.transformer import END_OF_TEXT
from unibind.backbones.imagebind.model import chunk_size
from unibind.backbones.imagebind.towers import SIZES

TOWERS = ("vision", "text", "audio", "thermal")
PRECISIONS = {"cpu": ("float32", "bfloat16", "int8"), "cuda": ("float32", "bfloat16")}


def random_tower(tower: str, layers: int | None) -> torch.nn.Module:
    """A float32 tower of ImageBind-huge's size (or with fewer layers) with random weights."""
    return randomize(imagebind_tower(tower, layers))


def texts(count: int) -> torch.Tensor:
    """Token ids of texts of 12 to 40 tokens, sorted by length as `unibind.loading.batches` sorts them, padded to 77."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.zeros(count, 77, dtype=torch.long)
    for row, length in zip(ids, torch.randint(12, 41, (count,), generator=generator).sort().values, strict=True):
        row[:length] = torch.randint(1, 49000, (int(length),), generator=generator)
        row[length - 1] = END_OF_TEXT
    return ids


def inputs(tower: str, batch: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Batches for the candidates, and the same items as the baseline takes them."""
    if tower == "text":
        ids = texts(16 * batch)
        cut = [part[:, : int((part != 0).sum(dim=1).max())] for part in ids.split(batch)]
        return cut[::4], list(ids.split(batch))[::4]  # every fourth batch: all lengths, a quarter of the time
    shape = {"vision": (3, 224, 224), "audio": (1, 128, 204), "thermal": (1, 224, 224)}[tower]
    pictures = torch.randn(batch, *shape, generator=torch.Generator().manual_seed(1))
    doubled = pictures[:, :, None].expand(-1, -1, 2, -1, -1) if tower == "vision" else pictures
    return [pictures], [doubled]


def flop(tower: str, batches: list[torch.Tensor], layers: int) -> float:
    """Floating-point operations of the matrix products of the transformer."""
    width, hidden, _ = IMAGEBIND[tower]
    total = 0.0
    for x in batches:
        tokens = x.shape[1] if tower == "text" else IMAGEBIND[tower][2]["stem.positions"][1]
        total += len(x) * tokens * layers * (2 * (4 * width**2 + 2 * width * hidden) + 4 * tokens * width)
    return total


def seconds(work, device: str) -> float:
    started = time.perf_counter()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def speed(tower: str, *, batch: int, layers: int | None, rounds: int, device: str, compiled: bool) -> list[dict]:
    """One row a precision: items a second, ratio to the baseline, smallest cosine to it, share of the matrix rate."""
    kind = torch.device(device).type
    ours, plain = ([x.to(device) for x in xs] for xs in inputs(tower, batch))
    ours = [part for x in ours for part in x.split(chunk_size(tower, device))]  # as the backbone does
    items = sum(map(len, ours))
    baseline = random_tower(tower, layers).to(device)
    candidates = {p: to_precision(random_tower(tower, layers), p, device) for p in PRECISIONS[kind]}
    if compiled:
        candidates["bfloat16, compiled"] = torch.compile(candidates["bfloat16"])
    size = 4096 if kind == "cpu" else 8192
    matrix = torch.randn(size, size, device=device).bfloat16()
    works = {"baseline": lambda: [baseline(x) for x in plain], "matrix": lambda: matrix @ matrix}
    works |= {p: (lambda m=m: [m(x) for x in ours]) for p, m in candidates.items()}
    reference = torch.cat(works["baseline"]())
    cosine = {p: float(functional.cosine_similarity(torch.cat(works[p]()), reference).min()) for p in candidates}
    best = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            best[name] = min(best[name], seconds(work, device))
    rate = 2 * size**3 / best["matrix"]
    needed = flop(tower, ours, layers or SIZES[tower].layers)
    return [
        {
            "tower": tower,
            "precision": p,
            "items_per_s": items / best[p],
            "ratio": best["baseline"] / best[p],
            "cosine": cosine[p],
            "of_matrix_rate": needed / best[p] / rate,
        }
        for p in candidates
    ]


# --- memory and start-up ---------------------------------------------------------------------------------------------

_CHILD = """
import sys, time, json, torch, numpy as np
from unibind import Audio, Text, create_backbone
torch.set_grad_enabled(False)
start = time.perf_counter()
b = create_backbone("imagebind", weights=sys.argv[1], precision=sys.argv[2], modalities=["audio", "text"])
b.encode("text", b.preprocess("text", Text("a dog"))[None])
first = time.perf_counter() - start
audio = b.preprocess("audio", Audio(np.zeros(96000, np.float32), 16000))
b.encode("audio", torch.stack([audio] * 4))
b.encode("text", b.preprocess("text", Text("a dog that barks at the moon"))[None].repeat(32, 1))
status = open("/proc/self/status").read()  # getrusage would count the parent's memory before exec
peak = int(status.split("VmHWM:")[1].split()[0])
print(json.dumps({"first_s": first, "peak_gb": peak * 1024 / 1e9}))
"""


def memory() -> list[dict]:
    """Peak resident memory and time to the first embedding of audio and text, from converted weights on warm disk."""
    from safetensors.torch import save_file

    from unibind.backbones._shared.checkpoints import fingerprint

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for tower in ("text", "audio"):
            state = {k: v.contiguous() for k, v in random_tower(tower, None).state_dict().items()}
            metadata = {"format": "pt", "tower": tower, "fingerprint": fingerprint(state.items()), "space": "random"}
            save_file(state, Path(folder) / f"{tower}.safetensors", metadata)
            del state
        for precision in ("float32", "bfloat16"):
            runs = [_child(folder, precision) for _ in range(2)]  # the first warms the disk's cache
            rows.append({"precision": precision, **runs[-1]})
    return rows


def _child(folder: str, precision: str) -> dict:
    done = subprocess.run([sys.executable, "-c", _CHILD, folder, precision], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("speed", "memory"))
    parser.add_argument("--towers", nargs="+", default=list(TOWERS), choices=TOWERS)
    parser.add_argument("--layers", type=int, help="fewer than ImageBind-huge's, for a quick look")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    machine = torch.cuda.get_device_name() if arguments.device != "cpu" else f"{torch.get_num_threads()} CPU threads"
    found: dict = {"machine": machine, "torch": torch.__version__, "batch": arguments.batch, "layers": arguments.layers}
    print(f"{machine}, torch {torch.__version__}, batches of {arguments.batch}")
    if arguments.only != "memory":
        found["speed"] = []
        print(f"{'tower':8} {'precision':18} {'items/s':>9} {'x baseline':>10} {'cosine':>8} {'of matrix rate':>14}")
        for tower in arguments.towers:
            rows = speed(
                tower,
                batch=arguments.batch,
                layers=arguments.layers,
                rounds=arguments.rounds,
                device=arguments.device,
                compiled=arguments.compile,
            )
            found["speed"] += rows
            for r in rows:
                print(
                    f"{r['tower']:8} {r['precision']:18} {r['items_per_s']:9.2f} {r['ratio']:10.2f} "
                    f"{r['cosine']:8.5f} {r['of_matrix_rate']:14.2f}",
                    flush=True,
                )
    if arguments.only != "speed" and arguments.device == "cpu":
        found["memory"] = memory()
        for r in found["memory"]:
            print(f"audio + text, {r['precision']:9}: peak {r['peak_gb']:.2f} GB, first embedding {r['first_s']:.2f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
