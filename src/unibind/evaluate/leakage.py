"""Measured items that were seen before: copies and shared objects in the splits that are learned or chosen from.

Equal files are found by their hash. A copy that was saved in another format has another hash but nearly the same
vector: it is far nearer to its original than to anything else. How near distinct items get depends on the modality, so
the limit does too: see `near_copies`. Vectors can only hint; whoever reads a report should look at the items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from ..align.blockwise import nearest_neighbors
from ..data.embeddings import Embeddings, Vectors, joined
from ..data.store import Store
from .parts import TRAIN, VALIDATION, Inventory

Distances = Float64[np.ndarray, " k"]

NEAREST = 0.25  # a copy is at most this far, in units of the distance to what is no copy
FALSE_ALARMS = 0.05  # expected in a modality, were its items as evenly spread as they look
_COPIES = 3  # most copies of an item that are told from a class whose items all look alike
_EQUAL = 1e-3  # least distance: vectors that differ by rounding may be as far as that
_PRIOR_ITEMS, _PRIOR_DIMENSIONS = 4, 4.0  # what few items are taken for: of few dimensions, where chance is large
_MOST_LISTED = 200  # copies
_MOST_PAIRS = 1 << 28  # vectors compared; where there are more, some of the measured items are looked at


@dataclass(frozen=True)
class Copy:
    """A measured item, and one in another split that is the same or nearly so."""

    modality: str
    measured: str
    other: str
    split: str
    cosine: float
    same_content: bool

    def __str__(self) -> str:
        how = "the same content" if self.same_content else f"cosine {self.cosine:.4f}"
        return f"{self.measured} = {self.other} ({self.split}, {how})"


@dataclass(frozen=True)
class Leakage:
    """What measured items have in common with those that are learned or chosen from.

    `looked_at` counts the measured items by modality whose vectors were compared, `copies` are pairs, the nearest
    first, and `objects` are the objects with items on both sides, in whatever modality.
    """

    looked_at: dict[str, int]
    copies: tuple[Copy, ...]
    objects: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The part of `report.json`; of many copies it has the nearest."""
        return {
            "looked_at": self.looked_at,
            "leaking_items": self.items(),
            "copies": [
                {
                    "modality": copy.modality,
                    "measured": copy.measured,
                    "other": copy.other,
                    "split": copy.split,
                    "cosine": round(copy.cosine, 4),
                    "same_content": copy.same_content,
                }
                for copy in self.copies[:_MOST_LISTED]
            ],
            "shared_objects": list(self.objects),
        }

    def items(self) -> dict[str, int]:
        """How many measured items have a copy, by modality."""
        named = {(copy.modality, copy.measured) for copy in self.copies}
        return {m: count for m in self.looked_at if (count := sum(modality == m for modality, _ in named))}

    def remarks(self) -> list[str]:
        """One sentence per kind of leak; none where there is none."""
        found = []
        for modality, count in self.items().items():
            first = next(copy for copy in self.copies if copy.modality == modality)
            verb = "item seems" if count == 1 else "items seem"
            found.append(
                f"{count} measured {modality.replace('_', ' ')} {verb} to be in another split too, so that the figures "
                f"may be too good; look at them: {first}{'' if count == 1 else ' and others in the JSON'}"
            )
        if self.objects:
            have = "1 object has" if len(self.objects) == 1 else f"{len(self.objects)} objects have"
            found.append(
                f"{have} measured items and items in another split, such as {self.objects[0]}, so that the figures "
                "may be too good; give all items of an object one split"
            )
        return found


def find_leakage(store: Store, inventory: Inventory) -> Leakage:
    """Compare the measured items of a store with those that are learned or chosen from, modality by modality."""
    others = [] if inventory.split is None else [split for split in (TRAIN, VALIDATION) if split != inventory.split]
    looked_at: dict[str, int] = {}
    copies: list[Copy] = []
    measured_objects: set[str] = set()
    other_objects: set[str] = set()
    for modality in store.modalities() if others else ():
        measured = store.vectors(modality, inventory.split)
        parts = {split: store.vectors(modality, split) for split in others}
        measured_objects.update(name for name in measured.objects if name is not None)
        other_objects.update(name for part in parts.values() for name in part.objects if name is not None)
        parts = {split: part for split, part in parts.items() if len(part)}
        if len(measured) and parts:
            looked_at[modality], found = _copies(measured, parts)
            copies += found
    copies.sort(key=lambda copy: (not copy.same_content, -copy.cosine, copy.modality, copy.measured, copy.other))
    return Leakage(looked_at, tuple(copies), tuple(sorted(measured_objects & other_objects)))


