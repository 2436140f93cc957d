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
MAX_PATCHES = 150  # each one adds to the sampling time
MAX_RADIUS = 1.3  # an object should roughly fill the unit ball
MIN_HEAT, MAX_HEAT = -20.0, 380.0  # degrees Celsius above the surroundings: chilled drinks, open flames

WARM = ("airplane", "helicopter", "rocket", "car", "train", "dog", "bird", "person", "campfire", "kettle", "fan")

every_category = pytest.mark.parametrize("category", CATEGORIES)


@cache
def sampled(category: str, seed: int) -> tuple[Model, Surface]:
    """The model that a seed gives, and samples of its surface."""
    rng = np.random.default_rng(seed)
    model = build(category, sample_look(rng), rng)
    return model, sample_surface(model.patches, 1500, rng)


def mentions(category: str, phrase: str) -> bool:
    """Whether a word of the phrase is or ends in the category or its plural ("doorbells")."""
    return re.search(rf"{category}(e?s)?\b", phrase.lower()) is not None


def test_every_category_has_one_module_and_every_module_is_a_category():
    assert sorted(module.name for module in pkgutil.iter_modules(forms.__path__)) == sorted(CATEGORIES)


def test_an_unknown_category_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(UnknownNameError, match=r"'submarine'.*airplane"):
        build("submarine", sample_look(rng), rng)


def test_a_name_is_recognized_in_its_plural_but_not_inside_another_word():
    assert mentions("car", "two Cars") and mentions("bell", "a doorbell") and mentions("umbrella", "an umbrella")
    assert not mentions("car", "an open cargo bed") and not mentions("bell", "a bellied hull")


@every_category
def test_build_uses_the_module_of_the_category(category):
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    own = importlib.import_module(f"unibind.heptad.forms.{category}").build(sample_look(rng), rng)
    assert own.traits == build(category, sample_look(again), again).traits


@pytest.mark.slow
@every_category
def test_patches_are_few_and_have_area(category):
    for seed in SEEDS:
        patches = sampled(category, seed)[0].patches
        areas = np.array([patch.area for patch in patches])
        assert len(patches) <= MAX_PATCHES, f"seed {seed}"
        assert np.isfinite(areas).all() and (areas > 0).all(), f"seed {seed}"


@pytest.mark.slow
@every_category
def test_samples_are_finite_with_unit_normals_and_bounded_radius(category):
    for seed in SEEDS:
        _, surface = sampled(category, seed)
        radius = np.linalg.norm(surface.points, axis=1)
        assert np.isfinite(surface.points).all() and np.isfinite(surface.heat).all(), f"seed {seed}"
        np.testing.assert_allclose(np.linalg.norm(surface.normals, axis=1), 1, atol=1e-3)
        assert 0.6 < radius.max() < MAX_RADIUS, f"seed {seed}"


@every_category
def test_paint_is_physical(category):
    for seed in SEEDS:
        for paint in (patch.paint for patch in sampled(category, seed)[0].patches):
            assert all(0 <= value <= 1 for value in (*paint.rgb, paint.gloss, paint.glow)), f"seed {seed}"
            assert MIN_HEAT <= paint.heat <= MAX_HEAT, f"seed {seed}"


@pytest.mark.parametrize("category", WARM)
def test_heat_sources_have_warm_and_cool_parts(category):
    for seed in SEEDS:
        cool, warm = np.quantile(sampled(category, seed)[1].heat, [0.03, 0.97])  # by area, as a thermal camera sees it
        assert warm - cool >= 5, f"seed {seed}"


@every_category
def test_looks_use_known_colors_and_materials(category):
    for seed in SEEDS:
        look = sampled(category, seed)[0].look
        assert {look.color, look.accent} <= COLORS.keys() and look.material in MATERIALS, f"seed {seed}"


@every_category
def test_traits_describe_without_naming(category):
    for seed in SEEDS:
        traits = sampled(category, seed)[0].traits
        assert 2 <= len(traits) <= 6 and len(set(traits)) == len(traits), f"seed {seed}"
        for trait in traits:
            assert not mentions(category, trait), trait
            assert re.search(r"\ba [aeio]", trait) is None, trait  # "a orange hull"


@every_category
def test_motions_move_parts_that_exist(category):
    for seed in SEEDS:
        model = sampled(category, seed)[0]
        parts = {patch.part for patch in model.patches}
        assert {motion.part for motion in model.motions} <= parts, f"seed {seed}"
        for motion in model.motions:
            assert np.linalg.norm(motion.axis) > 0 and np.isfinite(motion.pivot).all(), f"seed {seed}"
            assert motion.kind == "spin" or motion.amount > 0, f"seed {seed}"


@every_category
def test_the_same_seed_gives_the_same_object(category):
    (model, surface), (again, same) = sampled(category, 3), sampled.__wrapped__(category, 3)
    assert model.look == again.look and model.traits == again.traits
    assert model.motions == again.motions and model.extra == again.extra
    assert_array_equal(surface.points, same.points)
    assert_array_equal(surface.rgb, same.rgb)


@every_category
def test_objects_of_a_category_differ(category):
    models = [sampled(category, seed)[0] for seed in SEEDS]
    areas = {round(sum(patch.area for patch in model.patches), 6) for model in models}
    assert len(areas) > len(SEEDS) / 2  # proportions
    assert len({model.traits for model in models}) >= 3  # features
    assert len({model.look.color for model in models}) >= 3
