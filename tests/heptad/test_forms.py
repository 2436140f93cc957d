import importlib
import pkgutil
import re
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from unibind.errors import UnknownNameError
from unibind.heptad import CATEGORIES, forms
from unibind.heptad.forms import build
from unibind.heptad.model import COLORS, MATERIALS, Model, sample_look
from unibind.heptad.surface import Surface, sample_surface

SEEDS = range(16)
MOST_PATCHES = 150  # sampling costs time for each of them
REACH = 1.3  # of the unit ball an object should about fill
COLDEST, HOTTEST = -20.0, 380.0  # degrees Celsius above the surroundings: chilled drinks, open flames

WARM = ("airplane", "helicopter", "rocket", "car", "train", "dog", "bird", "person", "campfire", "kettle", "fan")

every_category = pytest.mark.parametrize("category", CATEGORIES)


@cache
def drawn(category: str, seed: int) -> tuple[Model, Surface]:
    """A form as its seed draws it, and samples of it."""
    rng = np.random.default_rng(seed)
    model = build(category, sample_look(rng), rng)
    return model, sample_surface(model.patches, 1500, rng)


def names(category: str, phrase: str) -> bool:
    """Whether a word of the phrase is the category, its plural, or ends in one of them ("doorbells")."""
    return re.search(rf"{category}(e?s)?\b", phrase.lower()) is not None


def test_every_category_has_one_module_and_every_module_is_a_category():
    assert sorted(module.name for module in pkgutil.iter_modules(forms.__path__)) == sorted(CATEGORIES)


def test_an_unknown_category_is_refused_by_name():
    rng = np.random.default_rng(0)
    with pytest.raises(UnknownNameError, match=r"'submarine'.*airplane"):
        build("submarine", sample_look(rng), rng)


def test_a_name_is_found_in_its_plural_but_not_inside_another_word():
    assert names("car", "two Cars") and names("bell", "a doorbell") and names("umbrella", "an umbrella")
    assert not names("car", "an open cargo bed") and not names("bell", "a bellied hull")


@every_category
def test_a_form_is_drawn_by_its_own_module(category):
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    own = importlib.import_module(f"unibind.heptad.forms.{category}").build(sample_look(rng), rng)
    assert own.traits == build(category, sample_look(again), again).traits


@every_category
def test_patches_are_few_and_have_area(category):
    for seed in SEEDS:
        patches = drawn(category, seed)[0].patches
        areas = np.array([patch.area for patch in patches])
        assert len(patches) <= MOST_PATCHES, f"seed {seed}"
        assert np.isfinite(areas).all() and (areas > 0).all(), f"seed {seed}"


@every_category
def test_samples_are_finite_unit_and_within_reach(category):
    for seed in SEEDS:
        _, surface = drawn(category, seed)
        radius = np.linalg.norm(surface.points, axis=1)
        assert np.isfinite(surface.points).all() and np.isfinite(surface.heat).all(), f"seed {seed}"
        np.testing.assert_allclose(np.linalg.norm(surface.normals, axis=1), 1, atol=1e-3)
        assert 0.6 < radius.max() < REACH, f"seed {seed}"


@every_category
def test_paint_is_physical(category):
    for seed in SEEDS:
        for paint in (patch.paint for patch in drawn(category, seed)[0].patches):
            assert all(0 <= value <= 1 for value in (*paint.rgb, paint.gloss, paint.glow)), f"seed {seed}"
            assert COLDEST <= paint.heat <= HOTTEST, f"seed {seed}"


@pytest.mark.parametrize("category", WARM)
def test_what_makes_heat_has_warm_and_cool_parts(category):
    for seed in SEEDS:
        cool, warm = np.quantile(drawn(category, seed)[1].heat, [0.03, 0.97])  # by area, as a thermal camera sees it
        assert warm - cool >= 5, f"seed {seed}"


@every_category
def test_looks_have_names_that_captions_know(category):
    for seed in SEEDS:
        look = drawn(category, seed)[0].look
        assert {look.color, look.accent} <= COLORS.keys() and look.material in MATERIALS, f"seed {seed}"


@every_category
def test_traits_describe_without_naming(category):
    for seed in SEEDS:
        traits = drawn(category, seed)[0].traits
        assert 2 <= len(traits) <= 6 and len(set(traits)) == len(traits), f"seed {seed}"
        for trait in traits:
            assert not names(category, trait), trait
            assert re.search(r"\ba [aeio]", trait) is None, trait  # "a orange hull"


@every_category
def test_motions_move_parts_that_exist(category):
    for seed in SEEDS:
        model = drawn(category, seed)[0]
        parts = {patch.part for patch in model.patches}
        assert {motion.part for motion in model.motions} <= parts, f"seed {seed}"
        for motion in model.motions:
            assert np.linalg.norm(motion.axis) > 0 and np.isfinite(motion.pivot).all(), f"seed {seed}"
            assert motion.kind == "spin" or motion.amount > 0, f"seed {seed}"


@every_category
def test_the_same_seed_draws_the_same_object(category):
    (model, surface), (again, same) = drawn(category, 3), drawn.__wrapped__(category, 3)
    assert model.look == again.look and model.traits == again.traits
    assert model.motions == again.motions and model.extra == again.extra
    assert_array_equal(surface.points, same.points)
    assert_array_equal(surface.rgb, same.rgb)


@every_category
def test_objects_of_a_category_differ(category):
    models = [drawn(category, seed)[0] for seed in SEEDS]
    areas = {round(sum(patch.area for patch in model.patches), 6) for model in models}
    assert len(areas) > len(SEEDS) / 2  # proportions
    assert len({model.traits for model in models}) >= 3  # what there is to say
    assert len({model.look.color for model in models}) >= 3
