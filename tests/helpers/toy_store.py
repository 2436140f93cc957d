"""Pictures and tones of the toy backbone's three categories, and a store filled with them."""

import numpy as np

from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind.align.problem import FitConfig
from unibind.data.encode import embed
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.knowledge import Description, KnowledgeBase
from unibind.modalities.audio import Audio
from unibind.modalities.image import Image

RATE_HZ = 8000
PITCH_HZ = {"red": 200, "green": 1000, "blue": 3000}
KNOWLEDGE = KnowledgeBase(
    Description(f"{name}-{i}", name, f"{name} {words}")
    for name in CATEGORIES
    for i, words in enumerate(("thing", "as can be", "and nothing else"))
)
STEPS = FitConfig(loss="multi_positive", steps=120, batch_size=32, lr=0.02)


class SwappedColors(ToyBackbone):
    """Takes red pictures for blue ones and blue ones for red."""

    def encode(self, modality, batch):
        return super().encode(modality, batch.flip(1) if modality == "image" else batch)


def picture(category, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 60, (4, 6, 3), np.uint8)
    pixels[..., CATEGORIES.index(category)] = 200
    return Image(pixels)


def tone(category, seed=0):
    t = np.arange(RATE_HZ // 4) / RATE_HZ
    noise = np.random.default_rng(seed).normal(0, 0.02, len(t))
    return Audio((np.sin(2 * np.pi * PITCH_HZ[category] * t) + noise).astype(np.float32), RATE_HZ)


RAW_MAKERS = {"image": picture, "audio": tone}


def filled_store(path, backbone, *, splits=("train", "val", "test"), per_category=4, described=False):
    """A store of pictures and tones, `per_category` of every category in every split."""
    store, count = Store.create(path), 0
    for modality, make in RAW_MAKERS.items():
        items, raws = [], []
        for split in splits:
            for category in CATEGORIES:
                for i in range(per_category):
                    item_id = f"{modality}-{split}-{category}-{i}"
                    description = f"{category} filler" if described else None
                    items.append(
                        Item(
                            item_id, modality, uri=f"{item_id}.x", label=category, split=split, description=description
                        )
                    )
                    raws.append(make(category, count))
                    count += 1
        store.add(items, embed(raws, backbone), backbone.contract(modality))
    return store
