"""The folder of a saved UniBind, after Hugging Face's conventions.

`unibind.json` is written last: where it is present, the rest is complete.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from ._version import __version__
from .align.calibration import Calibration, calibration_from_json
from .align.centers import Centers, load_centers, save_centers
from .align.heads import Head, heads_fingerprint, load_heads, save_heads
from .backbones import Backbone, Contract, PortableBackbone, create_backbone
from .backbones._shared.places import still_there
from .centering import Mean
from .data.means_file import load_means, save_means
from .data.opening import open_backbone
from .errors import ContractError, MissingFileError, UnibindError
from .files import OutputKind, check_output, recover, staged, write_whole
from .json_files import COUNT, FLAG, OBJECT, TEXT, check_fields, optional, read_json, table_of
from .knowledge import KnowledgeBase
from .modalities import ANCHOR
from .model_card import model_card

MANIFEST, HEADS, CENTERS = "unibind.json", "heads.safetensors", "centers.safetensors"
MEANS = "means.safetensors"
DESCRIPTIONS, CARD = "descriptions.parquet", "README.md"
CLASSES = "classes_*.parquet"  # the texts of a classifier's classes
_FORMAT = 5
MODEL = OutputKind(
    "a model",
    marks=(MANIFEST, HEADS, CENTERS),
    others=(MEANS, DESCRIPTIONS, CARD, "bridge_*.safetensors", CLASSES),
    at_once=True,
)
_FIELDS = {
    "format": COUNT,
    "backbone": TEXT,
    "options": OBJECT,
    "folder_option": optional(TEXT),
    "license": TEXT,
    "contracts": OBJECT,
    "heads": table_of(TEXT),
    "calibration": OBJECT,
    "knowledge": FLAG,
    "summary": optional(OBJECT),
    "unified": optional(TEXT),
}
_FIX = "fit and save the model again"


@dataclass(frozen=True)
class Parts:
    """The contents of a saved model, apart from the backbone itself. `contracts` are the bare backbone's.

    `create_backbone(backbone, **options)` makes the backbone. Where the folder also has files of the backbone,
    `folder_option` is the option that names the folder; `read` adds it.
    """

    backbone: str
    options: Mapping[str, Any]
    contracts: Mapping[str, Contract]
    heads: Mapping[str, Head]
    centers: Mapping[str, Centers]
    calibration: Mapping[str, Calibration]
    means: Mapping[str, Mean]
    knowledge: KnowledgeBase | None
    summary: dict[str, Any] | None
    license: str
    folder_option: str | None = None
    unified: str | None = None


class Learned(TypedDict):
    """The parts of a model that are not its backbone's; see `UniBind`."""

    heads: Mapping[str, Head]
    centers: Mapping[str, Centers]
    calibration: Mapping[str, Calibration]
    means: Mapping[str, Mean]
    knowledge: KnowledgeBase | None
    summary: dict[str, Any] | None
    unified: str | None


# --- whole models ----------------------------------------------------------------------------------------------------


def save(
    directory: Path, backbone: Backbone, measured: Mapping[str, Any], *, name: str, **learned: Unpack[Learned]
) -> None:
    """Write a model's folder at once, in the place of an older one; `measured` and `name` go into its card."""
    check_output(directory, kind=MODEL, force=True)
    with staged(directory, kind=MODEL) as folder:
        folder.mkdir()
        options, folder_option = backbone_files(backbone, folder)
        parts = Parts(
            backbone=backbone.name,
            options=options,
            folder_option=folder_option,
            contracts={m: backbone.contract(m) for m in backbone.modalities},
            license=backbone.license.spdx,
            **learned,
        )
        write(folder, parts, measured, name=name)


