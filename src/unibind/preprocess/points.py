"""Building blocks for point clouds: normalize, sample, group; batched, exact and without CUDA extensions."""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 1 << 24  # distances in memory at a time (64 MiB of float32)


def normalize_cloud(xyz: Tensor) -> Tensor:
    """Center [..., N, 3] on its mean and scale its farthest point to distance 1; a single point becomes the origin.

    This is the unit sphere of PointNet++, PointBERT and ULIP. Computed in float64, so a distant origin costs no
    accuracy; the result has the input's type.
    """
    centered = xyz.double() - xyz.double().mean(dim=-2, keepdim=True)
    radius = centered.norm(dim=-1).amax(dim=-1)[..., None, None]
    return torch.where(radius > 0, centered / radius, 0.0).to(xyz.dtype)


@torch.no_grad()
def farthest_points(xyz: Tensor, count: int) -> Tensor:
    """Indices [..., count] of points chosen one by one, each farthest from those before; the first is index 0.

    `xyz` is [N, 3] or [B, N, 3]; ties go to the lowest index. Exact farthest point sampling
    (Qi et al., "PointNet++", 2017, section 3.2) in O(N count). Raises ValueError for a `count` above N.
    """
    _check_count("farthest points", count, xyz)
    batch = xyz if xyz.ndim == 3 else xyz[None]
    planes = batch.movedim(-1, 0).contiguous()  # [3, B, N]: each step runs over whole rows, without new memory
    row = torch.arange(len(batch), device=xyz.device)
    chosen = torch.zeros(count, len(batch), dtype=torch.long, device=xyz.device)
    nearest = torch.full_like(planes[0], torch.inf)  # squared distance to the nearest point chosen so far
    squared, part = torch.empty_like(nearest), torch.empty_like(nearest)
    for step in range(1, count):
        x, y, z = planes[:, row, chosen[step - 1], None]  # [B, 1] each
        torch.sub(planes[0], x, out=squared).square_()
        squared.add_(torch.sub(planes[1], y, out=part).square_())
        squared.add_(torch.sub(planes[2], z, out=part).square_())
        torch.minimum(nearest, squared, out=nearest)
        torch.argmax(nearest, dim=1, out=chosen[step])
    return chosen.T.contiguous() if xyz.ndim == 3 else chosen[:, 0]


def neighbors(centers: Tensor, xyz: Tensor, k: int) -> Tensor:
    """Indices [..., M, k] of the k points of `xyz` nearest to each center, the nearest first.

    `centers` is [M, 3] or [B, M, 3], `xyz` [N, 3] or [B, N, 3]. Distances are computed exactly, not through inner
    products, for a block of centers at a time, so memory stays bounded. Raises ValueError for k > N.
    """
    _check_count("neighbors", k, xyz)
    per_center = xyz.shape[-2] * (len(xyz) if xyz.ndim == 3 else 1)
    blocks = centers.split(max(1, _BLOCK // per_center), dim=-2)
    return torch.cat([_nearest(block, xyz, k) for block in blocks], dim=-2)


def _nearest(centers: Tensor, xyz: Tensor, k: int) -> Tensor:
    distance = torch.cdist(centers, xyz, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.topk(k, dim=-1, largest=False).indices


def resample(xyz: Tensor, count: int, seed: int) -> Tensor:
    """Exactly `count` points of a cloud [N, C], the same ones for the same seed.

    A larger cloud gives a random subset without repeats; a smaller one is kept whole and padded with random repeats;
    one of the right size is returned as it is.
    """
    if count < 1 or not len(xyz):
        raise ValueError(f"cannot take {count} points from a cloud of {len(xyz)}")
    if len(xyz) == count:
        return xyz
    generator = torch.Generator().manual_seed(seed)
    if len(xyz) > count:
        return xyz[torch.randperm(len(xyz), generator=generator)[:count]]
    return torch.cat([xyz, xyz[torch.randint(len(xyz), (count - len(xyz),), generator=generator)]])


def _check_count(what: str, count: int, xyz: Tensor) -> None:
    if not 1 <= count <= xyz.shape[-2]:
        raise ValueError(f"cannot take {count} {what} from a cloud of {xyz.shape[-2]}; resample it first")
