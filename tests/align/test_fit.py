import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from unibind.align import threads
from unibind.align.fit import FitConfig, Samples, fit_head, fit_heads
from unibind.align.losses import LOSSES, Batch, multi_positive_loss, released_loss
from unibind.align.threads import suitable_threads
from unibind.errors import UnibindError, UnknownNameError

LOSS = "multi_positive"
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


def rotated_world(n=120, dim=16, categories=6, seed=0):
    """Samples that are the text of their category with noise, rotated by a fixed random rotation."""
    rng = np.random.default_rng(seed)
    texts = unit(rng.normal(size=(categories, dim)))
    category_index = np.repeat(np.arange(categories), 5)
    descriptions = unit(texts[category_index] + 0.1 * rng.normal(size=(len(category_index), dim)))
    rotation = np.linalg.qr(rng.normal(size=(dim, dim)))[0]

    def samples(count):
        labels = rng.integers(0, categories, count)
        return Samples(unit((texts[labels] + 0.15 * rng.normal(size=(count, dim))) @ rotation), labels)

    return samples(n), samples(n), descriptions, category_index


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def top1(head, samples, texts, category_index):
    means = np.stack([texts[category_index == c].mean(axis=0) for c in range(category_index.max() + 1)])
    return np.mean(np.argmax(head(samples.vectors) @ means.T, axis=1) == samples.category_index)


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "rank"), [("multi_positive", None), ("multi_positive", 8), ("released", None)])
def test_a_fit_undoes_a_rotation(loss, rank):
    train, test, texts, category_index = rotated_world()
    config = FitConfig(loss=loss, rank=rank, steps=300, lr=1e-2, batch_size=64)
    fitted = fit_head(train, texts, category_index, config, validation=train)
    assert fitted.history[0]["val_top1"] < 0.5
    assert top1(fitted.head, test, texts, category_index) > 0.9


def test_the_head_depends_on_the_seed_only():
    train, _, texts, category_index = rotated_world()
    heads = [
        fit_head(train, texts, category_index, FitConfig(loss=LOSS, steps=20, seed=seed)).head for seed in (0, 0, 1)
    ]
    assert heads[0].fingerprint == heads[1].fingerprint != heads[2].fingerprint


def test_low_rank_learns_fewer_parameters():
    train, _, texts, category_index = rotated_world()
    counts = [
        fit_head(train, texts, category_index, FitConfig(loss=LOSS, steps=1, rank=rank)).learned_parameters
        for rank in (2, None)
    ]
    assert counts == [2 * 2 * 16 + 16 + 1, 16 * 16 + 16 + 1]


def test_samples_outside_the_anchor_space_start_from_the_closed_form():
    train, test, texts, category_index = rotated_world()
    config = FitConfig(loss=LOSS, steps=1, rank=2, lr=1e-6)
    inside, outside = (
        fit_head(train, texts, category_index, config, validation=train, outside_anchor_space=outside)
        for outside in (False, True)
    )
    assert top1(inside.head, test, texts, category_index) < 0.5
    assert top1(outside.head, test, texts, category_index) > 0.9
    assert outside.learned_parameters == 16 * 16 + 16 + 1


@pytest.mark.slow
def test_steps_continue_from_the_closed_form():
    train, _, texts, category_index = rotated_world()
    config = FitConfig(loss=LOSS, steps=200, lr=1e-2, batch_size=64)
    start, end = (
        fit_head(train, texts, category_index, replace(config, steps=n), outside_anchor_space=True) for n in (1, 200)
    )
    assert end.history[-1]["loss"] < start.history[-1]["loss"]
    change = np.abs(end.head.affine.weight - start.head.affine.weight).max()
    assert 0 < change < np.abs(end.head.affine.weight - np.eye(16)).max()  # still nearer to the start than to identity


def test_a_useless_fit_returns_the_identity():
    """If no step beats the bare backbone on the validation samples, the head stays the identity."""
    rng = np.random.default_rng(0)
    texts = np.eye(4, dtype=np.float32)
    category_index = np.arange(4)
    perfect = Samples(texts[category_index], category_index)
    wrong = Samples(unit(rng.normal(size=(40, 4))), rng.integers(0, 4, 40))
    fitted = fit_head(wrong, texts, category_index, FitConfig(loss=LOSS, steps=40, rank=None), validation=perfect)
    assert fitted.best_step == 0
    assert np.array_equal(fitted.head.affine.weight, np.eye(4, dtype=np.float32))


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 11])
def test_any_number_of_steps_works(steps):
    train, _, texts, category_index = rotated_world()
    history = fit_head(train, texts, category_index, FitConfig(loss=LOSS, steps=steps)).history
    assert history[-1]["step"] == steps


def test_threads_are_restored_and_few_for_small_steps():
    before = torch.get_num_threads()
    with suitable_threads(1000) as threads:
        assert threads == torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    with pytest.raises(RuntimeError), suitable_threads(1 << 40) as threads:
        assert 1 <= threads <= before
        raise RuntimeError
    assert torch.get_num_threads() == before


def test_a_loaded_machine_gets_fewer_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(8), raising=False)
    for load, expected in ((0.0, 4), (6.2, 2), (20.0, 1)):
        monkeypatch.setattr(threads.os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        with suitable_threads(1 << 40) as used:
            assert used == expected


def test_progress_is_reported_per_modality():
    train, _, texts, category_index = rotated_world()
    calls = []
    fit_heads(
        {"audio": train, "event": train},
        texts,
        category_index,
        FitConfig(loss=LOSS, steps=2),
        progress=lambda m, s: calls.append((m, s)),
    )
    assert calls == [("audio", 1), ("audio", 2), ("event", 1), ("event", 2)]


def test_invalid_arguments_are_refused():
    train, _, texts, category_index = rotated_world()
    with pytest.raises(UnibindError, match="multi_positive"):
        fit_head(train, texts, category_index, FitConfig(loss="magic"))
    with pytest.raises(UnibindError, match="all training items have the same label"):
        fit_head(Samples(train.vectors, np.zeros(len(train.vectors), np.intp)), texts, category_index, FitConfig())
    with pytest.raises(UnibindError, match="no labeled training items"):
        fit_head(Samples(train.vectors[:0], train.category_index[:0]), texts, category_index, FitConfig())


def test_a_diverging_fit_is_refused():
    train, _, texts, category_index = rotated_world()
    with pytest.raises(UnibindError, match=r"diverged.*lower the learning rate"):
        fit_head(train, texts, category_index, FitConfig(loss=LOSS, steps=40, lr=1e30))


def test_a_new_loss_is_one_function_and_one_row(monkeypatch):
    def pull(batch):
        return -(batch.z @ batch.texts[batch.category_index].T).diag().mean()

    monkeypatch.setitem(LOSSES, "pull", pull)
    train, _, texts, category_index = rotated_world()
    history = fit_head(train, texts, category_index, FitConfig(loss="pull", steps=60, check_every=20)).history
    assert history[-1]["loss"] < history[0]["loss"]
    with pytest.raises(UnknownNameError, match="pull"):
        fit_head(train, texts, category_index, FitConfig(loss="push"))
