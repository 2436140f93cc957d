import numpy as np
import pytest

from tests.helpers.plain_renderer import BLUE, RED, samples_of
from unibind.heptad.patches import Paint, X, Y, Z, moved, repeated, rotation
from unibind.heptad.shapes import box, cylinder, disc, ellipsoid, quad, rectangle, torus, triangle, tube
from unibind.heptad.surface import sample_surface

PAINT = Paint(RED, heat=5.0)


def test_a_box_gets_samples_in_proportion_to_the_area_of_its_faces():
    surface = samples_of(*box((1, 2, 3), PAINT), count=22000)
    share = {axis: np.mean(np.abs(surface.normals[:, axis]) > 0.5) for axis in range(3)}
    # faces of 6, 3 and 2 square units, twice each, of 22 in all
    assert share[0] == pytest.approx(12 / 22, abs=1e-3)
    assert share[1] == pytest.approx(6 / 22, abs=1e-3)
    assert share[2] == pytest.approx(4 / 22, abs=1e-3)
    assert np.abs(surface.points).max(0) == pytest.approx([0.5, 1.0, 1.5], abs=0.01)


def test_normals_of_a_sphere_point_outwards():
    surface = samples_of(ellipsoid((2, 2, 2), PAINT))
    assert surface.points / 2 == pytest.approx(surface.normals, abs=1e-5)
    assert surface.points.mean(0) == pytest.approx([0, 0, 0], abs=0.02)
    assert (surface.points**2).mean(0) == pytest.approx([4 / 3] * 3, abs=0.02)  # uniform over the sphere


def test_normals_of_a_long_ellipsoid_are_those_of_its_equation():
    surface = samples_of(ellipsoid((1, 2, 3), PAINT), count=500)
    gradient = surface.points / np.array([1, 4, 9])
    assert surface.normals == pytest.approx(gradient / np.linalg.norm(gradient, axis=1, keepdims=True), abs=1e-5)


def test_a_torus_has_its_area_and_lies_around_its_ring():
    patch = torus(1.0, 0.25, PAINT)
    assert patch.area == pytest.approx(4 * np.pi**2 * 0.25)
    x, y, z = samples_of(patch).points.T
    assert np.hypot(np.hypot(x, y) - 1, z) == pytest.approx(np.full(len(x), 0.25), abs=1e-5)


def test_half_a_torus_stays_on_its_arc():
    assert samples_of(torus(1.0, 0.1, PAINT, arc=180)).points[:, 1].min() > -0.11
    assert torus(1.0, 0.1, PAINT, arc=180).area == pytest.approx(torus(1.0, 0.1, PAINT).area / 2)


def test_a_disc_is_sampled_uniformly():
    radius = np.linalg.norm(samples_of(disc(3.0, PAINT)).points[:, :2], axis=1)
    assert radius.mean() == pytest.approx(2.0, abs=0.01)  # two thirds of the radius
    assert disc(3.0, PAINT, hole=1.0).area == pytest.approx(8 * np.pi)


def test_a_cylinder_has_side_and_caps():
    assert sum(p.area for p in cylinder(0.5, 2.0, PAINT)) == pytest.approx(2 * np.pi * 0.5 * (2.0 + 0.5))


def test_a_triangle_is_sampled_uniformly():
    patch = triangle([(0, 0, 0), (3, 0, 0), (0, 3, 0)], PAINT)
    assert patch.area == pytest.approx(4.5)
    assert samples_of(patch).points.mean(0) == pytest.approx([1, 1, 0], abs=0.01)


def test_a_tube_runs_from_corner_to_corner():
    points = samples_of(*tube([(0, 0, 0), (0, 0, 1), (1, 0, 1)], 0.1, PAINT)).points
    assert points.min(0) == pytest.approx([-0.1, -0.1, -0.1], abs=0.01)
    assert points.max(0) == pytest.approx([1.1, 0.1, 1.1], abs=0.01)


@pytest.mark.parametrize(
    ("axis", "start", "end"), [(X, (0, 1, 0), (0, 0, 1)), (Y, (0, 0, 1), (1, 0, 0)), (Z, (1, 0, 0), (0, 1, 0))]
)
def test_rotations_are_right_handed(axis, start, end):
    assert rotation(axis, 90) @ np.array(start) == pytest.approx(end)


def test_moving_and_rotating_transform_points_and_normals():
    patch = rectangle(0.2, 0.2, PAINT).moved(x=1).turned(Y, 90)  # normal z -> x, and x -> -z
    surface = samples_of(patch, count=100)
    assert surface.points.mean(0) == pytest.approx([0, 0, -1], abs=0.01)
    assert surface.normals[0] == pytest.approx([1, 0, 0], abs=1e-6)


def test_repeated_copies_are_arranged_around_the_axis():
    centers = [samples_of(p, count=50).points.mean(0) for p in repeated([rectangle(0.1, 0.1, PAINT).moved(x=1)], 4)]
    assert np.round(centers, 1) + 0.0 == pytest.approx(np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]]))


def test_samples_have_the_paint_and_part_of_their_patch():
    hot = rectangle(1, 1, Paint(BLUE, heat=40.0, gloss=0.7, glow=1.0), part="wheel")
    surface = samples_of(*moved([rectangle(1, 1, PAINT)], x=5), hot, count=1000)
    wheel = surface.part == surface.parts.index("wheel")
    assert wheel.sum() == pytest.approx(500, abs=1)
    assert (surface.points[wheel, 0] < 1).all() and (surface.points[~wheel, 0] > 4).all()
    assert surface.rgb[wheel][0].tolist() == list(BLUE) and surface.rgb[~wheel][0].tolist() == list(RED)
    assert set(surface.heat[wheel]) == {40.0} and set(surface.heat[~wheel]) == {5.0}


def test_the_same_seed_gives_the_same_samples():
    patches = box((1, 2, 3), PAINT)
    first, same, other = (sample_surface(patches, 300, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert np.array_equal(first.points, same.points)
    assert not np.array_equal(first.points, other.points)


def test_a_surface_without_area_is_refused():
    with pytest.raises(ValueError, match="without area"):
        samples_of(quad([(0, 0, 0)] * 4, PAINT))
