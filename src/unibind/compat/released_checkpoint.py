"""From the files that UniBind and ImageBind released to a folder that this package loads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import serialization as artifact
from ..affine import AffineMap
from ..align.centers import Centers, Scoring
from ..align.heads import Head
from ..backbones.imagebind.convert import Released, open_released, write_towers
from ..backbones.imagebind.model import TOWER_OF, ImageBind
from ..backbones.imagebind.towers import TOWERS
from ..data.embeddings import Vectors, unit
from ..errors import UnibindError
from ..modalities import check_modality
from .pickled_centers import load_centers_pickle

_CENTERS_SUFFIX = ".pkl"


@dataclass(frozen=True)
class Converted:
    """What a conversion wrote: fingerprints of towers; the modalities with heads and with centers, if it is a model."""

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
    """Convert released files into the folder `out`, all of it or nothing.

    `sources` are checkpoints, whose towers become `<tower>.safetensors`, and at most one .pkl of embedding centers. A
    fitted checkpoint or centers make the folder a model, which `UniBind.from_pretrained` loads. The centers are those
    of `modality`, by default of the one that a checkpoint was fitted for. `progress` is told each tower before it is
    written, and how many there are.

    The reference applies its linear map W x + b to an embedding x = s u, where u has unit length and s is the
    modality's logit scale (1 for the vision tower): so the head's weight is s W. It averages s u over several clips
    without bringing the mean back to unit length, so heads equal the reference exactly for items of one clip.

    Raises UnibindError, naming the file, for what cannot be read or does not belong together, and where `out` holds
    a conversion or model already, unless `force` says to replace it.
    """
    pickles = [path for path in sources if path.suffix == _CENTERS_SUFFIX]
    released = open_released(path for path in sources if path not in pickles)
    centers = _read_centers(pickles, released, modality)
    for m in released.maps.keys() | centers.keys():
        _check_complete(m, released, centers.get(m, {}))
    there = [path for path in _products(out) if path.exists()]
    if there and not force:
        raise UnibindError(f"{there[0]} exists; name another folder, or replace it with --force")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".converting-") as name:
        folder = Path(name)
        fingerprints = write_towers(released.towers, folder, progress)
        if released.maps or centers:
            _write_model(folder, released.maps, centers)
        _replace(there, folder, out)
    return Converted(fingerprints, tuple(sorted(released.maps)), tuple(centers))


def _read_centers(pickles: Sequence[Path], released: Released, modality: str | None) -> dict[str, dict[str, Vectors]]:
    """Label -> centers [K, D], by modality."""
    if not pickles:
        return {}
    if len(pickles) > 1:
        raise UnibindError(f"{pickles[0]} and {pickles[1]} are both centers; convert one file of centers at a time")
    if modality is None and len(released.maps) != 1:
        raise UnibindError(f"which modality are the centers of {pickles[0]} for? Say it with --modality")
    whose = next(iter(released.maps)) if modality is None else check_modality(modality, tuple(TOWER_OF))
    return {whose: load_centers_pickle(pickles[0])}


def _check_complete(modality: str, released: Released, centers: Mapping[str, Vectors]) -> None:
    """A model of a modality needs its tower and, as the space's anchor, that of texts, all of one width."""
    missing = sorted({TOWER_OF[modality], "text"} - released.towers.keys())
    if missing:
        raise UnibindError(
            f"a model of {modality} needs the towers of {' and '.join(missing)}, which nothing that was named holds; "
            "name UniBind's pretrained_weights.pt too"
        )
    width = released.towers["text"].shapes["project.weight"][0]
    mapped = [len(released.maps[modality].bias)] if modality in released.maps else []
    others = {*mapped, *(vectors.shape[1] for vectors in centers.values())} - {width}
    if others:
        raise UnibindError(
            f"the map or the centers of {modality} have the width {others.pop()} where the towers have {width}; "
            "name files that belong together"
        )


def _write_model(folder: Path, maps: Mapping[str, AffineMap], centers: Mapping[str, Mapping[str, Vectors]]) -> None:
    """Make a folder of towers a model over itself."""
    backbone = ImageBind(weights=folder)
    texts = backbone.contract("text")
    artifact.write(
        folder,
        artifact.Parts(
            backbone=backbone.name,
            options=backbone.options,
            folder_option="weights",
            contracts={m: backbone.contract(m) for m in backbone.modalities},
            heads={m: _head(fitted, backbone.logit_scales.get(TOWER_OF[m], 1.0)) for m, fitted in maps.items()},
            centers={
                m: Centers(
                    unit(np.concatenate(list(found.values()))),
                    tuple(len(vectors) for vectors in found.values()),
                    tuple(found),
                    tuple(f"{label}/{i}" for label, vectors in found.items() for i in range(len(vectors))),
                    "released",
                    Scoring("max"),
                    texts,
                )
                for m, found in centers.items()
            },
            calibration={},
            knowledge=None,
            summary=None,
            license=backbone.license.spdx,
        ),
        {},
    )


def _head(fitted: AffineMap, scale: float) -> Head:
    return Head(AffineMap(scale * fitted.weight, fitted.bias))


def _products(folder: Path) -> list[Path]:
    """What a conversion may write, the mark of a complete model first."""
    names = (artifact.MANIFEST, artifact.HEADS, artifact.CENTERS, artifact.DESCRIPTIONS, artifact.CARD)
    return [folder / name for name in (*names, *(f"{tower}.safetensors" for tower in TOWERS))]


def _replace(old: Sequence[Path], folder: Path, out: Path) -> None:
    """Put the finished files in place of the old ones: the mark goes first and comes last."""
    for path in old:
        path.unlink()
    for path in reversed(_products(folder)):
        if path.exists():
            path.replace(out / path.name)
