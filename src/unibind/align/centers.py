"""Embedding centers: the descriptions that stand for each category, and how near a sample is to them.

The center set of category c, EC_c = {z_1 .. z_K}, consists of embeddings of its descriptions (paper, section 3.3).
`align.selection` selects them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from ..backbones._shared.safetensors_file import read_arrays
from ..backbones.contract import Contract
from ..data.embeddings import MULTIPLIED, CategoryIndex, Vectors, category_sums, row_blocks, unit
from ..errors import UnibindError, UnknownNameError
from ..files import write_whole
from ..json_files import COUNT, OBJECT, POSITIVE, TEXT, check_fields, list_of, parse_json
from .centered_texts import CenteredVectors

_HEADER_KEY = "centers"  # in the safetensors header
_FIELDS = {
    "sizes": list_of(COUNT),
    "labels": list_of(TEXT),
    "description_ids": list_of(TEXT),
    "strategy": TEXT,
    "scoring": OBJECT,
    "contract": TEXT,
}
_FIX = "fit and save the model again"
_MAX_LENGTH = 1.01  # of a vector at unit length, rounded
_CENTERS = 2048  # of a product that runs at full speed and is still in the cache when it is reduced

Similarity = Float[np.ndarray, "n m"]  # cosines of N samples to the M centers of C categories, one after the other
Scores = Float[np.ndarray, "n c"]


# --- scoring: similarities to center sets -> one score per sample and category ---------------------------------------


@dataclass(frozen=True, eq=False)
class Sets:
    """Where the centers of each of C categories are: the columns of a similarity that begin at `starts`. `lengths` are
    those of the mean centers.
    """

    starts: Int[np.ndarray, " c"]
    sizes: Int[np.ndarray, " c"]
    lengths: Float[np.ndarray, " c"]


def _max(similarity: Similarity, sets: Sets, _: float) -> Scores:
    """The largest similarity of each set."""
    return np.asarray(np.maximum.reduceat(similarity, sets.starts, axis=1))


def _mean(similarity: Similarity, sets: Sets, _: float) -> Scores:
    """The mean similarity of each set."""
    return np.asarray(np.add.reduceat(similarity, sets.starts, axis=1) / sets.sizes)


def _centroid(similarity: Similarity, sets: Sets, parameter: float) -> Scores:
    """The similarity to the mean center of each set."""
    return np.asarray(_mean(similarity, sets, parameter) / np.maximum(sets.lengths, 1e-12))


def _top_mean(similarity: Similarity, sets: Sets, count: float) -> Scores:
    """The mean of the `count` largest similarities of each set."""
    scores = np.empty((len(similarity), len(sets.starts)), similarity.dtype)
    for size in np.unique(sets.sizes):
        chosen = np.flatnonzero(sets.sizes == size)
        columns = sets.starts[chosen][:, None] + np.arange(size)
        kept = min(int(count), int(size))
        scores[:, chosen] = np.partition(similarity[:, columns], -kept, axis=2)[:, :, -kept:].mean(axis=2)
    return scores


def _log_mean_exp(similarity: Similarity, sets: Sets, scale: float) -> Scores:
    """A soft maximum in cosine units: the plain mean as scale -> 0, the maximum as scale -> infinity."""
    peak = np.maximum.reduceat(similarity, sets.starts, axis=1)
    powers = np.exp(scale * (similarity - np.repeat(peak, sets.sizes, axis=1)))
    return np.asarray(peak + np.log(np.add.reduceat(powers, sets.starts, axis=1) / sets.sizes) / scale)


SCORINGS: dict[str, Callable[[Similarity, Sets, float], Scores]] = {
    "mean": _mean,
    "centroid": _centroid,
    "max": _max,
    "top_mean": _top_mean,
    "log_mean_exp": _log_mean_exp,
}
_WITH_PARAMETER = ("top_mean", "log_mean_exp")


@dataclass(frozen=True)
class Scoring:
    """How the cosines to a center set become one score.

    `kind` is a name in `SCORINGS`: `mean`, `centroid` (the cosine to the mean center: the mean cosine, but not less for
    sets that are more diverse), `max` (the paper's), `top_mean` (of the `parameter` largest) or `log_mean_exp` (a soft
    maximum at logit scale `parameter`). All are comparable between sets of different sizes, but for `max`, which a
    larger set is favored by. Raises UnknownNameError for other kinds and UnibindError for a parameter that is not
    positive.
    """

    kind: str = "mean"
    parameter: float = 1.0

    def __post_init__(self) -> None:
        """Check kind and parameter."""
        if self.kind not in SCORINGS:
            raise UnknownNameError("scoring", self.kind, SCORINGS)
        if not self.parameter > 0:
            raise UnibindError(f"the parameter of a scoring must be positive, not {self.parameter}")

    def __str__(self) -> str:
        return f"{self.kind} {self.parameter:g}" if self.kind in _WITH_PARAMETER else self.kind

    def __call__(self, similarity: Float[np.ndarray, "n k"], length: float = 1.0) -> Float[np.ndarray, " n"]:
        """Scores [N] from the cosines to the centers of one category [N, K], whose mean has this length."""
        return self.of_sets(similarity, np.array([similarity.shape[1]]), np.array([length]))[:, 0]

    def of_sets(self, similarity: Similarity, sizes: Int[np.ndarray, " c"], lengths: Float[np.ndarray, " c"]) -> Scores:
        """Scores [N, C] from the cosines to the centers of C categories [N, M], which have these sizes, and their means
        these lengths.
        """
        return SCORINGS[self.kind](similarity, Sets(np.cumsum(sizes) - sizes, sizes, lengths), self.parameter)


# --- center sets -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Centers:
    """Center sets of C categories, M unit-length vectors in total; those of one category are consecutive.

    `vectors` [M, D] are float32 and centered; `vectors[rows]` is an array. `sizes` [C] are the numbers K_c of centers
    per category, in the order of `labels`; `description_ids` [M] name the description behind each vector; `strategy`
    selected them; `contract` is that of the centered texts.
    """

    vectors: Vectors | CenteredVectors
    sizes: tuple[int, ...]
    labels: tuple[str, ...]
    description_ids: tuple[str, ...]
    strategy: str
    scoring: Scoring
    contract: Contract

    @property
    def offsets(self) -> Int[np.ndarray, " c+1"]:
        """Row of every category's first center, then the total."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    @cached_property
    def means(self) -> Float32[np.ndarray, "c d"]:
        """The mean center of every category, not of unit length: its product with a sample is the mean cosine."""
        category_index = np.repeat(np.arange(len(self.sizes)), self.sizes)
        sums = category_sums(self.vectors, category_index, len(self.sizes))
        return np.asarray(sums / np.array(self.sizes)[:, None], np.float32)

    def scores(self, samples: Vectors) -> Float32[np.ndarray, "n c"]:
        """Scores of unit-length samples [N, D] for every category, in cosine units."""
        if self.scoring.kind in ("mean", "centroid"):
            means = self.means if self.scoring.kind == "mean" else unit(self.means)
            return np.asarray(samples @ means.T, np.float32)
        offsets, lengths = self.offsets, np.linalg.norm(self.means, axis=1)
        out = np.empty((len(samples), len(self.labels)), np.float32)
        for first, last in self._groups():
            vectors, sizes = self.vectors[offsets[first] : offsets[last]], np.array(self.sizes[first:last])
            for rows in row_blocks(len(samples), len(vectors), MULTIPLIED):
                out[rows, first:last] = self.scoring.of_sets(samples[rows] @ vectors.T, sizes, lengths[first:last])
        return out

    def top1(self, samples: Vectors, labels: Sequence[str]) -> float:
        """The share of samples [N, D] whose best category is their label [N]; 0 without samples."""
        if not len(labels):
            return 0.0
        predicted = np.array(self.labels)[np.argmax(self.scores(samples), axis=1)]
        return float(np.mean(predicted == np.asarray(labels)))

    def _groups(self) -> Iterator[tuple[int, int]]:
        """First and last category + 1 of consecutive categories whose centers are compared at once."""
        first, rows = 0, 0
        for category, size in enumerate(self.sizes):
            if rows and rows + size > _CENTERS:
                yield first, category
                first, rows = category, 0
            rows += size
        yield first, len(self.sizes)

    def nearest_descriptions(self, samples: Vectors, category_index: CategoryIndex) -> list[str]:
        """For every sample [N, D], the id of the nearest description within its category, given by index [N]."""
        offsets, rows = self.offsets, np.empty(len(samples), np.intp)
        order = np.argsort(category_index, kind="stable")
        present, starts = np.unique(category_index[order], return_index=True)
        for category, of in zip(present, np.split(order, starts[1:]), strict=True):
            centers = self.vectors[offsets[category] : offsets[category + 1]]
            rows[of] = offsets[category] + np.argmax(samples[of] @ centers.T, axis=1)
        return [self.description_ids[row] for row in rows]


