"""The contrastive loss that training a tower, fitting a head and refining a bridge have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def symmetric_info_nce(
    z: Float[Tensor, "b d"], targets: Float[Tensor, "b d"], logit_scale: Float[Tensor, ""] | float
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE of unit vectors [B, D]; row i of `z` pairs with row i of `targets` (arXiv 2103.00020)."""
    import torch
    from torch.nn import functional

    logits = logit_scale * z @ targets.T
    pairs = torch.arange(len(z))
    return (functional.cross_entropy(logits, pairs) + functional.cross_entropy(logits.T, pairs)) / 2
