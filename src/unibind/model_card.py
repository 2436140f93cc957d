"""The model card of a fitted UniBind: Hub metadata, a snippet that works, what was fitted and measured."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backbones import backbone_specs
from .errors import printable

if TYPE_CHECKING:
    from .serialization import Parts

# Identifiers that the Hub knows as they are (https://huggingface.co/docs/hub/repositories-licenses), of those in use
_HUB_LICENSES = {"apache-2.0", "mit", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "bsd-3-clause"}
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_SHOWN_LABELS = 12
# Punctuation that can begin a link, a tag, a table cell, emphasis, a heading or an address in Markdown; a backslash
# before it makes it text (https://spec.commonmark.org/0.31.2/#backslash-escapes)
_MARKDOWN = re.compile(r"[\\`*_\[\]<>#|~&$!@:.]")
_UNIFIED = (
    "This model is unified: text has a head, too, and all modalities were fitted together. Compare its vectors with",
    "those of this model only: text vectors of the bare backbone are in another space.",
)


def model_card(parts: Parts, measured: Mapping[str, Any], name: str) -> str:
    """README.md of a model that `UniBind.from_pretrained(name)` loads."""
    labels = sorted({label for c in parts.centers.values() for label in c.labels})
    shown = ", ".join(map(_text, labels[:_SHOWN_LABELS])) + (", ..." if len(labels) > _SHOWN_LABELS else ".")
    modalities = ", ".join(map(_text, sorted(parts.heads))) or "none (zero-shot)"
    lines = [
        "---",
        _metadata(parts),
        "---",
        "# A fitted UniBind",
        "",
        f"Heads over the frozen backbone {_text(parts.backbone)}, fitted for: {modalities}.",
        f"{len(labels)} categories: {shown}",
        "",
        _calibrated(parts),
        "",
        "```python",
        "import unibind",
        "",
        f"model = unibind.UniBind.from_pretrained({json.dumps(name)})",
        'vector = model.embed("a photo of a bell")  # also paths, PIL images, and unibind.Audio(samples, rate)',
        "print(model.modalities, vector.shape)",
        "```",
    ]
    if parts.unified:
        lines += ["", *_UNIFIED]
    if parts.summary:
        learned = f"{parts.summary['learned_parameters']:,} learned parameters"
        lines += ["", "## Fit", "", f"{learned}, from version {parts.summary['store_version']} of the store.", ""]
        lines += ["| modality | training items | held-out top-1 | centers |", "|---|---|---|---|"]
        lines += [_fit_row(m, parts) for m in sorted(parts.heads)]
    if measured:
        lines += ["", "## Measured", *_measured(measured)]
    return "\n".join(lines) + "\n"


def _measured(measured: Mapping[str, Any]) -> list[str]:
    """Figures by name as a table each, words as a paragraph, and anything else as JSON."""
    lines = []
    for name, value in measured.items():
        if isinstance(value, str):
            lines += ["", f"{_text(name)}: {_text(value)}"]
        elif isinstance(value, Mapping) and not any(isinstance(each, Mapping | list) for each in value.values()):
            lines += ["", f"| {_text(name)} | |", "|---|---|"]
            lines += [f"| {_text(str(key))} | {_text(str(each))} |" for key, each in value.items()]
        else:
            lines += ["", f"{_text(name)}:", "", "```json", json.dumps(value, indent=1), "```"]
    return lines


def _calibrated(parts: Parts) -> str:
    if not parts.calibration:
        return "Confidences are not calibrated."
    return (
        f"Confidences are calibrated for: {', '.join(map(_text, sorted(parts.calibration)))}. They are probabilities "
        "given that an item is of one of the categories; `classify(..., none_prior=0.1)` also asks whether it is, and "
        "`multi_label=True` which of them apply."
    )


def _metadata(parts: Parts) -> str:
    from huggingface_hub import ModelCardData

    identifier = parts.license.lower()
    known = identifier in _HUB_LICENSES
    data = ModelCardData(
        library_name="unibind",
        license=identifier if known else "other",
        license_name=None if known else identifier.replace(" ", "-"),
        pipeline_tag="feature-extraction",
        base_model=_base_models(parts.backbone, parts.options) or None,
        tags=["unibind", "multimodal", "zero-shot-classification"],
    )
    return str(data.to_yaml()).strip()


def _base_models(backbone: str, options: Mapping[str, Any]) -> list[str]:
    """Hub names of the models behind a backbone, and behind the parts of a composed one."""
    kind, _, argument = backbone.partition(":")
    table = options.get("table") or {}
    if table:
        parts = (_base_models(facts["backbone"], facts.get("options", {})) for facts in table.values())
        return list(dict.fromkeys(name for names in parts for name in names))
    if _HUB_NAME.fullmatch(argument) and not Path(argument).exists():
        return [argument]
    spec = backbone_specs().get(kind)
    return [spec.card.base_model] if spec is not None and spec.card.base_model else []


def _fit_row(modality: str, parts: Parts) -> str:
    """A model that was loaded in part knows more of its fit than it has: only its own heads get a row."""
    assert parts.summary is not None
    centers, items = parts.centers.get(modality), parts.summary["class_items"].get(modality)
    top1 = parts.summary["validation_top1"].get(modality)
    measured = (
        "not measured" if top1 is None else f"{100 * top1:.1f} % ({_text(parts.summary['measured_on'][modality])})"
    )
    learned = f"{parts.summary['captioned'][modality]} captions" if items is None else str(sum(items.values()))
    chosen = (
        "none"
        if centers is None
        else f"{_text(centers.strategy)}, K = {max(centers.sizes)}, {_text(str(centers.scoring))}"
    )
    return f"| {_text(modality)} | {learned} | {measured} | {chosen} |"


def _text(name: str) -> str:
    """A name of the user's or a model's as Markdown that shows it in one line and does nothing."""
    return _MARKDOWN.sub(r"\\\g<0>", printable(name))
