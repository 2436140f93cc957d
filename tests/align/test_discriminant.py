"""Heads in closed form: Gaussian classes and text scores."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from unibind.align import discriminant
from unibind.align.discriminant import (
    SHRINKAGES,
    Mixture,
    _Gaussians,
    _Model,
    _Moments,
    fit_discriminant,
    fit_discriminant_head,
)
from unibind.align.problem import FitConfig, Problem, Samples
from unibind.data.splits import stratified_folds

DIM = 12


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


class World:
    """Samples around the texts of their classes, as they are or rotated away from them."""

    def __init__(self, categories=4, rotated=False, noise=0.25, seed=0):
        self.rng = np.random.default_rng(seed)
        self.texts = unit(self.rng.normal(size=(categories, DIM)))
        self.rotation = np.linalg.qr(self.rng.normal(size=(DIM, DIM)))[0] if rotated else np.eye(DIM)
        self.noise = noise

    def samples(self, per_class, leave_out=()):
        labels = np.repeat([c for c in range(len(self.texts)) if c not in leave_out], per_class)
        noise = self.noise * self.rng.normal(size=(len(labels), DIM))
        return unit((self.texts[labels] + noise) @ self.rotation), labels

    def top1(self, fitted, per_class=50, of=None):
        x, y = self.samples(per_class)
        right = np.argmax(fitted.head(x) @ self.texts.T, axis=1) == y
        return right.mean() if of is None else right[y == of].mean()


def problem(train, texts, validation=None):
    """A problem whose class texts are one description each."""
    held_out = None if validation is None else Samples(*validation)
    return Problem(Samples(*train), texts, np.arange(len(texts)), FitConfig(method="gda"), held_out)


def held_out_top1(fitted, world, y):
    return np.mean(np.argmax(fitted.held_out @ world.texts.T, axis=1) == y[fitted.held_out_rows])


def centered(texts):
    return texts.astype(float) - texts.mean(axis=0, dtype=float)


# --- the pieces, against slow plain versions -------------------------------------------------------------------------


def test_moments_can_be_subtracted():
    x, y = np.random.default_rng(0).normal(size=(20, DIM)), np.arange(20) % 3
    rest = _Moments.of(x, y, 4) - _Moments.of(x[:7], y[:7], 4)
    expected = _Moments.of(x[7:], y[7:], 4)
    for name in ("counts", "sums", "scatter"):
        assert getattr(rest, name) == pytest.approx(getattr(expected, name))


def test_log_likelihoods_are_those_of_gaussians_with_one_covariance():
    world = World()
    x, y = world.samples(30)
    gaussians = _Gaussians.of(_Moments.of(x.astype(float), y, 4), centered(world.texts))
    weight, bias = gaussians.log_likelihoods(0.3, DIM)
    means = np.stack([x[y == c].mean(axis=0) for c in range(4)])
    center = means.mean(axis=0)
    within = (x - means[y]).T @ (x - means[y]) / (len(x) - 4)
    total = np.sum((x - center) ** 2) / len(x) / DIM
    covariance = 0.7 * within + 0.3 * total * np.eye(DIM)
    plain = np.stack([multivariate_normal(m, covariance).logpdf(x) for m in means.astype(float)], axis=1)
    expected = plain - plain.mean(axis=1, keepdims=True)
    assert (x - center) @ weight.T + bias == pytest.approx(expected, abs=1e-3)


def test_without_two_items_of_a_class_the_covariance_is_a_multiple_of_the_identity():
    world = World()
    x, y = world.samples(1)
    gaussians = _Gaussians.of(_Moments.of(x.astype(float), y, 4), centered(world.texts))
    weight, bias = gaussians.log_likelihoods(0.1, DIM)
    nearest = np.argmin(((x[:, None] - x[None]) ** 2).sum(axis=-1), axis=1)
    assert np.array_equal(np.argmax((x - gaussians.center) @ weight.T + bias, axis=1), nearest)


@pytest.mark.parametrize("per_class", [1, 2, 30])  # fewer items than dimensions, and more
def test_the_scores_of_a_head_are_text_scores_and_log_likelihoods(per_class):
    world = World(categories=3)
    x, y = world.samples(per_class)
    mixture = Mixture({0.5: 2.0, 0.1: 1.0}, 7.0)
    texts = centered(world.texts)
    head = _Model.of((x, y), world.texts).head(mixture)
    gaussians = _Gaussians.of(_Moments.of(x.astype(float), y, 3), texts)
    about = world.samples(5)[0] - gaussians.center
    likelihood = sum(
        share * (about @ weight.T + bias)
        for share, (weight, bias) in ((s, gaussians.log_likelihoods(r, DIM)) for r, s in mixture.shrinkages.items())
    )
    gram = texts @ texts.T
    kept = np.linalg.solve(gram + 0.01 * np.trace(gram) / 3 * np.eye(3), gram)  # nearly what is asked for
    expected = 7.0 * about @ texts.T / gaussians.scale + likelihood @ kept
    scores = head.affine((about + gaussians.center).astype(np.float32)) @ texts.T
    assert scores == pytest.approx(expected, rel=1e-3, abs=1e-2 * np.abs(expected).max())
    assert np.linalg.norm(likelihood @ kept - likelihood) < 0.1 * np.linalg.norm(likelihood)


@pytest.mark.parametrize("per_class", [2, 30])
def test_items_are_held_out_from_the_head_that_maps_them(per_class):
    world = World()
    x, y = world.samples(per_class)
    model, mixture = _Model.of((x, y), world.texts), Mixture({0.3: 1.0}, 20.0)
    folds = (
        stratified_folds(y.tolist(), 5, seed=0) if per_class > 5 else stratified_folds(y.tolist(), per_class, seed=0)
    )
    parts = list(model.cross_validation(0, None))
    assert len(parts) == folds.max() + 1
    for fold, part in enumerate(parts):
        held, kept = folds == fold, folds != fold
        unaware = _Model.of((x[kept], y[kept]), world.texts).head(mixture)
        assert model.mapped(part, mixture) == pytest.approx(unaware(x[held]), abs=1e-4)
        scores = unaware.affine(x[held]) @ centered(world.texts).T
        assert part.logits(mixture) == pytest.approx(scores, abs=1e-2 * np.abs(scores).max())


# --- the fit ---------------------------------------------------------------------------------------------------------


def test_labels_undo_a_rotation():
    world = World(rotated=True)
    x, y = world.samples(20)
    fitted = fit_discriminant((x, y), world.texts)
    assert held_out_top1(fitted, world, y) > 0.9
    assert world.top1(fitted) > 0.9
    assert sorted(fitted.held_out_rows) == list(range(80))
    assert fitted.learned_parameters == 4 * (DIM + 1) + DIM + 3


def test_text_helps_where_labels_are_few_and_texts_are_right():
    world = World(categories=8, noise=0.5)
    train = world.samples(2)
    with_text, without = (fit_discriminant(train, world.texts, in_anchor_space=known) for known in (True, False))
    assert with_text.mixture.text > 0
    assert without.mixture.text == 0
    assert world.top1(with_text) > world.top1(without) + 0.05


@pytest.mark.parametrize("rotated", [False, True])
def test_one_item_per_class_holds_nothing_out_and_stays_unfitted_where_texts_are_right(rotated):
    world = World(rotated=rotated, noise=0.1)
    fitted = fit_discriminant_head(problem(world.samples(1), world.texts))
    assert len(fitted.held_out[0]) == (4 if fitted.unfitted else 0)
    assert fitted.unfitted == (not rotated)
    assert world.top1(fitted) > 0.9


def test_labels_that_say_nothing_leave_the_head_unfitted():
    world = World(categories=8, noise=0.3)
    x, y = world.samples(6)
    fitted = fit_discriminant_head(problem((x, np.random.default_rng(0).permutation(y)), world.texts))
    assert fitted.unfitted
    assert fitted.learned_parameters == 0


def test_a_class_without_items_is_where_its_text_says():
    world = World(noise=0.1)
    fitted = fit_discriminant(world.samples(20, leave_out=[2]), world.texts)
    assert world.top1(fitted, of=2) > 0.9
    assert world.top1(fitted) > 0.9


def test_validation_items_calibrate_only():
    world = World(rotated=True)
    train, validation = world.samples(6), world.samples(30)
    with_it, without = (fit_discriminant_head(problem(train, world.texts, v)) for v in (validation, None))
    assert with_it.head.fingerprint == without.head.fingerprint
    assert np.array_equal(with_it.held_out[0], with_it.head(validation[0]))
    assert len(without.held_out[1]) == len(train[1])


def test_items_of_one_object_are_held_out_together():
    """Twins: what is known of one is known of the other, so only a fit that parts them has learned from both."""
    world = World(noise=1.5)
    x, y = world.samples(6)
    twins = np.concatenate([x, x]), np.concatenate([y, y])
    objects = list(range(len(x))) * 2
    parted = fit_discriminant(twins, world.texts)
    together = fit_discriminant(twins, world.texts, objects=objects)
    assert held_out_top1(together, world, twins[1]) < held_out_top1(parted, world, twins[1]) - 0.1


def test_of_many_items_one_fold_is_held_out(monkeypatch):
    monkeypatch.setattr(discriminant, "_MANY_ITEMS", 50)
    fitted = fit_discriminant(World().samples(20), World().texts)
    assert len(fitted.held_out_rows) == 80 / 5


def test_many_equal_vectors_do_no_harm():
    x, y = np.tile(unit(np.ones((1, DIM))), (6, 1)), np.arange(6) % 2
    fitted = fit_discriminant((x, y), World(categories=2).texts)
    assert np.isfinite(fitted.head(x)).all()
    assert set(fitted.mixture.shrinkages) <= set(SHRINKAGES)
