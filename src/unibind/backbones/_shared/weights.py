"""Where weights are found: a path that was named, the Hugging Face Hub, or the folder that UNIBIND_WEIGHTS names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ...errors import MissingFileError, UnibindError
from ..spec import License

WEIGHTS = "UNIBIND_WEIGHTS"  # environment variable: a file or folder
_HUB = "hf:"


def find_weights(
    given: str | Path | None, filenames: Sequence[str], *, what: str, where: str, license: License
) -> Path:
    """The file or folder of the weights of `what`.

    `given` is a path, or `hf:OWNER/REPO/FILE`; without it the environment variable UNIBIND_WEIGHTS is asked. A folder
    may hold one of `filenames` (files or folders), or be a folder of .safetensors files itself. Raises
    MissingFileError, which says `where` they can be had and under which license, where there are none.
    """
    if isinstance(given, str) and given.startswith(_HUB):
        return _from_hub(given)
    named = given if given is not None else os.environ.get(WEIGHTS) or None
    source = f"{what}'s weights are under {license} at {where}"
    if named is None:
        raise MissingFileError(f"{source}; name a copy with --weights, or its folder in {WEIGHTS}")
    path = Path(named).expanduser()
    by = "" if given is not None else f", which {WEIGHTS} names"
    if not path.exists():
        raise MissingFileError(f"there is nothing at {path}{by}; {source}")
    found = path if path.is_file() else _in_folder(path, filenames)
    if found is None:
        raise MissingFileError(f"{path}{by} holds none of {', '.join(filenames)}; {source}")
    return found


def _in_folder(folder: Path, filenames: Sequence[str]) -> Path | None:
    there = [folder / name for name in filenames if (folder / name).exists()]
    if there:
        return there[0]
    return folder if any(folder.glob("*.safetensors")) else None


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download

    parts = name.removeprefix(_HUB).split("/", 2)
    if len(parts) < 3 or not all(parts):
        raise UnibindError(f"{name} does not name a file on the Hugging Face Hub; write {_HUB}OWNER/REPO/FILE")
    try:
        return Path(hf_hub_download("/".join(parts[:2]), parts[2]))
    except Exception as error:  # no network, no such repository or file, no right to it
        raise MissingFileError(
            f"{name} could not be fetched from the Hugging Face Hub ({type(error).__name__}); "
            "check the name and the network"
        ) from error
