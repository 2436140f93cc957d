"""The method "ridge": regression of items on the centered mean descriptions of their classes, in closed form.

In the anchor space the regression is on what is missing to the description, so a large penalty leaves the unfitted
head. The penalty is chosen by the scores of every item under the map that is fitted on the items of all other objects.
"""

from __future__ import annotations

import math

import numpy as np

from ..affine import AffineMap
from ..data.embeddings import unit
from .choice import candidate_row, choose
from .heads import Head
from .problem import FittedHead, Problem
from .ridge import Ridge

PENALTIES = (math.inf, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03)  # infinite: unfitted
_UNFITTED, _DEFAULT = 0, PENALTIES.index(3.0)


def fit_ridge_head(problem: Problem) -> FittedHead:
    """The head of a problem, with the penalty that items held out choose, or the unfitted one where they prove that it
    is better. Where no class has two items, the head stays unfitted.
    """
    train, targets, inside = problem.train, problem.targets, not problem.outside_anchor_space
    truth = train.category_index
    if inside and np.bincount(truth).max() < 2:
        return problem.unfitted()
    start = problem.start if inside else AffineMap.identity(train.vectors.shape[1])
    vectors = start(train.vectors)
    solver = Ridge(vectors, targets[truth] - vectors if inside else targets[truth])
    mapped = [targets[truth] - solver.leave_out_errors(p, train.objects) for p in PENALTIES[1:]]
    mapped.insert(_UNFITTED, vectors)
    scores = [m @ targets.T for m in mapped]
    choice = choose(scores, truth, default=_DEFAULT, unfitted=_UNFITTED if inside else _DEFAULT)
    history = [candidate_row(s, truth, penalty=p) for p, s in zip(PENALTIES, scores, strict=True)]
    if choice == _UNFITTED:
        return problem.unfitted(history)
    fitted = solver.fit(PENALTIES[choice])
    weight = fitted.weight + np.eye(fitted.dim_in, dtype=np.float32) if inside else fitted.weight
    head = Head(AffineMap(weight @ start.weight, weight @ start.bias + fitted.bias))
    held_out = problem.calibrating(head)
    if problem.validation is None:
        held_out = unit(mapped[choice]).astype(np.float32), truth
    learned_parameters = weight.size + len(fitted.bias)
    return FittedHead(head, learned_parameters, held_out, PENALTIES[choice], history=history)
