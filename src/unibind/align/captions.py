"""Heads from captions alone: items are pulled next to the descriptions that they have of their own.

The pairs of one batch are contrasted with each other (symmetric InfoNCE, arXiv 2103.00020), and the head decays to its
start so strongly that little is learned that the captions do not repeat. A captioner that never heard a sound cannot
teach what it sounds like: whether captions help is measured for each modality, and it stays unfitted where held-out
captions do not prove it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..affine import AffineMap
from ..centering import Mean
from ..contrastive import symmetric_info_nce
from ..data.embeddings import Vectors
from ..data.splits import stratified_folds
from .choice import best_scale, cross_entropy, proven_better
from .heads import Head
from .learning import Change, learn
from .problem import FittedHead, bringing, removing
from .threads import suitable_threads

Rows = NDArray[np.intp]
_Found = tuple[NDArray[np.floating], NDArray[np.bool_]]  # losses [H] and hits [H] of items held out

PENALTIES = (2.0, 1.0)  # multiples of the weakest decay
STEPS = 60
_DECAY = 0.4
_BATCH = 256
_MEASURED = 1000  # pairs of a fold that a choice is measured on
_FOLDS = 3


@dataclass(frozen=True, eq=False)
class Captioned:
    """Items of one modality [N, D] with the embeddings of their captions [N, D], both as the backbone embeds them.

    `captions` [N] number the distinct captions, and `objects` [N] name what the items are of.
    """

    vectors: Vectors
    texts: Vectors
    captions: Rows
    objects: Sequence[Hashable]

    @classmethod
    def of(cls, vectors: Vectors, texts: Vectors, objects: Sequence[Hashable]) -> Captioned:
        """Items whose captions are the same where their vectors are."""
        return cls(vectors, texts, np.unique(texts, axis=0, return_inverse=True)[1].reshape(-1), objects)

    def distinct(self, rows: Rows) -> Rows:
        """The first of the rows with each caption: of two equal captions, neither is wrong for the other's item."""
        return rows[np.sort(np.unique(self.captions[rows], return_index=True)[1])]


def fit_caption_head(
    items: Captioned,
    *,
    outside_anchor_space: bool = False,
    steps: int = STEPS,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> FittedHead:
    """The head of one modality, from pairs of items and captions.

    The decay to the start, which removes the mean of the items, is chosen by held-out captions, in a cross-validation
    that keeps the items of an object together. The head stays unfitted unless these prove that it finds them better; a
    head from outside the space of texts starts as the ridge map to the captions, and is always used. `progress` is
    called with the number of steps just done, of at most `planned_steps()`. Deterministic for `seed`.
    """
    fit = _Fit(
        items, Mean.of(items.texts)(items.texts), outside_anchor_space, steps, seed, progress or (lambda _: None)
    )
    with suitable_threads(_BATCH * items.vectors.shape[1] * (items.vectors.shape[1] + _BATCH)):
        penalty, history = fit.choice()
        everything = np.arange(len(items.vectors))
        start = fit.start(everything)
        fitted = start if penalty is None else fit.learned(everything, start, penalty)
    parameters = 0 if penalty is None else fitted.weight.size + fitted.bias.size
    nothing = items.vectors[:0], np.zeros(0, np.intp)
    return FittedHead(Head(fitted), parameters, nothing, penalty, penalty is None, history)


def planned_steps(steps: int = STEPS) -> int:
    """How many steps `fit_caption_head` reports at most."""
    return steps * (_FOLDS * len(PENALTIES) + 1)


@dataclass(frozen=True, eq=False)
class _Fit:
    """The fit of one head; `targets` [N, D] are the centered captions."""

    items: Captioned
    targets: Vectors
    outside: bool
    steps: int
    seed: int
    report: Callable[[int], None]

    def choice(self) -> tuple[float | None, list[dict[str, float]]]:
        """The penalty, None for the unfitted head, and a row for each candidate."""
        groups = list(self.items.objects)
        folds = stratified_folds([0] * len(groups), _FOLDS, self.seed, groups)
        candidates: list[float | None] = [None, *PENALTIES]
        found: list[list[_Found]] = [[] for _ in candidates]
        for fold in range(folds.max(initial=-1) + 1):
            learned, held = np.flatnonzero(folds != fold), self._measured(np.flatnonzero(folds == fold))
            start = self.start(learned)
            for parts, penalty in zip(found, candidates, strict=True):
                parts.append(self.found(start if penalty is None else self.learned(learned, start, penalty), held))
        if not found[0]:
            return PENALTIES[0] if self.outside else None, []
        losses, right = ([np.concatenate([part[i] for part in parts]) for parts in found] for i in range(2))
        history = [
            {"held_out_loss": float(loss.mean()), "held_out_top1": float(first.mean())}
            | ({} if penalty is None else {"penalty": penalty})
            for penalty, loss, first in zip(candidates, losses, right, strict=True)
        ]
        best = 1 + int(np.argmin([loss.mean() for loss in losses[1:]]))
        proven = self.outside or proven_better(losses[best], losses[0])
        return candidates[best] if proven else None, history

    def start(self, rows: Rows) -> AffineMap:
        """What a head of these items is before it learns."""
        vectors = self.items.vectors[rows]
        return bringing(vectors, self.targets[rows]) if self.outside else removing(Mean.of(vectors), vectors)

    def learned(self, rows: Rows, start: AffineMap, penalty: float) -> AffineMap:
        """The head that is learned from some of the pairs."""
        change = Change.nothing(start.dim_out)
        generator = torch.Generator().manual_seed(self.seed)
        x, targets = (torch.from_numpy(v) for v in (start(self.items.vectors), self.targets))

        def loss(logit_scale: torch.Tensor) -> torch.Tensor:
            order = torch.randperm(len(rows), generator=generator)[:_BATCH].numpy()
            batch = torch.from_numpy(self.items.distinct(rows[order]))
            return symmetric_info_nce(change(x[batch], generator), targets[batch], logit_scale)

        learn([change], loss, decay=penalty * _DECAY, steps=self.steps, report=self.report)
        return change.after(start)

    def found(self, fitted: AffineMap, rows: Rows) -> _Found:
        """How surprising the captions of held-out items are, and these items to their captions, for each pair, and
        whether an item is nearest to its own caption.
        """
        scores = Head(fitted)(self.items.vectors[rows]) @ self.targets[rows].T
        pairs = np.arange(len(rows))
        scale = best_scale(scores, pairs)
        surprise = (cross_entropy(scores, pairs, scale) + cross_entropy(scores.T, pairs, scale)) / 2
        return surprise, scores.argmax(axis=1) == pairs

    def _measured(self, rows: Rows) -> Rows:
        """A random part of the held-out pairs, with distinct captions."""
        order = np.random.default_rng(self.seed).permutation(rows)
        return self.items.distinct(order)[:_MEASURED]
