"""Where weights are: named, in the folder or file that UNIBIND_WEIGHTS names, or on the Hugging Face hub."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import MissingFileError
from .card import Licence

VARIABLE = "UNIBIND_WEIGHTS"
_HUB = "hf:"


def find_weights(
    given: str | Path | None, filenames: Sequence[str], *, what: str, where: str, licence: Licence
) -> Path:
    """The file or folder of weights that was named, or that UNIBIND_WEIGHTS leads to.

    `given` is a path, or hf:OWNER/REPO/FILE. A folder may be the weights, or hold one of `filenames`. Raises
    MissingFileError, one sentence that says where to get them and under which licence.
    """
    named = str(given) if given is not None else os.environ.get(VARIABLE, "")
    if named.startswith(_HUB):
        return _from_hub(named.removeprefix(_HUB))
    get = f"get them from {where} (licence {licence})"
    if not named:
        raise MissingFileError(f"{what} needs its weights: {get}, and name them with --weights or {VARIABLE}")
    path = Path(named).expanduser()
    if not path.exists():
        raise MissingFileError(f"there are no weights of {what} at {path}; {get}, or correct the path")
    inside = [path / name for name in filenames if (path / name).exists()]
    return inside[0] if inside else path


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download

    owner, repository, file = (*name.split("/", 2), "", "")[:3]
    if not file:
        raise MissingFileError(f"{_HUB}{name} names no file; write {_HUB}OWNER/REPO/FILE")
    try:
        return Path(hf_hub_download(f"{owner}/{repository}", file))
    except Exception as error:
        raise MissingFileError(
            f"the Hugging Face hub did not give {name} ({type(error).__name__}); check the name and the network"
        ) from None
