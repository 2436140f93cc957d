"""The folder a fitted UniBind is kept in, after Hugging Face's conventions.

`unibind.json` is written last and removed first: where it is present, the rest is complete.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ._version import __version__
from .align.calibration import Calibration
from .align.centers import Centers, load_centers, save_centers
from .align.heads import Head, load_heads, save_heads
from .backbones.contract import Contract
from .errors import MissingFileError, UnibindError
from .files import write_whole
from .knowledge import KnowledgeBase

MANIFEST, HEADS, CENTERS = "unibind.json", "heads.safetensors", "centers.safetensors"
DESCRIPTIONS, CARD = "descriptions.parquet", "README.md"
_FORMAT = 1


@dataclass(frozen=True)
class Parts:
    """What an artifact holds, apart from the backbone itself. `contracts` are the bare backbone's.

    `create_backbone(backbone, **options)` makes the backbone. Where the folder also holds files of the backbone's own,
    `inside` is the option by which it is told the folder; `read` adds that.
    """

    backbone: str
    options: Mapping[str, Any]
    contracts: Mapping[str, Contract]
    heads: Mapping[str, Head]
    centers: Mapping[str, Centers]
    calibration: Mapping[str, Calibration]
    knowledge: KnowledgeBase | None
    summary: dict[str, Any] | None
    license: str
    inside: str | None = None


def write(folder: Path, parts: Parts, measured: Mapping[str, Any]) -> None:
    """Write the artifact; an older one in the same folder is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    save_heads(parts.heads, folder / HEADS)
    save_centers(parts.centers, folder / CENTERS)
    if parts.knowledge is not None:
        parts.knowledge.save(folder / DESCRIPTIONS)
    write_whole(folder / CARD, _card(parts, measured))
    manifest = {
        "format": _FORMAT,
        "unibind": __version__,
        "backbone": parts.backbone,
        "options": dict(parts.options),
        "inside": parts.inside,
        "license": parts.license,
        "contracts": {m: json.loads(c.to_json()) for m, c in parts.contracts.items()},
        "heads": {m: h.fingerprint for m, h in parts.heads.items()},
        "calibration": {m: asdict(c) for m, c in parts.calibration.items()},
        "knowledge": parts.knowledge is not None,
        "summary": parts.summary,
        "measured": dict(measured),
    }
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1))


def read(folder: Path) -> Parts:
    """Read a complete artifact; raises MissingFileError where it is not one, UnibindError where it is damaged."""
    if not (folder / MANIFEST).is_file():
        raise MissingFileError(f"{folder} is no complete unibind model (it has no {MANIFEST}); fit and save it again")
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["format"] != _FORMAT:
            raise UnibindError(
                f"{folder} has format {manifest['format']}, this unibind reads {_FORMAT}; install a matching version"
            )
        heads = load_heads(folder / HEADS)
        found = {m: h.fingerprint for m, h in heads.items()}
        if found != manifest["heads"]:
            raise UnibindError(f"{folder / HEADS} does not belong to its {MANIFEST}; fit and save the model again")
        return Parts(
            manifest["backbone"],
            _options(manifest, folder),
            {m: Contract(**c) for m, c in manifest["contracts"].items()},
            heads,
            load_centers(folder / CENTERS),
            {m: Calibration(**c) for m, c in manifest["calibration"].items()},
            KnowledgeBase.load(folder / DESCRIPTIONS) if manifest["knowledge"] else None,
            manifest["summary"],
            manifest["license"],
            manifest.get("inside"),
        )
    except UnibindError:
        raise
    except Exception as error:
        raise UnibindError(f"{folder} is damaged ({type(error).__name__}: {error}); fit and save it again") from error


def _options(manifest: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Options of the backbone; models from before they were kept have none."""
    name = manifest.get("inside")
    return dict(manifest.get("options", {})) | ({name: str(folder)} if name else {})


def locate(source: str | Path, revision: str | None = None) -> Path:
    """The folder `source` names: on disk, else a snapshot from the Hugging Face hub."""
    folder = Path(source)
    if folder.is_dir():
        return folder
    name = str(source)
    if isinstance(source, Path) or name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise MissingFileError(f"there is no folder {source}; name a folder written by save_pretrained or owner/name")
    from huggingface_hub import snapshot_download

    wanted = [MANIFEST, DESCRIPTIONS, CARD, "*.safetensors"]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except Exception as error:
        raise MissingFileError(
            f"there is no folder {name}, and the Hugging Face hub did not give a model of that name "
            f"({type(error).__name__}); check the name and the network"
        ) from error


def upload(save: Callable[[Path], None], repo_id: str, *, private: bool) -> str:
    """Save into a temporary folder and upload it; the repository's URL."""
    from huggingface_hub import HfApi

    api = HfApi()
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder))
        url = api.create_repo(repo_id, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Upload a unibind model")
    return str(url)


def _card(parts: Parts, measured: Mapping[str, Any]) -> str:
    """The model card: what this is, how to use it, what was measured."""
    labels = sorted({label for c in parts.centers.values() for label in c.labels})
    modalities = ", ".join(sorted(parts.heads)) or "none (zero-shot)"
    shown = ", ".join(labels[:12]) + (" ..." if len(labels) > 12 else "")
    lines = [
        "---",
        "library_name: unibind",
        f"license: {parts.license.lower()}",
        "tags: [unibind, multimodal, zero-shot-classification]",
        "---",
        "# A fitted UniBind",
        "",
        f"Heads over the frozen backbone `{parts.backbone}`, fitted for: {modalities}.",
        f"{len(labels)} categories: {shown}.",
        "",
        "```python",
        "import unibind",
        'model = unibind.UniBind.from_pretrained("this folder or repository")',
        'model.classify(["file.png"])',
        "```",
    ]
    if parts.summary:
        lines += ["", "## Fit", "", f"{parts.summary['learned_parameters']:,} learned parameters."]
        lines += ["", "| modality | training items | validation top-1 | centers |", "|---|---|---|---|"]
        for m in sorted(parts.heads):  # a model that was loaded in part knows more of its fit than it holds
            c, n = parts.centers[m], parts.summary["train_items"][m]
            chosen = f"{c.strategy}, K = {max(c.sizes)}, {c.scoring.kind} {c.scoring.parameter:g}"
            lines.append(f"| {m} | {n} | {100 * parts.summary['validation_top1'][m]:.1f} % | {chosen} |")
    if measured:
        lines += ["", "## Measured", "", "```json", json.dumps(dict(measured), indent=1), "```"]
    return "\n".join(lines) + "\n"
