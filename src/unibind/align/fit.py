"""LLM-augmented alignment: fit one small head per modality on stored embeddings (paper, section 3.2).

The text embeddings stay fixed, and samples are moved toward the descriptions of their category. The backbone has
already encoded every item once, so a fit is a few matrix products. `METHODS` lists the ways to fit by name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

import numpy as np

from ..data.embeddings import CategoryIndex, Vectors
from ..errors import UnibindError, UnknownNameError
from .problem import CROSS_ENTROPY, FitConfig, FittedHead, Problem, Samples


def _by_gradient(problem: Problem) -> FittedHead:
    """A head pulled back to the identity, by cross-entropy or in steps over batches by another loss."""
    if problem.config.loss == CROSS_ENTROPY:
        from .gradient import fit_gradient

        return fit_gradient(problem)
    from .batches import fit_by_batches

    return fit_by_batches(problem)


def _by_discriminant(problem: Problem) -> FittedHead:
    """Gaussian classes and text scores, in closed form."""
    from .discriminant import fit_discriminant_head

    return fit_discriminant_head(problem)


def _by_ridge(problem: Problem) -> FittedHead:
    """Regression on the mean descriptions, in closed form."""
    from .ridge_head import fit_ridge_head

    return fit_ridge_head(problem)


METHODS: dict[str, Callable[[Problem], FittedHead]] = {
    "gradient": _by_gradient,
    "gda": _by_discriminant,
    "ridge": _by_ridge,
}


def fit_heads(
    train: Mapping[str, Samples],
    texts: Vectors,
    category_index: CategoryIndex,
    config: FitConfig | None = None,
    *,
    validation: Mapping[str, Samples] | None = None,
    outside_anchor_space: Collection[str] = (),
    progress: Callable[[str, int], None] | None = None,
) -> dict[str, FittedHead]:
    """Fit the head of every modality independently; they meet at the fixed text embeddings.

    `texts` [M, D] are centered descriptions, whose categories are given by index. `validation` items are what
    confidences are calibrated on; nothing is chosen on them. `outside_anchor_space` names the modalities whose samples
    are not in the space of the texts. `progress` is called with the modality and the number of finished steps.

    Raises UnknownNameError for an unknown method or loss, and UnibindError if the training samples of a modality are
    not of at least two categories, for a loss of a method that has none, or if a fit diverges.
    """
    config = config or FitConfig()
    _check(config)
    for modality, samples in train.items():
        _check_samples(modality, samples)
    fitted = {}
    for modality, samples in train.items():
        report = None if progress is None else partial(progress, modality)
        held_out = (validation or {}).get(modality)
        outside = modality in outside_anchor_space
        problem = Problem(samples, texts, category_index, config, held_out, outside, report)
        fitted[modality] = METHODS[config.method](problem)
        if report is not None and not config.by_batches:
            report(1)
    return fitted


def _check(config: FitConfig) -> None:
    from .losses import LOSSES

    if config.method not in METHODS:
        raise UnknownNameError("method", config.method, METHODS)
    if config.loss not in (CROSS_ENTROPY, *LOSSES):
        raise UnknownNameError("loss", config.loss, [CROSS_ENTROPY, *LOSSES])
    for name, value in (("loss", config.loss != CROSS_ENTROPY), ("rank", config.rank), ("steps", config.steps)):
        if value and config.method != "gradient":
            raise UnibindError(f"the method {config.method} has no {name}; leave it out, or use the method gradient")


def _check_samples(modality: str, samples: Samples) -> None:
    if not len(samples.vectors):
        raise UnibindError(
            f"there are no labeled {modality} training items to fit a head on; check the manifest's split and label"
        )
    if len(np.unique(samples.category_index)) < 2:
        raise UnibindError(
            f"all {modality} training items have the same label; a fit needs items of at least two classes"
        )
