"""The backbone `languagebind`: the towers of LanguageBind's public repositories.

Every repository has the tower of one modality, and a copy of the text tower with which it was trained. Outputs are
those of the released models at unit length; the logit scales, by which the released code multiplies, are separate here.
"""

from __future__ import annotations

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
from .._shared.precision import resolve_precision
from .._shared.repository import find_repository
from .._shared.towers import FrozenTowers, check_item, select_modalities
from .._shared.weights import HUB, locate_weights
from ..contract import Contract
from . import LICENSE, SPEC, WEIGHTS_URL
from .checkpoint import PICTURES, TEXTS
from .loading import load_tower
from .preprocessing import Preprocessing
from .repositories import PUBLIC, Opened, folders_in, open_repositories

TOWER_OF = {  # modality -> the modality of the repository with its tower; texts are read by that of any repository
    "image": "image",
    "text": None,
    "audio": "audio",
    "thermal": "thermal",
    "video": "video",
    "event": "image",
    "depth": "depth",
}
_SOURCE = (
    f"LanguageBind's weights are under {LICENSE} at {WEIGHTS_URL}, one repository per modality "
    f"({', '.join(names[0] for names in PUBLIC.values())})"
)


def chunk_size(modality: str, device: str) -> int:
    """Items that go through a tower together; on a CPU, as few as keep its cores busy, to limit memory."""
    on_cpu = {"text": 32, "video": 1}.get(modality, 2)
    return on_cpu if torch.device(device).type == "cpu" else 32 * on_cpu


class LanguageBind:
    """The backbone `languagebind`; see `unibind.backbones.Backbone` for the protocol.

    `weights` is one of the public repositories (a folder, or `hf:OWNER/REPO`), or a folder with one subfolder per
    repository. Instead, `repositories` names them by modality: folders, or names on the Hugging Face Hub, which are
    downloaded. `modalities` limits what may be used; each tower is read when it is first needed. `precision` is
    "float32", "bfloat16", "int8" or "auto". With `compile`, towers are compiled when they are first used.
    """

    name = SPEC.card.name
    license = LICENSE

    def __init__(
        self,
        modalities: Sequence[str] | None = None,
        *,
        weights: str | Path | None = None,
        repositories: Mapping[str, str] | None = None,
        precision: str = "float32",
        device: str | None = None,
        compile: bool = False,
    ) -> None:
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        paths = _places(weights, repositories)
        self.modalities = _select(modalities, paths)
        needed = _needed(self.modalities, paths)
        self._opened: dict[str, Opened] = open_repositories({m: paths[m] for m in paths if m in needed})
        self._text_from = next(iter(self._opened))
        self.dim = self._opened[self._text_from].dim
        self._inputs = Preprocessing({m: self._repository(m).vision for m in self.modalities})
        self._given: dict[str, Any] = {"repositories": paths} if repositories is not None else {}
        if weights is not None:
            self._given["weights"] = absolute(str(weights))
        self._towers = FrozenTowers(self._load, self.device, compile=compile)

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of `create_backbone` that rebuild an equal backbone where its weights are available."""
        return {"precision": self.precision, **self._given}

    @property
    def logit_scale(self) -> float:
        """1 / temperature of the first repository's modality against texts, as trained."""
        return self._opened[self._text_from].logit_scale

    @property
    def logit_scales(self) -> dict[str, float]:
        """1 / temperature of each modality against texts, as trained."""
        return {modality: self._repository(modality).logit_scale for modality in self.modalities}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out open files: worker processes only preprocess."""
        return self.__dict__ | {"_opened": {}}

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Turn one raw item into its tower's input; `preprocessing` lists the shapes."""
        check_item(modality, raw, self.modalities)
        return self._inputs(modality, raw)

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...]: float32 [B, D], unit length, on the CPU."""
        check_modality(modality, self.modalities)
        return self._towers.embed(TOWER_OF[modality] or TEXTS, batch, chunk=chunk_size(modality, self.device))

    def contract(self, modality: str) -> Contract:
        """Return everything that decides what the embeddings of this modality mean.

        Its space is that of the text tower in its own repository. The public repositories of one size have equal ones;
        a modality whose repository has another is outside the space of the backbone's texts.
        """
        check_modality(modality, self.modalities)
        own = self._contract(modality, self._repository(modality))
        return own.anchored_to(self._contract(modality, self._opened[self._text_from]))

    def _contract(self, modality: str, repository: Opened) -> Contract:
        tower = PICTURES if TOWER_OF[modality] else TEXTS
        return Contract(
            space=f"{self.name}@{repository.towers[TEXTS].fingerprint}",
            backbone=self.name,
            modality=modality,
            weights=repository.towers[tower].fingerprint,
            preprocessing=self._inputs.parameters(modality),
            precision=self.precision,
        )

    def _repository(self, modality: str) -> Opened:
        return self._opened[TOWER_OF[modality] or self._text_from]

    def _load(self, tower: str) -> nn.Module:
        if not self._opened:
            raise UnibindError(f"this copy of {self.name} only preprocesses; encode in the process that created it")
        repository, part = (self._opened[self._text_from], TEXTS) if tower == TEXTS else (self._opened[tower], PICTURES)
        return load_tower(repository.towers[part], repository.size(part), precision=self.precision, device=self.device)


def _places(weights: str | Path | None, repositories: Mapping[str, str] | None) -> dict[str, str]:
    """Folder or Hub name of each modality's repository, in the order of `PUBLIC`."""
    if repositories is None:
        return folders_in(_folder(weights), _SOURCE)
    if weights is not None:
        raise UnibindError("weights and repositories were both given; pass the folder, or each repository, not both")
    if not repositories:
        raise UnibindError(f"no repository was named; {_SOURCE}")
    for modality in repositories:
        check_modality(modality, tuple(PUBLIC))
    return {modality: absolute(str(repositories[modality])) for modality in PUBLIC if modality in repositories}


def _folder(weights: str | Path | None) -> Path:
    """The folder that `weights` names; `hf:OWNER/REPO` is one repository on the Hub."""
    if isinstance(weights, str) and weights.startswith(HUB):
        return find_repository(weights.removeprefix(HUB), None).folder
    return locate_weights(weights, _SOURCE)


def _select(modalities: Sequence[str] | None, paths: Mapping[str, str]) -> tuple[str, ...]:
    """The modalities to use: by default, all for which there is a repository."""
    if modalities is None:
        return tuple(modality for modality, tower in TOWER_OF.items() if tower is None or tower in paths)
    selected = select_modalities(modalities, tuple(TOWER_OF))
    for modality in selected:
        tower = TOWER_OF[modality]
        if tower is not None and tower not in paths:
            raise UnibindError(
                f"there is no repository with the {tower} tower, which {modality} needs; add {PUBLIC[tower][0]} "
                f"beside {', '.join(paths.values())}"
            )
    return selected


def _needed(modalities: Sequence[str], paths: Mapping[str, str]) -> set[str]:
    """The repositories that have towers of these modalities; any has the text tower."""
    towers = {tower for modality in modalities if (tower := TOWER_OF[modality]) is not None}
    return towers or {next(iter(paths))}
