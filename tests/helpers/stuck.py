"""A backbone whose preprocessing hangs, crashes, or takes all memory, as decoders of crafted files do."""

import ctypes
import time
from pathlib import Path

import numpy as np
import torch

from tests.helpers.toys import ToyBackbone
from unibind.data.manifest import Item

RELEASE = "release"  # a file of this name, in the folder that a text names, ends its sleep


class Stuck(ToyBackbone):
    """Texts that begin with "hang", "wait", "crash" or "bomb" do so."""

    def preprocess(self, modality, raw):
        deed, _, folder = raw.text.partition(" ")
        if deed == "hang":
            time.sleep(10_000)
        while deed == "wait" and not Path(folder, RELEASE).exists():
            time.sleep(0.05)
        if deed == "crash":
            ctypes.string_at(0)
        if deed == "bomb":
            return torch.from_numpy(np.ones(1 << 30, np.uint8))
        return super().preprocess(modality, raw)


class Unstarted(ToyBackbone):
    """Unpickled, it sleeps: a worker that never starts."""

    def __reduce__(self):
        return time.sleep, (10_000,)


def text_files(folder, texts):
    """One file per text, 000.txt, ..., and their items."""
    folder.mkdir(parents=True, exist_ok=True)
    items = []
    for number, text in enumerate(texts):
        path = folder / f"{number:03}.txt"
        path.write_text(text)
        items.append(Item(path.name, "text", uri=str(path)))
    return items
