"""Embedding centers: the descriptions that stand for each category, and how near a sample is to them.

The center set of category c, EC_c = {z_1 .. z_K}, consists of embeddings of its descriptions (paper, section 3.3).
`align.selection` selects them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from ..backbones._shared.safetensors_file import read_arrays
from ..backbones.contract import Contract
from ..data.embeddings import BLOCK, CategoryIndex, Vectors
from ..errors import UnibindError, UnknownNameError
from ..files import write_whole
from ..json_files import COUNT, OBJECT, POSITIVE, TEXT, check_fields, list_of, parse_json

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

Similarity = Float[np.ndarray, "n k"]  # cosines of N samples to the K centers of one category
Scores = Float[np.ndarray, " n"]


# --- scoring: similarities to a center set -> one score per sample ---------------------------------------------------


def _max(similarity: Similarity, _: float) -> Scores:
    """The largest similarity."""
    return similarity.max(axis=1)


def _mean(similarity: Similarity, _: float) -> Scores:
    """The mean similarity."""
    return similarity.mean(axis=1)


def _top_mean(similarity: Similarity, count: float) -> Scores:
    """The mean of the `count` largest similarities."""
    kept = min(int(count), similarity.shape[1])
    return np.partition(similarity, -kept, axis=1)[:, -kept:].mean(axis=1)


def _log_mean_exp(similarity: Similarity, scale: float) -> Scores:
    """A soft maximum in cosine units: the plain mean as scale -> 0, the maximum as scale -> infinity."""
    peak = similarity.max(axis=1, keepdims=True)
    return peak[:, 0] + np.log(np.exp(scale * (similarity - peak)).mean(axis=1)) / scale


SCORINGS: dict[str, Callable[[Similarity, float], Scores]] = {
    "max": _max,
    "mean": _mean,
    "top_mean": _top_mean,
    "log_mean_exp": _log_mean_exp,
}
_WITH_PARAMETER = ("top_mean", "log_mean_exp")


@dataclass(frozen=True)
class Scoring:
    """How the cosines to a center set become one score.

    `kind` is a name in `SCORINGS`: `max`, `mean`, `top_mean` (of the `parameter` largest) or `log_mean_exp` (a soft
    maximum at logit scale `parameter`, normalized by the size of the set so that sets of different sizes are
    comparable). Raises UnknownNameError for other kinds and UnibindError for a parameter that is not positive.
    """

    kind: str = "max"
    parameter: float = 1.0

    def __post_init__(self) -> None:
        """Check kind and parameter."""
        if self.kind not in SCORINGS:
            raise UnknownNameError("scoring", self.kind, SCORINGS)
        if not self.parameter > 0:
            raise UnibindError(f"the parameter of a scoring must be positive, not {self.parameter}")

    def __str__(self) -> str:
        return f"{self.kind} {self.parameter:g}" if self.kind in _WITH_PARAMETER else self.kind

    def __call__(self, similarity: Similarity) -> Scores:
        """Scores [N] from the cosines to the centers of one category [N, K]."""
        return SCORINGS[self.kind](similarity, self.parameter)


# --- center sets -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Centers:
    """Center sets of C categories, M unit-length vectors in total; those of one category are consecutive.

    `sizes` [C] are the numbers K_c of centers per category, in the order of `labels`; `description_ids` [M] name the
    description behind each vector; `strategy` selected them; `contract` is that of the texts.
    """

    vectors: Float32[np.ndarray, "m d"]
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

    def scores(self, samples: Vectors) -> Float32[np.ndarray, "n c"]:
        """Scores of unit-length samples [N, D] for every category, in cosine units."""
        offsets = self.offsets
        out = np.empty((len(samples), len(self.labels)), np.float32)
        step = max(1, BLOCK // max(1, len(self.vectors)))
        for start in range(0, len(samples), step):
            similarity = samples[start : start + step] @ self.vectors.T
            for c in range(len(self.labels)):
                out[start : start + step, c] = self.scoring(similarity[:, offsets[c] : offsets[c + 1]])
        return out

    def nearest_descriptions(self, samples: Vectors, category_index: CategoryIndex) -> list[str]:
        """For every sample [N, D], the id of the nearest description within its category, given by index [N]."""
        offsets = self.offsets
        nearest = []
        for x, c in zip(samples, category_index, strict=True):
            row = offsets[c] + int(np.argmax(self.vectors[offsets[c] : offsets[c + 1]] @ x))
            nearest.append(self.description_ids[row])
        return nearest


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
    tensors = {m: np.ascontiguousarray(c.vectors) for m, c in centers.items()}
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
    if np.linalg.norm(centers.vectors.astype(np.float64), axis=1).max() > _MAX_LENGTH:
        raise UnibindError(f"{where} are longer than unit length; {_FIX}")
