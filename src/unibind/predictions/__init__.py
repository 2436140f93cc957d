"""From embeddings and centers to answers: predictions, and the descriptions that explain them."""

from __future__ import annotations

from .answers import NONE_OF_THESE, Answering, Prediction, Unreadable
from .classification import predict
from .explanation import Evidence, Explanation, explain

__all__ = [
    "NONE_OF_THESE",
    "Answering",
    "Evidence",
    "Explanation",
    "Prediction",
    "Unreadable",
    "explain",
    "predict",
]
