"""Folders and files that a backbone is named by: absolute, so that what is recorded works from any directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WEIGHTS_OPTION = "weights"
_HUB = "hf:"


def absolute(name: str) -> str:
    """The absolute path of a file or folder that exists; any other name as it is."""
    path = Path(name).expanduser()
    try:
        return os.path.abspath(path) if name and path.exists() else name  # noqa: PTH100 - links stay links
    except OSError:  # a name that no file can have
        return name


def absolute_name(backbone: str) -> str:
    """The name of a backbone; a folder or file after its colon becomes absolute, as in `transformers:DIR`."""
    kind, colon, argument = backbone.partition(":")
    return kind + colon + absolute(argument)


def still_there(options: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded options without weights that are gone, so that the backbone looks where it does by default."""
    weights = options.get(WEIGHTS_OPTION)
    gone = isinstance(weights, str) and not weights.startswith(_HUB) and not Path(weights).exists()
    return {name: value for name, value in options.items() if not (gone and name == WEIGHTS_OPTION)}
