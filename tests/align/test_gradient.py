"""The default method: its minimum, its decay, and what cross-validation chooses."""

import math

import numpy as np
import pytest
import torch

from tests.align.worlds import rotated_world, top1, unit
from unibind.align import gradient
from unibind.align.choice import cross_entropy
from unibind.align.gradient import _BIAS_DECAY, _DECAY, PENALTIES, _half_whitening, _Space, fit_gradient
from unibind.align.problem import FitConfig, Problem, Samples


def problem(train, texts, category_index, validation=None, outside=False, **settings):
    return Problem(train, texts, category_index, FitConfig(**settings), validation, outside)


def everything(space):
    return np.arange(len(space.items))


# --- what is minimized -----------------------------------------------------------------------------------------------


def test_half_whitened_items_vary_with_the_root_of_their_deviations():
    vectors = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32) * [4, 1, 0.25]
    whitening, spread = _half_whitening(vectors.astype(np.float32))
    whitened = vectors @ whitening
    assert whitened.T @ whitened / 500 == pytest.approx(np.diag(spread), abs=1e-4)
    ratios = spread[1:] / spread[:-1]  # of variances 1/16, 1 and 16: a quarter of a step in variance is undone
    assert ratios == pytest.approx([4, 4], rel=0.2)


@pytest.mark.parametrize("count", [10, 60])
def test_few_items_are_whitened_in_their_span(count):
    vectors = unit(np.random.default_rng(0).normal(size=(count, 24)))
    whitening, spread = _half_whitening(vectors)
    whitened = vectors @ whitening
    assert whitened.shape[1] == min(count, 24)
    assert whitened.T @ whitened / count == pytest.approx(np.diag(spread), abs=1e-5)


