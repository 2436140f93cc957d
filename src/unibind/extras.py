"""Optional dependencies: which extra of the package installs which modules, and importing them or saying so."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType

from .errors import MissingExtraError


@dataclass(frozen=True)
class Extra:
    """One `pip install 'unibind[NAME]'`: what it is for, and the modules it must provide.

    `delicate` modules may be installed and still not work, so that only importing them tells.
    """

    purpose: str
    modules: tuple[str, ...]
    delicate: bool = False


EXTRAS: Mapping[str, Extra] = MappingProxyType(
    {
        "video": Extra("video, and sounds in video files", ("av",)),
        "points": Extra("meshes", ("trimesh",)),
        "events": Extra("event-camera recordings", ("faery",)),
        "report": Extra("reports and pages with figures", ("matplotlib", "sklearn")),
        "datasets": Extra("data sets of the Hugging Face Hub", ("datasets",)),
        "llm": Extra("asking language models", ("openai",)),
        "faiss": Extra("exporting to FAISS", ("faiss",)),
        "scale": Extra("encoding and indexing on a Ray cluster", ("ray", "lance_ray", "lance")),
        "qdrant": Extra("exporting to Qdrant", ("qdrant_client",)),
        "imagebind": Extra("the texts of ImageBind and LanguageBind", ("instant_clip_tokenizer", "ftfy")),
        "transformers": Extra("models of transformers", ("transformers", "tokenizers", "sentencepiece")),
        "sentence_transformers": Extra("models of sentence-transformers", ("sentence_transformers",)),
        "open_clip": Extra("models of OpenCLIP", ("open_clip", "torchvision"), delicate=True),
    }
)

_FILES_AND_REPORTS = ("video", "points", "events", "report")  # what the extra `all` installs


def import_extra(module: str, purpose: str) -> ModuleType:
    """The module, which an extra installs; raises MissingExtraError, naming `purpose` and the extra, without it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        root = module.partition(".")[0]
        extra = next(name for name, extra in EXTRAS.items() if root in extra.modules)
        raise MissingExtraError(purpose, extra) from error


def check_all_extras(purpose: str) -> None:
    """Raise MissingExtraError, naming the extra `all`, where `purpose` lacks a decoder or what reports need."""
    try:
        for name in _FILES_AND_REPORTS:
            check_extra(name, purpose)
    except MissingExtraError as error:
        raise MissingExtraError(purpose, "all") from error


def check_extra(name: str, purpose: str) -> None:
    """Raise MissingExtraError, naming `purpose`, where a module of the extra cannot be imported."""
    for module in EXTRAS[name].modules:
        import_extra(module, purpose)