def load(
    source: str | Path,
    backbone: Backbone | None,
    options: Mapping[str, Any],
    *,
    modalities: Sequence[str] | None,
    revision: str | None,
) -> tuple[Backbone, Parts]:
    """The backbone of a saved model, open, and the parts for its modalities; see `UniBind.from_pretrained`.

    The `options` of the backbone that are not None override those it was saved with.
    """
    folder = locate(source, revision)
    parts = read(folder)
    chosen = {name: value for name, value in options.items() if value is not None}
    if backbone is None:
        opened = with_options(create_backbone, parts, chosen, folder, modalities=modalities)
    else:
        opened = open_backbone(backbone, options=chosen | ({"modalities": modalities} if modalities else {}))
    check_widths(parts, opened.dim, folder)
    for modality in opened.modalities:
        fitted_on, installed = parts.contracts.get(modality), opened.contract(modality)
        if fitted_on is not None and fitted_on.hash != installed.hash:
            raise ContractError(
                f"{source} was fitted on another {parts.backbone} ({modality}: contract {fitted_on.hash}, "
                f"installed {installed.hash}); install that version or fit again"
            )
    heads = {m: head for m, head in parts.heads.items() if m in opened.modalities}
    centers = {m: own for m, own in parts.centers.items() if m in opened.modalities}
    return opened, replace(parts, heads=heads, centers=centers)


# --- their files -----------------------------------------------------------------------------------------------------


def write(folder: Path, parts: Parts, measured: Mapping[str, Any], *, name: str) -> None:
    """Write a model into a folder without one; the card says how to load it by `name`, of a folder or on the Hub."""
    folder.mkdir(parents=True, exist_ok=True)
    save_heads(parts.heads, folder / HEADS)
    save_centers(parts.centers, folder / CENTERS)
    save_means(parts.means, folder / MEANS)
    if parts.knowledge is not None:
        parts.knowledge.save(folder / DESCRIPTIONS)
    write_whole(folder / CARD, model_card(parts, measured, name))
    manifest = {
        "format": _FORMAT,
        "unibind": __version__,
        "backbone": parts.backbone,
        "options": dict(parts.options),
        "folder_option": parts.folder_option,
        "license": parts.license,
        "contracts": {m: json.loads(c.to_json()) for m, c in parts.contracts.items()},
        "heads": {m: h.fingerprint for m, h in parts.heads.items()},
        "calibration": {m: asdict(c) for m, c in parts.calibration.items()},
        "knowledge": parts.knowledge is not None,
        "summary": parts.summary,
        "unified": parts.unified,
        "measured": dict(measured),
    }
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1))


def read(folder: Path) -> Parts:
    """Read a complete model; raises MissingFileError where it is not one, UnibindError where it is damaged."""
    if not (folder / MANIFEST).is_file():
        raise MissingFileError(
            f"{folder} is not a complete unibind model (it has no {MANIFEST}); fit and save it again"
        )
    manifest = _read_manifest(folder / MANIFEST)
    heads = load_heads(folder / HEADS)
    unified = heads_fingerprint(heads) if ANCHOR in heads else None
    if ({m: h.fingerprint for m, h in heads.items()}, unified) != (manifest["heads"], manifest["unified"]):
        raise UnibindError(f"{folder / HEADS} does not belong to its {MANIFEST}; {_FIX}")
    where, centers, calibration = (
        str(folder / MANIFEST),
        load_centers(folder / CENTERS),
        manifest["calibration"].items(),
    )
    return Parts(
        manifest["backbone"],
        _options(manifest, folder),
        {m: Contract.from_fields(c, f"the contract of {m} in {where}") for m, c in manifest["contracts"].items()},
        heads,
        centers,
        {m: _calibration(c, centers.get(m), f"the calibration of {m} in {where}") for m, c in calibration},
        load_means(folder / MEANS, _FIX),
        KnowledgeBase.load(folder / DESCRIPTIONS) if manifest["knowledge"] else None,
        manifest["summary"],
        manifest["license"],
        manifest["folder_option"],
        unified,
    )


