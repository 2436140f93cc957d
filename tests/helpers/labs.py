"""Encoders of three laboratories over one latent world, each with its own space, so that their relation is known.

A word is a point in a latent space with LATENT axes; a text is the sum of its words, and an item is what its samples
contain. An encoder perturbs the words, maps meanings linearly into its space, adds an offset per modality, and
normalizes to unit length.
"""

import zlib

import numpy as np
import torch

from tests.helpers.registered import entry, register, spec
from unibind.backbones import Contract, License
from unibind.data.encode import embed
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.errors import UnknownNameError
from unibind.knowledge import Description, KnowledgeBase
from unibind.modalities.audio import Audio
from unibind.modalities.image import Image
from unibind.modalities.point_cloud import PointCloud

LATENT = 12
CATEGORIES = ("drum", "bell", "car", "dog", "rain", "train")
FILLERS = tuple(f"word{i}" for i in range(40))
_WORDS = CATEGORIES + FILLERS


def _rng(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


MEANINGS = np.stack([_rng(word).normal(size=LATENT) for word in _WORDS]).astype(np.float32)  # [words, LATENT]

KNOWLEDGE = KnowledgeBase(
    Description(f"{category}-{i}", category, " ".join([category, *_rng(f"{category}{i}").choice(FILLERS, 2)]))
    for category in CATEGORIES
    for i in range(50)
)


def _of_points(cloud):
    return torch.from_numpy(cloud.xyz.reshape(-1))


def _of_picture(image):
    return (torch.from_numpy(image.pixels[0, :, 0].astype(np.float32)) - 128) / 24


def _of_text(text):
    known = {word: i for i, word in enumerate(_WORDS)}  # any other word counts as one of the fillers
    ids = [known.get(word, len(CATEGORIES) + zlib.crc32(word.encode()) % len(FILLERS)) for word in text.text.split()]
    return torch.tensor([1 + i for i in ids])


_MEANING = {
    "text": _of_text,
    "audio": lambda raw: torch.from_numpy(raw.samples),
    "point_cloud": _of_points,
    "image": _of_picture,
}


def meaning(category, seed, noise=0.8):
    """The content of an item: the meaning of its category with noise, float32 [LATENT]."""
    noise = np.random.default_rng(seed).normal(0, noise, LATENT)
    return (MEANINGS[CATEGORIES.index(category)] + noise).astype(np.float32)


def raw(modality, category, seed):
    """An item of a modality."""
    z = meaning(category, seed)
    if modality == "image":
        return Image(np.repeat(np.clip(128 + 24 * z, 0, 255).astype(np.uint8)[None, :, None], 3, axis=2))
    return Audio(z, 8000) if modality == "audio" else PointCloud(z.reshape(-1, 3))


class Lab:
    """A backbone; `made` lists the modalities and options of every instance that was created."""

    made = ()

    def __init__(self, name, dim, modalities, license, gap):
        self.name, self.dim, self.all, self.license, self.gap = name, dim, modalities, license, gap
        self.logit_scale = float(dim)
        self.map = _rng(name).normal(size=(dim, LATENT)).astype(np.float32) / LATENT**0.5
        self.words = MEANINGS + _rng(f"{name}'s words").normal(0, 0.3, MEANINGS.shape).astype(np.float32)

    def create(self, argument=None, *, modalities=None, weights="1", precision="float32", device="cpu"):
        for modality in modalities or ():
            if modality not in self.all:
                raise UnknownNameError("modality", modality, self.all)
        new = Lab(self.name, self.dim, self.all, self.license, self.gap)
        new.modalities, new.weights, new.device = tuple(modalities or self.all), weights, device
        new.options = {"precision": precision}
        Lab.made += ((self.name, new.modalities, weights, device),)
        return new

    def offset(self, modality):
        """The offset of a modality, [dim]: small for texts, `gap` for items."""
        away = self.map @ _rng(f"gap of {modality}").normal(size=LATENT) / LATENT**0.5
        return (0.3 if modality == "text" else self.gap) * away

    def preprocess(self, modality, raw):
        return _MEANING[modality](raw)

    def encode(self, modality, batch):
        if modality == "text":
            table = torch.cat([torch.zeros(1, LATENT), torch.from_numpy(self.words)])
            batch = table[batch].sum(dim=1)
        z = batch @ torch.from_numpy(self.map).T + torch.from_numpy(self.offset(modality)).float()
        return torch.nn.functional.normalize(z, dim=1)

    def contract(self, modality):
        own = f"{self.name}@{self.weights}"
        return Contract(own, self.name, modality, f"{modality}{self.weights}", precision=self.options["precision"])


LABS = {
    lab.name: lab
    for lab in (
        Lab("lab_a", 16, ("text", "image"), License("MIT", True), 0.5),
        Lab("lab_b", 24, ("text", "audio"), License("Apache-2.0", True), 5.0),
        Lab("lab_c", 12, ("point_cloud",), License("CC-BY-NC-4.0", False), 2.0),
    )
}


def open_labs(monkeypatch):
    """Register the laboratories' backbones as third-party packages would, and clear `Lab.made`."""
    Lab.made = ()
    register(monkeypatch, *(entry(name, spec(name, lab.create)) for name, lab in LABS.items()))


def labeled_items(modality, split, each, seed):
    """Items with labels and their raw values, `each` of every category."""
    pairs = [(name, seed + len(CATEGORIES) * i + c) for i in range(each) for c, name in enumerate(CATEGORIES)]
    uri = "https://example.org/{}.x"  # not a local file, which would count as deleted
    items = [Item(f"{modality}-{n}", modality, uri=uri.format(n), label=name, split=split) for name, n in pairs]
    return items, [raw(modality, name, n) for name, n in pairs]


def item_store(path, backbone, modalities=("audio",), splits=("train",), each=20):
    """A store of labeled items of some modalities and splits, `each` of every category, encoded by a backbone."""
    store = Store.create(path)
    for modality in modalities:
        for n, split in enumerate(splits):
            items, raws = labeled_items(modality, split, each, 1000 * n)
            store.add(items, embed(raws, backbone), backbone.contract(modality))
    return store


# tables of composed backbones: lab_a gives the anchor, lab_b the audio, with or without a bridge
PARTS = '[text]\nbackbone = "lab_a"\n[image]\nbackbone = "lab_a"\n[point_cloud]\nbackbone = "lab_c"\n'
UNBRIDGED = PARTS + '[audio]\nbackbone = "lab_b"\n'
BRIDGED = UNBRIDGED + 'bridge = "audio.safetensors"\n'
