"""Dogs: from terrier to shepherd, walking to the right, with upright or hanging ears."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..model import COLORS, Look, Model, Motion, pick
from ..patches import Paint, Patch, X, Y
from ..shapes import ellipsoid, torus, tube

NOSE = Paint((0.08, 0.07, 0.07), heat=4.0, gloss=0.6)
EYE = Paint((0.05, 0.04, 0.04), heat=13.0, gloss=0.8)
FLOOR, AHEAD = -0.7, -0.13  # height of the ground; x of the trunk, to center trunk and head
GAIT = (  # a trot: name, position along the trunk in half lengths, side, phase in turns
    ("left fore leg", 0.62, 1, 0.0),
    ("right fore leg", 0.62, -1, 0.5),
    ("left hind leg", -0.68, 1, 0.5),
    ("right hind leg", -0.68, -1, 0.0),
)


@dataclass(frozen=True)
class Measures:
    """Measures of one dog."""

    length: float  # half length of the trunk
    girth: float  # half thickness of the trunk
    leg: float  # leg height

    @property
    def back(self) -> float:
        """Height of the center of the trunk."""
        return FLOOR + self.leg + self.girth


def build(look: Look, rng: np.random.Generator) -> Model:
    """A walking dog that wags its tail."""
    collar = look.color  # the sampled color is kept for the collar
    look = replace(
        look,
        color=pick(rng, ["brown", "black", "white", "cream", "grey", "orange"]),
        accent=pick(rng, ["white", "cream", "black", "brown"]),
        material="fabric",
    )
    fur = Paint(COLORS[look.color], heat=8.5, gloss=0.05)
    patch = Paint(COLORS[look.accent], heat=9.0, gloss=0.05)
    dog = Measures(float(rng.uniform(0.42, 0.56)), float(rng.uniform(0.17, 0.24)), float(rng.uniform(0.3, 0.55)))
    muzzle, hanging = float(rng.uniform(0.13, 0.24)), bool(rng.random() < 0.5)
    patches = [*_trunk(dog, fur, patch if rng.random() < 0.5 else fur), *_head(dog, muzzle, hanging, fur, patch)]
    patches += _tail(dog, float(rng.uniform(0.15, 0.45)), fur)
    for name, place, side, _ in GAIT:
        patches += _leg(dog, name, place, side, fur, patch)
    traits = [
        "four legs",
        "hanging ears" if hanging else "pointed ears",
        "a wagging tail",
        "a long muzzle" if muzzle > 0.19 else "a short muzzle",
    ]
    if rng.random() < 0.4:
        patches.append(_collar(dog, Paint(COLORS[collar], heat=3.0, gloss=0.3)))
        traits.append(f"{'an' if collar[0] in 'aeiou' else 'a'} {collar} collar")
    rate, speed = float(rng.uniform(1.2, 2.0)), float(rng.uniform(0.15, 0.4))
    motions = _motions(dog, rate, wag=float(rng.uniform(2, 4)))
    patches = [p.moved(AHEAD) for p in patches]
    extra = {"weight": dog.girth / 0.2}
    return Model(look, patches, tuple(traits), "ground", motions, (speed, 0, 0), 0.02, rate * 2, extra=extra)


def _trunk(dog: Measures, fur: Paint, chest: Paint) -> list[Patch]:
    wide = dog.girth
    return [
        ellipsoid((dog.length, wide, wide * 1.05), fur).moved(z=dog.back),
        ellipsoid((wide * 1.1, wide * 1.08, wide * 1.2), chest).moved(dog.length * 0.6, 0, dog.back),
    ]


def _neck(dog: Measures) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Both ends of the neck; the upper one is the center of the head."""
    return (dog.length * 0.8, 0.0, dog.back + 0.08), (dog.length + 0.14, 0.0, dog.back + 0.34)


def _head(dog: Measures, muzzle: float, hanging: bool, fur: Paint, patch: Paint) -> list[Patch]:
    """Neck, skull, muzzle, eyes and ears; muzzle and ears are the warmest parts."""
    low, (x, _, z) = _neck(dog)
    tip = (x + 0.12 + muzzle, 0.0, z - 0.07)
    patches = [
        *tube([low, (x, 0, z)], (dog.girth * 0.75, 0.13), fur),
        ellipsoid((0.19, 0.15, 0.155), fur).moved(x, 0, z),
        *tube([(x + 0.1, 0, z - 0.04), tip], (0.1, 0.065), replace(patch, heat=12.0)),
        ellipsoid((0.045, 0.05, 0.04), NOSE).moved(tip[0] + 0.05, 0, tip[2] + 0.03),
    ]
    bare = replace(fur.shaded(0.8), heat=13.0)
    for side in (-1, 1):
        patches.append(ellipsoid((0.025, 0.02, 0.028), EYE).moved(x + 0.15, side * 0.09, z + 0.06))
        if hanging:
            patches.append(ellipsoid((0.075, 0.03, 0.16), bare).moved(x - 0.03, side * 0.16, z - 0.05))
        else:
            ear = ellipsoid((0.06, 0.03, 0.14), bare).turned(X, -12 * side)
            patches.append(ear.moved(x - 0.06, side * 0.09, z + 0.19))
    return patches


def _collar(dog: Measures, paint: Paint) -> Patch:
    """Ring around the middle of the neck."""
    low, high = np.array(_neck(dog))
    tilt = float(np.degrees(np.arctan2(*(high - low)[[0, 2]])))
    return torus(0.45 * dog.girth + 0.085, 0.035, paint).turned(Y, tilt).moved(*(low + high) / 2)


def _tail(dog: Measures, up: float, fur: Paint) -> list[Patch]:
    path = [
        (-dog.length * 0.95, 0.0, dog.back + 0.06),
        (-dog.length - 0.16, 0, dog.back + up * 0.6),
        (-dog.length - 0.22, 0, dog.back + up),
    ]
    return tube(path, (0.06, 0.05, 0.03), replace(fur, heat=6.0), "tail")


def _hip(dog: Measures, place: float, side: int) -> tuple[float, float, float]:
    return place * dog.length, side * dog.girth * 0.6, dog.back - 0.02


def _leg(dog: Measures, name: str, place: float, side: int, fur: Paint, patch: Paint) -> list[Patch]:
    """Leg and paw, cooler than the trunk."""
    x, y, z = _hip(dog, place, side)
    path = [(x, y, z), (x + 0.03, y, FLOOR + dog.leg * 0.5), (x, y, FLOOR + 0.05)]
    return [
        *tube(path, (0.1, 0.065, 0.05), replace(fur, heat=6.5), name),
        ellipsoid((0.09, 0.055, 0.045), replace(patch, heat=5.5), name).moved(x + 0.04, y, FLOOR + 0.045),
    ]


def _motions(dog: Measures, rate: float, wag: float) -> tuple[Motion, ...]:
    """Trotting legs at `rate` steps per second and a wagging tail."""
    motions = [Motion("tail", "swing", wag, (0.3, 0, 1), (AHEAD - dog.length, 0, dog.back), 28)]
    for name, place, side, phase in GAIT:
        x, y, z = _hip(dog, place, side)
        motions.append(Motion(name, "swing", rate, Y, (x + AHEAD, y, z), 24, phase))
    return tuple(motions)
