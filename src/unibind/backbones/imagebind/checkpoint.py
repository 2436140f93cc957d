"""Names of weights: from the public files of ImageBind, Point-Bind and UniBind to the towers of this package."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .points import RENAMES as _POINT_RENAMES

# prefixes of the models that wrap ImageBind: Point-Bind's, and UniBind's around that
_WRAPPERS = re.compile(r"^(backbone\.)?(bind\.)?")

# public name, whose first group is the tower -> our name
_RENAMES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"modality_preprocessors\.(\w+)\.cls_token", "stem.class_token"),
        (r"modality_preprocessors\.(\w+)\.\w+_stem\.proj(?:\.1)?\.weight", "stem.patch"),
        (r"modality_preprocessors\.(\w+)\.\w+_stem\.norm_layer\.(weight|bias)", r"stem.norm.\2"),
        (r"modality_preprocessors\.(\w+)\.(?:pos_embedding_helper\.)?pos_embed", "stem.positions"),
        (r"modality_preprocessors\.(\w+)\.token_embedding\.weight", "stem.words"),
        (r"modality_trunks\.(\w+)\.pre_transformer_layer\.0\.(weight|bias)", r"norm_in.\2"),
        (r"modality_trunks\.(\w+)\.(blocks\.\d+)\.attn\.in_proj_(weight|bias)", r"\2.attention.qkv.\3"),
        (r"modality_trunks\.(\w+)\.(blocks\.\d+)\.attn\.out_proj\.(weight|bias)", r"\2.attention.out.\3"),
        (r"modality_trunks\.(\w+)\.(blocks\.\d+)\.attn\.(bias_[kv])", r"\2.attention.\3"),
        (r"modality_trunks\.(\w+)\.(blocks\.\d+)\.mlp\.(fc[12]\.(?:weight|bias))", r"\2.\3"),
        (r"modality_trunks\.(\w+)\.(blocks\.\d+\.norm_[12]\.(?:weight|bias))", r"\2"),
        (r"modality_heads\.(\w+)\.(?:proj\.)?0\.(weight|bias)", r"norm_out.\2"),
        (r"modality_heads\.(\w+)\.(?:proj\.1|[23])\.weight", "project.weight"),
        (r"modality_postprocessors\.(\w+)\.1\.log_logit_scale", "log_logit_scale"),
    )
)

_POINTS = tuple((re.compile(pattern), name) for pattern, name in _POINT_RENAMES)

# entries that are not weights of a tower: the causal mask, and the scale with which Point-Bind was trained
_NOT_WEIGHTS = re.compile(r"modality_preprocessors\.text\.mask|logit_scale")


def locate(names: Iterable[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Map each tower's weights (tower -> our name -> public name), and list the names that belong to no tower."""
    towers: dict[str, dict[str, str]] = {}
    unknown = []
    for public in names:
        bare = _WRAPPERS.sub("", public)
        location = _location(bare)
        if location is not None:
            tower, ours = location
            towers.setdefault(tower, {})[ours] = public
        elif not _NOT_WEIGHTS.fullmatch(bare):
            unknown.append(public)
    return towers, unknown


def _location(bare: str) -> tuple[str, str] | None:
    for pattern, ours in _RENAMES:
        match = pattern.fullmatch(bare)
        if match:
            return match[1], match.expand(ours)
    for pattern, ours in _POINTS:
        match = pattern.fullmatch(bare)
        if match:
            return "point_cloud", match.expand(ours)
    return None
