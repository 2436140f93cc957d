"""Losses over batches: hand-worked, and against plain versions."""

import math

import numpy as np
import pytest
import torch

from unibind.align.losses import Batch, _random_descriptions, multi_positive_loss, released_loss

GENERATOR = torch.Generator().manual_seed(0)


def batch(z, texts, category_index, text_category_index, *, own=None, scale=1.0):
    return Batch(
        torch.tensor(z, dtype=torch.float32),
        torch.tensor(category_index),
        None if own is None else torch.tensor(own, dtype=torch.float32),
        torch.tensor(texts, dtype=torch.float32),
        torch.tensor(text_category_index),
        torch.tensor(scale),
        GENERATOR,
    )


def test_multi_positive_loss_by_hand():
    # one sample along x; two texts of its category (x and y), one of another (-x); logits 1, 0, -1
    loss = multi_positive_loss(batch([[1, 0]], [[1, 0], [0, 1], [-1, 0]], [0], [0, 0, 1]))
    z = math.log(math.e + 1 + 1 / math.e)
    sample_to_text = ((z - 1) + (z - 0)) / 2
    text_to_sample = 0.0  # every text sees a single sample, which is its positive or is ignored
    assert float(loss) == pytest.approx((sample_to_text + text_to_sample) / 2, abs=1e-6)


def plain_multi_positive_loss(batch):
    """With a mask of samples times texts, as the formula is written."""
    texts, positive = batch.texts, batch.category_index[:, None] == batch.text_category_index[None]
    if batch.own_descriptions is not None:
        described = batch.own_descriptions.any(dim=1)
        texts = torch.cat([texts, batch.own_descriptions[described]])
        positive = torch.cat([positive, torch.eye(len(batch.z), dtype=torch.bool)[:, described]], dim=1)
    logits = batch.logit_scale * batch.z @ texts.T
    sides = []
    for one_way, mask in ((logits, positive), (logits.T, positive.T)):
        log_p, count = one_way.log_softmax(dim=1).masked_fill(~mask, 0.0), mask.sum(dim=1)
        sides.append(-(log_p.sum(dim=1) / count.clamp(min=1))[count > 0].mean())
    return sum(sides) / 2


@pytest.mark.parametrize("described", [None, 0.6])
def test_multi_positive_loss_is_that_of_the_plain_version(described):
    generator = torch.Generator().manual_seed(0)
    z, own, texts = (torch.randn(n, 8, generator=generator) for n in (20, 20, 30))
    z, own, texts = (torch.nn.functional.normalize(v, dim=1) for v in (z, own, texts))
    own[torch.rand(20, generator=generator) > (described or 0)] = 0
    # category 5 has no sample, category 6 no text: neither has positives
    samples = torch.tensor([0, 1, 2, 3, 4, 6] * 3 + [0, 1])
    batches = [
        Batch(
            z.clone().requires_grad_(),
            samples,
            None if described is None else own,
            texts,
            torch.arange(30) % 6,
            torch.tensor(30.0, requires_grad=True),
            generator,
        )
        for _ in range(2)
    ]
    losses = [f(b) for f, b in zip((multi_positive_loss, plain_multi_positive_loss), batches, strict=True)]
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-6)
    for loss in losses:
        loss.backward()
    for name in ("z", "logit_scale"):
        fast, plain = (getattr(b, name).grad for b in batches)
        assert fast.numpy() == pytest.approx(plain.numpy(), rel=1e-4, abs=1e-6)


def test_an_own_description_is_a_positive_of_its_sample_only():
    without = multi_positive_loss(batch([[1, 0], [0, 1]], [[1, 0], [0, 1]], [0, 1], [0, 1], scale=4.0))
    matching = multi_positive_loss(
        batch([[1, 0], [0, 1]], [[1, 0], [0, 1]], [0, 1], [0, 1], own=[[1, 0], [0, 1]], scale=4.0)
    )
    crossed = multi_positive_loss(
        batch([[1, 0], [0, 1]], [[1, 0], [0, 1]], [0, 1], [0, 1], own=[[0, 1], [1, 0]], scale=4.0)
    )
    assert float(crossed) > float(matching) > 0
    assert float(without) > 0


def test_a_row_of_zeros_means_no_own_description():
    def loss(own):
        return float(multi_positive_loss(batch([[1, 0], [0, 1]], [[1, 0], [0, 1]], [0, 1], [0, 1], own=own, scale=4.0)))

    without = float(multi_positive_loss(batch([[1, 0], [0, 1]], [[1, 0], [0, 1]], [0, 1], [0, 1], scale=4.0)))
    assert loss([[0, 0], [0, 0]]) == without
    logits = np.array([[4.0, 0.0, 4.0], [0.0, 4.0, 0.0]])  # two texts and the description of the first sample
    rows = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    columns = logits - np.log(np.exp(logits).sum(axis=0))
    sample_to_text = -((rows[0, 0] + rows[0, 2]) / 2 + rows[1, 1]) / 2
    text_to_sample = -(columns[0, 0] + columns[1, 1] + columns[0, 2]) / 3
    assert loss([[1, 0], [0, 0]]) == pytest.approx((sample_to_text + text_to_sample) / 2, abs=1e-6)


def test_released_loss_draws_descriptions_for_samples_without_one():
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


def test_random_descriptions_are_all_of_the_category_and_of_the_sample():
    texts, index = torch.eye(6), [0, 1, 0, 2, 2, 2]
    seen = set()
    for _ in range(40):
        drawn = _random_descriptions(batch(np.eye(6)[:3], texts.numpy(), [2, 0, 1], index))
        rows = drawn.argmax(dim=1).tolist()
        assert [index[row] for row in rows] == [2, 0, 1]
        seen |= set(rows)
    assert seen == set(range(6))
