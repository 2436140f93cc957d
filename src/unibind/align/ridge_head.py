"""The method "ridge": regression of items on the centered mean descriptions of their classes, in closed form.

In the anchor space the regression is on what is missing to the description, so a large penalty leaves the unfitted
head. The penalty is chosen by the scores of every item under the map that is fitted on the items of all other objects;
where items are few, of all other folds, for an item that is left out alone leaves its class behind the others.
"""

from __future__ import annotations

import math

import numpy as np

from ..affine import AffineMap
from ..data.embeddings import Vectors, unit
from .choice import candidate_row, choose
from .heads import Head
from .problem import FittedHead, Problem, folds_of
from .ridge import Ridge

PENALTIES = (math.inf, 3.0, 1.0, 0.3, 0.1, 0.01)  # multiples of the default; infinite: unfitted
_UNFITTED, _DEFAULT = 0, PENALTIES.index(1.0)
_DECAY = 100.0  # of the mean eigenvalue of the items' scatter, divided by the items per class
_FEW_ITEMS = 1000


def fit_ridge_head(problem: Problem) -> FittedHead:
    """The head of a problem, with the penalty that items held out choose, or the unfitted one where they prove that it
    is better. Where no class has two items, it has the default penalty.
    """
    train, targets, inside = problem.train, problem.targets, not problem.outside_anchor_space
    truth, vectors = train.category_index, train.vectors
    decay = _DECAY * len(np.unique(truth)) / len(truth)
    start = problem.start if inside else AffineMap.identity(vectors.shape[1])
    moved = start(vectors)
    solver = Ridge(moved, targets[truth] - moved if inside else targets[truth])
    choice, mapped, history = _DEFAULT, list[Vectors](), list[dict[str, float]]()
    folds = folds_of(problem)
    rows = np.flatnonzero(folds >= 0)  # the others are alone with their label
    if len(rows):
        groups = np.where(folds < 0, -1 - np.arange(len(folds)), folds).tolist() if len(truth) < _FEW_ITEMS else None
        errors = [solver.leave_out_errors(p * decay, groups or train.objects) for p in PENALTIES[1:]]
        mapped = [moved[rows], *((targets[truth] - each)[rows] for each in errors)]
        scores = [each @ targets.T for each in mapped]
        choice = choose(scores, truth[rows], default=_DEFAULT, unfitted=_UNFITTED if inside else _DEFAULT)
        history = [candidate_row(s, truth[rows], penalty=p) for p, s in zip(PENALTIES, scores, strict=True)]
    if choice == _UNFITTED:
        return problem.unfitted(history)
    fitted = solver.fit(PENALTIES[choice] * decay)
    weight = fitted.weight + np.eye(fitted.dim_in, dtype=np.float32) if inside else fitted.weight
    head = Head(AffineMap(weight @ start.weight, weight @ start.bias + fitted.bias))
    held_out = problem.calibrating(head)
    if problem.validation is None and mapped:
        held_out = unit(mapped[choice]).astype(np.float32), truth[rows]
    learned_parameters = weight.size + len(fitted.bias)
    return FittedHead(head, learned_parameters, held_out, PENALTIES[choice], history=history)
