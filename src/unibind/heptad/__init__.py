"""Heptad: a procedural test bed of 24 object categories, each object available in all seven modalities.

Everything is generated from a seed, so the whole method runs offline, on any machine, in minutes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .categories import CATEGORIES, SPLITS

if TYPE_CHECKING:
    from .sample import Sample, sample_object
    from .sheet import contact_sheet
    from .write import make

__all__ = ["CATEGORIES", "SPLITS", "Sample", "contact_sheet", "make", "sample_object"]

_MODULES = {"make": "write", "sample_object": "sample", "Sample": "sample", "contact_sheet": "sheet"}


def __getattr__(name: str) -> Any:
    """Import the generator only when it is used: it needs SciPy and Pillow."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
