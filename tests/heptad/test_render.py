from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.plain_renderer import BLUE, RED, plain_model, plain_scene, samples_of
from unibind.heptad.model import Motion
from unibind.heptad.patches import Paint, X, Y, Z
from unibind.heptad.render import FOCAL, fill_gaps, moving_track, project, render, shadow_coverage, splat, still_track
from unibind.heptad.shapes import box, ellipsoid, rectangle

GRAY = np.full((1, 32, 32, 3), 0.5, np.float32)
SPECK = 0.001


def facing_square(size: float, rgb, y: float = 0.0, part: str = "body"):
    """A square facing the camera at depth `y`."""
    return rectangle(size, size, Paint(rgb, gloss=0.0), part).turned(X, 90).moved(y=y)


def speck(x: float, z: float, part: str = "body"):
    """A tiny square at (x, 0, z)."""
    return facing_square(SPECK, RED, part=part).moved(x=x, z=z)


def render_patches(*patches, scene=None, motions=(), time=0.0):
    scene = scene or plain_scene()
    view = project(samples_of(*patches), motions, scene, still_track(time))
    return render(view, scene, fill_gaps(splat(view, 32, 2)), GRAY)[0]


def mean_position(*patches, motions=(), time=0.0, scene=None):
    """Mean column and row of the projected samples, in half image widths."""
    view = project(samples_of(*patches, count=50), motions, scene or plain_scene(), still_track(time))
    return float(view.column.mean()), float(view.row.mean())


def test_perspective_puts_a_point_where_the_pinhole_camera_does():
    assert mean_position(speck(0.5, 1.0)) == pytest.approx((FOCAL * 0.5 / 4, -FOCAL * 1.0 / 4), abs=1e-3)
    nearer = speck(0.5, 1.0).moved(y=-2)
    assert mean_position(nearer) == pytest.approx((FOCAL * 0.5 / 2, -FOCAL * 1.0 / 2), abs=1e-3)


def test_an_elevated_camera_sees_near_points_lower_in_the_image():
    near, far = facing_square(SPECK, RED, y=-1), facing_square(SPECK, RED, y=1)
    elevated = plain_scene(elevation=30.0)
    assert mean_position(near, scene=elevated)[1] > 0 > mean_position(far, scene=elevated)[1]
    # a point one unit in front of the origin moves down by sin 30 and closer by cos 30
    assert mean_position(near, scene=elevated)[1] == pytest.approx(FOCAL * 0.5 / (4 - np.cos(np.pi / 6)), abs=1e-3)


def test_yaw_turns_the_front_from_the_right_to_the_back():
    assert mean_position(speck(1.0, 0.0), scene=plain_scene(yaw=180.0))[0] == pytest.approx(-FOCAL / 4, abs=1e-3)
    assert mean_position(speck(1.0, 0.0), scene=plain_scene(yaw=90.0))[0] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("order", [1, -1])
def test_near_patches_occlude_far_ones_in_any_order(order):
    patches = [facing_square(2.0, BLUE, y=0.5), facing_square(0.5, RED, y=-0.5)][::order]
    seen = render_patches(*patches)
    assert seen[16, 16, 0] > 0.9 and seen[16, 16, 2] < 0.1  # the small red square in front
    assert seen[16, 11, 2] > 0.9 and seen[16, 11, 0] < 0.1  # the large blue square behind
    assert seen[1, 1].tolist() == [0.5, 0.5, 0.5]  # and the backdrop


def test_every_time_has_its_own_z_buffer():
    scene = plain_scene()
    track = replace(still_track(0.0), times=np.zeros(2), yaw=np.array([0.0, 180.0]), offset=np.zeros((2, 3)))
    surface = samples_of(facing_square(1.0, RED, y=-0.5), facing_square(1.0, BLUE, y=0.5))
    view = project(surface, (), scene, replace(track, pan=np.zeros((2, 2))))
    before, behind = render(view, scene, splat(view, 32, 2), GRAY)[:, 16, 16]
    assert before[0] > 0.9 > 0.1 > before[2] and behind[2] > 0.9 > 0.1 > behind[0]


def test_a_filled_surface_has_no_holes():
    view = project(samples_of(facing_square(1.0, RED)), (), plain_scene(), still_track(0.0))
    covered = fill_gaps(splat(view, 64, 2))[0] >= 0
    rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
    assert covered[rows[0] + 1 : rows[-1], columns[0] + 1 : columns[-1]].all()
    assert len(rows) == pytest.approx(64 * FOCAL / 2 / 4, abs=2.5)  # half a footprint more on either side


def test_points_outside_the_image_do_not_appear_at_its_edge():
    view = project(samples_of(speck(30.0, 0.0), speck(-30.0, 30.0)), (), plain_scene(), still_track(0.0))
    assert (splat(view, 32, 3) < 0).all()


def test_only_gaps_between_two_covered_pixels_are_filled():
    row = np.array([[[7, -1, 9, -1, -1, 3, 3, 3]]])
    assert fill_gaps(row).tolist() == [[[7, 7, 9, -1, -1, 3, 3, 3]]]


