"""Names of weights: from the public files of LanguageBind to the towers of this package.

Queries, keys and values are one layer here, and a LoRA is added to the weight it belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

PICTURES, TEXTS = "pictures", "texts"  # the two towers of a repository
LOGIT_SCALE = "logit_scale"

# public name, without what peft adds -> our name; the slot tells queries, keys and values apart
_LAYER = r"(?:vision|text)_model\.encoder\.layers\.(\d+)\."
_RENAMES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"vision_model\.embeddings\.class_embedding", "stem.class_token"),
        (r"vision_model\.embeddings\.patch_embedding\.weight", "stem.patch"),
        (r"text_model\.embeddings\.token_embedding\.weight", "stem.words"),
        (r"(?:vision|text)_model\.embeddings\.position_embedding\.weight", "stem.positions"),
        (r"vision_model\.pre_layrnorm\.(weight|bias)", r"norm_in.\1"),
        (r"(?:vision_model\.post_layernorm|text_model\.final_layer_norm)\.(weight|bias)", r"norm_out.\1"),
        (r"(?:visual|text)_projection\.weight", "project.weight"),
        (_LAYER + r"self_attn\.(?P<slot>[qkv])_proj\.(weight|bias)", r"blocks.\1.attention.qkv.\3"),
        (_LAYER + r"self_attn\.out_proj\.(weight|bias)", r"blocks.\1.attention.out.\2"),
        (_LAYER + r"layer_norm([12])\.(weight|bias)", r"blocks.\1.norm_\2.\3"),
        (_LAYER + r"mlp\.(fc[12]\.(?:weight|bias))", r"blocks.\1.\2"),
        (_LAYER + r"temporal_embedding", r"blocks.\1.time.positions"),
        (_LAYER + r"temporal_attn\.(?P<slot>[qkv])_proj\.(weight|bias)", r"blocks.\1.time.attention.qkv.\3"),
        (_LAYER + r"temporal_attn\.out_proj\.(weight|bias)", r"blocks.\1.time.attention.out.\2"),
        (_LAYER + r"temporal_layer_norm1\.(weight|bias)", r"blocks.\1.time.norm.\2"),
    )
)
_PEFT = re.compile(r"(?<=\.)(?:base_model\.model\.|base_layer\.)")
_LORA = re.compile(r"\.lora_(A|B)\.default\.weight$")
_NOT_WEIGHTS = re.compile(r"(?:vision|text)_model\.embeddings\.position_ids|logit_scale")
_SLOTS = ("q", "k", "v", "")


@dataclass(frozen=True)
class Piece:
    """Public names of a weight, or of a third of one, and of its LoRA: weight + scale * up @ down."""

    weight: str = ""
    down: str = ""
    up: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names in use."""
        return tuple(name for name in (self.weight, self.down, self.up) if name)

    @property
    def whole(self) -> bool:
        """Whether there is a weight, and both parts of a LoRA or none."""
        return bool(self.weight) and bool(self.down) == bool(self.up)


def locate(names: Iterable[str]) -> tuple[dict[str, dict[str, tuple[Piece, ...]]], list[str]]:
    """Each tower's weights (tower -> our name -> the pieces it consists of), and the names that belong to no tower."""
    found: dict[tuple[str, str], dict[str, Piece]] = {}
    unknown = []
    for public in names:
        place = _place(public)
        if place is None:
            unknown += [] if _NOT_WEIGHTS.fullmatch(public) else [public]
            continue
        tower, ours, slot, part = place
        pieces = found.setdefault((tower, ours), {})
        pieces[slot] = replace(pieces.get(slot, Piece()), **{part: public})
    unknown += [
        name for pieces in found.values() for piece in pieces.values() if not piece.whole for name in piece.names
    ]
    towers: dict[str, dict[str, tuple[Piece, ...]]] = {}
    for (tower, ours), pieces in found.items():
        towers.setdefault(tower, {})[ours] = tuple(pieces[slot] for slot in _SLOTS if slot in pieces)
    return towers, unknown


def _place(public: str) -> tuple[str, str, str, str] | None:
    """Tower, our name, slot, and which field of a `Piece` this is; None for a name that belongs to no tower."""
    bare = _PEFT.sub("", public)
    lora = _LORA.search(bare)
    part = {"A": "down", "B": "up"}[lora[1]] if lora else "weight"
    bare = _LORA.sub(".weight", bare)
    for pattern, ours in _RENAMES:
        match = pattern.fullmatch(bare)
        if match:
            tower = TEXTS if bare.startswith("text_") else PICTURES
            return tower, match.expand(ours), match.groupdict().get("slot") or "", part
    return None