def save_centers(centers: Mapping[str, Centers], path: Path) -> None:
    """Write the center sets of several modalities to one safetensors file, with their metadata in its header."""
    from safetensors.numpy import save

    metadata = {
        modality: {
            "sizes": c.sizes,
            "labels": c.labels,
            "description_ids": c.description_ids,
            "strategy": c.strategy,
            "scoring": asdict(c.scoring),
            "contract": c.contract.to_json(),
        }
        for modality, c in centers.items()
    }
    tensors = {m: np.ascontiguousarray(c.vectors, np.float32) for m, c in centers.items()}
    # one header entry: safetensors writes several in arbitrary order, and equal centers must give equal bytes
    write_whole(path, save(tensors, metadata={_HEADER_KEY: json.dumps(metadata)}))


def load_centers(path: Path) -> dict[str, Centers]:
    """Inverse of `save_centers`; raises UnibindError, naming file and modality, for centers that cannot be right."""
    tensors, header = read_arrays(path, _FIX)
    metadata = parse_json(header.get(_HEADER_KEY, ""), f"the list of centers in {path}", _FIX)
    if not isinstance(metadata, dict) or metadata.keys() != tensors.keys():
        raise UnibindError(f"{path} does not list the modalities of its tensors {', '.join(sorted(tensors))}; {_FIX}")
    return {m: _centers(tensors[m], entry, f"the centers of {m} in {path}") for m, entry in metadata.items()}


