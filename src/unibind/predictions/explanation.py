"""Explanation of a classification: what each description contributed to the score that the model used.

A score is a function of the cosines to the descriptions of a class. What a description contributes is the integral of
the score's slope along the way from no similarity at all to the cosines as they are (integrated gradients, Sundararajan
et al. 2017), so contributions add up to the score, whatever the scoring: to the mean each gives a K-th of its cosine,
to the maximum the nearest one gives everything. Contributions below zero speak against the class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from ..align.centers import Centers, Scoring
from ..data.embeddings import Vectors
from ..knowledge import Description
from .answers import Prediction
from .drawing import save_explanations
from .words import explanation_sentence

_STEP = 1e-6  # of the numerical slope of a score, in cosine
_STOPS = 16  # on the way from no similarity


@dataclass(frozen=True)
class Evidence:
    """One description of a category, what it is about (`aspect`) and who wrote it (`generator`), None where unknown.

    `cosine` is its similarity to the item and `contribution` what it adds to the category's score, in the same unit;
    the contributions of all descriptions of the category add up to its score. `share` is the contribution's share of
    them, all taken as positive, so that shares add up to 1: a share whose contribution is negative speaks against.
    """

    label: str
    description: str
    description_id: str
    aspect: str | None
    generator: str | None
    cosine: float
    contribution: float
    share: float


@dataclass(frozen=True)
class Case:
    """What speaks for one category.

    `descriptions` is how many of its descriptions made the `score`, and `evidence` those of them with the largest
    shares. `aspects` is what all descriptions of each aspect contributed, most first; those without one are left out.
    """

    label: str
    probability: float
    score: float
    descriptions: int
    aspects: dict[str, float]
    evidence: list[Evidence]


@dataclass(frozen=True)
class Explanation:
    """Why an item was classified as it was: the case for the winner, and for the runner-up if there are two classes.

    `scoring` is how the cosines to the descriptions of a category became one score. `source` is the item itself.
    """

    prediction: Prediction
    scoring: str
    winner: Case
    runner_up: Case | None
    source: Any = field(default=None, repr=False, compare=False)

    @property
    def sentence(self) -> str:
        """The explanation in words."""
        return explanation_sentence(self)

    def to_json(self) -> dict[str, Any]:
        """Plain facts, without the item."""
        facts = asdict(replace(self, source=None))
        del facts["source"]
        return {**facts, "sentence": self.sentence}

    def save_png(self, path: str | Path) -> None:
        """Draw the item beside the descriptions of the winner and of the runner-up, as a PNG file.

        Raises MissingExtraError without the extra `report`, and what readers raise where the item cannot be read again.
        """
        save_explanations([self], path)


def explain(
    vector: Vectors,
    prediction: Prediction,
    *,
    centers: Centers,
    descriptions: Mapping[str, Description],
    top: int,
    source: Any = None,
) -> Explanation:
    """The `top` descriptions behind a prediction of an embedding [D], and behind its runner-up.

    `descriptions` maps ids to descriptions, as far as they are known.
    """
    cases = [_case(vector, label, p, centers, descriptions, top) for label, p in prediction.candidates[:2]]
    return Explanation(prediction, str(centers.scoring), cases[0], cases[1] if len(cases) > 1 else None, source)


def _case(
    vector: Vectors,
    label: str,
    probability: float,
    centers: Centers,
    descriptions: Mapping[str, Description],
    top: int,
) -> Case:
    category = centers.labels.index(label)
    rows = slice(centers.offsets[category], centers.offsets[category + 1])
    cosines = centers.vectors[rows].astype(np.float64) @ vector
    length = float(np.linalg.norm(centers.means[category]))
    added = contributions(cosines, centers.scoring, length)
    total = float(np.abs(added).sum())
    shares = np.abs(added) / total if total > 0 else np.full(len(added), 1 / len(added))
    ids = centers.description_ids[rows]
    evidence = [
        _evidence(label, name, descriptions.get(name), *figures)
        for name, *figures in zip(ids, cosines.tolist(), added.tolist(), shares.tolist(), strict=True)
    ]
    ranked = sorted(evidence, key=lambda e: (-e.share, -e.cosine))
    return Case(label, probability, float(added.sum()), len(ids), _by_aspect(evidence), ranked[:top])


def _by_aspect(evidence: Sequence[Evidence]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for one in evidence:
        if one.aspect is not None:
            sums[one.aspect] = sums.get(one.aspect, 0.0) + one.contribution
    return dict(sorted(sums.items(), key=lambda entry: -entry[1]))


def _evidence(
    label: str, name: str, description: Description | None, cosine: float, contribution: float, share: float
) -> Evidence:
    text, aspect, generator = "", None, None
    if description is not None:
        text, aspect, generator = description.text, description.aspect, description.generator
    return Evidence(label, text, name, aspect, generator, cosine, contribution, share)


def contributions(
    cosines: Float64[np.ndarray, " k"], scoring: Scoring, length: float = 1.0
) -> Float64[np.ndarray, " k"]:
    """What each cosine [K] to the descriptions of a category, whose mean has a length, adds to the category's score."""
    stops, weights = np.polynomial.legendre.leggauss(_STOPS)
    along = np.stack([_slopes((stop + 1) / 2 * cosines, scoring, length) for stop in stops])
    return np.asarray(cosines * (weights / 2 @ along), np.float64)


def _slopes(cosines: Float64[np.ndarray, " k"], scoring: Scoring, length: float) -> Float64[np.ndarray, " k"]:
    nudges = _STEP * np.eye(len(cosines))  # [K, K]
    return np.asarray((scoring(cosines + nudges, length) - scoring(cosines - nudges, length)) / (2 * _STEP), np.float64)
