"""Heads in closed form: Gaussian classes from labels, added to the text scores (Wang et al., arXiv 2402.04087).

The samples of a modality are modeled as one Gaussian per class with a shared covariance, which is shrunk toward a
multiple of the identity. Its log-likelihoods are linear in the sample, as the text scores are, so their sum is one
affine map. The head is the identity, which keeps the text scores and what tells the items of a class apart, plus a map
of rank < C, which moves a sample along the differences between the class texts until the scores include the
log-likelihoods.

How far the covariance is shrunk, and what the text scores weigh, is not chosen but averaged: every candidate counts as
much as it makes items held out likely. Where items are few, the best candidate is often so by accident.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import NDArray

from ..affine import AffineMap
from ..data.embeddings import CategoryIndex, Vectors, unit
from ..data.splits import stratified_folds
from .choice import PROOF, candidate_row, choose
from .heads import Head
from .problem import FittedHead, Problem

Matrix = Float64[np.ndarray, "n d"]
Texts = Float64[np.ndarray, "c d"]  # mean text of each class about the mean of all classes
Logits = Float64[np.ndarray, "n c"]

SHRINKAGES = (0.8, 0.5, 0.3, 0.1)
TEXT_WEIGHTS = (10000.0, 3000.0, 1000.0, 300.0, 100.0, 30.0, 0.0)
_TEMPERATURES = np.geomspace(1e-3, 3.0, 12)  # tried for the likelihood of a choice, whose logits are overconfident
_FOLDS = 5
_ROUNDS = 4  # of cross-validation, with other folds each time, where items are few
_FEW_ITEMS = 300
_MANY_ITEMS = 20_000  # of which one fold is proof enough
_TEXT_RIDGE = 0.01  # of the mean eigenvalue: nearly equal class texts are not pulled apart without bound


@dataclass(frozen=True)
class Mixture:
    """What the log-likelihoods weigh, by the shrinkage of the covariance, and what the text scores weigh."""

    shrinkages: dict[float, float]
    text: float


@dataclass(frozen=True, eq=False)
class Discriminant:
    """A head in closed form and how it was found.

    `held_out` [H, D] are the training items `held_out_rows` [H] as heads that did not learn from them map them; H is 0
    where nothing can be held out, because no class has two items. `learned_parameters` counts the weights and biases of
    the classes' log-likelihoods, the center, the scale and the mixture.
    """

    head: Head
    mixture: Mixture
    held_out: Vectors
    held_out_rows: NDArray[np.intp]
    learned_parameters: int


def fit_discriminant_head(problem: Problem) -> FittedHead:
    """The head of a problem, or the unfitted one where items held out prove that it is better.

    Where no class has two items, nothing can be held out: the head stays unfitted if the texts alone are right more
    often than by chance.
    """
    train, targets = problem.train, problem.targets
    fitted = fit_discriminant(
        (train.vectors, train.category_index),
        targets,
        objects=train.objects,
        in_anchor_space=not problem.outside_anchor_space,
        seed=problem.config.seed,
    )
    rows, held_out = fitted.held_out_rows, problem.calibrating(fitted.head)
    history = list[dict[str, float]]()
    if not problem.outside_anchor_space:
        unfitted = problem.start(train.vectors) @ targets.T
        if len(rows):
            truth, scores = train.category_index[rows], [unfitted[rows], fitted.held_out @ targets.T]
            history = [candidate_row(s, truth) for s in scores]
            stays = choose(scores, truth, default=1, unfitted=0) == 0
        else:
            stays = _better_than_chance(unfitted, train.category_index)
        if stays:
            return problem.unfitted(history)
    if problem.validation is None:
        held_out = fitted.held_out, train.category_index[rows]
    return FittedHead(fitted.head, fitted.learned_parameters, held_out, history=history)


def _better_than_chance(scores: Logits, category_index: CategoryIndex) -> bool:
    chance = 1 / scores.shape[1]
    right = np.mean(scores.argmax(axis=1) == category_index)
    return bool(right > chance + PROOF * np.sqrt(chance * (1 - chance) / len(scores)))


def fit_discriminant(
    train: tuple[Vectors, CategoryIndex],
    texts: Vectors,
    *,
    objects: Sequence[Hashable] | None = None,
    in_anchor_space: bool = True,
    seed: int = 0,
) -> Discriminant:
    """The head for samples [N, D] with categories [N], and the mean texts [C, D] of all categories.

    A category without samples is where its text says. Candidates are weighed by stratified cross-validation inside
    `train`, which holds out samples of one of the `objects` [N] together. Samples outside the anchor space get no text
    scores; neither do others where nothing can be held out.
    """
    model = _Model.of(train, texts)
    text_weights = TEXT_WEIGHTS if in_anchor_space else (0.0,)
    rounds = [
        list(model.cross_validation(seed + i, objects)) for i in range(_ROUNDS if len(train[1]) < _FEW_ITEMS else 1)
    ]
    if not rounds[0]:
        mixture, rows = Mixture({SHRINKAGES[0]: 1.0}, text_weights[-1]), np.zeros(0, np.intp)
        return Discriminant(model.head(mixture), mixture, train[0][:0], rows, model.learned_parameters)
    mixture = _mixture([part for parts in rounds for part in parts], text_weights, sum(len(p.rows) for p in rounds[0]))
    mapped = np.concatenate([model.mapped(part, mixture) for part in rounds[0]])
    rows = np.concatenate([part.rows for part in rounds[0]])
    return Discriminant(model.head(mixture), mixture, mapped, rows, model.learned_parameters)


# --- Gaussians --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Moments:
    """Counts [C], sums [C, D] and scatter [D, D] of labeled vectors about a fixed origin; those of some of the vectors
    can be subtracted.
    """

    counts: Float64[np.ndarray, " c"]
    sums: Float64[np.ndarray, "c d"]
    scatter: Float64[np.ndarray, "d d"]

    @classmethod
    def of(cls, x: Matrix, category_index: CategoryIndex, categories: int) -> _Moments:
        sums = np.zeros((categories, x.shape[1]))
        np.add.at(sums, category_index, x)
        return cls(np.bincount(category_index, minlength=categories).astype(np.float64), sums, x.T @ x)

    def __sub__(self, part: _Moments) -> _Moments:
        return _Moments(self.counts - part.counts, self.sums - part.sums, self.scatter - part.scatter)


@dataclass(frozen=True, eq=False)
class _Gaussians:
    """What moments say about the classes.

    `center` [D] is the mean of the class means, `scale` the root mean square length of a vector about it, `means`
    [C, D] are about the center, and `covariance` [D, D] is that within classes; None where no class has two items.
    """

    center: Float64[np.ndarray, " d"]
    scale: float
    means: Float64[np.ndarray, "c d"]
    covariance: Float64[np.ndarray, "d d"] | None

    @classmethod
    def of(cls, moments: _Moments, texts: Texts) -> _Gaussians:
        seen = moments.counts > 0
        items, means = moments.counts.sum(), moments.sums / np.maximum(moments.counts, 1)[:, None]
        center = means[seen].mean(axis=0)
        freedom = items - seen.sum()
        within = (moments.scatter - moments.sums.T @ means) / max(freedom, 1)
        total = np.trace(moments.scatter) - 2 * center @ moments.sums.sum(axis=0) + items * center @ center
        means = np.where(seen[:, None], means - center, _text_slope(means - center, texts, seen) * texts)
        return cls(center, float(np.sqrt(max(total / items, 1e-12))), means, within if freedom > 0 else None)

    def log_likelihoods(self, shrinkage: float, dim: int) -> tuple[Texts, Float64[np.ndarray, " c"]]:
        """Weight [C, D] and bias [C] of the log-likelihoods of a vector about the center, less their mean over classes.

        `dim` is the number of dimensions that the length of a vector is spread over.
        """
        isotropic = self.scale**2 / dim
        if self.covariance is None:
            weight = self.means / isotropic
        else:
            shrunk = (1 - shrinkage) * self.covariance
            shrunk[np.diag_indices_from(shrunk)] += shrinkage * isotropic
            weight = np.linalg.solve(shrunk, self.means.T).T
        bias = -np.einsum("cd,cd->c", weight, self.means) / 2
        return weight - weight.mean(axis=0), bias - bias.mean()


def _text_slope(means: Texts, texts: Texts, seen: Bool[np.ndarray, " c"]) -> float:
    """The factor that takes the texts of the seen classes nearest to their means; 0 where they point elsewhere."""
    centered = texts[seen] - texts[seen].mean(axis=0)
    return max(0.0, float((means[seen] * centered).sum() / max((centered**2).sum(), 1e-12)))


# --- what is held out, and what is chosen on it ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """Items, as rows [H], with a model that has not seen them: their vectors [H, R] about its center in units of its
    scale, their categories [H], text scores [H, C], and for every shrinkage the log-likelihoods [H, C].

    `kept` [C, C] is what remains of log-likelihoods in the scores of a head (see `_Model`).
    """

    rows: NDArray[np.intp]
    x: Matrix
    category_index: CategoryIndex
    text: Logits
    likelihood: dict[float, Logits]
    kept: Float64[np.ndarray, "c c"]

    def logits(self, mixture: Mixture) -> Logits:
        return mixture.text * self.text + self.mixed_likelihood(mixture) @ self.kept

    def mixed_likelihood(self, mixture: Mixture) -> Logits:
        return np.asarray(sum(weight * self.likelihood[s] for s, weight in mixture.shrinkages.items()))


def _mixture(parts: list[_HeldOut], text_weights: tuple[float, ...], items: int) -> Mixture:
    """Candidates at their best temperatures, averaged with weights in proportion to the likelihood that each gives the
    true categories of the `items` held out (more than once, maybe, in `parts`).
    """
    truth = np.concatenate([part.category_index for part in parts])
    losses, logits = [], []  # a candidate's logits are temperature * (text weight * text + likelihood)
    for shrinkage in SHRINKAGES:
        for text_weight in text_weights:
            candidate = Mixture({shrinkage: 1.0}, text_weight)
            loss, temperature = _cross_entropy(np.concatenate([part.logits(candidate) for part in parts]), truth)
            losses.append(loss)
            logits.append((shrinkage, temperature, temperature * text_weight))
    shares = np.exp(items * (min(losses) - np.array(losses)))
    shares /= shares.sum()
    mixed = dict.fromkeys(SHRINKAGES, 0.0)
    for share, (shrinkage, weight, _) in zip(shares, logits, strict=True):
        mixed[shrinkage] += float(share * weight)
    return Mixture(mixed, float(sum(share * text for share, (*_, text) in zip(shares, logits, strict=True))))


def _cross_entropy(logits: Logits, category_index: CategoryIndex) -> tuple[float, float]:
    """Mean cross-entropy at the best of a few temperatures, and that temperature."""
    centered = logits - logits.max(axis=1, keepdims=True)
    own = centered[np.arange(len(logits)), category_index].mean()
    return min((float(np.log(np.exp(t * centered).sum(axis=1)).mean() - t * own), float(t)) for t in _TEMPERATURES)


@dataclass(frozen=True, eq=False)
class _Model:
    """Training samples [N, R] and class texts [C, R] in the coordinates of `basis` [D, R], about `origin` [D].

    Where items are fewer than dimensions, the basis spans only what they and the texts occupy: nothing is lost, and
    cross-validation takes no time. Otherwise it is None and R = D. `from_scores` [C, D] takes a row of scores to the
    vector that has them as its products with the class texts, nearly: what it has is the row times `kept` [C, C].
    """

    origin: Float64[np.ndarray, " d"]
    basis: Float64[np.ndarray, "d r"] | None
    x: Matrix
    category_index: CategoryIndex
    texts: Texts
    total: _Moments
    from_scores: Float64[np.ndarray, "c d"]
    kept: Float64[np.ndarray, "c c"]

    @classmethod
    def of(cls, train: tuple[Vectors, CategoryIndex], texts: Vectors) -> _Model:
        origin = train[0].mean(axis=0, dtype=np.float64)
        x, centered = train[0] - origin, texts.astype(np.float64) - texts.mean(axis=0, dtype=np.float64)
        gram = centered @ centered.T
        ridge = max(_TEXT_RIDGE * float(np.trace(gram)) / len(gram), 1e-12)
        from_scores = np.linalg.solve(gram + ridge * np.eye(len(gram)), centered)
        kept, basis = from_scores @ centered.T, None
        if len(x) + len(texts) < len(origin):
            basis = np.linalg.qr(np.concatenate([x, centered]).T)[0]
            x, centered = x @ basis, centered @ basis
        return cls(origin, basis, x, train[1], centered, _Moments.of(x, train[1], len(texts)), from_scores, kept)

    @property
    def learned_parameters(self) -> int:
        categories, dim = self.from_scores.shape
        return categories * (dim + 1) + dim + 3

    def cross_validation(self, seed: int, objects: Sequence[Hashable] | None) -> Iterator[_HeldOut]:
        """Every item that is not alone with its label, held out once; where items are many, a fifth of them."""
        count = min(_FOLDS, int(self.total.counts.max()))
        folds = stratified_folds(self.category_index.tolist(), count, seed, objects)
        for fold in range(1 if len(folds) > _MANY_ITEMS else folds.max() + 1):
            rows = np.flatnonzero(folds == fold)
            x, category_index = self.x[rows], self.category_index[rows]
            yield self._held_out(self.total - _Moments.of(x, category_index, len(self.texts)), rows, x, category_index)

    def _held_out(
        self, moments: _Moments, rows: NDArray[np.intp], x: Matrix, category_index: CategoryIndex
    ) -> _HeldOut:
        gaussians = _Gaussians.of(moments, self.texts)
        centered, likelihood = x - gaussians.center, {}
        for shrinkage in SHRINKAGES:
            weight, bias = gaussians.log_likelihoods(shrinkage, len(self.origin))
            likelihood[shrinkage] = centered @ weight.T + bias
        scaled = centered / gaussians.scale
        return _HeldOut(rows, scaled, category_index, scaled @ self.texts.T, likelihood, self.kept)

    def mapped(self, part: _HeldOut, mixture: Mixture) -> Vectors:
        """Items of a part of cross-validation after the head that has not seen them, [H, D]; see `head`."""
        x = part.x if self.basis is None else part.x @ self.basis.T
        return unit(mixture.text * x + part.mixed_likelihood(mixture) @ self.from_scores).astype(np.float32)

    def head(self, mixture: Mixture) -> Head:
        """z = unit(text weight * (x - center) / scale + log-likelihoods @ from_scores)."""
        gaussians = _Gaussians.of(self.total, self.texts)
        maps = {s: gaussians.log_likelihoods(s, len(self.origin)) for s, share in mixture.shrinkages.items() if share}
        weight = np.asarray(sum(mixture.shrinkages[s] * w for s, (w, _) in maps.items()))
        bias = np.asarray(sum(mixture.shrinkages[s] * b for s, (_, b) in maps.items()))
        center = gaussians.center
        if self.basis is not None:
            weight, center = weight @ self.basis.T, self.basis @ center
        linear = self.from_scores.T @ weight
        linear[np.diag_indices_from(linear)] += mixture.text / gaussians.scale
        shift = bias @ self.from_scores - linear @ (self.origin + center)
        return Head(AffineMap(linear.astype(np.float32), shift.astype(np.float32)))
