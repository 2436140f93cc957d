"""SigLIP (Zhai et al., "Sigmoid loss for language image pre-training", 2023) and fixed-resolution SigLIP 2.

Fixed-resolution checkpoints of SigLIP 2 have the same architecture; those of NaFlex do not, and are refused. The text
tower has no mask and is read at its last position, so every text is padded to the full length.

The loss is a sigmoid: the probability that a picture and a text belong together is
sigmoid(logit_scale * cosine + logit_bias), independently for each pair, and not a softmax over texts.
"""

from __future__ import annotations

from torch import nn

from ...errors import UnibindError
from .._shared.repository import Repository
from .family import Encoder, Family, PictureTower, TextTower, TowerSpec, picture_encoders
from .inputs import TextInput


def _load_text(repository: Repository) -> nn.Module:
    from transformers import SiglipTextModel

    config = repository.config.text_config
    return TextTower(repository.load(SiglipTextModel, config), config.pad_token_id, lambda out, mask: out.pooler_output)


def _load_image(repository: Repository) -> nn.Module:
    from transformers import SiglipVisionModel

    config = repository.config.vision_config
    if not getattr(config, "vision_use_head", True):
        raise UnibindError(f"the image tower in {repository.folder} has no pooling head; choose another checkpoint")
    return PictureTower(repository.load(SiglipVisionModel, config), lambda out: out.pooler_output)


def _text_input(repository: Repository, _: int) -> TextInput:
    return TextInput(repository, repository.config.text_config.max_position_embeddings, fill=True)


FAMILY = Family(
    dim=lambda config: config.vision_config.hidden_size,
    towers={"text": TowerSpec(_load_text, ("text_model.",)), "image": TowerSpec(_load_image, ("vision_model.",))},
    encoders={"text": Encoder("text", _text_input), **picture_encoders("image")},
    logit_scale="logit_scale",
    logit_bias="logit_bias",
)
