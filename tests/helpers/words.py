"""A text encoder for tests of knowledge bases: it knows three words."""

import numpy as np

AXES = {"tower": 0, "stone": 1, "water": 2}


def embed(texts):
    """Unit vectors [N, 4] that count three words; all other words share the last axis."""
    rows = np.zeros((len(texts), 4), np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.lower().strip(".").split():
            row[AXES.get(word, 3)] += 3 if word in AXES else 0.1
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
