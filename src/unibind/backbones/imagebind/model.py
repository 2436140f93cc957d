"""The backbone `imagebind`: ImageBind-huge's towers and Point-Bind's point tower.

Images, videos and event recordings, which are rendered as pictures, share the vision tower. Outputs are those of the
released models at unit length. The released code multiplies every embedding except the vision tower's by a logit scale,
which is separate here, and does not bring the mean of several clips back to unit length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import UnibindError
from ...modalities import check_modality
from ...modalities.spec import Raw
from .._shared.device import resolve_device
from .._shared.places import absolute
from .._shared.pooling import pool
from .._shared.precision import resolve_precision
from .._shared.towers import FrozenTowers, check_item, select_modalities
from .._shared.weights import find_weights
from ..contract import Contract
from . import LICENSE, SPEC, WEIGHTS_URL
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

FILES = ("imagebind_huge", "imagebind_huge.pth", "pretrained_weights.pt")  # names that are looked for in a folder
_DEFAULT_SCALE = 100.0  # logit scale where there is no text tower


def chunk_size(tower: str, device: str) -> int:
    """Items that go through a tower together; on a CPU, as few as keep its cores busy, to limit memory."""
    on_cpu = {"text": 32, "vision": 2, "audio": 2}.get(tower, 4)
    return on_cpu if torch.device(device).type == "cpu" else 64 * on_cpu


class ImageBind:
    """The backbone `imagebind`; see `unibind.backbones.Backbone` for the protocol.

    `weights` is a public checkpoint, or a folder that `unibind weights convert` wrote, whose towers are memory-mapped.
    `modalities` limits what may be used; each tower is read when it is first needed. `precision` is "float32",
    "bfloat16", "int8" or "auto". Recordings are cut into `clips` of `clip_seconds`: evenly spaced, or one every
    `stride` seconds and then at most `clips`; `pooling` ("mean" or "max") combines their embeddings. `sizes` gives the
    layers and heads of towers that are not those of ImageBind-huge. With `compile`, towers are compiled when they are
    first used.
    """

    name = SPEC.card.name
    license = LICENSE

    def __init__(
        self,
        modalities: Sequence[str] | None = None,
        *,
        weights: str | Path | None = None,
        precision: str = "float32",
        device: str | None = None,
        compile: bool = False,
        clips: int | None = None,
        clip_seconds: float = 2.0,
        stride: float | None = None,
        pooling: str = "mean",
        sizes: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        self._inputs = Preprocessing(clips, clip_seconds, stride, pooling)
        self._sizes = {tower: Size(*size) for tower, size in (sizes or {}).items()}
        self._weights = {} if weights is None else {"weights": absolute(str(weights))}
        path = find_weights(weights, FILES, what="ImageBind", where=WEIGHTS_URL, license=LICENSE)
        self._files: dict[str, TowerFile] = open_weights(path)
        self.modalities = self._select(modalities, path)
        self.dim = self._files[TOWER_OF[self.modalities[0]]].shapes["project.weight"][0]
        self._towers = FrozenTowers(self._load, self.device, compile=compile)

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of `create_backbone` that rebuild an equal backbone where its weights are available."""
        sizes = {"sizes": {tower: list(size) for tower, size in self._sizes.items()}} if self._sizes else {}
        return {"precision": self.precision, **self._weights, **self._inputs.options, **sizes}

    @property
    def logit_scale(self) -> float:
        """1 / temperature of texts against images, as trained (100 where there is no text tower)."""
        return self.logit_scales.get("text", _DEFAULT_SCALE)

    @property
    def logit_scales(self) -> dict[str, float]:
        """The factor by which the released model multiplies each tower's embeddings."""
        scaled = {tower: file for tower, file in self._files.items() if "log_logit_scale" in file.names}
        return {
            tower: min(math.exp(float(dict(file.stream(["log_logit_scale"]))["log_logit_scale"])), 100.0)
            for tower, file in scaled.items()
        }

    def __getstate__(self) -> dict[str, Any]:
        """Leave out open files: worker processes only preprocess."""
        return self.__dict__ | {"_files": {}}

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Turn one raw item into its tower's input; `preprocessing` lists the shapes."""
        check_item(modality, raw, self.modalities)
        return self._inputs(modality, raw)

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...], or [B, clips, ...]: float32 [B, D], unit length, on the CPU."""
        tower = TOWER_OF[check_modality(modality, self.modalities)]
        chunk = chunk_size(tower, self.device)
        if not self._inputs.clipped(modality):
            return self._towers.embed(tower, batch, chunk=chunk)
        z = self._towers.embed(tower, batch.flatten(0, 1), chunk=chunk)
        return pool(z.unflatten(0, batch.shape[:2]), self._inputs.pooling)

    def contract(self, modality: str) -> Contract:
        """Return everything that decides what the embeddings of this modality mean."""
        file = self._files[TOWER_OF[check_modality(modality, self.modalities)]]
        anchor = self._files.get("text", file)
        return Contract(
            space=f"imagebind@{file.checkpoint.metadata.get('space') or anchor.fingerprint}",
            backbone=self.name,
            modality=modality,
            weights=file.fingerprint,
            preprocessing=self._inputs.parameters(modality),
            precision=self._precision_of(file.tower),
        )

    def _precision_of(self, tower: str) -> str:
        """The point tower is small and compares distances, so it stays in float32."""
        return "float32" if tower == "point_cloud" else self.precision

    def _select(self, modalities: Sequence[str] | None, path: Path) -> tuple[str, ...]:
        """The modalities to use: by default, all for which the weights have a tower."""
        if modalities is None:
            return tuple(modality for modality, tower in TOWER_OF.items() if tower in self._files)
        selected = select_modalities(modalities, tuple(TOWER_OF))
        for modality in selected:
            if TOWER_OF[modality] not in self._files:
                raise UnibindError(
                    f"{path} has no {TOWER_OF[modality]} tower, which {modality} needs; use weights that have one "
                    "(UniBind's pretrained_weights.pt has all)"
                )
        return selected

    def _load(self, tower: str) -> nn.Module:
        if not self._files:
            raise UnibindError("this copy of imagebind only preprocesses; encode in the process that created it")
        return load_tower(
            self._files[tower], precision=self._precision_of(tower), device=self.device, size=self._sizes.get(tower)
        )
