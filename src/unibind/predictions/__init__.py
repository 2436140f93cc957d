"""From embeddings and centers to answers: predictions, and the descriptions that explain them."""

from __future__ import annotations

from .answers import NONE_OF_THESE, Answering, Prediction, Unreadable
from .classification import predict
from .drawing import save_explanations
from .explanation import Case, Evidence, Explanation, explain
from .words import aspects_sentence

__all__ = [
    "NONE_OF_THESE",
    "Answering",
    "Case",
    "Evidence",
    "Explanation",
    "Prediction",
    "Unreadable",
    "aspects_sentence",
    "explain",
    "predict",
    "save_explanations",
]
