"""Point-Bind's point tower: the hierarchical encoder of I2P-MAE (Zhang et al., CVPR 2023), projected to ImageBind.

It has three scales, each with fewer and wider tokens. A token is a group of neighbors around one of the points that
farthest point sampling selects, and attends to the tokens within a radius that grows with the scale.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...preprocess.points import farthest_points, neighbors

EPS = 1e-6  # of every layer norm of ImageBind and Point-Bind except the stems'
_HEADS, _LAYERS = 6, 5
_EMBEDDING = 512  # of the encoder, before ImageBind's head


@dataclass(frozen=True)
class Scale:
    """`groups` tokens of width `width`, each of `neighbors` points (or tokens of the previous scale)."""

    groups: int
    neighbors: int
    width: int
    radius: float


SCALES = (Scale(512, 48, 96, 0.24), Scale(256, 24, 192, 0.48), Scale(64, 24, 384, 0.96))


class _Groups(nn.Module):
    """Groups [B, G, K, C] to tokens [B, G, D]: a small PointNet on each member and the maximum over all members."""

    def __init__(self, width_in: int, hidden: tuple[int, int, int], width: int) -> None:
        super().__init__()
        first, second, third = hidden
        self.first = _pointwise(width_in, first, second)
        self.second = _pointwise(2 * second, third, width)

    def forward(self, groups: Tensor) -> Tensor:
        members = self.first(groups.flatten(0, 1).transpose(1, 2))  # [B G, C, K]
        whole = members.amax(dim=2, keepdim=True).expand_as(members)
        return self.second(torch.cat([whole, members], dim=1)).amax(dim=2).unflatten(0, groups.shape[:2])


def _pointwise(width_in: int, hidden: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(width_in, hidden, 1), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Conv1d(hidden, width_out, 1)
    )


class _Block(nn.Module):
    """Pre-norm transformer block with masked attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.norm_2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, near: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm_1(x)).unflatten(-1, (3, _HEADS, -1)).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=near)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.fc2(functional.gelu(self.fc1(self.norm_2(x))))


class _Stage(nn.Module):
    """One scale: group members to tokens, which then attend to the tokens within the radius."""

    def __init__(self, scale: Scale, width_before: int | None) -> None:
        super().__init__()
        self.radius = scale.radius
        hidden = (128, 256, 512) if width_before is None else (width_before, width_before, scale.width)
        self.groups = _Groups(width_before or 3, hidden, scale.width)
        self.position = nn.Sequential(nn.Linear(3, scale.width), nn.GELU(), nn.Linear(scale.width, scale.width))
        self.blocks = nn.ModuleList(_Block(scale.width) for _ in range(_LAYERS))

    def forward(self, members: Tensor, centers: Tensor) -> Tensor:
        x, position = self.groups(members), self.position(centers)  # [B, G, D]
        near = torch.cdist(centers, centers, compute_mode="donot_use_mm_for_euclid_dist") < self.radius
        for block in self.blocks:
            x = block(x + position, near[:, None])
        return x


class PointTower(nn.Module):
    """Point clouds [B, N, 3], N at least 512 -> [B, out], unit length.

    `features` returns the encoder's output: the sum of the mean and the maximum of the last scale's tokens.
    """

    @property
    def to_compile(self) -> Iterable[nn.Module]:
        """All but the sampling of points, a loop of hundreds of steps."""
        return self.stages

    def __init__(self, out: int) -> None:
        super().__init__()
        before = (None, *(scale.width for scale in SCALES[:-1]))
        self.stages = nn.ModuleList(_Stage(scale, width) for scale, width in zip(SCALES, before, strict=True))
        self.norm = nn.LayerNorm(SCALES[-1].width)
        self.projection = nn.Parameter(torch.empty(SCALES[-1].width, _EMBEDDING))
        self.norm_out = nn.LayerNorm(_EMBEDDING, EPS)
        self.project = nn.Linear(_EMBEDDING, out, bias=False)
        self.log_logit_scale = nn.Parameter(torch.empty(()))

    def forward(self, cloud: Tensor) -> Tensor:
        z = self.project(self.norm_out(self.features(cloud) @ self.projection))
        return functional.normalize(z, dim=-1)

    def features(self, cloud: Tensor) -> Tensor:
        """[B, N, 3] -> [B, 384]."""
        points, tokens = cloud, None
        for scale, stage in zip(SCALES, self.stages, strict=True):
            centers = _gather(points, farthest_points(points, scale.groups))  # [B, G, 3]
            index = neighbors(centers, points, scale.neighbors)  # [B, G, K]
            # the first scale reads coordinates relative to the center, the others the tokens of the previous scale
            members = _gather(points, index) - centers[:, :, None] if tokens is None else _gather(tokens, index)
            points, tokens = centers, stage(members, centers)
        assert tokens is not None
        tokens = self.norm(tokens)
        return tokens.mean(dim=1) + tokens.amax(dim=1)


def _gather(rows: Tensor, index: Tensor) -> Tensor:
    """Rows [B, N, C] at [B, ...] -> [B, ..., C]."""
    batch = torch.arange(len(rows), device=rows.device).reshape(-1, *[1] * (index.ndim - 1))
    return rows[batch, index]


# public name of the weights, without the wrappers' prefixes -> our name
RENAMES = (
    (r"point_encoder\.h_encoder\.token_embed\.(\d)\.(first|second)_conv\.(\d\.\w+)", r"stages.\1.groups.\2.\3"),
    (r"point_encoder\.h_encoder\.encoder_pos_embeds\.(\d)\.(\d\.\w+)", r"stages.\1.position.\2"),
    (r"point_encoder\.h_encoder\.encoder_blocks\.(\d)\.blocks\.(\d)\.norm(\d\.\w+)", r"stages.\1.blocks.\2.norm_\3"),
    (r"point_encoder\.h_encoder\.encoder_blocks\.(\d)\.blocks\.(\d)\.mlp\.(fc\d\.\w+)", r"stages.\1.blocks.\2.\3"),
    (r"point_encoder\.h_encoder\.encoder_blocks\.(\d)\.blocks\.(\d)\.attn\.qkv\.(\w+)", r"stages.\1.blocks.\2.qkv.\3"),
    (r"point_encoder\.h_encoder\.encoder_blocks\.(\d)\.blocks\.(\d)\.attn\.proj\.(\w+)", r"stages.\1.blocks.\2.out.\3"),
    (r"point_encoder\.norm\.(\w+)", r"norm.\1"),
    (r"pc_projection", "projection"),
    (r"modality_head_point\.0\.(\w+)", r"norm_out.\1"),
    (r"modality_head_point\.2\.weight", "project.weight"),
    (r"modality_postprocessor_point\.1\.log_logit_scale", "log_logit_scale"),
)
