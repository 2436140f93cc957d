"""The table of a composed backbone: which backbone encodes which modality, and the TOML file it is written in."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import MissingFileError, UnibindError, UnknownNameError
from ...modalities import modality_names

TEXT = "text"  # the anchor's modality
_KEYS = ("backbone", "options", "bridge")
_PATH_OPTION = "weights"


@dataclass(frozen=True)
class Part:
    """How one modality is encoded: a backbone's name and options for `create_backbone`, and its bridge's file."""

    backbone: str
    options: Mapping[str, Any] = field(default_factory=dict)
    bridge: Path | None = None

    def told(self, options: Mapping[str, Any]) -> Part:
        """The part with its backbone's own `options`, such as a precision found out; where it ran is left out."""
        found = {**self.options, **options}
        return Part(self.backbone, {k: v for k, v in found.items() if k != "device"}, self.bridge)

    def to_json(self) -> dict[str, Any]:
        """What `read_parts` takes."""
        facts = {"backbone": self.backbone, "options": dict(self.options)}
        return facts if self.bridge is None else facts | {"bridge": str(self.bridge)}


Parts = dict[str, Part]  # modality -> part


def load_parts(path: str | Path) -> Parts:
    """Read the TOML file. Paths in it are relative to it: bridges, `weights`, and a backbone's argument or `weights`
    where there is such a file beside it. Raises MissingFileError, and UnibindError for what `read_parts` refuses."""
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"there is no file {path}; write a table of modalities and their backbones there")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnibindError(f"{path} is not TOML: {error}") from None
    return {modality: located(part, path.parent) for modality, part in read_parts(table, str(path)).items()}


def read_parts(table: Mapping[str, Any], where: str) -> Parts:
    """Check a table {modality: {backbone, options, bridge}}; `where` names it in errors.

    Raises UnknownNameError for a table of no modality, and UnibindError for unknown or missing keys, no table [text],
    a bridge from it, or a composed backbone within the composed one.
    """
    parts = {modality: _part(modality, facts, where) for modality, facts in table.items()}
    if TEXT not in parts:
        raise UnibindError(f"{where} has no table [text]; name the backbone whose text tower is the anchor")
    if parts[TEXT].bridge is not None:
        raise UnibindError(f"[text] of {where} is the anchor that bridges lead to; take its bridge out")
    return parts


def _part(modality: str, facts: Any, where: str) -> Part:
    if modality not in modality_names():
        raise UnknownNameError(f"table in {where}:", modality, modality_names())
    if not isinstance(facts, Mapping) or not isinstance(facts.get("backbone"), str):
        raise UnibindError(f'[{modality}] of {where} names no backbone; write backbone = "NAME" into it')
    for key in facts:
        if key not in _KEYS:
            raise UnknownNameError(f"key in [{modality}] of {where}:", key, _KEYS)
    backbone, options, bridge = facts["backbone"], facts.get("options", {}), facts.get("bridge")
    if backbone.partition(":")[0] == "composed":
        raise UnibindError(f"[{modality}] of {where} is composed itself; name the backbone of that part instead")
    if not isinstance(options, Mapping) or not isinstance(bridge, str | None):
        raise UnibindError(f"[{modality}] of {where}: options is a table and bridge a file's name; correct it")
    return Part(backbone, dict(options), None if bridge is None else Path(bridge))


def located(part: Part, folder: Path) -> Part:
    """The part with its paths, which are relative to a folder, made absolute."""
    kind, colon, argument = part.backbone.partition(":")
    options = dict(part.options)
    if isinstance(options.get(_PATH_OPTION), str):
        options[_PATH_OPTION] = _beside(options[_PATH_OPTION], folder)
    return Part(
        kind + colon + (_beside(argument, folder) if argument else ""),
        options,
        None if part.bridge is None else (folder / part.bridge).resolve(),
    )


def _beside(name: str, folder: Path) -> str:
    """The path of a file or folder of that name in `folder`, where there is one, else the name as it is."""
    path = folder / name
    return str(path.resolve()) if path.exists() else name
