"""The backbone `classifier:REPO_OR_DIR`, over a classifier of the transformers library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._shared.class_texts import Knowledge, class_texts
from .._shared.device import resolve_device
from .._shared.places import absolute, absolute_name
from .._shared.precision import DTYPES, resolve_precision
from .._shared.repository import find_repository
from .checkpoint import CheckpointClassifier
from .labels import check_meaningful
from .model import ANCHOR_BACKBONE, KEPT, ClassifierBackbone, open_anchor


class CheckpointBackbone(ClassifierBackbone):
    """The backbone `classifier:MODEL`; its config.json names the classes.

    `model` is a folder or the name of a model on the Hub, `revision` a branch, tag or commit there. `anchor` is the
    name of the backbone whose texts stand for the classes. `knowledge` has descriptions of the labels: the folder of a
    knowledge base, or label -> texts; a label without descriptions is represented by its name. `scores` is "softmax" or
    "sigmoid" (several classes may be right); None: what the checkpoint was trained with. `precision` is "float32",
    "bfloat16" or "auto", of both towers; `compile` compiles both. `frames` are taken from a video. A relative path in
    `knowledge` starts in `folder`, if it is given.

    Raises MissingExtraError without transformers, MissingFileError if there is no such model or knowledge base, and
    UnibindError for a model that is not a classifier, has no names of classes, or cannot be read.
    """

    def __init__(
        self,
        model: str,
        modalities: Sequence[str] | None = None,
        *,
        anchor: str = ANCHOR_BACKBONE,
        knowledge: Knowledge | None = None,
        temperature: float = 1.0,
        kept: int = KEPT,
        scores: str | None = None,
        precision: str = "float32",
        device: str | None = None,
        compile: bool = False,
        revision: str | None = None,
        frames: int | None = None,
        folder: str | Path | None = None,
    ) -> None:
        device = resolve_device(device)
        precision = resolve_precision(precision, device, DTYPES)
        repository = find_repository(model, revision)
        classifier = CheckpointClassifier(repository, frames=frames, scores=scores, precision=precision, device=device)
        knowledge, anchor = _located(knowledge, folder), absolute_name(anchor)
        texts = class_texts(classifier.labels, knowledge)
        check_meaningful(classifier.labels, model, texts.named)
        options = {
            "anchor": (anchor, ANCHOR_BACKBONE),
            "knowledge": (knowledge, None),
            "temperature": (temperature, 1.0),
            "kept": (kept, KEPT),
            "scores": (scores, None),
            "precision": (precision, "float32"),
            "revision": (revision, None),
            "frames": (frames, None),
        }
        super().__init__(
            classifier,
            texts,
            open_anchor(anchor, precision=_given(precision, "float32"), device=device, compile=_given(compile, False)),
            name=f"classifier:{model}",
            options={name: value for name, (value, default) in options.items() if value != default},
            modalities=modalities,
            temperature=temperature,
            kept=kept,
            compile=compile,
        )

    def bundle(self, folder: Path) -> Mapping[str, Any]:
        """Write the texts of the classes into `folder`; returns options that find them when `folder=` is passed too."""
        name = f"classes_{self.texts.digest}.parquet"
        self.texts.save(folder / name)
        return {**self.options, "knowledge": name}


def _given(value: Any, default: Any) -> Any:
    """None for the default: an anchor that does not know the option works with it."""
    return None if value == default else value


def _located(knowledge: Knowledge | None, folder: str | Path | None) -> Knowledge | None:
    """The knowledge; a path becomes an absolute one."""
    if knowledge is None or isinstance(knowledge, Mapping):
        return knowledge
    return absolute(str(Path(knowledge) if folder is None else Path(folder) / knowledge))
