import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from unibind.align.fit import FitConfig, Samples, _Batch, fit_head, fit_heads, multi_positive_loss, released_loss
from unibind.errors import UnibindError

GENERATOR = torch.Generator().manual_seed(0)


def batch(z, texts, labels, owner, *, own=None, scale=1.0):
    return _Batch(
        torch.tensor(z, dtype=torch.float32),
        torch.tensor(labels),
        None if own is None else torch.tensor(own, dtype=torch.float32),
        torch.tensor(texts, dtype=torch.float32),
        torch.tensor(owner),
        torch.tensor(scale),
        GENERATOR,
    )


def test_multi_positive_loss_by_hand():
    # one sample along x; two texts of its category (x and y), one of another (-x); logits 1, 0, -1
    loss = multi_positive_loss(batch([[1, 0]], [[1, 0], [0, 1], [-1, 0]], [0], [0, 0, 1]))
    z = math.log(math.e + 1 + 1 / math.e)
    one_way = ((z - 1) + (z - 0)) / 2
    other_way = 0.0  # every text sees a single sample, which is its positive or does not count
    assert float(loss) == pytest.approx((one_way + other_way) / 2, abs=1e-6)


def test_own_descriptions_are_positives_of_their_sample_only():
    without = multi_positive_loss(batch([[1, 0], [0, 1]], [[1, 0], [0, 1]], [0, 1], [0, 1], scale=4.0))
    helpful = multi_positive_loss(
        batch([[1, 0], [0, 1]], [[1, 0], [0, 1]], [0, 1], [0, 1], own=[[1, 0], [0, 1]], scale=4.0)
    )
    crossed = multi_positive_loss(
        batch([[1, 0], [0, 1]], [[1, 0], [0, 1]], [0, 1], [0, 1], own=[[0, 1], [1, 0]], scale=4.0)
    )
    assert float(crossed) > float(helpful) > 0
    assert float(without) > 0


def test_a_row_of_zeros_is_no_own_description():
    def loss(own):
        return float(multi_positive_loss(batch([[1, 0], [0, 1]], [[1, 0], [0, 1]], [0, 1], [0, 1], own=own, scale=4.0)))

    without = float(multi_positive_loss(batch([[1, 0], [0, 1]], [[1, 0], [0, 1]], [0, 1], [0, 1], scale=4.0)))
    assert loss([[0, 0], [0, 0]]) == without
    logits = np.array([[4.0, 0.0, 4.0], [0.0, 4.0, 0.0]])  # two texts, and the first sample's own
    rows = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    columns = logits - np.log(np.exp(logits).sum(axis=0))
    one_way = -((rows[0, 0] + rows[0, 2]) / 2 + rows[1, 1]) / 2
    other_way = -(columns[0, 0] + columns[1, 1] + columns[0, 2]) / 3
    assert loss([[1, 0], [0, 0]]) == pytest.approx((one_way + other_way) / 2, abs=1e-6)


def test_released_loss_draws_for_samples_without_own_description():
    own = [[0, 0], [0, 1]]
    loss = released_loss(batch([[1, 0], [0, 1]], [[1, 0], [-1, 0]], [0, 1], [0, 1], own=own))
    assert float(loss) == pytest.approx(-math.log(math.e / (math.e + 1)), abs=1e-6)


def test_released_loss_is_one_way_without_temperature():
    loss = released_loss(batch([[1, 0], [0, 1]], [[1, 0]], [0, 0], [0], own=[[1, 0], [0, 1]], scale=50.0))
    assert float(loss) == pytest.approx(-math.log(math.e / (math.e + 1)), abs=1e-6)


def test_released_loss_draws_a_description_of_the_category():
    texts = [[1, 0], [0, 1]]
    loss = released_loss(batch([[1, 0], [0, 1]], texts, [0, 1], [0, 1]))
    assert float(loss) == pytest.approx(-math.log(math.e / (math.e + 1)), abs=1e-6)