def _centers(vectors: Vectors, entry: Any, where: str) -> Centers:
    facts = check_fields(entry, _FIELDS, where, _FIX)
    scoring = check_fields(facts["scoring"], {"kind": TEXT, "parameter": POSITIVE}, f"the scoring of {where}", _FIX)
    centers = Centers(
        vectors,
        tuple(facts["sizes"]),
        tuple(facts["labels"]),
        tuple(facts["description_ids"]),
        facts["strategy"],
        Scoring(**scoring),
        Contract.from_json(facts["contract"], f"the contract of {where}"),
    )
    _check_counts(centers, where)
    return centers


def _check_counts(centers: Centers, where: str) -> None:
    """Sizes, labels, ids and vectors must belong together, and vectors have unit length (or be zero)."""
    sizes, labels, shape = centers.sizes, centers.labels, list(centers.vectors.shape)
    if len(shape) != 2 or not len(centers.vectors):
        raise UnibindError(f"{where} have the shape {shape}, not [M, D]; {_FIX}")
    if len(labels) != len(sizes) or len(set(labels)) < len(labels) or not all(sizes):
        raise UnibindError(f"{where} have {len(labels)} labels and {len(sizes)} sizes, or an empty one; {_FIX}")
    if sum(sizes) != shape[0] or len(centers.description_ids) != shape[0]:
        counts = f"{shape[0]} vectors, {len(centers.description_ids)} descriptions, and sizes for {sum(sizes)}"
        raise UnibindError(f"{where} have {counts}, which must be equal; {_FIX}")
    if np.linalg.norm(np.asarray(centers.vectors, np.float64), axis=1).max() > _MAX_LENGTH:
        raise UnibindError(f"{where} are longer than unit length; {_FIX}")
