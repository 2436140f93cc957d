"""Embed texts, a picture and a sound that exist only in memory, and compare them by cosine.

python examples/compare_in_memory.py
"""

import numpy as np
from PIL import Image

import unibind

RATE = 16_000  # samples per second


def main() -> None:
    seconds = np.arange(2 * RATE) / RATE
    tone = np.sin(2 * np.pi * 880 * seconds) * np.exp(-3 * seconds)  # a struck bell, roughly

    items = {
        "red square": Image.new("RGB", (224, 224), (200, 30, 30)),
        "decaying tone": unibind.Audio(tone.astype(np.float32), RATE),
    }
    texts = ["the sound of a bell", "a red picture", "a dog"]

    model = unibind.UniBind(unibind.create_backbone("starter"))
    cosines = unibind.similarity(model.embed(list(items.values())), model.embed(texts))  # [2, 3]
    for name, row in zip(items, cosines, strict=True):
        print(name, {text: round(float(cosine), 3) for text, cosine in zip(texts, row, strict=True)})


if __name__ == "__main__":
    main()
