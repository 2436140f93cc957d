"""Heptad: a procedural test bed of 24 categories, every object sensed in all seven modalities, from a seed.

It exists so that the whole method runs anywhere, offline, in minutes, with known truth.
"""

from __future__ import annotations

import importlib
from typing import Any

CATEGORIES = (
    "airplane",
    "helicopter",
    "rocket",
    "car",
    "train",
    "sailboat",
    "bicycle",
    "drum",
    "bell",
    "guitar",
    "piano",
    "clock",
    "kettle",
    "lamp",
    "fan",
    "chair",
    "table",
    "bottle",
    "mug",
    "campfire",
    "dog",
    "bird",
    "person",
    "umbrella",
)
SPLITS = ("pretrain", "train", "val", "test")

_HOMES = {"make": "write", "draw_sample": "sample", "Sample": "sample", "arrays": "sample", "contact_sheet": "sheet"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
