"""Vision transformers without a text tower, such as DINOv2: the embedding is the class token after the last layer norm.

Their space contains no texts, and their similarities have no trained temperature.
"""

from __future__ import annotations

from torch import nn

from .._shared.repository import Repository
from .family import Family, PictureTower, TowerSpec, picture_encoders

MODEL_TYPES = ("deit", "dinov2", "dinov2_with_registers", "vit", "vit_msn")


def _load(repository: Repository) -> nn.Module:
    from transformers import MODEL_MAPPING

    model = repository.load(MODEL_MAPPING[type(repository.config)], repository.config)
    return PictureTower(model, lambda out: out.last_hidden_state[:, 0])


FAMILY = Family(
    dim=lambda config: config.hidden_size,
    towers={"image": TowerSpec(_load)},
    encoders=picture_encoders("image"),
    anchor="image",
)
