"""A backbone with a known space: what is of class "c3" is the fourth axis; pictures have noise of their own."""

import zlib

import numpy as np
import torch
from PIL import Image

from unibind.backbones import Contract, License
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.knowledge import Description, KnowledgeBase

DIM = 16
CLASSES = tuple(f"c{i}" for i in range(10))
NOISE = 0.3
KNOWLEDGE = KnowledgeBase(
    Description(f"{name}-{aspect}", name, f"{name} {aspect}", aspect=aspect, generator="toy")
    for name in CLASSES
    for aspect in ("shape", "sound")
)


def vector_of(*axes, key=""):
    """The sum of axes; items (which have a key) are noisy, texts are not."""
    vector = np.eye(DIM)[list(axes)].sum(axis=0)
    if key:
        rng = np.random.default_rng(zlib.crc32(key.encode()))
        vector = vector + rng.normal(0, NOISE, DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class AxesBackbone:
    """Implements the Backbone protocol. The first pixel of a picture says what it shows; see `picture_of`."""

    name = "axes"
    dim = DIM
    modalities = ("text", "image")
    license = License("MIT", True)
    logit_scale = 10.0
    options = {}  # noqa: RUF012

    def preprocess(self, modality, raw):
        if modality == "text":
            named = [word for word in raw.text.replace(",", " ").replace(".", " ").split() if word in CLASSES]
            return torch.from_numpy(vector_of(CLASSES.index(named[0]) if named else DIM - 1))
        first, second, number = raw.pixels[0, 0].tolist()
        return torch.from_numpy(vector_of(*{first, second}, key=f"picture {number}"))

    def encode(self, modality, batch):
        return torch.nn.functional.normalize(batch.float(), dim=1)

    def contract(self, modality):
        return Contract(space="axes@1", backbone="axes", modality=modality, weights="1")


def picture_of(axis, number=0, *, and_axis=None):
    """A picture of the class of an axis, or of two; axes from 10 on are of no class."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[0, 0] = axis, axis if and_axis is None else and_axis, number
    return Image.fromarray(pixels)


def labeled_store(path, per_class, classes=CLASSES):
    """A store of labeled items, `per_class` = {split: items of every class}."""
    store, items, vectors = Store.create(path), [], []
    for split, count in per_class.items():
        for name in classes:
            for i in range(count):
                key = f"{split}-{name}-{i}"
                items.append(Item(key, "image", uri=f"{key}.png", label=name, split=split))
                vectors.append(vector_of(CLASSES.index(name), key=key))
    store.add(items, np.stack(vectors), AxesBackbone().contract("image"))
    store.note_backbone("axes", {})
    return store