def test_both_sides_of_a_sheet_are_lit_equally():
    front = facing_square(1.0, RED)
    assert render_patches(front) == pytest.approx(render_patches(front.turned(Z, 180)), abs=0.02)


def test_the_side_toward_the_light_is_brighter():
    ball = ellipsoid((0.8, 0.8, 0.8), Paint((0.6, 0.6, 0.6), gloss=0.0))
    from_left = render_patches(ball, scene=plain_scene(light=np.array([-1, 0, 0], np.float32)))
    assert from_left[16, 11, 0] > from_left[16, 21, 0] + 0.2
    # frontal light on a facing square: ambient 0.4 and Lambert 0.75
    assert render_patches(facing_square(1.0, (0.6, 0.6, 0.6)))[16, 16] == pytest.approx([0.69] * 3, abs=1e-3)


def test_a_glowing_surface_keeps_its_color_in_the_dark():
    dark = plain_scene(ambient_light=0.0, light=np.array([0, 0, 1], np.float32))
    lamp = rectangle(1, 1, Paint((0.9, 0.8, 0.2), glow=1.0)).turned(X, 90)
    assert render_patches(lamp, scene=dark)[16, 16] == pytest.approx([0.9, 0.8, 0.2], abs=1e-3)
    assert render_patches(facing_square(1.0, (0.9, 0.8, 0.2)), scene=dark)[16, 16] == pytest.approx([0, 0, 0], abs=1e-3)


QUARTER = FOCAL * 0.5 / 4


@pytest.mark.parametrize(
    ("motion", "time", "expected"),
    [
        (Motion("arm", "spin", 0.25, axis=Y), 1.0, (0.0, QUARTER)),  # x turns to -z: down
        (Motion("arm", "spin", 0.25, axis=Y, pivot=(0.5, 0, 0)), 1.0, (QUARTER, 0.0)),  # the pivot stays
        (Motion("arm", "swing", 0.25, axis=Y, amount=90), 1.0, (0.0, QUARTER)),
        (Motion("arm", "swing", 0.25, axis=Y, amount=90), 2.0, (QUARTER, 0.0)),  # and back again
        (Motion("arm", "slide", 0.25, axis=Z, amount=0.5), 1.0, (QUARTER, -QUARTER)),
        (Motion("arm", "slide", 0.25, axis=Z, amount=0.5, phase=0.5), 1.0, (QUARTER, QUARTER)),
        (Motion("leg", "slide", 0.25, axis=Z, amount=0.5), 1.0, (QUARTER, 0.0)),  # another part moves
    ],
)
def test_parts_follow_their_motions(motion, time, expected):
    patches = [speck(0.5, 0.0, "arm"), speck(5.0, 5.0, "leg")]
    surface = samples_of(*patches, count=60)
    view = project(surface, [motion], plain_scene(), still_track(time))
    arm = view.surface.part == view.surface.parts.index("arm")
    seen = float(view.column[0, arm].mean()), float(view.row[0, arm].mean())
    assert seen == pytest.approx(expected, abs=2e-3)


def test_a_flame_flickers_but_its_base_stays():
    motion = Motion("flame", "flicker", 2.0, amount=0.4)
    heights = [mean_position(speck(0.0, 0.8, "flame"), motions=[motion], time=t)[1] for t in (0.0, 0.1, 0.2, 0.3)]
    feet = [mean_position(speck(0.0, 0.0, "flame"), motions=[motion], time=t) for t in (0.0, 0.1, 0.2, 0.3)]
    assert np.std(heights) > 0.01
    assert np.array(feet) == pytest.approx(np.zeros((4, 2)), abs=1e-3)


def test_an_object_travels_in_its_own_direction():
    times = np.array([0.0, 1.0, 2.0])
    model = plain_model([speck(0.0, 0.0)], travel=(0.4, 0.0, 0.0))
    track = moving_track(model, plain_scene(), times, 0.0, np.zeros((3, 2)))
    view = project(samples_of(*model.patches, count=20), (), plain_scene(), track)
    assert view.column.mean(1) == pytest.approx(FOCAL * np.array([-0.4, 0, 0.4]) / 4, abs=1e-3)
    turned = moving_track(model, plain_scene(yaw=180.0), times, 0.0, np.zeros((3, 2)))
    assert turned.offset[:, 0] == pytest.approx([0.4, 0, -0.4])


def test_the_shadow_lies_below_the_object_away_from_the_light():
    scene = plain_scene(elevation=25.0, light=np.array([-0.6, -0.3, 0.7], np.float32))
    cover = shadow_coverage(samples_of(*box((0.5, 0.5, 1.0), Paint(RED))), (), scene, still_track(0.0), 64)[0]
    row, column = (np.average(np.arange(64), weights=cover.sum(axis)) for axis in (1, 0))
    assert row > 36 and column > 36  # below the middle, and to the right of a light from the left
    assert cover.min() >= 0 and cover.max() <= 1 + 1e-6
