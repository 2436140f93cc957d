"""Samples whose categories are known: texts with noise, rotated."""

import numpy as np

from unibind.align.problem import Samples


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def rotated_world(n=120, dim=16, categories=6, seed=0, noise=0.15, rotated=True):
    """Samples that are the text of their category with noise, rotated by a fixed random rotation: two sets of
    samples, descriptions, and the categories of these.
    """
    rng = np.random.default_rng(seed)
    texts = unit(rng.normal(size=(categories, dim)))
    category_index = np.repeat(np.arange(categories), 5)
    descriptions = unit(texts[category_index] + 0.1 * rng.normal(size=(len(category_index), dim)))
    rotation = np.linalg.qr(rng.normal(size=(dim, dim)))[0] if rotated else np.eye(dim)

    def samples(count):
        labels = rng.integers(0, categories, count)
        return Samples(unit((texts[labels] + noise * rng.normal(size=(count, dim))) @ rotation), labels)

    return samples(n), samples(n), descriptions, category_index


def top1(head, samples, texts, category_index):
    means = np.stack([texts[category_index == c].mean(axis=0) for c in range(category_index.max() + 1)])
    return np.mean(np.argmax(head(samples.vectors) @ means.T, axis=1) == samples.category_index)
