"""Geometry of the drawings on the page; the templates turn it into SVG and HTML, in colors that follow the theme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ...data.embeddings import Embeddings
from ..cross_modal import Splits
from ..evaluation import Calibrated
from ..parts import names

MATRIX_CLASSES = 100  # most classes in a readable confusion matrix
_MAP_ITEMS = 150  # per modality
_LABELED_CLASSES = 30  # most classes that are named in a map
_PERPLEXITY = 30.0


# --- confusion matrix ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """Items of one true class with one answer: place in the grid, share of the true class, and whether it is right."""

    row: int
    column: int
    count: int
    share: float
    right: bool
    words: str


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: true classes in rows, answers in columns; `size` is the side of a cell in pixels."""

    classes: tuple[str, ...]
    cells: list[Cell]
    size: int


def confusion_matrix(counts: dict[tuple[str, str], int]) -> Matrix | None:
    """The matrix of (true class, answer) -> items; None where there are too many classes to read it."""
    classes = tuple(sorted({name for pair in counts for name in pair}))
    if len(classes) > MATRIX_CLASSES:
        return None
    position = {name: i for i, name in enumerate(classes)}
    totals: dict[str, int] = {}
    for (true, _), count in counts.items():
        totals[true] = totals.get(true, 0) + count
    cells = [
        Cell(
            position[true],
            position[answer],
            count,
            count / totals[true],
            true == answer,
            f"{true}, answered {answer}: {count} of {totals[true]}",
        )
        for (true, answer), count in counts.items()
    ]
    return Matrix(classes, cells, 32 if len(classes) <= 10 else 22 if len(classes) <= 30 else 11)


# --- reliability -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """One bin of confidence: confidence and accuracy in percent, and a radius that grows with its number of items."""

    confidence: float
    accuracy: float
    radius: float
    words: str


def reliability_points(calibrated: Calibrated) -> list[Point]:
    """The filled bins of a reliability plot."""
    filled = [b for b in calibrated.bins if b is not None]
    total = sum(b.count for b in filled)
    return [
        Point(
            100 * b.confidence,
            100 * b.accuracy,
            2 + 6 * (b.count / total) ** 0.5,
            f"{b.count} items: {100 * b.confidence:.0f} % sure on average, {100 * b.accuracy:.0f} % right",
        )
        for b in filled
    ]


# --- map of the space ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dot:
    """One item on a map of side 100, with the numbers of its modality and class, and what it is."""

    x: float
    y: float
    modality: int
    category: int | None
    words: str


@dataclass(frozen=True)
class Map:
    """A map of the space; `labels` are the classes to name and where (class number, x, y)."""

    dots: list[Dot]
    modalities: tuple[str, ...]
    classes: tuple[str, ...]
    labels: list[tuple[int, float, float]]


def space_map(embeddings: Splits, *, seed: int = 0) -> Map | None:
    """t-SNE (cosine) of at most 150 items per modality; None for fewer than 8 items."""
    parts = {m: _spaced(e) for m, e in embeddings.items() if len(e)}
    if sum(map(len, parts.values())) < 8:
        return None
    points = _flattened(np.concatenate([e.vectors for e in parts.values()]), seed)
    classes = tuple(sorted({label for e in parts.values() for label in e.labels if label is not None}))
    number = {name: i for i, name in enumerate(classes)}
    facts = [(i, m, e.labels[row]) for i, (m, e) in enumerate(parts.items()) for row in range(len(e))]
    dots = [
        Dot(
            round(float(x), 2),
            round(float(y), 2),
            modality,
            None if label is None else number[label],
            names([m]) if label is None else f"{label}, {names([m])}",
        )
        for (x, y), (modality, m, label) in zip(points, facts, strict=True)
    ]
    return Map(dots, tuple(parts), classes, _label_places(dots) if len(classes) <= _LABELED_CLASSES else [])


def _spaced(embeddings: Embeddings) -> Embeddings:
    """At most 150 items, evenly spaced."""
    last = len(embeddings) - 1
    return embeddings.take(np.unique(np.linspace(0, last, min(_MAP_ITEMS, len(embeddings))).astype(int)))


def _flattened(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """t-SNE coordinates [N, 2] of vectors [N, D], scaled into a square of side 100 with a margin."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    reduced = PCA(min(50, *vectors.shape), random_state=seed).fit_transform(vectors)
    perplexity = min(_PERPLEXITY, (len(reduced) - 1) / 3)
    flat = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=seed).fit_transform(reduced)
    low, high = flat.min(axis=0), flat.max(axis=0)
    return np.asarray(3 + 94 * (flat - low) / np.maximum(high - low, 1e-9), np.float64)


def _label_places(dots: Sequence[Dot]) -> list[tuple[int, float, float]]:
    """The most central item of every class: its mean may lie between two islands."""
    known = sorted((d for d in dots if d.category is not None), key=lambda d: d.category or 0)
    places = []
    for category, own in groupby(known, key=lambda d: d.category):
        points = np.array([(d.x, d.y) for d in own])
        central = points[np.linalg.norm(points[:, None] - points, axis=2).sum(axis=1).argmin()]
        places.append((int(category or 0), float(central[0]), float(central[1])))
    return places
