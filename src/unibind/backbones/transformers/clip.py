"""CLIP (Radford et al., "Learning transferable visual models from natural language supervision", 2021).

The text tower is causal and read at its end token, so padding after that token has no effect.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from .._shared.repository import Repository
from .family import Encoder, Family, PictureTower, TextTower, TowerSpec, picture_encoders
from .inputs import TextInput


def _load_text(repository: Repository) -> nn.Module:
    from transformers import CLIPTextModelWithProjection

    config = _projected(repository.config, "text_config")
    model = repository.load(CLIPTextModelWithProjection, config)
    return TextTower(model, config.pad_token_id, lambda out, mask: out.text_embeds)


def _load_image(repository: Repository) -> nn.Module:
    from transformers import CLIPVisionModelWithProjection

    model = repository.load(CLIPVisionModelWithProjection, _projected(repository.config, "vision_config"))
    return PictureTower(model, lambda out: out.image_embeds)


def _projected(config: Any, tower: str) -> Any:
    """A tower's configuration with the width of the shared space, which many checkpoints state only for the model."""
    part = getattr(config, tower)
    part.projection_dim = config.projection_dim
    return part


def _text_input(repository: Repository, _: int) -> TextInput:
    return TextInput(repository, repository.config.text_config.max_position_embeddings)


FAMILY = Family(
    dim=lambda config: config.projection_dim,
    towers={
        "text": TowerSpec(_load_text, ("text_model.", "text_projection.")),
        "image": TowerSpec(_load_image, ("vision_model.", "visual_projection.")),
    },
    encoders={"text": Encoder("text", _text_input), **picture_encoders("image")},
    logit_scale="logit_scale",
)
