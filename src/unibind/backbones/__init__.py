"""Backbones: frozen encoders of one shared space, behind one small protocol.

Each built-in backbone is a package here whose `__init__` contains its `SPEC`; `_shared` holds what they have in common.
Third-party packages add a backbone by the entry point `unibind.backbones`.
"""

from .contract import Contract
from .description import BackboneDescription, BackboneOption, describe_backbone
from .protocol import (
    Backbone,
    InterleavedBackbone,
    PortableBackbone,
    QueryBackbone,
    SigmoidBackbone,
    as_queries,
)
from .registry import backbone_specs, create_backbone, list_backbones
from .spec import BackboneSpec, Card, GoldenCheck, KnownModel, License

__all__ = [
    "Backbone",
    "BackboneDescription",
    "BackboneOption",
    "BackboneSpec",
    "Card",
    "Contract",
    "GoldenCheck",
    "InterleavedBackbone",
    "KnownModel",
    "License",
    "PortableBackbone",
    "QueryBackbone",
    "SigmoidBackbone",
    "as_queries",
    "backbone_specs",
    "create_backbone",
    "describe_backbone",
    "list_backbones",
]
