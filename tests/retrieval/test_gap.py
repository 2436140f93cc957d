"""How far apart the means of modalities are."""

import numpy as np
import pytest

from unibind.retrieval.gap import gap_sizes


def test_gap_sizes_are_distances_between_means():
    means = {"a": np.float32([1, 0]), "b": np.float32([4, 4]), "c": np.float32([4, -4])}
    # the mean of b and c is [4, 0], that of a and c [2.5, -2], that of a and b [2.5, 2]
    assert gap_sizes(means) == pytest.approx({"a": 3, "b": (1.5**2 + 6**2) ** 0.5, "c": (1.5**2 + 6**2) ** 0.5})
    assert gap_sizes({"a": means["a"]}) == {}
