"""Finding weights: a path, a file on the Hugging Face Hub, or the environment variable UNIBIND_WEIGHTS."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ...errors import MissingFileError, UnibindError
from ..spec import License

WEIGHTS = "UNIBIND_WEIGHTS"  # environment variable: a file or folder
HUB = "hf:"


def find_weights(
    given: str | Path | None, filenames: Sequence[str], *, what: str, where: str, license: License
) -> Path:
    """The file or folder of the weights of `what`.

    `given` is a path, or `hf:OWNER/REPO/FILE`; without it, UNIBIND_WEIGHTS is used. A folder must contain one of
    `filenames` (files or folders), or .safetensors files. Raises MissingFileError if there are no weights, which says
    `where` they can be downloaded and under which license.
    """
    source = f"{what}'s weights are under {license} at {where}"
    path = locate_weights(given, source)
    weights = _in_folder(path, filenames) if path.is_dir() else path
    if weights is None:
        origin = "" if given is not None else f" (from {WEIGHTS})"
        raise MissingFileError(f"{path}{origin} contains none of {', '.join(filenames)}; {source}")
    return weights


def locate_weights(given: str | Path | None, source: str) -> Path:
    """The file or folder that is given, as a path or `hf:OWNER/REPO/FILE`, or by UNIBIND_WEIGHTS, whatever it contains.

    Raises MissingFileError, which says where weights come from (`source`), if there is none.
    """
    if isinstance(given, str) and given.startswith(HUB):
        return _from_hub(given)
    named = given if given is not None else os.environ.get(WEIGHTS) or None
    if named is None:
        raise MissingFileError(f"{source}; pass a copy with --weights, or set {WEIGHTS}")
    path = Path(named).expanduser()
    if not path.exists():
        origin = "" if given is not None else f" (from {WEIGHTS})"
        raise MissingFileError(f"{path}{origin} does not exist; {source}")
    return path


def _in_folder(folder: Path, filenames: Sequence[str]) -> Path | None:
    existing = [folder / name for name in filenames if (folder / name).exists()]
    if existing:
        return existing[0]
    return folder if any(folder.glob("*.safetensors")) else None


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download

    parts = name.removeprefix(HUB).split("/", 2)
    if len(parts) < 3 or not all(parts):
        raise UnibindError(f"{name} does not name a file on the Hugging Face Hub; write {HUB}OWNER/REPO/FILE")
    try:
        return Path(hf_hub_download("/".join(parts[:2]), parts[2]))
    except Exception as error:  # no network, no such repository or file, or no permission
        raise MissingFileError(
            f"{name} could not be downloaded from the Hugging Face Hub ({type(error).__name__}); "
            "check the name and the network"
        ) from error
