"""The names of splits: what people write, and the three names that are stored."""

from __future__ import annotations

SPLITS = ("train", "val", "test")

_WRITTEN = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def known_split(name: str) -> str | None:
    """The split that a name in any case stands for: train, val or test; None for other names."""
    return _WRITTEN.get(name.strip().lower())


def normalized_split(name: str | None) -> str | None:
    """The stored name of a split; a name that is not known stays as it is written."""
    return name and (known_split(name) or name)