@pytest.mark.parametrize("penalty", [0.3, 3.0])
def test_no_change_of_r_or_b_at_all_lowers_the_loss(penalty):
    """The gradient of the plain loss for every number of R and b is zero, though only R along the texts was stepped."""
    train, _, texts, category_index = rotated_world()
    given = problem(train, texts, category_index, steps=300)
    space = _Space.of(given)
    change = space.fit(everything(space), penalty)
    x, targets, labels = (
        torch.from_numpy(a) for a in (given.start(train.vectors), given.targets, train.category_index)
    )
    found = space.map(change)
    undone = np.linalg.inv(given.start.weight.astype(np.float64))
    residual = torch.tensor(found.weight @ undone - np.eye(16), dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(found.bias - found.weight @ undone @ given.start.bias, dtype=torch.float64, requires_grad=True)
    logits = space.scale * (x.double() @ (torch.eye(16) + residual).T + bias) @ targets.T.double()
    whitened = space.scale * residual @ torch.linalg.inv(torch.from_numpy(space.whitening).double()).T
    decay = penalty * _DECAY * 6 / len(x)
    loss = torch.nn.functional.cross_entropy(logits, labels) + decay * whitened.pow(2).sum()
    loss = loss + decay * _BIAS_DECAY * (space.scale * bias).pow(2).sum()
    loss.backward()
    assert loss.item() < 0.5 * torch.nn.functional.cross_entropy(space.base, labels).item()
    assert residual.grad.abs().max() < 2e-4
    assert bias.grad.abs().max() < 2e-4


def test_the_slope_in_blocks_is_that_of_autograd(monkeypatch):
    train, _, texts, category_index = rotated_world()
    space = _Space.of(problem(train, texts, category_index))
    monkeypatch.setattr(gradient, "BLOCK", 50)
    generator = torch.Generator().manual_seed(0)
    along = torch.randn(len(space.curvature), len(space.spread), generator=generator).requires_grad_()
    shift = torch.randn(len(space.curvature), generator=generator).requires_grad_()
    logits = space.base + (space.items @ along.T + shift) @ space.texts.T
    torch.nn.functional.cross_entropy(logits, space.labels).backward()
    with torch.no_grad():
        slope, slope_of_shift = space._slope(space.items, space.base, space.labels, along, shift)
    assert slope.numpy() == pytest.approx(along.grad.numpy(), abs=1e-5)
    assert slope_of_shift.numpy() == pytest.approx(shift.grad.numpy(), abs=1e-5)


def test_twenty_steps_are_nearly_as_good_as_three_hundred():
    train, test, texts, category_index = rotated_world(noise=0.4)
    losses = []
    for steps in (1, None, 300):
        given = problem(train, texts, category_index, steps=steps)
        space = _Space.of(given)
        found = space.map(space.fit(everything(space), 1.0))
        losses.append(cross_entropy(found(test.vectors) @ given.targets.T, test.category_index, space.scale).mean())
    assert losses[1] - losses[2] < 0.02 * (losses[0] - losses[2])


def test_scores_are_those_of_the_map():
    train, test, texts, category_index = rotated_world()
    given = problem(train, texts, category_index)
    space = _Space.of(given)
    change = space.fit(everything(space), 1.0)
    expected = space.map(change)(test.vectors) @ given.targets.T
    assert space.scores(given.start(test.vectors), change) == pytest.approx(expected, abs=1e-4)


# --- the decay -------------------------------------------------------------------------------------------------------


def test_an_infinite_penalty_is_the_identity_without_the_mean():
    train, _, texts, category_index = rotated_world()
    given = problem(train, texts, category_index)
    space = _Space.of(given)
    found = space.map(space.fit(everything(space), math.inf))
    assert np.array_equal(found.weight, given.start.weight)
    assert np.array_equal(found.bias, given.start.bias)
    scale = found.weight[0, 0]
    assert found.weight == pytest.approx(scale * np.eye(16))
    assert found.bias == pytest.approx(-scale * train.vectors.sum(axis=0) / (len(train.vectors) + 16), abs=1e-5)


def test_a_stronger_penalty_stays_nearer_to_the_identity():
    train, _, texts, category_index = rotated_world()
    space = _Space.of(problem(train, texts, category_index))
    sizes = [float(space.fit(everything(space), p).along.norm()) for p in PENALTIES]
    assert sizes[0] == 0
    assert sizes == sorted(sizes)


def test_the_decay_is_divided_by_the_items_per_class():
    """The mean loss of every item twice is that of every item once; with twice the items, half the decay."""
    train, _, texts, category_index = rotated_world()
    space = _Space.of(problem(train, texts, category_index, steps=300))
    twice = space.fit(np.tile(everything(space), 2), 2.0)
    once = space.fit(everything(space), 1.0)
    assert twice.along.numpy() == pytest.approx(once.along.numpy(), abs=2e-2 * float(once.along.abs().max()))


# --- the fit ---------------------------------------------------------------------------------------------------------


def test_labels_undo_a_rotation():
    train, test, texts, category_index = rotated_world()
    fitted = fit_gradient(problem(train, texts, category_index))
    assert top1(fitted.head, test, texts, category_index) > 0.9
    assert len(fitted.held_out[1]) == len(train.vectors)
    assert [row.get("penalty", math.inf) for row in fitted.history] == list(PENALTIES)
    assert fitted.history[0]["held_out_top1"] < 0.5
    assert fitted.learned_parameters == 16 * 5 + 5 + 1  # six classes differ in five directions


def test_labels_that_say_nothing_leave_the_head_unfitted():
    train, _, texts, category_index = rotated_world(rotated=False)
    noise = Samples(train.vectors, np.random.default_rng(1).permutation(train.category_index))
    fitted = fit_gradient(problem(noise, texts, category_index))
    assert fitted.unfitted
    assert fitted.penalty is None
    assert fitted.learned_parameters == 0
    assert len(fitted.held_out[1]) == len(train.vectors)


def test_labels_that_contradict_good_texts_leave_the_head_unfitted():
    """Few labels, half of them wrong, where the texts alone are right about everything else."""
    train, _, texts, category_index = rotated_world(n=18, rotated=False)
    wrong = train.category_index.copy()
    wrong[::3] = (wrong[::3] + 1) % 6
    assert not fit_gradient(problem(train, texts, category_index)).unfitted
    fitted = fit_gradient(problem(Samples(train.vectors, wrong), texts, category_index))
    assert top1(fitted.head, train, texts, category_index) > 0.8


def test_one_item_per_class_holds_nothing_out_and_stays_near_the_texts():
    train, test, texts, category_index = rotated_world(noise=0.3, rotated=False)
    first = np.unique(train.category_index, return_index=True)[1]
    given = problem(Samples(train.vectors[first], train.category_index[first]), texts, category_index)
    fitted = fit_gradient(given)
    assert fitted.penalty == 1.0
    assert len(fitted.held_out[0]) == len(fitted.held_out[1]) == 0
    assert top1(fitted.head, test, texts, category_index) > 0.8


def test_the_rank_limits_the_change():
    train, _, texts, category_index = rotated_world()
    for rank, learned in ((2, 2 * (16 + 5) + 5 + 1), (5, 16 * 5 + 5 + 1), (None, 16 * 5 + 5 + 1)):
        given = problem(train, texts, category_index, rank=rank)
        fitted = fit_gradient(given)
        residual = fitted.head.affine.weight / given.start.weight[0, 0] - np.eye(16)
        assert np.linalg.matrix_rank(residual, tol=1e-3) == (rank or 5)
        assert fitted.learned_parameters == learned


def test_validation_items_calibrate_only():
    train, validation, texts, category_index = rotated_world()
    with_it, without = (fit_gradient(problem(train, texts, category_index, v)) for v in (validation, None))
    assert with_it.head.fingerprint == without.head.fingerprint
    assert np.array_equal(with_it.held_out[0], with_it.head(validation.vectors))


def test_items_of_one_object_are_held_out_together():
    """Twins: what is known of one is known of the other, so only a fit that parts them has learned from both."""
    train, _, texts, category_index = rotated_world(n=24, noise=1.5)
    twins = np.tile(train.vectors, (2, 1)), np.tile(train.category_index, 2)
    objects = list(range(24)) * 2
    parted, together = (
        fit_gradient(problem(Samples(*twins, objects=o), texts, category_index)).history[-1]["held_out_loss"]
        for o in (None, objects)
    )
    assert together > parted + 0.2


def test_items_outside_the_anchor_space_are_taken_there_and_held_out_honestly():
    train, test, texts, category_index = rotated_world()
    fitted = fit_gradient(problem(train, texts, category_index, outside=True))
    assert top1(fitted.head, test, texts, category_index) > 0.9
    assert fitted.learned_parameters == 16 * 16 + 16 + 1
    noise = Samples(train.vectors, np.random.default_rng(0).permutation(train.category_index))
    fitted = fit_gradient(problem(noise, texts, category_index, outside=True))
    assert all(row["held_out_top1"] < 0.3 for row in fitted.history)  # chance is 0.17
    assert not fitted.unfitted


def test_of_many_items_one_fold_is_held_out(monkeypatch):
    monkeypatch.setattr(gradient, "_MANY_ITEMS", 50)
    train, _, texts, category_index = rotated_world()
    assert 15 < len(fit_gradient(problem(train, texts, category_index)).held_out[1]) < 35


def test_many_equal_vectors_do_no_harm():
    texts = unit(np.random.default_rng(0).normal(size=(2, 8)))
    equal = Samples(np.tile(unit(np.ones((1, 8))), (6, 1)), np.arange(6) % 2)
    fitted = fit_gradient(problem(equal, texts, np.arange(2)))
    assert fitted.unfitted
    assert np.isfinite(fitted.head.affine.weight).all()


# --- what unknown categories look like --------------------------------------------------------------------------------


def test_strangers_are_mapped_by_heads_that_never_met_their_categories():
    train, _, texts, category_index = rotated_world()
    given = problem(train, texts, category_index)
    fitted = fit_gradient(given)
    vectors, truth = fitted.strangers
    assert sorted(truth) == sorted(train.category_index)
    asked = train.vectors[np.argsort(train.category_index, kind="stable")]
    for category in np.unique(truth):  # six categories, six groups
        rest = given.without(np.array([category]))
        assert len(rest.targets) == len(given.targets) - 1
        assert len(rest.train.vectors) == np.sum(train.category_index != category)
        space = _Space.of(rest)
        head = space.map(space.fit(everything(space), fitted.penalty))
        expected = unit(head(asked[np.sort(train.category_index) == category]))
        assert vectors[truth == category] == pytest.approx(expected, abs=1e-5)
    own = np.mean(np.argmax(vectors @ given.targets.T, axis=1) == truth)
    held_out = np.mean(np.argmax(fitted.held_out[0] @ given.targets.T, axis=1) == fitted.held_out[1])
    assert own < held_out


def test_strangers_are_validation_items_where_there_are_some():
    train, test, texts, category_index = rotated_world()
    fitted = fit_gradient(problem(train, texts, category_index, test))
    assert sorted(fitted.strangers[1]) == sorted(test.category_index)


def test_of_two_categories_none_can_be_left_out():
    train, _, texts, category_index = rotated_world()
    two = problem(train, texts, category_index).without(np.arange(2, category_index.max() + 1))
    assert fit_gradient(two).strangers is None
