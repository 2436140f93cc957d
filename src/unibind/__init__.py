"""unibind: one balanced, language-centered embedding space for many modalities, over frozen CLIP-style encoders.

>>> import unibind
>>> model = unibind.UniBind.from_pretrained("runs/demo/model")
>>> model.classify("bell.wav").label

Names are imported when first used, so `import unibind` takes milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .align.problem import FitConfig
    from .align.selection import CenterConfig
    from .api import (
        build_index,
        classify_store,
        drop_indexes,
        encode,
        export,
        search,
        show_indexes,
        similarity,
        watch,
    )
    from .backbones import (
        Backbone,
        BackboneSpec,
        Card,
        Contract,
        License,
        create_backbone,
        list_backbones,
    )
    from .backbones.classifier.model import ClassifierBackbone
    from .centering import Mean
    from .data.embeddings import Embeddings, TextEmbeddings
    from .data.encode import EncodeSummary
    from .data.intake import IntakeReport, Manifest, read_manifest
    from .data.manifest import Item
    from .data.store import Store
    from .data.store_means import store_means
    from .errors import UnibindError
    from .fitting import fit
    from .knowledge import Description, KnowledgeBase
    from .modalities import FileFormat, ModalitySpec
    from .modalities.audio import Audio
    from .modalities.depth import Depth
    from .modalities.event import EventFrame, Events
    from .modalities.image import Image
    from .modalities.imu import Imu
    from .modalities.limits import Limits
    from .modalities.point_cloud import PointCloud
    from .modalities.reading import read
    from .modalities.text import Text
    from .modalities.thermal import Thermal
    from .modalities.video import Video
    from .model import UniBind
    from .predictions import Explanation, Prediction, Unreadable
    from .retrieval import Hit, Hits

_MODULES = {
    "align.problem": ("FitConfig",),
    "align.selection": ("CenterConfig",),
    "api": (
        "build_index",
        "classify_store",
        "drop_indexes",
        "encode",
        "export",
        "search",
        "show_indexes",
        "similarity",
        "watch",
    ),
    "backbones": ("Backbone", "BackboneSpec", "Card", "Contract", "License", "create_backbone", "list_backbones"),
    "backbones.classifier.model": ("ClassifierBackbone",),
    "centering": ("Mean",),
    "data.embeddings": ("Embeddings", "TextEmbeddings"),
    "data.encode": ("EncodeSummary",),
    "data.intake": ("IntakeReport", "Manifest", "read_manifest"),
    "data.manifest": ("Item",),
    "data.store": ("Store",),
    "data.store_means": ("store_means",),
    "errors": ("UnibindError",),
    "fitting": ("fit",),
    "knowledge": ("Description", "KnowledgeBase"),
    "modalities": ("FileFormat", "ModalitySpec"),
    "modalities.audio": ("Audio",),
    "modalities.depth": ("Depth",),
    "modalities.event": ("EventFrame", "Events"),
    "modalities.image": ("Image",),
    "modalities.imu": ("Imu",),
    "modalities.limits": ("Limits",),
    "modalities.point_cloud": ("PointCloud",),
    "modalities.reading": ("read",),
    "modalities.text": ("Text",),
    "modalities.thermal": ("Thermal",),
    "modalities.video": ("Video",),
    "model": ("UniBind",),
    "predictions": ("Explanation", "Prediction", "Unreadable"),
    "retrieval": ("Hit", "Hits"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Audio",
    "Backbone",
    "BackboneSpec",
    "Card",
    "CenterConfig",
    "ClassifierBackbone",
    "Contract",
    "Depth",
    "Description",
    "Embeddings",
    "EncodeSummary",
    "EventFrame",
    "Events",
    "Explanation",
    "FileFormat",
    "FitConfig",
    "Hit",
    "Hits",
    "Image",
    "Imu",
    "IntakeReport",
    "Item",
    "KnowledgeBase",
    "License",
    "Limits",
    "Manifest",
    "Mean",
    "ModalitySpec",
    "PointCloud",
    "Prediction",
    "Store",
    "Text",
    "TextEmbeddings",
    "Thermal",
    "UniBind",
    "UnibindError",
    "Unreadable",
    "Video",
    "__version__",
    "build_index",
    "classify_store",
    "create_backbone",
    "drop_indexes",
    "encode",
    "export",
    "fit",
    "list_backbones",
    "read",
    "read_manifest",
    "search",
    "show_indexes",
    "similarity",
    "store_means",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'unibind' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
