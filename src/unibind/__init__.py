"""unibind: one balanced, language-centred embedding space for seven modalities, over frozen CLIP-style encoders.

>>> import unibind
>>> model = unibind.UniBind.from_pretrained("runs/demo/model")
>>> model.classify(["bell.wav", "dog.wav"], modality="audio")

Names are imported when first used, so `import unibind` costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .backbones import Backbone, Contract, create_backbone
    from .encode import embed
    from .errors import UnibindError
    from .knowledge import KnowledgeBase
    from .modality import Audio, Depth, EventFrame, Events, Image, Imu, PointCloud, Text, Thermal, Video
    from .model import UniBind
    from .readers import read
    from .store import Store

_HOMES = {
    **dict.fromkeys(
        ("Audio", "Depth", "EventFrame", "Events", "Image", "Imu", "PointCloud", "Text", "Thermal", "Video"),
        "unibind.modality",
    ),
    **dict.fromkeys(("Backbone", "Contract", "create_backbone"), "unibind.backbones"),
    "KnowledgeBase": "unibind.knowledge",
    "Store": "unibind.store",
    "UniBind": "unibind.model",
    "UnibindError": "unibind.errors",
    "embed": "unibind.encode",
    "read": "unibind.readers",
}

__all__ = [
    "Audio",
    "Backbone",
    "Contract",
    "Depth",
    "EventFrame",
    "Events",
    "Image",
    "Imu",
    "KnowledgeBase",
    "PointCloud",
    "Store",
    "Text",
    "Thermal",
    "UniBind",
    "UnibindError",
    "Video",
    "create_backbone",
    "embed",
    "read",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'unibind' has no attribute {name!r}")
