"""A classifier as a tower: an item's embedding is the mean of its classes' text vectors, weighted by probability.

Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings" (ConSE), arXiv 1312.5650.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class ClassMixture(nn.Module):
    """Logits [B, C] of a classifier -> embeddings [B, D] of unit length, in the space of `class_vectors` [C, D].

    z = unit(sum over classes of p(class) * vector(class)), where p = softmax(logits / temperature) over the `kept` most
    probable classes (None: all). A classifier that gives probabilities passes their logarithms.
    """

    class_vectors: Tensor

    def __init__(self, class_vectors: Tensor, *, temperature: float = 1.0, kept: int | None = None) -> None:
        super().__init__()
        self.register_buffer("class_vectors", class_vectors)
        self.temperature = temperature
        self.kept = kept

    def forward(self, logits: Tensor) -> Tensor:
        """Mix the class vectors."""
        logits = logits.float() / self.temperature
        if self.kept is not None and self.kept < logits.shape[-1]:
            least = logits.topk(self.kept, dim=-1).values[..., -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        return functional.normalize(logits.softmax(dim=-1) @ self.class_vectors, dim=-1)


def embed_classes(texts: Sequence[Sequence[str]], embed: Callable[[Sequence[str]], Tensor]) -> Tensor:
    """The vector of every class, [C, D], unit length: the mean of the unit vectors of its texts.

    `embed` maps texts to [N, D]; it is called once, with the distinct texts.
    """
    rows = {text: row for row, text in enumerate(dict.fromkeys(text for each in texts for text in each))}
    vectors = functional.normalize(embed(list(rows)).float(), dim=-1)
    means = torch.stack([vectors[[rows[text] for text in each]].mean(dim=0) for each in texts])
    return functional.normalize(means, dim=-1)
