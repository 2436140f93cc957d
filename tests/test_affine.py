"""The affine map: what it computes, what it refuses, and what names it."""

import numpy as np
import pytest

from unibind.affine import AffineMap
from unibind.errors import UnibindError

WEIGHT = np.array([[1, 2, 0], [0, -1, 3]], np.float32)
BIAS = np.array([10, 20], np.float32)


def test_maps_rows_without_normalizing() -> None:
    out = AffineMap(WEIGHT, BIAS)(np.array([[1, 1, 1], [0, 0, 0]], np.float32))
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, [[13, 22], [10, 20]])


def test_the_identity_changes_nothing() -> None:
    vectors = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    np.testing.assert_array_equal(AffineMap.identity(5)(vectors), vectors)


def test_widths() -> None:
    assert (AffineMap(WEIGHT, BIAS).dim_in, AffineMap(WEIGHT, BIAS).dim_out) == (3, 2)


@pytest.mark.parametrize(
    ("weight", "bias", "message"),
    [
        (WEIGHT.astype(np.float64), BIAS, "must be float32, not float64"),
        (WEIGHT, BIAS[:1], r"not \[2, 3\] and \[1\]"),
        (WEIGHT[0], BIAS, r"not \[3\] and \[2\]"),
        (WEIGHT * np.float32(np.nan), BIAS, "must be finite"),
        (WEIGHT, BIAS * np.float32(np.inf), "must be finite"),
    ],
)
def test_refuses_what_is_not_an_affine_map(weight: np.ndarray, bias: np.ndarray, message: str) -> None:
    with pytest.raises(UnibindError, match=message):
        AffineMap(weight, bias)


def test_refuses_vectors_of_another_width() -> None:
    with pytest.raises(UnibindError, match=r"takes vectors \[N, 3\], not \[1, 2\]"):
        AffineMap(WEIGHT, BIAS)(np.zeros((1, 2), np.float32))


def test_the_fingerprint_depends_on_every_value_and_not_on_the_memory_layout() -> None:
    one = AffineMap(WEIGHT, BIAS)
    other = AffineMap(WEIGHT, BIAS + np.float32(1e-6) * BIAS)
    assert one.fingerprint == AffineMap(np.asfortranarray(WEIGHT), BIAS.copy()).fingerprint
    assert len(one.fingerprint) == 12
    assert one.fingerprint != other.fingerprint
