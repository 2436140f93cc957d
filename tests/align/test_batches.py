"""Fits in steps over batches."""

from dataclasses import replace

import numpy as np
import pytest

from tests.align.worlds import rotated_world, top1
from unibind.align.batches import fit_by_batches
from unibind.align.losses import LOSSES
from unibind.align.problem import FitConfig, Problem, Samples
from unibind.errors import UnibindError

LOSS = "multi_positive"


def fit(train, texts, category_index, config, *, validation=None, outside=False):
    return fit_by_batches(Problem(train, texts, category_index, config, validation, outside))


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "rank"), [("multi_positive", None), ("multi_positive", 8), ("released", None)])
def test_a_fit_undoes_a_rotation(loss, rank):
    train, test, texts, category_index = rotated_world()
    config = FitConfig(loss=loss, rank=rank, steps=150, lr=2e-2, batch_size=64)
    fitted = fit(train, texts, category_index, config)
    assert top1(fitted.head, test, texts, category_index) > 0.9


def test_it_starts_as_the_unfitted_head():
    train, _, texts, category_index = rotated_world()
    given = Problem(train, texts, category_index, FitConfig(loss=LOSS, steps=1, lr=1e-9))
    assert fit_by_batches(given).head.affine.weight == pytest.approx(given.start.weight, abs=1e-6)
    assert fit_by_batches(given).head.affine.bias == pytest.approx(given.start.bias, abs=1e-6)


def test_the_head_depends_on_the_seed_only():
    train, _, texts, category_index = rotated_world()
    heads = [fit(train, texts, category_index, FitConfig(loss=LOSS, steps=20, seed=seed)).head for seed in (0, 0, 1)]
    assert heads[0].fingerprint == heads[1].fingerprint != heads[2].fingerprint


def test_low_rank_learns_fewer_parameters():
    train, _, texts, category_index = rotated_world()
    counts = [
        fit(train, texts, category_index, FitConfig(loss=LOSS, steps=1, rank=rank)).learned_parameters
        for rank in (2, None)
    ]
    assert counts == [2 * 2 * 16 + 16 + 1, 16 * 16 + 16 + 1]


def test_samples_outside_the_anchor_space_start_from_the_closed_form():
    train, test, texts, category_index = rotated_world()
    config = FitConfig(loss=LOSS, steps=1, rank=2, lr=1e-6)
    inside, outside = (fit(train, texts, category_index, config, outside=outside) for outside in (False, True))
    assert top1(inside.head, test, texts, category_index) < 0.5
    assert top1(outside.head, test, texts, category_index) > 0.9
    assert outside.learned_parameters == 16 * 16 + 16 + 1


@pytest.mark.slow
def test_steps_continue_from_the_closed_form():
    train, _, texts, category_index = rotated_world()
    config = FitConfig(loss=LOSS, steps=200, lr=1e-2, batch_size=64)
    start, end = (fit(train, texts, category_index, replace(config, steps=n), outside=True) for n in (1, 200))
    assert end.history[-1]["loss"] < start.history[-1]["loss"]
    change = np.abs(end.head.affine.weight - start.head.affine.weight).max()
    assert 0 < change < np.abs(end.head.affine.weight - np.eye(16)).max()  # still nearer to the start than to identity


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 11])
def test_any_number_of_steps_works(steps):
    train, _, texts, category_index = rotated_world()
    history = fit(train, texts, category_index, FitConfig(loss=LOSS, steps=steps)).history
    assert history[-1]["step"] == steps


def test_no_step_is_chosen_on_validation_items():
    train, _, texts, category_index = rotated_world()
    wrong = Samples(train.vectors, (train.category_index + 1) % 6)
    config = FitConfig(loss=LOSS, steps=40)
    fitted = [fit(train, texts, category_index, config, validation=v) for v in (None, train, wrong)]
    assert len({f.head.fingerprint for f in fitted}) == 1
    assert [len(f.held_out[1]) for f in fitted] == [0, len(train.vectors), len(train.vectors)]


def test_a_diverging_fit_is_refused():
    train, _, texts, category_index = rotated_world()
    with pytest.raises(UnibindError, match=r"diverged.*lower the learning rate"):
        fit(train, texts, category_index, FitConfig(loss=LOSS, steps=40, lr=1e30))


def test_a_new_loss_is_one_function_and_one_row(monkeypatch):
    def pull(batch):
        return -(batch.z @ batch.texts[batch.category_index].T).diag().mean()

    monkeypatch.setitem(LOSSES, "pull", pull)
    train, _, texts, category_index = rotated_world()
    history = fit(train, texts, category_index, FitConfig(loss="pull", steps=60)).history
    assert history[-1]["loss"] < history[0]["loss"]
