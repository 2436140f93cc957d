"""Heads from captions: what they learn where captions say something, and that they stay unfitted where these do not."""

import numpy as np
import pytest

from unibind.align.captions import Captioned, fit_caption_head, planned_steps
from unibind.data.embeddings import unit
from unibind.evaluate.metrics import category_relevance, recall_at_k

DIM, COUNT = 12, 120


def turned(seed, *, informative=True):
    """Items and captions of the same three properties, beside three axes on which each has much to say of its own.

    Where not `informative`, captions have nothing to do with their items.
    """
    rng = np.random.default_rng(seed)
    properties = rng.normal(size=(COUNT, 3))
    items, texts = 0.2 * rng.normal(size=(2, COUNT, DIM))
    items[:, :3] += properties
    texts[:, :3] += properties if informative else rng.normal(size=(COUNT, 3))
    for each in (items, texts):
        each[:, 3:6] += 1.5 * rng.normal(size=(COUNT, 3))
    items[:, 8] += 2.0
    texts[:, 9] += 2.0
    return (unit(each.astype(np.float32)) for each in (items, texts))


def captioned(seed, **options):
    items, texts = turned(seed, **options)
    return Captioned.of(items, texts, list(range(COUNT)))


def recall(items, texts):
    names = list(range(len(items)))
    return recall_at_k(items @ texts.T, category_relevance(names, names), 5)


@pytest.mark.slow
def test_items_find_their_captions_better():
    steps = []
    found = fit_caption_head(captioned(0), progress=steps.append)
    assert not found.unfitted and found.penalty is not None
    before, after = [], []
    for seed in range(1, 6):
        items, texts = turned(seed)
        centered = unit(items - items.mean(axis=0)), unit(texts - texts.mean(axis=0))
        before.append(recall(*centered))
        after.append(recall(found.head(items), centered[1]))
    assert all(a >= b for a, b in zip(after, before, strict=True)) and np.mean(after) > np.mean(before) + 0.005
    assert sum(steps) == planned_steps()
    unfitted, *fitted = found.history
    assert "penalty" not in unfitted
    best = min(fitted, key=lambda row: row["held_out_loss"])
    assert best["penalty"] == found.penalty
    assert best["held_out_loss"] < unfitted["held_out_loss"] and best["held_out_top1"] > unfitted["held_out_top1"]


@pytest.mark.slow
def test_captions_that_say_nothing_of_the_items_teach_nothing():
    found = fit_caption_head(captioned(0, informative=False))
    assert found.unfitted and found.penalty is None and found.learned_parameters == 0
    weight = found.head.affine.weight
    assert np.allclose(weight, weight[0, 0] * np.eye(DIM))  # the mean is removed, and nothing else


def test_few_captions_prove_nothing():
    items, texts = turned(0)
    found = fit_caption_head(Captioned.of(items[:2], texts[:2], ["one", "one"]))
    assert found.unfitted and not found.history


@pytest.mark.slow
def test_a_tower_from_another_space_is_brought_to_its_captions():
    items, texts = turned(0)
    turn = np.roll(np.eye(DIM, dtype=np.float32), 5, axis=0)
    found = fit_caption_head(Captioned.of(items @ turn, texts, list(range(COUNT))), outside_anchor_space=True)
    assert not found.unfitted
    fresh, captions = turned(1)
    centered = unit(captions - captions.mean(axis=0))
    assert recall(found.head(fresh @ turn), centered) > 0.2 > recall(fresh @ turn, centered) + 0.1


def test_equal_captions_are_one():
    items, texts = turned(0)
    pairs = Captioned.of(items[:6], texts[[0, 1, 0, 2, 1, 0]], list("abcdef"))
    assert len(set(pairs.captions.tolist())) == 3
    assert pairs.distinct(np.array([5, 4, 0, 3, 2])).tolist() == [5, 4, 3]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_head():
    heads = [fit_caption_head(captioned(0), steps=10, seed=seed).head for seed in (0, 0, 1)]
    assert heads[0].fingerprint == heads[1].fingerprint != heads[2].fingerprint
