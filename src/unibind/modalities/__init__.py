"""Modalities: one file per modality, each with its raw type, file formats, picture, messages and prompts.

A module of this package with a `SPEC`, or a package with the entry point `unibind.modalities`, is a modality.
"""

from __future__ import annotations

from .messages import RenderOptions
from .registry import ANCHOR, check_modality, modality_names, modality_spec, raw_from_object
from .spec import FileFormat, ModalitySpec, Raw

__all__ = [
    "ANCHOR",
    "FileFormat",
    "ModalitySpec",
    "Raw",
    "RenderOptions",
    "check_modality",
    "modality_names",
    "modality_spec",
    "raw_from_object",
]
