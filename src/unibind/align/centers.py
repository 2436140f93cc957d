"""Embedding centers: which descriptions stand for a category, and how near a sample is to them (paper, section 3.3).

A category's center set EC_c = {z_1 .. z_K} is chosen among the embeddings of its descriptions. A strategy gives every
description a merit; the K best of each category are kept. Strategies see texts only, or also encoded samples of the
modality, labeled or not (unlabeled ones get the label of the nearest mean description).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..backbones.contract import Contract
from ..data.embeddings import BLOCK, TextEmbeddings, Vectors, class_means
from ..errors import UnibindError, UnknownNameError
from ..files import write_whole

_FACTS = "centers"  # key of the safetensors header


# --- scoring: similarities to a center set -> one score ------------------------------------------------------------


def _top_mean(similarity: Vectors, m: float) -> Vectors:
    count = min(int(m), similarity.shape[1])
    return np.partition(similarity, -count, axis=1)[:, -count:].mean(axis=1)


def _log_mean_exp(similarity: Vectors, scale: float) -> Vectors:
    """A soft maximum in cosine units: the plain mean as scale -> 0, the maximum as scale -> infinity."""
    peak = similarity.max(axis=1, keepdims=True)
    return peak[:, 0] + np.log(np.exp(scale * (similarity - peak)).mean(axis=1)) / scale


_SCORINGS: dict[str, Callable[[Vectors, float], Vectors]] = {
    "max": lambda similarity, _: similarity.max(axis=1),
    "top_mean": _top_mean,
    "log_mean_exp": _log_mean_exp,
}


@dataclass(frozen=True)
class Scoring:
    """How cosines to a center set become one score: `max`, `top_mean` (of the `parameter` largest) or `log_sum_exp`
    (soft maximum at logit scale `parameter`, normalized by the set's size so that sets of unlike size compare)."""

    kind: str = "max"
    parameter: float = 1.0

    def __post_init__(self) -> None:
        """Refuse unknown kinds and parameters that are not positive."""
        if self.kind not in _SCORINGS:
            raise UnknownNameError("scoring", self.kind, _SCORINGS)
        if not self.parameter > 0:
            raise UnibindError(f"the parameter of a scoring must be positive, not {self.parameter}")

    def __call__(self, similarity: Vectors) -> Vectors:
        """Cosines to one category's centers [N, K] -> scores [N]."""
        return _SCORINGS[self.kind](similarity, self.parameter)


# --- center sets ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Centers:
    """Center sets of C categories: `vectors` float32 [M, D], unit length, those of one category in a row.

    `sizes` [C] are the K_c of `labels` in order; `description_ids` [M] name the descriptions behind the vectors.
    """

    vectors: Vectors
    sizes: tuple[int, ...]
    labels: tuple[str, ...]
    description_ids: tuple[str, ...]
    strategy: str
    scoring: Scoring
    contract: Contract

    @property
    def edges(self) -> NDArray[np.intp]:
        """First row of every category and the end, [C + 1]."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    def scores(self, samples: Vectors) -> Vectors:
        """Nearness of unit-length samples [N, D] to every category, [N, C], in cosine units."""
        edges = self.edges
        out = np.empty((len(samples), len(self.labels)), np.float32)
        step = max(1, BLOCK // max(1, len(self.vectors)))
        for start in range(0, len(samples), step):
            similarity = samples[start : start + step] @ self.vectors.T
            for c in range(len(self.labels)):
                out[start : start + step, c] = self.scoring(similarity[:, edges[c] : edges[c + 1]])
        return out

    def winners(self, samples: Vectors, category: NDArray[np.intp]) -> list[str]:
        """For every sample [N, D], the id of the nearest description within its category [N] (an index)."""
        edges = self.edges
        best = []
        for x, c in zip(samples, category, strict=True):
            best.append(self.description_ids[edges[c] + int(np.argmax(self.vectors[edges[c] : edges[c + 1]] @ x))])
        return best


def save_centers(centers: Mapping[str, Centers], path: Path) -> None:
    """Write the center sets of several modalities to one safetensors file, metadata in its header."""
    from safetensors.numpy import save

    facts = {
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
    # one entry: safetensors writes several in no fixed order, and the same centers should give the same bytes
    tensors = {m: np.ascontiguousarray(c.vectors) for m, c in centers.items()}
    write_whole(path, save(tensors, metadata={_FACTS: json.dumps(facts)}))


def load_centers(path: Path) -> dict[str, Centers]:
    """Inverse of `save_centers`."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        found = json.loads(file.metadata()[_FACTS])
        return {
            modality: Centers(
                file.get_tensor(modality),
                tuple(facts["sizes"]),
                tuple(facts["labels"]),
                tuple(facts["description_ids"]),
                facts["strategy"],
                Scoring(**facts["scoring"]),
                Contract.from_json(facts["contract"]),
            )
            for modality, facts in found.items()
        }


# --- localisation --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What a strategy may look at. `owner` [M] and `seen` [N] are category indices."""

    texts: Vectors  # [M, D]
    owner: NDArray[np.intp]
    means: Vectors  # [C, D] unit mean description of every category
    samples: Vectors | None  # [N, D]
    seen: NDArray[np.intp] | None


def _all(e: _Evidence) -> Vectors:
    """Every description is as good as the next."""
    return np.zeros(len(e.texts), np.float32)


def _consensus(e: _Evidence) -> Vectors:
    """Nearness to the category's mean description: drops outliers, needs texts only."""
    return np.einsum("md,md->m", e.texts, e.means[e.owner])


def _sample_means(e: _Evidence) -> Vectors:
    """[C, D] unit mean sample of every category, its mean description where no sample was seen."""
    if e.samples is None or e.seen is None:
        raise UnibindError("this strategy needs encoded samples of the modality; pass `samples`, or use 'consensus'")
    means = class_means(e.samples, e.seen, len(e.means))
    unseen = ~np.isin(np.arange(len(e.means)), e.seen)
    means[unseen] = e.means[unseen]
    return means


def _adaptive(e: _Evidence) -> Vectors:
    """Nearness to the mean of the category's encoded samples (the paper's localisation)."""
    return np.einsum("md,md->m", e.texts, _sample_means(e)[e.owner])


def _discriminative(e: _Evidence) -> Vectors:
    """Nearness to the own category's mean (of samples, or of texts without any) less that to the nearest other."""
    nearness = e.texts @ (e.means if e.samples is None else _sample_means(e)).T  # [M, C]
    rows = np.arange(len(e.texts))
    own = nearness[rows, e.owner]
    if nearness.shape[1] == 1:
        return own
    nearness[rows, e.owner] = -np.inf
    return own - nearness.max(axis=1)


STRATEGIES: dict[str, Callable[[_Evidence], Vectors]] = {
    "all": _all,
    "consensus": _consensus,
    "adaptive": _adaptive,
    "discriminative": _discriminative,
}


def select_centers(
    texts: TextEmbeddings,
    *,
    strategy: str = "consensus",
    k: int | None = 50,
    scoring: Scoring | None = None,
    samples: Vectors | None = None,
    labels: Sequence[str] | None = None,
) -> Centers:
    """Choose the K best descriptions of every category as its centers.

    `samples` [N, D] are unit-length embeddings of the modality the centers are for; with `labels` [N] they are
    sorted by label, without by the nearest mean description. `k=None` keeps all; a category with fewer than `k`
    descriptions keeps what it has. Raises UnknownNameError for a strategy, and UnibindError for labels that no
    description belongs to, or where a strategy lacks its samples.
    """
    if strategy not in STRATEGIES:
        raise UnknownNameError("strategy", strategy, STRATEGIES)
    if k is not None and k < 1:
        raise UnibindError(f"k must be at least 1, not {k}")
    names = tuple(dict.fromkeys(texts.categories))
    index = {name: i for i, name in enumerate(names)}
    owner = np.array([index[c] for c in texts.categories], np.intp)
    means = class_means(texts.vectors, owner, len(names))
    seen = None
    if samples is not None:
        if labels is None:
            seen = np.argmax(samples @ means.T, axis=1)
        else:
            strangers = sorted(set(labels) - set(names))
            if strangers:
                raise UnibindError(f"no descriptions for the labels {', '.join(strangers)}; add them to the knowledge")
            seen = np.array([index[label] for label in labels], np.intp)
    merit = STRATEGIES[strategy](_Evidence(texts.vectors, owner, means, samples, seen))

    rows, sizes = [], []
    for c in range(len(names)):
        mine = np.flatnonzero(owner == c)
        best = mine if strategy == "all" or k is None else mine[np.argsort(-merit[mine], kind="stable")[:k]]
        rows.append(best)
        sizes.append(len(best))
    order = np.concatenate(rows)
    return Centers(
        np.ascontiguousarray(texts.vectors[order]),
        tuple(sizes),
        names,
        tuple(texts.ids[i] for i in order),
        strategy,
        scoring or Scoring(),
        texts.contract,
    )


# strategy, K and scoring tried by `tune_centers`, simplest first: the first of equals wins
DEFAULT_KS = (8, 16, 32, 50)
DEFAULT_SCORINGS = (Scoring("log_mean_exp", 1.0), Scoring("log_mean_exp", 20.0), Scoring("top_mean", 5), Scoring("max"))


def tune_centers(
    texts: TextEmbeddings,
    validation: tuple[Vectors, Sequence[str]],
    *,
    samples: Vectors | None = None,
    labels: Sequence[str] | None = None,
    strategies: Sequence[str] = tuple(STRATEGIES),
    ks: Sequence[int] = DEFAULT_KS,
    scorings: Sequence[Scoring] = DEFAULT_SCORINGS,
) -> tuple[Centers, float]:
    """The center set with the best top-1 on `validation` (vectors [N, D], labels [N]), and that accuracy.

    Only the strategies in `strategies` are tried; those that need `samples` are left out where there are none.
    """
    if samples is None:
        strategies = [s for s in strategies if s != "adaptive"]
    vectors, truth = validation
    best: tuple[Centers, float] | None = None
    for strategy in strategies:
        for k in (None,) if strategy == "all" else ks:
            base = select_centers(texts, strategy=strategy, k=k, samples=samples, labels=labels)
            for scoring in scorings:
                centers = Centers(**{**vars(base), "scoring": scoring})
                found = np.array(centers.labels)[np.argmax(centers.scores(vectors), axis=1)]
                accuracy = float(np.mean(found == np.asarray(truth)))
                if best is None or accuracy > best[1]:
                    best = centers, accuracy
    if best is None:
        raise UnibindError("no strategy was left to choose from; name at least one, and pass samples for 'adaptive'")
    return best
