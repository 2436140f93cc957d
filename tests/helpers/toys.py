"""A backbone with known answers: red, green and blue, as words, colors and pitches, are the first three axes."""

from collections import Counter
from itertools import pairwise

import numpy as np
import torch

from unibind.backbones import Contract, License
from unibind.data.manifest import Item

CATEGORIES = ("red", "green", "blue")  # low, middle and high tones
DIM = 8
_OTHER_WORD = 3  # axis that counts all other words

_BANDS_HZ = (0, 500, 1500, 1e9)


def text_tokens(text):
    words = text.text.lower().replace(".", " ").replace(",", " ").split()
    return torch.tensor([1 + (CATEGORIES.index(w) if w in CATEGORIES else _OTHER_WORD) for w in words])


def mean_color(image):
    return torch.from_numpy(image.pixels.reshape(-1, 3).mean(axis=0, dtype=np.float32))


def band_energies(audio):
    power = np.abs(np.fft.rfft(audio.samples)) ** 2
    hertz = np.fft.rfftfreq(len(audio.samples), 1 / audio.rate)
    edges = np.searchsorted(hertz, _BANDS_HZ)
    return torch.tensor([power[a:b].sum() for a, b in pairwise(edges)], dtype=torch.float32)


_PREPROCESS = {"text": text_tokens, "image": mean_color, "audio": band_energies}


class ToyBackbone:
    """Implements the Backbone protocol and counts the items it encodes, and the widest batch of texts."""

    name = "toy"
    dim = DIM
    modalities = tuple(_PREPROCESS)
    license = License("MIT", True)
    logit_scale = 10.0
    options = {}  # noqa: RUF012

    def __init__(self, weights="1"):
        self.weights = weights
        self.encoded = Counter()
        self.padding = 0  # padded tokens in all batches of texts

    def preprocess(self, modality, raw):
        return _PREPROCESS[modality](raw)

    def encode(self, modality, batch):
        self.encoded[modality] += len(batch)
        out = torch.zeros(len(batch), DIM)
        if modality == "text":
            self.padding += int((batch == 0).sum())
            for axis in range(DIM):
                out[:, axis] = (batch == axis + 1).sum(dim=1)
        else:
            out[:, :3] = batch
        return torch.nn.functional.normalize(out, dim=1)

    def contract(self, modality):
        return Contract(space=f"toy@{self.weights}", backbone="toy", modality=modality, weights=self.weights)


def text_items(count, **facts):
    """Inline texts "red", "green filler", ... with ids t000, t001, ...; their labels are their first words."""
    names = [CATEGORIES[i % 3] for i in range(count)]
    texts = [" ".join([name] + ["filler"] * (i % 5)) for i, name in enumerate(names)]
    return [
        Item(f"t{i:03}", "text", text=text, label=name, **facts)
        for i, (name, text) in enumerate(zip(names, texts, strict=True))
    ]
