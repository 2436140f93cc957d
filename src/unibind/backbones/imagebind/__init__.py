"""ImageBind-huge's towers (Girdhar et al., CVPR 2023) and Point-Bind's point tower, as UniBind uses them.

Images, videos and drawn event recordings go through one vision tower. Outputs are those of the released models, at
unit length: the released code multiplies every embedding but vision's by a logit scale, which is kept apart here, and
averages the scaled embeddings of clips without bringing the mean back to unit length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import UnibindError, UnknownNameError
from ...modalities import check_modality
from ...modalities.spec import Raw
from .._shared.pooling import pool
from .._shared.precision import resolve_precision
from .._shared.weights import find_weights
from ..contract import Contract
from ..spec import Card, License
from .loading import TowerFile, load_tower, open_weights
from .preprocessing import Preprocessing
from .towers import Size

TOWER_OF = {  # modality -> tower
    "image": "vision",
    "text": "text",
    "audio": "audio",
    "point_cloud": "point_cloud",
    "thermal": "thermal",
    "video": "vision",
    "event": "vision",
    "depth": "depth",
    "imu": "imu",
}

FILES = ("imagebind_huge", "imagebind_huge.pth", "pretrained_weights.pt")
_LICENSE = License("CC-BY-NC-SA-4.0", commercial=False)
_WHERE = "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth"

CARD = Card(
    name="imagebind",
    summary="ImageBind-huge, and Point-Bind's I2P-MAE for point clouds",
    modalities=tuple(TOWER_OF),
    dim=1024,
    license=_LICENSE,
    weights=f"{_WHERE}, or UniBind's pretrained_weights.pt: --weights or UNIBIND_WEIGHTS",
    extra="imagebind",
)


def items_at_once(tower: str, device: str) -> int:
    """How many items go through a tower together: on a CPU as few as fill its cores, which bounds memory."""
    few = {"text": 32, "vision": 2, "audio": 2}.get(tower, 4)
    return few if torch.device(device).type == "cpu" else 64 * few


class ImageBind:
    """The backbone `imagebind`; see `unibind.backbones.Backbone` for the protocol.

    `weights` is a public checkpoint, or a folder that `unibind weights convert` wrote (then towers are memory-mapped);
    `modalities` limits what is used; each tower is read when first needed. `precision` is "float32", "bfloat16",
    "int8" or "auto" (bfloat16 where the device computes in it). Recordings are cut into `clips` of `clip_seconds`:
    evenly spread, or one every `stride` seconds (then at most `clips`), and their embeddings pooled ("mean" or "max").
    `sizes` are the layers and heads of towers that are not ImageBind-huge's.
    """

    name = CARD.name
    license = _LICENSE

    def __init__(
        self,
        modalities: Sequence[str] | None = None,
        *,
        weights: str | Path | None = None,
        device: str = "cpu",
        precision: str = "float32",
        clips: int | None = None,
        clip_seconds: float = 2.0,
        stride: float | None = None,
        pooling: str = "mean",
        sizes: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self.device = device
        self.precision = resolve_precision(precision, device)
        self._inputs = Preprocessing(clips, clip_seconds, stride, pooling)
        self._sizes = {tower: Size(*size) for tower, size in (sizes or {}).items()}
        path = find_weights(weights, FILES, what="ImageBind", where=_WHERE, license=_LICENSE)
        self._files: dict[str, TowerFile] = open_weights(path)
        there = tuple(m for m, tower in TOWER_OF.items() if tower in self._files)
        self.modalities = there if modalities is None else tuple(self._available(m, path) for m in modalities)
        any_tower = self._files[TOWER_OF[self.modalities[0]]]
        self.dim = any_tower.shapes["project.weight"][0]
        self._towers: dict[str, nn.Module] = {}

    @property
    def options(self) -> Mapping[str, Any]:
        """What makes an equal backbone again, where the weights are."""
        sizes = {"sizes": {tower: list(size) for tower, size in self._sizes.items()}} if self._sizes else {}
        return {"precision": self.precision, **self._inputs.options, **sizes}

    @property
    def logit_scale(self) -> float:
        """1 / temperature of texts against images, as trained (100 where there is no text tower)."""
        return self.logit_scales.get("text", 100.0)

    @property
    def logit_scales(self) -> dict[str, float]:
        """What the released model multiplies each tower's embeddings with."""
        kept = {t: file for t, file in self._files.items() if "log_logit_scale" in file.names}
        return {
            tower: min(math.exp(float(dict(file.stream(["log_logit_scale"]))["log_logit_scale"])), 100.0)
            for tower, file in kept.items()
        }

    def __getstate__(self) -> dict[str, Any]:
        """Worker processes only preprocess: towers and files stay behind."""
        return self.__dict__ | {"_towers": {}, "_files": {}}

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """One raw item to its tower's input; shapes are in `preprocessing`."""
        return self._inputs(check_modality(modality, self.modalities), raw)

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...], or of clips [B, S, ...]: float32 [B, D], unit length, on the CPU."""
        name = TOWER_OF[check_modality(modality, self.modalities)]
        tower, at_once = self._tower(name), items_at_once(name, self.device)
        clipped = self._inputs.clipped(modality)
        items = batch.flatten(0, 1) if clipped else batch
        with torch.inference_mode():
            z = torch.cat([tower(part.to(self.device)).cpu() for part in items.split(at_once)])
            if clipped:
                z = pool(z.unflatten(0, batch.shape[:2]), self._inputs.pooling)
        return z.clone()  # an ordinary tensor, so that a head may be trained on it

    def contract(self, modality: str) -> Contract:
        """What decides the meaning of a modality's embeddings."""
        file = self._files[TOWER_OF[check_modality(modality, self.modalities)]]
        anchor = self._files.get("text", file)
        return Contract(
            space=f"imagebind@{file.checkpoint.metadata.get('space') or anchor.fingerprint}",
            backbone=self.name,
            modality=modality,
            weights=file.fingerprint,
            preprocessing=self._inputs.parameters(modality),
            precision=self._precision(file.tower),
        )

    def _precision(self, tower: str) -> str:
        """The point tower compares distances and is small: it stays exact."""
        return "float32" if tower == "point_cloud" else self.precision

    def _available(self, modality: str, path: Path) -> str:
        check_modality(modality, tuple(TOWER_OF))
        if TOWER_OF[modality] not in self._files:
            raise UnibindError(
                f"{path} has no {TOWER_OF[modality]} tower, which {modality} needs; name weights that have one "
                "(UniBind's pretrained_weights.pt has all)"
            )
        return modality

    def _tower(self, name: str) -> nn.Module:
        if name not in self._towers:
            self._towers[name] = load_tower(
                self._files[name], precision=self._precision(name), device=self.device, size=self._sizes.get(name)
            )
        return self._towers[name].eval()  # frozen, whatever has been called since


def create(
    argument: str | None = None,
    *,
    modalities: Sequence[str] | None = None,
    weights: str | Path | None = None,
    device: str = "cpu",
    precision: str = "float32",
    clips: int | None = None,
    clip_seconds: float = 2.0,
    stride: float | None = None,
    pooling: str = "mean",
    sizes: Mapping[str, Sequence[int]] | None = None,
) -> ImageBind:
    """Factory for `create_backbone("imagebind")`; the name takes no argument after a colon."""
    if argument:
        raise UnknownNameError("backbone", f"imagebind:{argument}", ["imagebind"])
    return ImageBind(
        modalities,
        weights=weights,
        device=device,
        precision=precision,
        clips=clips,
        clip_seconds=clip_seconds,
        stride=stride,
        pooling=pooling,
        sizes=sizes,
    )