def _read_manifest(path: Path) -> dict[str, Any]:
    """The checked content of a model's `unibind.json`."""
    manifest = check_fields(read_json(path, _FIX), {"format": COUNT}, str(path), _FIX, open=True)
    if manifest["format"] != _FORMAT:
        raise UnibindError(
            f"{path.parent} has format {manifest['format']}, this unibind reads {_FORMAT}; install a matching version"
        )
    return check_fields(manifest, _FIELDS, str(path), _FIX, open=True)


def _calibration(value: Any, centers: Centers | None, where: str) -> Calibration:
    calibration = calibration_from_json(value, where, _FIX)
    offsets = 1 if calibration.label_odds is None else len(calibration.label_odds.offsets)
    if centers is not None and offsets not in (1, len(centers.labels)):
        raise UnibindError(f"{where} has {offsets} offsets for {len(centers.labels)} classes; {_FIX}")
    return calibration


def check_widths(parts: Parts, dim: int, folder: Path) -> None:
    """Raise UnibindError, naming the file, unless heads and centers are as wide as the backbone's embeddings."""
    widths = {f"the head of {m} in {folder / HEADS}": h.affine.dim_in for m, h in parts.heads.items()}
    widths |= {f"the centers of {m} in {folder / CENTERS}": c.vectors.shape[1] for m, c in parts.centers.items()}
    widths |= {f"the mean of {m} in {folder / MEANS}": len(mean.vector) for m, mean in parts.means.items()}
    for name, width in widths.items():
        if width != dim:
            raise UnibindError(f"{name} are for {width} numbers, but the backbone's embeddings have {dim}; {_FIX}")


def with_options(
    create: Callable[..., Backbone], parts: Parts, chosen: Mapping[str, Any], folder: Path, **arguments: Any
) -> Backbone:
    """The backbone of a saved model, with the `chosen` options instead of the recorded ones.

    Raises UnibindError, naming the file, where a recorded option has a value that the backbone cannot use.
    """
    try:
        return create(parts.backbone, **arguments, **{**still_there(parts.options), **chosen})
    except UnibindError:
        raise
    except (TypeError, ValueError, AttributeError, KeyError) as error:  # a number where a name belongs, and so on
        reason = f"{type(error).__name__}: {error}"[:200]
        raise UnibindError(
            f"{parts.backbone} cannot be made with the options in {folder / MANIFEST} ({reason}); {_FIX}"
        ) from error


def _options(manifest: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Options of the backbone, with the folder of the model where it keeps files in it."""
    name = manifest["folder_option"]
    return dict(manifest["options"]) | ({name: str(folder)} if name else {})


def locate(source: str | Path, revision: str | None = None) -> Path:
    """The folder `source` names: on disk, else a snapshot from the Hugging Face Hub."""
    folder = Path(source)
    recover(folder)
    if folder.is_dir():
        return folder
    name = str(source)
    if isinstance(source, Path) or name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise MissingFileError(
            f"no such folder: {source}; name a folder written by save_pretrained, or owner/name on the Hub"
        )
    from huggingface_hub import snapshot_download

    patterns = [MANIFEST, DESCRIPTIONS, CARD, "*.safetensors", CLASSES]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except Exception as error:
        raise MissingFileError(
            f"there is no folder {name}, and no model of that name could be fetched from the Hugging Face Hub "
            f"({type(error).__name__}); check the name and the network"
        ) from error


def backbone_files(backbone: Backbone, folder: Path) -> tuple[Mapping[str, Any], str | None]:
    """Options that make the backbone again, and the option that names `folder` where it keeps files in it.

    A backbone with files of its own beside its weights, as bridges are, writes them into the folder.
    """
    if isinstance(backbone, PortableBackbone):
        return backbone.bundle(folder), "folder"
    return backbone.options, None


def upload(
    save: Callable[[Path], None],
    repo_id: str,
    *,
    token: str | None,
    private: bool,
    revision: str | None,
    commit_message: str,
) -> str:
    """Save into a temporary folder and upload it to the Hub; returns the repository's URL."""
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder))
        url = api.create_repo(repo_id, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=commit_message, revision=revision)
    return str(url)
