"""mini: the embedded default backbone, image-centered on purpose.

Its six towers were trained on Heptad's pretrain split the way ImageBind was: images against captions, every other
modality only against its image (see `train`). So it has the flaw that UniBind mends, and it runs anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import MissingFileError, UnknownNameError
from ...modalities import check_modality
from ...modalities.spec import Raw
from .._shared.precision import resolve_precision
from ..contract import Contract
from ..spec import Card, License
from .preprocessing import parameters, preprocess
from .text import load_text_tower, model_folder
from .towers import DIM, load_tower

WEIGHTS = Path(__file__).parent / "weights"
MODALITIES = ("image", "text", "audio", "point_cloud", "thermal", "video", "event")

_LICENSE = License("Apache-2.0", commercial=True)  # all-MiniLM-L6-v2's; the other towers are MIT like this code

CARD = Card(
    name="mini",
    summary="small towers trained on Heptad, image-centered on purpose; the default",
    modalities=MODALITIES,
    dim=DIM,
    license=_LICENSE,
    weights="in the package; the text tower by the extra `mini`",
    extra="mini",
)


class Mini:
    """The backbone `mini`; see `unibind.backbones.Backbone` for the protocol.

    `modalities` limits the towers that may be used; each is built and read when first needed. `weights` is a folder
    of `<modality>.safetensors`. `precision` is the text tower's, "float32", "bfloat16", "int8" or "auto"; the others,
    small as they are, stay float32.
    """

    name = CARD.name
    dim = DIM
    license = _LICENSE
    logit_scale = 20.0

    def __init__(
        self,
        modalities: Sequence[str] | None = None,
        *,
        precision: str = "float32",
        device: str = "cpu",
        weights: str | Path = WEIGHTS,
    ) -> None:
        self.modalities = tuple(check_modality(m, MODALITIES) for m in (MODALITIES if modalities is None else modalities))
        self.precision = resolve_precision(precision, device)
        self.device = device
        self.weights = Path(weights)
        self._towers: dict[str, nn.Module] = {}

    @property
    def options(self) -> Mapping[str, Any]:
        """What `create_backbone` needs to make embeddings that are comparable with these."""
        return {} if self.precision == "float32" else {"precision": self.precision}

    def __getstate__(self) -> dict[str, Any]:
        """Worker processes only preprocess: towers stay behind."""
        return self.__dict__ | {"_towers": {}}

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """One raw item to its tower's input; shapes are in `preprocessing`."""
        return preprocess(check_modality(modality, self.modalities), raw)

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...]: float32 [B, 384], unit length, on the CPU."""
        with torch.inference_mode():
            z = self._tower(modality)(batch.to(self.device)).float().cpu()
        return z.clone()  # an ordinary tensor, so that a head may be trained on it

    def contract(self, modality: str) -> Contract:
        """What decides the meaning of a modality's embeddings."""
        anchor = _fingerprint(model_folder() / "model.safetensors")
        text = check_modality(modality, self.modalities) == "text"
        return Contract(
            space=f"mini@{anchor}",
            backbone=self.name,
            modality=modality,
            weights=anchor if text else _fingerprint(self._path(modality)),
            preprocessing=parameters(modality),
            precision=self.precision if text else "float32",
        )

    def _tower(self, modality: str) -> nn.Module:
        check_modality(modality, self.modalities)
        if modality not in self._towers:
            if modality == "text":
                tower = load_text_tower(self.precision, self.device)
            else:
                tower = load_tower(modality, self._path(modality)).to(self.device)
            self._towers[modality] = tower.requires_grad_(False)
        return self._towers[modality].eval()  # frozen, whatever has been called since

    def _path(self, modality: str) -> Path:
        path = self.weights / f"{modality}.safetensors"
        if not path.is_file():
            raise MissingFileError(
                f"mini's {modality} tower has no weights at {path}; "
                "reinstall unibind or train them with `python -m unibind.backbones.mini.train`"
            )
        return path


def create(
    argument: str | None = None,
    *,
    modalities: Sequence[str] | None = None,
    precision: str = "float32",
    device: str = "cpu",
    weights: str | Path = WEIGHTS,
) -> Mini:
    """Factory for `create_backbone("mini")`; the name takes no argument after a colon."""
    if argument:
        raise UnknownNameError("backbone", f"mini:{argument}", ["mini"])
    return Mini(modalities, precision=precision, device=device, weights=weights)


def _fingerprint(path: Path) -> str:
    """Twelve hexadecimal digits of a file's content."""
    facts = path.stat()
    return _digest(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=16)
def _digest(path: Path, size: int, changed_ns: int) -> str:
    """Digest of a file, computed once for as long as its size and time of change stay the same."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
