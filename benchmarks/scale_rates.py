"""What a run on many machines costs per item beside encoding: planning, writing, committing, and bytes.

    python benchmarks/scale_rates.py --items 30000 --json benchmarks/results/scale-rates.json

Rates are per second of a core, so that other programs on the machine do not count. Vectors of 384 numbers in float16
are random; nothing is encoded. The functions are those that the driver and the workers of the Ray engine call, one
after the other in this process, without Ray. `one worker` is what each of many can do at the same time; the driver's
rates are what all of them together have.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

from unibind.backbones import Contract
from unibind.data.changes import Comparison
from unibind.data.engines.ray_data.plan import Plan, read_block
from unibind.data.engines.ray_data.stages import Read, Settings, _fragment
from unibind.data.intake import read_manifest
from unibind.data.lance_files import folder_size
from unibind.data.lance_tables import VECTOR
from unibind.data.loader import load_with_facts
from unibind.data.manifest import Item
from unibind.data.opening import open_backbone
from unibind.data.rows import matrix
from unibind.data.store import Store
from unibind.modalities.limits import Limits
from unibind.retrieval.views.rows import schema, view_rows
from unibind.retrieval.views.table import ViewTable

WIDTH, MODALITY = 384, "text"
CONTRACT = Contract(space="random@1", backbone="random", modality=MODALITY, weights="1")
VIEWED = 5 * 4096  # items of which a view is made
PICTURES = 32
AT_ONCE = 16  # fragments in one commit, where they wait for the one before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=30_000)
    parser.add_argument("--block", type=int, default=512)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), arguments.items, arguments.block)
    for name, value in found.items():
        print(f"{name:45} {value:>12,.1f}")
    if arguments.json is not None:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        machine = {"cores": os.cpu_count(), "memory_gib": round(memory / (1 << 30))}
        arguments.json.write_text(json.dumps({"machine": machine, "items": arguments.items, **found}, indent=1) + "\n")


def measured(folder: Path, count: int, block: int) -> dict[str, float]:
    found = reading(folder)
    table = folder / "items.csv"
    table.write_text("id,text,label\n" + "".join(f"{i},a red thing of number {i:09},thing\n" for i in range(count)))
    store = Store.create(folder / "store", precision="float16")
    with timed(found, "driver: items/core-s read from a table", count):
        manifest = read_manifest(table)
    (folder / "blocks").mkdir()
    with timed(found, "driver: items/core-s compared and planned", count):
        changes = Comparison(manifest.table, store.row_batches(), modalities=(MODALITY,))
        list(changes.to_write())
        plan = Plan(changes.work(), folder / "blocks", block)
    found["bytes/item of the plan"] = folder_size(folder / "blocks") / count
    with store.receiving(WIDTH) as place:
        fragments = written(found, store, plan, place)
        with timed(found, "driver: fragments/core-s committed, one at a time", 10):
            for fragment in fragments[:10]:
                store.adopt([fragment], CONTRACT)
        rest = fragments[10:]
        with timed(found, f"driver: fragments/core-s committed, {AT_ONCE} at once", len(rest)):
            for start in range(0, len(rest), AT_ONCE):
                store.adopt(rest[start : start + AT_ONCE], CONTRACT)
    with timed(found, "driver: items/core-s merged into large files at the end", count):
        store.compact(full=True)
    assert len(store) == count
    found["bytes/item of the store"] = store.sizes()["items"] / count
    return found | viewed(folder / "view", store, count)


def reading(folder: Path) -> dict[str, float]:
    """What a worker reads and encodes with the default backbone."""
    torch.set_num_threads(1)
    found: dict[str, float] = {}
    backbone, random = open_backbone("starter"), np.random.default_rng(0)
    for width, height in ((320, 240), (1600, 1200)):
        files = [folder / f"{width}-{i}.jpg" for i in range(PICTURES)]
        for file in files:
            blocks = PIL.Image.fromarray(random.integers(0, 255, (height // 16, width // 16, 3), np.uint8))
            blocks.resize((width, height)).save(file, quality=90)
        items = [Item(file.name, "image", uri=str(file)) for file in files]
        load_with_facts(items[0], backbone, Limits())
        with timed(found, f"one worker: JPEG of {width} x {height}/core-s read", PICTURES):
            tensors = [load_with_facts(item, backbone, Limits())[0] for item in items]
        found[f"bytes/JPEG of {width} x {height}"] = sum(file.stat().st_size for file in files) / PICTURES
    batch = torch.stack([tensor for tensor in tensors if isinstance(tensor, torch.Tensor)])
    backbone.encode("image", batch)
    with timed(found, "one worker: images/core-s encoded by starter", len(batch)):
        backbone.encode("image", batch)
    return found


def written(found: dict[str, float], store: Store, plan: Plan, place: str) -> list[Any]:
    settings = Settings(
        plan.folder, None, 64, 60.0, Limits(), False, store.path, place, "float16", {MODALITY: CONTRACT.hash}
    )
    vectors = unit_vectors(plan.count)
    with timed(found, "one worker: items/core-s written as fragments", plan.count):
        fragments = []
        for number in range(plan.blocks):
            tasks = read_block(plan.folder, number)
            keys = [Read(task, None) for task in tasks]
            part = vectors[tasks[0].position : tasks[-1].position + 1]
            fragments.append(_fragment(MODALITY, keys, part, settings))
    return fragments


def viewed(folder: Path, store: Store, count: int) -> dict[str, float]:
    found: dict[str, float] = {}
    folder.mkdir()
    view = ViewTable(folder, store.path)
    view.create(schema(WIDTH))
    with timed(found, "items/core-s copied into the view", VIEWED):
        for table in islice(store.stored(), VIEWED // 4096):
            view.add(view_rows(store, table, matrix(table[VECTOR])))
    view.build(None)
    found["bytes/item of the view, without its vector index"] = folder_size(folder) / len(view)
    return found


def unit_vectors(count: int) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(count, WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@contextmanager
def timed(found: dict[str, float], name: str, count: float) -> Iterator[None]:
    """Note how many a second of a core, which other programs do not change."""
    started = time.process_time()
    yield
    found[name] = count / (time.process_time() - started)


if __name__ == "__main__":
    main()
