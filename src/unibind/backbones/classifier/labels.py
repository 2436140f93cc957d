"""What config.json says about a classifier: its architecture, its labels, and the modality it reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import UnibindError
from .._shared.repository import CONFIG, Repository, find_repository

_TASK = re.compile(r"For(Image|Audio|Video)Classification")
_SEQUENCE = re.compile(r"ForSequenceClassification$")  # of waveforms, and of texts
_WAVEFORMS = re.compile(r"(wav2vec2|wavlm|hubert|sew|unispeech|data2vec-audio)")  # model types
_AUDIOSET = 527  # labels


@dataclass(frozen=True)
class CheckpointLabels:
    """The labels of a classifier in the order of its outputs, and the modality of what it was trained on.

    `architecture` is its class in transformers. `exclusive` is False if several labels may be right for one item.
    """

    architecture: str
    modality: str
    labels: tuple[str, ...]
    exclusive: bool


def checkpoint_labels(model: str, revision: str | None = None) -> CheckpointLabels:
    """The labels of a classifier in a folder or on the Hugging Face Hub; reads no weights.

    Raises MissingFileError if there is no such model, and UnibindError if it is not a classifier of images, sounds or
    videos, or if its labels are only numbers.
    """
    found = read_labels(find_repository(model, revision, files=[CONFIG]))
    check_meaningful(found.labels, model)
    return found


def read_labels(repository: Repository) -> CheckpointLabels:
    """What the configuration in a folder says."""
    kind, config = repository.model_type, repository.json(CONFIG)
    architecture = _architecture(config, repository)
    modality = _modality(architecture, kind, repository)
    labels = _labels(config, repository)
    return CheckpointLabels(architecture, modality, labels, _exclusive(config, labels))


def check_meaningful(
    labels: Sequence[str],
    where: str,
    named: Collection[str] | None = None,
    *,
    fix: str = "write the names of its classes to id2label in its config.json",
) -> None:
    """Raise UnibindError if a label is just its number, as transformers writes it where nobody gave names.

    `named` are the labels that only their names stand for (None: all); what others are called does not matter. `fix`
    ends the message.
    """
    numbers = [
        label
        for index, label in enumerate(labels)
        if label in (f"LABEL_{index}", str(index)) and (named is None or label in named)
    ]
    if numbers:
        raise UnibindError(
            f"{len(numbers)} of the {len(labels)} labels of {where} are only numbers, such as {numbers[0]!r}, and say "
            f"nothing; {fix}"
        )


def _architecture(config: dict[str, Any], repository: Repository) -> str:
    names = config.get("architectures")
    if not isinstance(names, list) or not names or not isinstance(names[0], str):
        raise UnibindError(
            f"{repository.folder / CONFIG} names no architecture; choose a checkpoint of a *ForImageClassification, "
            "*ForAudioClassification or *ForVideoClassification"
        )
    return names[0]


def _modality(architecture: str, kind: str, repository: Repository) -> str:
    task = _TASK.search(architecture)
    if task:
        return task[1].lower()
    if _SEQUENCE.search(architecture) and _WAVEFORMS.match(kind):
        return "audio"
    raise UnibindError(
        f"{architecture:.80} in {repository.folder} is not a classifier of images, sounds or videos; choose a "
        "checkpoint of a *ForImageClassification, *ForAudioClassification or *ForVideoClassification"
    )


def _labels(config: dict[str, Any], repository: Repository) -> tuple[str, ...]:
    table = config.get("id2label")
    where = f"id2label in {repository.folder / CONFIG}"
    if not isinstance(table, dict):  # transformers leaves out the labels of two classes without names
        raise UnibindError(f"{where} is missing; write the names of its classes to it")
    try:
        labels = [table[key] for key in sorted(table, key=int)]
        complete = [int(key) for key in sorted(table, key=int)] == list(range(len(table)))
    except ValueError:
        complete = False
    if (
        not complete
        or len(table) < 2
        or not all(isinstance(label, str | int) and str(label).strip() for label in labels)
    ):
        raise UnibindError(f"{where} must name two classes or more, by numbers from 0; download it again")
    return tuple(str(label) for label in labels)


def _exclusive(config: dict[str, Any], labels: Sequence[str]) -> bool:
    """Whether one label is right; AudioSet's classifiers are trained for several, but most do not say so."""
    problem = config.get("problem_type")
    if problem is None:
        return not (len(labels) == _AUDIOSET and {"Speech", "Music"} <= set(labels))
    return problem != "multi_label_classification"
