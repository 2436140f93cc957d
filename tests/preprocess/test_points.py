from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unibind.preprocess import points
from unibind.preprocess.points import farthest_points, neighbors, normalize_cloud, resample


def cloud(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, 3, generator=torch.Generator().manual_seed(seed))


def plain_farthest(xyz: torch.Tensor, count: int) -> list[int]:
    chosen = [0]
    while len(chosen) < count:
        distances = [min(float((p - xyz[c]).square().sum()) for c in chosen) for p in xyz]
        chosen.append(distances.index(max(distances)))
    return chosen


def plain_neighbors(centers: torch.Tensor, xyz: torch.Tensor, k: int) -> list[list[int]]:
    def nearest(center: torch.Tensor) -> list[int]:
        return sorted(range(len(xyz)), key=lambda i: float((xyz[i] - center).square().sum()))[:k]

    return [nearest(center) for center in centers]


def test_normalized_cloud_by_hand() -> None:
    xyz = torch.tensor([[1.0, 1.0, 1.0], [5.0, 1.0, 1.0], [3.0, 4.0, 1.0], [3.0, -2.0, 1.0]])
    expected = torch.tensor([[-2.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, -3.0, 0.0]]) / 3
    torch.testing.assert_close(normalize_cloud(xyz), expected)


def test_normalizing_is_per_cloud_and_ignores_place_and_size() -> None:
    batch = torch.stack([cloud(0, 50), cloud(1, 50) * 7 + 100])
    normal = normalize_cloud(batch)
    torch.testing.assert_close(normal[1], normalize_cloud(batch[1]))
    torch.testing.assert_close(normal[1], normalize_cloud(cloud(1, 50)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(normal.norm(dim=-1).amax(dim=-1), torch.ones(2))


def test_identical_points_become_the_origin() -> None:
    assert normalize_cloud(torch.full((5, 3), 3.7)).abs().max() == 0


def test_largest_coordinates_stay_finite() -> None:
    assert normalize_cloud(torch.tensor([[3e38, 0, 0], [-3e38, 0, 0]])).tolist() == [[1, 0, 0], [-1, 0, 0]]


def test_farthest_points_by_hand() -> None:
    line = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [2.0, 0, 0], [3.0, 0, 0], [10.0, 0, 0]])
    assert farthest_points(line, 4).tolist() == [0, 4, 3, 1]  # 1 and 2 are equally far; the first wins


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 30))
def test_farthest_points_agree_with_the_plain_version(seed: int, count: int) -> None:
    batch = cloud(seed, 2, 30)
    chosen = farthest_points(batch, count)
    assert chosen.tolist() == [plain_farthest(batch[0], count), plain_farthest(batch[1], count)]
    assert farthest_points(batch[1], count).tolist() == chosen[1].tolist()


@pytest.mark.parametrize("block", [1, 100, 1 << 24])
def test_neighbors_agree_with_the_plain_version(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "_BLOCK", block)
    centers, xyz = cloud(3, 2, 9), cloud(4, 2, 40)
    actual = neighbors(centers, xyz, 5)
    assert actual.tolist() == [plain_neighbors(centers[b], xyz[b], 5) for b in range(2)]
    assert neighbors(centers[0], xyz[0], 5).tolist() == actual[0].tolist()


def test_neighbors_are_exact_far_from_the_origin() -> None:
    xyz = torch.tensor([[4096.0, 0, 0], [4096.5, 0, 0], [4097.5, 0, 0]])
    assert neighbors(xyz, xyz, 3).tolist() == [[0, 1, 2], [1, 0, 2], [2, 1, 0]]


@pytest.mark.parametrize("call", [lambda xyz: farthest_points(xyz, 6), lambda xyz: neighbors(xyz, xyz, 6)])
def test_more_points_than_there_are_is_refused(call) -> None:
    with pytest.raises(ValueError, match=r"cannot take 6 .* from a cloud of 5"):
        call(cloud(0, 5))


def test_resampling_a_larger_cloud_repeats_nothing() -> None:
    xyz = cloud(0, 100)
    sample = resample(xyz, 60, seed=3)
    assert len(torch.unique(sample, dim=0)) == 60
    assert torch.equal(sample, resample(xyz, 60, seed=3))
    assert not torch.equal(sample, resample(xyz, 60, seed=4))


def test_resampling_a_smaller_cloud_keeps_it_whole() -> None:
    xyz = cloud(0, 10)
    sample = resample(xyz, 25, seed=0)
    assert torch.equal(sample[:10], xyz)
    assert len(sample) == 25
    assert len(torch.unique(sample, dim=0)) == 10


def test_resampling_to_the_same_size_changes_nothing() -> None:
    assert torch.equal(resample(cloud(0, 10), 10, seed=5), cloud(0, 10))


@pytest.mark.parametrize(("size", "count"), [(0, 5), (5, 0)])
def test_resampling_nothing_is_refused(size: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"cannot take {count} points from a cloud of {size}"):
        resample(torch.zeros(size, 3), count, seed=0)
