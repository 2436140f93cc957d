"""Training augmentations of mini's inputs, applied to whole batches [B, ...]."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Augmentation = Callable[[Tensor, torch.Generator], Tensor]


def _uniform(count: int, low: float, high: float, g: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=g)


def _per_item(values: Tensor, x: Tensor) -> Tensor:
    """Reshape one value per item [B] to broadcast over a batch [B, ...]."""
    return values.reshape(-1, *([1] * (x.ndim - 1)))


def _flip_and_shift(x: Tensor, g: torch.Generator, reach: int) -> Tensor:
    """Mirror half of the items [B, ..., H, W] and shift each by up to `reach` pixels, padding with zeros."""
    mirrored = _per_item(torch.rand(len(x), generator=g) < 0.5, x)
    x = torch.where(mirrored, x.flip(-1), x)
    height, width = x.shape[-2:]
    padded = torch.nn.functional.pad(x, (reach,) * 4)
    out = torch.empty_like(x)
    for i, (dy, dx) in enumerate(torch.randint(0, 2 * reach + 1, (len(x), 2), generator=g).tolist()):
        out[i] = padded[i, ..., dy : dy + height, dx : dx + width]
    return out


def _contrast_and_noise(x: Tensor, g: torch.Generator, strength: float) -> Tensor:
    gain, offset = (_per_item(_uniform(len(x), low, high, g), x) for low, high in ((0.75, 1.25), (-0.3, 0.3)))
    return x * gain + offset + strength * torch.randn(x.shape, generator=g)


def _cutout(x: Tensor, g: torch.Generator, max_size: int) -> Tensor:
    """Zero a square at a random place of each image [B, C, H, W], in place (Cutout, DeVries and Taylor 2017)."""
    height, width = x.shape[-2:]
    places = torch.rand(len(x), 3, generator=g).tolist()
    for item, (down, right, share) in zip(x, places, strict=True):
        top, left, side = int(down * height), int(right * width), int(share * max_size)
        item[:, top : top + side, left : left + side] = 0
    return x


def image(x: Tensor, g: torch.Generator) -> Tensor:
    """Mirror, shift, cutout, tint, contrast and noise."""
    tint = _uniform(len(x) * 3, -0.25, 0.25, g).reshape(len(x), 3, 1, 1)
    return _contrast_and_noise(_cutout(_flip_and_shift(x, g, 12), g, 28), g, 0.08) + tint


def thermal(x: Tensor, g: torch.Generator) -> Tensor:
    """Mirror, shift, contrast and noise."""
    return _contrast_and_noise(_flip_and_shift(x, g, 6), g, 0.05)


def video(x: Tensor, g: torch.Generator) -> Tensor:
    """Mirror, shift, contrast and noise; all but the noise are the same for all frames of a clip."""
    return _contrast_and_noise(_flip_and_shift(x, g, 4), g, 0.04)


def event(x: Tensor, g: torch.Generator) -> Tensor:
    """Mirror, shift, and drop up to 30 % of the counts."""
    x = _flip_and_shift(x, g, 4)
    kept = torch.rand(x.shape, generator=g) > _per_item(_uniform(len(x), 0.0, 0.3, g), x)
    return x * kept


def audio(x: Tensor, g: torch.Generator) -> Tensor:
    """Roll in time, gain, and mask one band of time and one of frequency (SpecAugment, Park et al. 2019)."""
    bins, frames = x.shape[-2:]
    out = x + _per_item(_uniform(len(x), -0.4, 0.4, g), x)
    shifts = torch.randint(0, frames, (len(x),), generator=g).tolist()
    spans = torch.randint(0, 1 << 30, (len(x), 4), generator=g).tolist()
    for i, (shift, (f, fw, t, tw)) in enumerate(zip(shifts, spans, strict=True)):
        out[i] = out[i].roll(shift, dims=-1)
        out[i, :, f % bins : f % bins + fw % 10] = 0
        out[i, :, :, t % frames : t % frames + tw % 30] = 0
    return out


def point_cloud(x: Tensor, g: torch.Generator) -> Tensor:
    """Rotate about the vertical axis (y), scale, jitter and shuffle."""
    angle = _uniform(len(x), -0.6, 0.6, g)
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros(len(x)), torch.ones(len(x))
    rotation = torch.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], dim=1).reshape(-1, 3, 3)
    x = x[:, torch.randperm(x.shape[1], generator=g)] @ rotation
    return x * _per_item(_uniform(len(x), 0.85, 1.15, g), x) + 0.01 * torch.randn(x.shape, generator=g)


AUGMENTATIONS: dict[str, Augmentation] = {
    "image": image,
    "thermal": thermal,
    "video": video,
    "event": event,
    "audio": audio,
    "point_cloud": point_cloud,
}
