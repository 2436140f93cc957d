"""unibind: one balanced, language-centered embedding space for seven modalities, over frozen CLIP-style encoders.

>>> import unibind
>>> model = unibind.UniBind.from_pretrained("runs/demo/model")
>>> model.classify(["bell.wav", "dog.wav"], modality="audio")

Names are imported when first used, so `import unibind` costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .backbones import Backbone, Contract, create_backbone
    from .data.encode import embed
    from .data.store import Store
    from .errors import UnibindError
    from .knowledge import KnowledgeBase
    from .modalities.audio import Audio
    from .modalities.depth import Depth
    from .modalities.event import EventFrame, Events
    from .modalities.image import Image
    from .modalities.imu import Imu
    from .modalities.point_cloud import PointCloud
    from .modalities.reading import read
    from .modalities.text import Text
    from .modalities.thermal import Thermal
    from .modalities.video import Video
    from .model import UniBind

_HOMES = {
    "Audio": "unibind.modalities.audio",
    "Backbone": "unibind.backbones",
    "Contract": "unibind.backbones",
    "Depth": "unibind.modalities.depth",
    "EventFrame": "unibind.modalities.event",
    "Events": "unibind.modalities.event",
    "Image": "unibind.modalities.image",
    "Imu": "unibind.modalities.imu",
    "KnowledgeBase": "unibind.knowledge",
    "PointCloud": "unibind.modalities.point_cloud",
    "Store": "unibind.data.store",
    "Text": "unibind.modalities.text",
    "Thermal": "unibind.modalities.thermal",
    "UniBind": "unibind.model",
    "UnibindError": "unibind.errors",
    "Video": "unibind.modalities.video",
    "create_backbone": "unibind.backbones",
    "embed": "unibind.data.encode",
    "read": "unibind.modalities.reading",
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
    "__version__",
    "create_backbone",
    "embed",
    "read",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'unibind' has no attribute {name!r}")
