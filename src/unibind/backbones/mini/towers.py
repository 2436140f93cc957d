"""mini's six trained towers: small convolutional and point networks into the 384-d space of the text tower."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...files import write_whole
from ...preprocess.points import neighbors
from .._shared.checkpoints import load_weights

DIM = 384


class _Block(nn.Module):
    """Residual pair of 3 x 3 convolutions; the first may halve the resolution."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        self.short = nn.Conv2d(width_in, width, 1, bias=False) if width_in != width else nn.Identity()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y))
        if self.stride > 1:
            x = functional.avg_pool2d(x, self.stride, ceil_mode=True)
        return functional.relu(y + self.short(x))


def _trunk(channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    """Stem and residual blocks that each halve the size: [B, channels, H, W] -> [B, widths[-1], H / 2^n, W / 2^n]."""
    blocks = [_Block(a, b, 2) for a, b in pairwise(widths)]
    stem = [nn.Conv2d(channels, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    return nn.Sequential(*stem, *blocks)


def _pooled(x: Tensor) -> Tensor:
    """Mean and maximum over the last two axes: [B, C, H, W] -> [B, 2 C]."""
    return torch.cat([x.mean(dim=(-2, -1)), x.amax(dim=(-2, -1))], dim=1)


class PictureTower(nn.Module):
    """Pictures [B, C, H, W] -> [B, 384], unit length."""

    def __init__(self, channels: int, widths: tuple[int, ...] = (32, 64, 128, 224)) -> None:
        super().__init__()
        self.trunk = _trunk(channels, widths)
        self.out = nn.Linear(2 * widths[-1], DIM)

    def forward(self, x: Tensor) -> Tensor:
        x = self.trunk(x.contiguous(memory_format=torch.channels_last))
        return functional.normalize(self.out(_pooled(x)).float(), dim=-1)


class ClipTower(nn.Module):
    """Frames [B, T, C, H, W] -> [B, 384], unit length.

    Every frame is stacked with its difference to the next one; a convolution over time follows.
    """

    def __init__(self, channels: int, widths: tuple[int, ...] = (24, 48, 96, 192)) -> None:
        super().__init__()
        self.trunk = _trunk(2 * channels, widths)
        self.over_time = nn.Conv1d(2 * widths[-1], 256, 3, padding=1)
        self.out = nn.Linear(2 * 256, DIM)

    def forward(self, x: Tensor) -> Tensor:
        change = torch.cat([x[:, 1:] - x[:, :-1], torch.zeros_like(x[:, :1])], dim=1)
        frames = torch.cat([x, change], dim=2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        seen = _pooled(self.trunk(frames)).unflatten(0, x.shape[:2])  # [B, T, 2 C]
        moved = functional.relu(self.over_time(seen.transpose(1, 2)))  # [B, 256, T]
        both = torch.cat([moved.mean(dim=-1), moved.amax(dim=-1)], dim=1)
        return functional.normalize(self.out(both).float(), dim=-1)


class PointTower(nn.Module):
    """Points [B, N, 3] -> [B, 384], unit length: PointNet++ (Qi et al. 2017) with one level.

    It encodes the neighborhoods of 64 points, then all neighborhoods together.
    """

    def __init__(self, group: int = 16) -> None:
        super().__init__()
        self.group = group
        self.near = nn.Sequential(_pointwise(6, 48), _pointwise(48, 96), _pointwise(96, 160))
        self.far = nn.Sequential(_pointwise(160 + 3, 384), _pointwise(384, 768))
        self.out = nn.Sequential(nn.Linear(2 * 768, 320), nn.ReLU(), nn.Linear(320, DIM))

    def forward(self, x: Tensor) -> Tensor:
        centers = x[:, :64]  # [B, M, 3]; the points are in random order
        index = neighbors(centers, x, self.group)  # [B, M, k]
        near = torch.gather(x[:, None].expand(-1, centers.shape[1], -1, -1), 2, index[..., None].expand(-1, -1, -1, 3))
        local = torch.cat([near - centers[:, :, None], near], dim=-1).permute(0, 3, 1, 2)  # [B, 6, M, k]
        groups = self.near(local).amax(dim=-1, keepdim=True)  # [B, 160, M, 1]
        whole = self.far(torch.cat([groups, centers.permute(0, 2, 1)[..., None].to(groups.dtype)], dim=1))
        return functional.normalize(self.out(_pooled(whole)).float(), dim=-1)


def _pointwise(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width_in, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())


TOWERS: dict[str, Callable[[], nn.Module]] = {
    "image": lambda: PictureTower(3),
    "audio": lambda: PictureTower(1),
    "point_cloud": PointTower,
    "thermal": lambda: PictureTower(2),
    "video": lambda: ClipTower(3),
    "event": lambda: ClipTower(2),
}


def save_tower(tower: nn.Module, path: Path) -> None:
    """Write a tower's weights in half precision."""
    from safetensors.torch import save

    state = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in tower.state_dict().items()}
    write_whole(path, save(state, metadata={"format": "pt"}))


def load_tower(modality: str, path: Path) -> nn.Module:
    """The tower of a modality in float32, with weights that `save_tower` wrote.

    Raises UnibindError, naming the file, for weights of another tower, and values that are not finite.
    """
    tower = TOWERS[modality]()
    state = load_weights(path, {name: tuple(tensor.shape) for name, tensor in tower.state_dict().items()})
    tower.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    return tower