def rotated_world(n=120, dim=16, categories=6, seed=0):
    """Samples that are their category's text, turned by a fixed random rotation, with noise."""
    rng = np.random.default_rng(seed)
    texts = unit(rng.normal(size=(categories, dim)))
    owner = np.repeat(np.arange(categories), 5)
    descriptions = unit(texts[owner] + 0.1 * rng.normal(size=(len(owner), dim)))
    turn = np.linalg.qr(rng.normal(size=(dim, dim)))[0]

    def draw(count):
        labels = rng.integers(0, categories, count)
        return Samples(unit((texts[labels] + 0.15 * rng.normal(size=(count, dim))) @ turn), labels)

    return draw(n), draw(n), descriptions, owner


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def top1(head, samples, texts, owner):
    means = np.stack([texts[owner == c].mean(axis=0) for c in range(owner.max() + 1)])
    return np.mean(np.argmax(head(samples.vectors) @ means.T, axis=1) == samples.labels)


@pytest.mark.parametrize(("loss", "rank"), [("multi_positive", None), ("multi_positive", 8), ("released", None)])
def test_a_fit_undoes_a_rotation(loss, rank):
    train, test, texts, owner = rotated_world()
    config = FitConfig(loss=loss, rank=rank, steps=300, lr=1e-2, batch_size=64)
    fitted = fit_head(train, texts, owner, config, validation=train)
    assert fitted.history[0]["val_top1"] < 0.5
    assert top1(fitted.head, test, texts, owner) > 0.9


def test_the_same_seed_gives_the_same_head_and_another_another():
    train, _, texts, owner = rotated_world()
    heads = [fit_head(train, texts, owner, FitConfig(steps=20, seed=seed)).head for seed in (0, 0, 1)]
    assert heads[0].fingerprint == heads[1].fingerprint != heads[2].fingerprint


def test_low_rank_learns_fewer_parameters():
    train, _, texts, owner = rotated_world()
    counts = [fit_head(train, texts, owner, FitConfig(steps=1, rank=rank)).learned_parameters for rank in (2, None)]
    assert counts == [2 * 2 * 16 + 16 + 1, 16 * 16 + 16 + 1]


def test_foreign_samples_start_from_the_closed_form():
    train, test, texts, owner = rotated_world()
    config = FitConfig(steps=1, rank=2, lr=1e-6)
    near, foreign = (fit_head(train, texts, owner, config, validation=train, foreign=f) for f in (False, True))
    assert top1(near.head, test, texts, owner) < 0.5
    assert top1(foreign.head, test, texts, owner) > 0.9
    assert foreign.learned_parameters == 16 * 16 + 16 + 1


def test_steps_go_on_from_the_closed_form():
    train, _, texts, owner = rotated_world()
    config = FitConfig(steps=200, lr=1e-2, batch_size=64)
    start, end = (fit_head(train, texts, owner, replace(config, steps=n), foreign=True) for n in (1, 200))
    assert end.history[-1]["loss"] < start.history[-1]["loss"]
    moved = np.abs(end.head.weight - start.head.weight).max()
    assert 0 < moved < np.abs(end.head.weight - np.eye(16)).max()  # it is still nearer to the start than to none


def test_a_useless_fit_returns_the_identity():
    """Where no step beats the backbone on validation, the backbone is kept."""
    rng = np.random.default_rng(0)
    texts = np.eye(4, dtype=np.float32)
    owner = np.arange(4)
    perfect = Samples(texts[owner], owner)
    wrong = Samples(unit(rng.normal(size=(40, 4))), rng.integers(0, 4, 40))
    fitted = fit_head(wrong, texts, owner, FitConfig(steps=40, rank=None), validation=perfect)
    assert fitted.best_step == 0
    assert np.array_equal(fitted.head.weight, np.eye(4, dtype=np.float32))


def test_progress_is_told_by_modality():
    train, _, texts, owner = rotated_world()
    told = []
    fit_heads(
        {"audio": train, "event": train}, texts, owner, FitConfig(steps=2), progress=lambda m, s: told.append((m, s))
    )
    assert told == [("audio", 1), ("audio", 2), ("event", 1), ("event", 2)]


def test_bad_requests_are_refused():
    train, _, texts, owner = rotated_world()
    with pytest.raises(UnibindError, match="multi_positive"):
        fit_head(train, texts, owner, FitConfig(loss="magic"))
    with pytest.raises(UnibindError, match="no labeled training item"):
        fit_head(Samples(train.vectors[:0], train.labels[:0]), texts, owner, FitConfig())
