"""The 24 categories and four splits of Heptad."""

from __future__ import annotations

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