def _copies(measured: Embeddings, parts: Mapping[str, Embeddings]) -> tuple[int, list[Copy]]:
    """How many measured items of a modality were compared by vectors, and the copies of all of them."""
    others = next(iter(parts.values()))
    for part in list(parts.values())[1:]:
        others = joined(others, part)
    splits = [split for split, part in parts.items() for _ in range(len(part))]
    pairs = _same_content(measured.contents, others.contents)
    rows = _looked_at(len(measured), len(measured) + len(others))
    near = near_copies(measured.vectors, others.vectors, rows)
    cosines = {pair: float(measured.vectors[pair[0]] @ others.vectors[pair[1]]) for pair in {*pairs, *near}}
    return len(rows), [
        Copy(measured.modality, measured.ids[i], others.ids[j], splits[j], cosine, (i, j) in pairs)
        for (i, j), cosine in cosines.items()
    ]


def _same_content(measured: Sequence[str | None], others: Sequence[str | None]) -> set[tuple[int, int]]:
    rows: dict[str, list[int]] = {}
    for j, content in enumerate(others):
        if content is not None:
            rows.setdefault(content, []).append(j)
    return {(i, j) for i, content in enumerate(measured) if content is not None for j in rows.get(content, ())}


def _looked_at(measured: int, all_items: int) -> NDArray[np.intp]:
    """The measured items that are compared with all: every one, or as many as there is time for, evenly spaced."""
    count = min(measured, max(1, _MOST_PAIRS // all_items))
    return np.linspace(0, measured - 1, count).astype(np.intp)


def near_copies(measured: Vectors, others: Vectors, rows: NDArray[np.intp] | None = None) -> set[tuple[int, int]]:
    """Pairs of a measured vector [N, D] and another one [M, D] that are nearly equal; both have unit length.

    The others that are nearest to an item are copies of it if the next vector, measured or not, is at least four times
    as far; if chance may do that, farther. How far chance reaches is told by the measured items, which are distinct:
    among items that have m dimensions, the nearest is r times as near as the next with probability r**m (Facco et al.
    2017), and m is their estimate of it. More than three copies are no copies: then a class looks all the same.
    `rows` limits the measured items that are looked at.
    """
    rows = np.arange(len(measured)) if rows is None else rows
    if not len(others) or len(measured) + len(others) < 3:
        return set()
    own, _ = _distances(measured[rows], measured, rows)
    cross, neighbors = _distances(measured[rows], others)
    limit = min(NEAREST, (FALSE_ALARMS / len(rows)) ** (1 / _dimensions(own)))
    return {
        (int(row), int(j)) for i, row in enumerate(rows) for j in neighbors[i, : _copies_among(cross[i], own[i], limit)]
    }


def _copies_among(others: Distances, measured: Distances, limit: float) -> int:
    """How many of the nearest others are copies, by the ascending distances to them and to other measured items."""
    for count in range(min(_COPIES, len(others)), 0, -1):
        farthest = others[count - 1]
        beyond = min([*others[count : count + 1], *measured[measured > farthest][:1]], default=0.0)
        alike = count + int((measured <= farthest).sum())
        if alike <= _COPIES and farthest <= limit * beyond:
            return count
    return 0


def _distances(
    queries: Vectors, gallery: Vectors, own: NDArray[np.intp] | None = None
) -> tuple[Float64[np.ndarray, "q k"], NDArray[np.intp]]:
    """Distances to the nearest vectors of a gallery, in ascending order, and their rows; an item is not its own."""
    count = min(_COPIES + 1, len(gallery) - (own is not None))
    cosines, rows = nearest_neighbors(queries, gallery, count, own=own)
    distances = np.maximum(np.sqrt(np.maximum(2 - 2 * cosines.astype(np.float64), 0)), _EQUAL)
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(rows, order, axis=1)


def _dimensions(distances: Float64[np.ndarray, "n k"]) -> float:
    """The dimension that items seem to have, by how much farther the second neighbor is than the first."""
    if distances.shape[1] < 2:
        return _PRIOR_DIMENSIONS
    first, second = distances[distances[:, 0] > _EQUAL, :2].T
    return float((len(first) + _PRIOR_ITEMS) / (np.log(second / first).sum() + _PRIOR_ITEMS / _PRIOR_DIMENSIONS))
