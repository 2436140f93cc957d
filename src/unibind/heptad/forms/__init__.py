"""The forms of Heptad's categories: one module each, found by its name."""

from __future__ import annotations

import importlib

import numpy as np

from ...errors import UnknownNameError
from .. import CATEGORIES
from ..model import Look, Model


def build(category: str, look: Look, rng: np.random.Generator) -> Model:
    """One object of a category in a given look; raises UnknownNameError for a category without a form."""
    if category not in CATEGORIES:
        raise UnknownNameError("Heptad category", category, CATEGORIES)
    model: Model = importlib.import_module(f"{__name__}.{category}").build(look, rng)
    return model
