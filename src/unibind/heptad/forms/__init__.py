"""One module per category, named after it, that builds random 3D models of the category."""

from __future__ import annotations

import importlib

import numpy as np

from ...errors import UnknownNameError
from ..categories import CATEGORIES
from ..model import Look, Model


def build(category: str, look: Look, rng: np.random.Generator) -> Model:
    """Build one object of a category in a given look. Raises UnknownNameError for an unknown category."""
    if category not in CATEGORIES:
        raise UnknownNameError("Heptad category", category, CATEGORIES)
    model: Model = importlib.import_module(f"{__name__}.{category}").build(look, rng)
    return model
