"""The public repositories of LanguageBind: one per modality, each with a tower of it and a copy of the text tower."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import MissingFileError, UnibindError
from ...json_files import COUNT, FLAG, NUMBER, OBJECT, POSITIVE, check_fields, one_of
from .._shared.checkpoint import Checkpoint
from .._shared.checkpoints import open_shards
from .._shared.repository import CONFIG, Repository, find_repository
from .checkpoint import LOGIT_SCALE, PICTURES, TEXTS, locate
from .loading import TowerFile, check_tower, length
from .towers import FRAME_POSITIONS, Size

PUBLIC = {  # modality -> repositories of the authors, the one to prefer first
    "image": ("LanguageBind_Image",),
    "video": ("LanguageBind_Video_FT", "LanguageBind_Video_V1.5_FT", "LanguageBind_Video_Huge_V1.5_FT"),
    "audio": ("LanguageBind_Audio_FT", "LanguageBind_Audio"),
    "thermal": ("LanguageBind_Thermal",),
    "depth": ("LanguageBind_Depth",),
}
PICTURE_SIZE = 224  # pixels
_TYPES = {f"LanguageBind{modality.capitalize()}": modality for modality in PUBLIC}
_FIX = "download the repository again"

_LAYERS = {
    "num_hidden_layers": COUNT,
    "num_attention_heads": COUNT,
    "layer_norm_eps": POSITIVE,
    "hidden_act": one_of(["gelu"]),
}
_VISION = _LAYERS | {"add_time_attn": FLAG, "num_frames": COUNT, "lora_r": COUNT, "lora_alpha": NUMBER}
_SOUND = {
    "num_mel_bins": COUNT,
    "target_length": COUNT,
    "audio_sample_rate": COUNT,
    "audio_mean": NUMBER,
    "audio_std": POSITIVE,
}
_MORE = {"audio": _SOUND, "depth": {"max_depth": NUMBER}}  # fields of the configuration that preprocessing needs


@dataclass(frozen=True)
class Opened:
    """One repository: `modality` is that of its tower, `config` the checked content of its `config.json`."""

    modality: str
    folder: Path
    config: Mapping[str, Any]
    checkpoint: Checkpoint
    towers: Mapping[str, TowerFile]

    @property
    def vision(self) -> Mapping[str, Any]:
        """The configuration of the tower that is not the text tower."""
        return dict(self.config["vision_config"])

    def size(self, tower: str) -> Size:
        """Layers, heads and epsilon of one of its towers."""
        section = "text_config" if tower == TEXTS else "vision_config"
        return tower_size(self.config[section], f"{section} of {self.folder / CONFIG}")

    @property
    def dim(self) -> int:
        """Width of the embeddings."""
        return self.towers[PICTURES].shapes["project.weight"][0]

    @cached_property
    def logit_scale(self) -> float:
        """1 / temperature of this modality against texts, as trained."""
        return math.exp(float(dict(self.checkpoint.stream([LOGIT_SCALE]))[LOGIT_SCALE]))


def tower_size(section: Mapping[str, Any], where: str) -> Size:
    """Layers, heads and epsilon by one section of a `config.json`; raises UnibindError for another activation."""
    fields = check_fields(section, _LAYERS, where, _FIX, open=True)
    return Size(fields["num_hidden_layers"], fields["num_attention_heads"], fields["layer_norm_eps"])


def open_repositories(paths: Mapping[str, str]) -> dict[str, Opened]:
    """The repositories by modality, from folders or names on the Hub; reads names and shapes of weights only.

    Raises UnibindError where a repository is of another modality, or has embeddings of another width than the first.
    """
    opened = {}
    for modality, place in paths.items():
        found = open_repository(find_repository(place, None))
        if found.modality != modality:
            raise UnibindError(f"{place} is a repository for {found.modality}, not {modality}; pass another")
        opened[modality] = found
    first = next(iter(opened.values()))
    for other in opened.values():
        if other.dim != first.dim:
            raise UnibindError(
                f"{first.folder} has embeddings of width {first.dim} and {other.folder} of width {other.dim}; "
                "use repositories of one size"
            )
    return opened


def folders_in(folder: Path, source: str) -> dict[str, str]:
    """The repositories in a folder, or the folder itself if it is one, by modality.

    Raises MissingFileError, which ends with `source`, if there are none, and UnibindError if two have one modality.
    """
    candidates = [folder] if (folder / CONFIG).is_file() else sorted(p.parent for p in folder.glob(f"*/{CONFIG}"))
    found: dict[str, str] = {}
    for candidate in candidates:
        modality = _TYPES.get(str(Repository(candidate).json(CONFIG).get("model_type")))
        if modality in found:
            raise UnibindError(
                f"{found[modality]} and {candidate} are both for {modality}; choose with the option repositories"
            )
        if modality is not None:
            found[modality] = str(candidate)
    if not found:
        raise MissingFileError(f"{folder} contains no repository of LanguageBind; {source}")
    return {modality: found[modality] for modality in PUBLIC if modality in found}


def open_repository(repository: Repository) -> Opened:
    """Open one repository. Raises UnibindError where configuration and weights are not those of LanguageBind."""
    where = str(repository.folder / CONFIG)
    if repository.model_type not in _TYPES:
        raise UnibindError(f"{where} is for {repository.model_type}, not LanguageBind; choose one of its repositories")
    config = _checked(repository.json(CONFIG), _TYPES[repository.model_type], where)
    return assemble(repository.folder, config, open_shards(repository.weight_files()))


def _checked(config: Mapping[str, Any], modality: str, where: str) -> Mapping[str, Any]:
    """The configuration, if it has the fields that towers and preprocessing need."""
    check_fields(config, {"vision_config": OBJECT, "text_config": OBJECT}, where, _FIX, open=True)
    vision = _VISION | _MORE.get(modality, {})
    check_fields(config["vision_config"], vision, f"vision_config of {where}", _FIX, open=True)
    check_fields(config["text_config"], _LAYERS, f"text_config of {where}", _FIX, open=True)
    return config


def assemble(folder: Path, config: Mapping[str, Any], checkpoint: Checkpoint) -> Opened:
    """A repository of a checked configuration and a checkpoint.

    Raises UnibindError where the names or shapes of the weights are not those that the configuration promises.
    """
    towers = _towers(checkpoint, config["vision_config"])
    opened = Opened(_TYPES[config["model_type"]], folder, config, checkpoint, towers)
    for what, (has, needs) in _promises(opened).items():
        if has != needs:
            raise UnibindError(f"{checkpoint.path} has {has} {what} instead of {needs}; {_FIX}")
    for tower, file in towers.items():
        check_tower(file, opened.size(tower))
    return opened


def _towers(checkpoint: Checkpoint, vision: Mapping[str, Any]) -> dict[str, TowerFile]:
    located, unknown = locate(checkpoint.shapes)
    missing = {PICTURES, TEXTS} - located.keys()
    if missing or checkpoint.shapes.get(LOGIT_SCALE) != ():
        raise UnibindError(f"{checkpoint.path} lacks {' and '.join(sorted(missing)) or LOGIT_SCALE}; {_FIX}")
    if unknown:
        raise UnibindError(
            f"{checkpoint.path} has {len(unknown)} entries that belong to no tower, such as {unknown[0]}; "
            "choose a repository of LanguageBind"
        )
    scale = vision["lora_alpha"] / max(vision["lora_r"], 1)
    return {tower: TowerFile(tower, checkpoint, pieces, scale) for tower, pieces in located.items()}


def _promises(opened: Opened) -> dict[str, tuple[int, int]]:
    """What the weights have, and what the configuration promises, where the shapes alone do not decide it."""
    shapes, vision = opened.towers[PICTURES].shapes, opened.vision
    height, width = PICTURE_SIZE, PICTURE_SIZE
    if opened.modality == "audio":
        height, width = vision["num_mel_bins"], vision["target_length"]
    patch = length(shapes, "stem.patch", 3) or 1
    pieces = [piece for pieces in opened.towers[PICTURES].pieces.values() for piece in pieces if piece.down]
    ranks = {rank for piece in pieces for rank in opened.checkpoint.shapes[piece.down][:1]}
    return {
        "positions": (length(shapes, "stem.positions", 0), 1 + (height // patch) * (width // patch)),
        "frames": (length(shapes, FRAME_POSITIONS, 1) or 1, vision["num_frames"] if vision["add_time_attn"] else 1),
        "LoRA ranks": (max(ranks, default=vision["lora_r"]), vision["lora_r"]),
        **{f"layers of {tower}": (file.layers, opened.size(tower).layers) for tower, file in opened.towers.items()},
    }
