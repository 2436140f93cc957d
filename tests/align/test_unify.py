"""Unified heads: the contrast across modalities against a plain version, and toys whose modalities must mix."""

import math

import numpy as np
import pytest
import torch

from unibind.align.problem import Samples
from unibind.align.unify import PENALTIES, contrast_across, fit_unified, planned_steps
from unibind.data.embeddings import unit
from unibind.errors import UnibindError
from unibind.evaluate.metrics import category_relevance, recall_at_k
from unibind.evaluate.unity import neighbor_mix

DIM, CLASSES, STEPS = 17, 4, 40


def plain_contrast(z, modality, names, scale):
    """The definition, item by item."""
    terms = []
    for i in range(len(z)):
        logits = {j: scale * float(z[i] @ z[j]) for j in range(len(z)) if j != i}
        positives = [j for j in logits if names[j] == names[i] >= 0 and modality[j] != modality[i]]
        if positives:
            total = math.log(sum(math.exp(logit) for logit in logits.values()))
            terms.append(sum(total - logits[j] for j in positives) / len(positives))
    return sum(terms) / len(terms) if terms else 0.0


# --- the contrast --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_the_contrast_is_that_of_its_definition(seed):
    rng = np.random.default_rng(seed)
    z = unit(rng.normal(size=(11, DIM)).astype(np.float32))
    modality, names = rng.integers(0, 3, 11), rng.integers(-1, 3, (2, 11))
    got = contrast_across(torch.from_numpy(z), torch.from_numpy(modality), torch.from_numpy(names), 7.0)
    assert got.tolist() == pytest.approx([plain_contrast(z, modality, own, 7.0) for own in names], rel=1e-4)


def test_the_contrast_of_four_items_by_hand():
    z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])  # two modalities, a pair of each of two classes
    modality, names = torch.tensor([0, 1, 0, 1]), torch.tensor([[0, 0, 1, 1]])
    assert float(contrast_across(z, modality, names, 1.0)) == pytest.approx(math.log(math.e + 2) - 1, rel=1e-5)


def test_items_of_one_modality_are_never_positives():
    z, names = torch.eye(3, requires_grad=True), torch.tensor([[0, 0, 0], [-1, -1, -1]])
    alone, nameless = contrast_across(z, torch.zeros(3, dtype=torch.long), names, 5.0)
    assert alone.item() == nameless.item() == 0.0
    (alone + nameless).backward()
    assert torch.equal(z.grad, torch.zeros(3, 3))


# --- toys ----------------------------------------------------------------------------------------------------------


def two_islands(seed, per_class=12):
    """Texts and pictures of the same objects. A little of class and object is on axes that both share; more of the
    class is on axes of each modality's own, and so is a constant.
    """
    rng = np.random.default_rng(seed)
    category = np.repeat(np.arange(CLASSES), per_class)
    rows = np.arange(len(category))
    shared = np.zeros((len(category), DIM))
    shared[rows, category] = 0.5
    shared[:, 4:7] = 0.5 * rng.normal(size=(len(category), 3))
    space = {}
    for m, own in (("text", 7), ("picture", 12)):
        x = shared + 0.2 * rng.normal(size=shared.shape)
        x[rows, own + category] += 1.0
        x[:, own + CLASSES] += 2.0
        space[m] = unit(x.astype(np.float32))
    return space, category


def samples(seed):
    space, category = two_islands(seed)
    objects = [("object", i) for i in range(len(category))]
    return {m: Samples(x, category, None, objects) for m, x in space.items()}


@pytest.fixture(scope="module")
def unified():
    return fit_unified(samples(0), steps=STEPS)


def recall(a, b, names):
    return recall_at_k(a @ b.T, category_relevance(names, names), 1)


@pytest.mark.slow
def test_islands_mix_and_find_each_other(unified):
    before, category = two_islands(1)
    centered = {m: unit(x - x.mean(axis=0)) for m, x in before.items()}
    moved = {m: unified.heads[m](x) for m, x in before.items()}
    mixes = [neighbor_mix(space)["text"].share for space in (before, centered, moved)]
    assert mixes[0] == 0.0 and mixes[2] > mixes[1] + 0.05
    classes, objects = category.tolist(), list(range(len(category)))
    by_class, by_object = (
        [recall(s["text"], s["picture"], names) for s in (before, centered, moved)] for names in (classes, objects)
    )
    assert by_class[2] > 0.9 and by_class[2] > by_class[1] + 0.2
    assert by_object[2] > by_object[1]  # objects are contrasted, too


@pytest.mark.slow
def test_the_decay_is_chosen_and_every_item_is_held_out_once(unified):
    losses = {row["penalty"]: row["held_out_loss"] for row in unified.history}
    assert tuple(losses) == PENALTIES and min(losses, key=losses.get) == unified.penalty
    for vectors, category in unified.held_out.values():
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert np.bincount(category).tolist() == [12] * CLASSES


@pytest.mark.slow
def test_the_same_seed_gives_the_same_heads(unified):
    again, other = fit_unified(samples(0), steps=STEPS), fit_unified(samples(0), steps=STEPS, seed=1)
    fingerprints = [{m: h.fingerprint for m, h in fit.heads.items()} for fit in (unified, again, other)]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


@pytest.mark.slow
def test_one_item_per_class_is_held_to_the_start_most():
    train = {m: Samples(s.vectors[::12], s.category_index[::12], None, s.objects[::12]) for m, s in samples(0).items()}
    steps = []
    fitted = fit_unified(train, steps=STEPS, progress=steps.append)
    assert fitted.penalty == max(PENALTIES) and not fitted.history
    assert all(not len(category) for _, category in fitted.held_out.values())
    assert sum(steps) == STEPS


@pytest.mark.slow
def test_validation_calibrates_and_descriptions_are_never_held_out():
    train, validation = samples(0), samples(1)
    described = Samples(
        np.concatenate([train["text"].vectors, train["text"].vectors[::12]]),
        np.concatenate([train["text"].category_index, np.arange(CLASSES)]),
        None,
        [*train["text"].objects, *[None] * CLASSES],
    )
    steps = []
    fitted = fit_unified(
        train | {"text": described}, validation={"picture": validation["picture"]}, steps=STEPS, progress=steps.append
    )
    vectors, _ = fitted.held_out["picture"]
    assert sum(steps) == planned_steps(STEPS, validated=True)
    assert list(fitted.held_out) == ["picture"] and len(vectors) == len(validation["picture"].vectors)
    assert np.array_equal(vectors, fitted.heads["picture"](validation["picture"].vectors))
    by_folds = fit_unified(train | {"text": described}, steps=STEPS)
    assert len(by_folds.held_out["text"][1]) == len(train["text"].vectors)


@pytest.mark.slow
def test_a_modality_from_another_space_is_brought_over():
    train, turn = samples(0), np.roll(np.eye(DIM, dtype=np.float32), 5, axis=0)
    pictures = train["picture"]
    turned = Samples(pictures.vectors @ turn, pictures.category_index, None, pictures.objects)
    fitted = fit_unified(train | {"picture": turned}, outside_anchor_space={"picture"}, steps=STEPS)
    space, category = two_islands(1)
    moved = {"text": fitted.heads["text"](space["text"]), "picture": fitted.heads["picture"](space["picture"] @ turn)}
    assert recall(moved["text"], moved["picture"], category.tolist()) > 0.9


def test_text_is_needed():
    with pytest.raises(UnibindError, match="a unified fit needs samples of text"):
        fit_unified({"picture": samples(0)["picture"]})
