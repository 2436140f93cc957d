"""The table of a composed backbone: which backbone encodes which modality, and the TOML file that contains it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ...errors import MissingFileError, UnibindError, UnknownNameError
from ...modalities import ANCHOR, check_modality

_KEYS = ("backbone", "options", "bridge")
_PATH_OPTIONS = ("weights", "knowledge")
_RUN_OPTIONS = ("device", "compile")  # they decide how a part runs, not what it computes


@dataclass(frozen=True)
class Part:
    """How one modality is encoded: a backbone's name and options for `create_backbone`, and the file of its bridge."""

    backbone: str
    options: Mapping[str, Any] = field(default_factory=dict)
    bridge: Path | None = None

    def resolved(self, options: Mapping[str, Any]) -> Part:
        """The part with the `options` that its backbone reports, such as the precision, without how it runs here."""
        merged = {**self.options, **options}
        return Part(self.backbone, {k: v for k, v in merged.items() if k not in _RUN_OPTIONS}, self.bridge)

    def to_json(self) -> dict[str, Any]:
        """The entry that `read_parts` takes."""
        entry = {"backbone": self.backbone, "options": dict(self.options)}
        return entry if self.bridge is None else entry | {"bridge": str(self.bridge)}


Parts: TypeAlias = dict[str, Part]  # modality -> part


def load_parts(path: str | Path) -> Parts:
    """Read the TOML file.

    Paths in it are relative to it: bridges, `weights`, `knowledge`, and the text after the colon of a backbone's name
    if there is such a file or folder. Raises MissingFileError if there is no file, and UnibindError for what
    `read_parts` refuses.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; write a table of modalities and their backbones to it")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise UnibindError(f"{path} is nested too deeply; write one table per modality") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnibindError(f"{path} is not TOML: {error}; fix that line") from None
    return {modality: locate(part, path.parent) for modality, part in read_parts(table, str(path)).items()}


def read_parts(table: Mapping[str, Any], source: str) -> Parts:
    """Check a table {modality: {backbone, options, bridge}}; `source` names it in errors.

    Raises UnknownNameError for an entry that is not a modality, and UnibindError for unknown or missing keys, if there
    is no [text] or it has a bridge, and for a composed backbone within the composed one.
    """
    if not isinstance(table, Mapping):
        raise UnibindError(f"{source} is a {type(table).__name__}, not a table of modalities; write one per modality")
    parts = {modality: _part(modality, entry, source) for modality, entry in table.items()}
    if ANCHOR not in parts:
        raise UnibindError(f"{source} has no table [{ANCHOR}]; add the backbone whose text tower is the anchor")
    if parts[ANCHOR].bridge is not None:
        raise UnibindError(f"[{ANCHOR}] of {source} is the anchor that bridges lead to; remove its bridge")
    return parts


def _part(modality: str, entry: Any, source: str) -> Part:
    try:
        check_modality(modality)
    except UnknownNameError as error:
        raise UnibindError(f"{source} has a table [{modality}]: {error}") from None
    if not isinstance(entry, Mapping) or not isinstance(entry.get("backbone"), str):
        raise UnibindError(f'[{modality}] of {source} names no backbone; add backbone = "NAME" to it')
    for key in entry:
        if key not in _KEYS:
            raise UnknownNameError(f"key in [{modality}] of {source}:", key, _KEYS)
    backbone, options, bridge = entry["backbone"], entry.get("options", {}), entry.get("bridge")
    if backbone.partition(":")[0] == "composed":
        raise UnibindError(f"[{modality}] of {source} is itself composed; use the backbone of that part instead")
    if not isinstance(options, Mapping) or not isinstance(bridge, str | None):
        raise UnibindError(f"[{modality}] of {source} must have a table as options and a file name as bridge; fix it")
    return Part(backbone, dict(options), None if bridge is None else Path(bridge))


def locate(part: Part, folder: Path) -> Part:
    """The part with its paths, which are relative to `folder`, made absolute."""
    kind, colon, argument = part.backbone.partition(":")
    options = dict(part.options)
    for name in _PATH_OPTIONS:
        if isinstance(options.get(name), str):
            options[name] = _in_folder(options[name], folder)
    return Part(
        kind + colon + (_in_folder(argument, folder) if argument else ""),
        options,
        None if part.bridge is None else (folder / part.bridge).resolve(),
    )


def _in_folder(name: str, folder: Path) -> str:
    """The absolute path of `name` if it exists in `folder`; otherwise `name` itself."""
    path = folder / name
    return str(path.resolve()) if path.exists() else name
