"""Converts the files that UniBind and ImageBind released into a folder that this package loads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import serialization
from ..affine import AffineMap
from ..align.centers import Centers, Scoring
from ..align.heads import Head
from ..backbones import Contract
from ..backbones.imagebind.convert import Released, open_released, write_towers
from ..backbones.imagebind.model import TOWER_OF, ImageBind
from ..backbones.imagebind.towers import TOWERS
from ..data.embeddings import Vectors, unit
from ..errors import UnibindError
from ..files import OutputKind, check_output, staged
from ..modalities import ANCHOR, check_modality
from .pickled_centers import load_centers_pickle

_CENTERS_SUFFIX = ".pkl"
CONVERSION = OutputKind(
    "converted weights",
    marks=(
        serialization.MANIFEST,
        serialization.HEADS,
        serialization.CENTERS,
        serialization.MEANS,
        serialization.DESCRIPTIONS,
        serialization.CARD,
        *(f"{tower}.safetensors" for tower in TOWERS),
    ),
    at_once=True,
)


@dataclass(frozen=True)
class Converted:
    """What a conversion wrote: the fingerprint of each tower, and the modalities that got a head and centers."""

    towers: dict[str, str]
    heads: tuple[str, ...]
    centers: tuple[str, ...]


def convert(
    sources: Sequence[Path],
    out: Path,
    *,
    modality: str | None = None,
    force: bool = False,
    progress: Callable[[str, int], None] = lambda *_: None,
) -> Converted:
    """Convert released files into the folder `out`, completely or not at all.

    `sources` are checkpoints, whose towers become `<tower>.safetensors`, and at most one .pkl file of centers. With a
    fitted checkpoint or centers, the folder becomes a model that `UniBind.from_pretrained` loads. The centers belong to
    `modality`, by default the one that a checkpoint was fitted for. `progress` is called with the name of each tower
    before it is written, and the number of towers.

    The reference applies its linear map W x + b to an embedding x = s u, where u has unit length and s is the logit
    scale of the modality (1 for the vision tower), so the head's weight is s W. The reference averages s u over several
    clips without normalizing the mean, so heads equal the reference exactly for items of one clip.

    Raises UnibindError, naming the file, for files that cannot be read or do not belong together, and
    what `check_output` raises for `out`.
    """
    check_output(out, kind=CONVERSION, force=force)
    pickles = [path for path in sources if path.suffix == _CENTERS_SUFFIX]
    released = open_released(path for path in sources if path not in pickles)
    centers = _read_centers(pickles, released, modality)
    for m in released.maps.keys() | centers.keys():
        _check_complete(m, released, centers.get(m, {}))
    with staged(out, kind=CONVERSION) as folder:
        folder.mkdir()
        fingerprints = write_towers(released.towers, folder, progress)
        if released.maps or centers:
            _write_model(folder, released.maps, centers, str(out))
    return Converted(fingerprints, tuple(sorted(released.maps)), tuple(centers))


def _read_centers(pickles: Sequence[Path], released: Released, modality: str | None) -> dict[str, dict[str, Vectors]]:
    """Centers [K, D] by label, by modality."""
    if not pickles:
        return {}
    if len(pickles) > 1:
        raise UnibindError(f"{pickles[0]} and {pickles[1]} are both centers; convert one centers file at a time")
    if modality is None and len(released.maps) != 1:
        raise UnibindError(f"the modality of the centers in {pickles[0]} is not clear; give it with --modality")
    target = next(iter(released.maps)) if modality is None else check_modality(modality, tuple(TOWER_OF))
    return {target: load_centers_pickle(pickles[0])}


def _check_complete(modality: str, released: Released, centers: Mapping[str, Vectors]) -> None:
    """A model of a modality needs the tower of the modality and that of the anchor, all of one width."""
    missing = sorted({TOWER_OF[modality], ANCHOR} - released.towers.keys())
    if missing:
        raise UnibindError(
            f"a model of {modality} needs the towers {' and '.join(missing)}, which none of the given files contains; "
            "add UniBind's pretrained_weights.pt"
        )
    width = released.towers[ANCHOR].shapes["project.weight"][0]
    mapped = [released.maps[modality].dim_out] if modality in released.maps else []
    others = {*mapped, *(vectors.shape[1] for vectors in centers.values())} - {width}
    if others:
        raise UnibindError(
            f"the map or the centers of {modality} have the width {others.pop()}, but the towers have {width}; "
            "pass files that belong together"
        )


def _write_model(
    folder: Path, maps: Mapping[str, AffineMap], centers: Mapping[str, Mapping[str, Vectors]], name: str
) -> None:
    """Turn a folder of towers into a model whose backbone reads its weights from that folder."""
    backbone = ImageBind(weights=folder)
    anchor = backbone.contract(ANCHOR)
    serialization.write(
        folder,
        serialization.Parts(
            backbone=backbone.name,
            options=backbone.options,
            folder_option="weights",
            contracts={m: backbone.contract(m) for m in backbone.modalities},
            heads={m: _head(fitted, backbone.logit_scales.get(TOWER_OF[m], 1.0)) for m, fitted in maps.items()},
            centers={m: _center_sets(by_label, anchor) for m, by_label in centers.items()},
            calibration={},
            means={},
            knowledge=None,
            summary=None,
            license=backbone.license.spdx,
        ),
        {},
        name=name,
    )


def _head(fitted: AffineMap, scale: float) -> Head:
    return Head(AffineMap(scale * fitted.weight, fitted.bias))


def _center_sets(by_label: Mapping[str, Vectors], contract: Contract) -> Centers:
    """Centers as released, at unit length; `<label>/<number>` stands in for the ids of their descriptions."""
    return Centers(
        unit(np.concatenate(list(by_label.values()))),
        tuple(len(vectors) for vectors in by_label.values()),
        tuple(by_label),
        tuple(f"{label}/{i}" for label, vectors in by_label.items() for i in range(len(vectors))),
        "released",
        Scoring("max"),
        contract,
    )
