"""A classifier of the transformers library, in a folder."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from ...errors import MissingExtraError, UnibindError, UnknownNameError
from .._shared.checkpoints import fingerprint
from .._shared.picture_inputs import PICTURE_INPUTS, check_frames, embed_pictures
from .._shared.precision import DTYPES
from .._shared.processor_inputs import ImageProcessorInput, ProcessorInput
from .._shared.repository import CONFIG, Repository
from .inputs import ClipInput, RecordingInput
from .labels import read_labels

SOFTMAX, SIGMOID = "softmax", "sigmoid"
SCORES: Mapping[str, Callable[[Tensor], Tensor]] = {  # logits -> log scores, of which a softmax makes a distribution
    SOFTMAX: lambda logits: logits,
    SIGMOID: functional.logsigmoid,
}
_PICTURE_FRAMES = 8
_FRAMES = ("num_frames", "frames_per_clip")  # of video classifiers, in their configurations


class CheckpointClassifier:
    """A classifier, its inputs and its weights; which modality it reads is in its architecture's name.

    An image classifier reads all modalities that become pictures; the embedding of several pictures is the mean of
    theirs. `scores` is "softmax", or "sigmoid" for classifiers that were trained to find several classes in one item:
    their sigmoids, divided by their sum, are the weights of the classes.
    """

    def __init__(
        self, repository: Repository, *, frames: int | None, scores: str | None, precision: str, device: str
    ) -> None:
        if importlib.util.find_spec("transformers") is None:
            raise MissingExtraError("the backbone classifier", "transformers")
        self.repository = repository
        self.precision, self.device = precision, device
        found = read_labels(repository)
        self.architecture, self.labels, self.trained_on = found.architecture, found.labels, found.modality
        self.scores = (SOFTMAX if found.exclusive else SIGMOID) if scores is None else scores
        if self.scores not in SCORES:
            raise UnknownNameError("kind of scores", scores, SCORES)
        self.license = repository.license()
        self._reads_pictures = self.trained_on == "image"
        self.modalities = tuple(PICTURE_INPUTS) if self._reads_pictures else (self.trained_on,)
        self.frames = _frames(repository, frames, self.trained_on)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was read from the repository: worker processes only preprocess."""
        return self.__dict__ | {"repository": Repository(self.repository.folder)}

    def make_input(self, modality: str) -> ProcessorInput:
        """The input of a modality: raw item -> tensor."""
        if self._reads_pictures:
            return ImageProcessorInput(self.repository, modality, self.frames)
        if modality in PICTURE_INPUTS:
            return ClipInput(self.repository, modality, self.frames)
        return RecordingInput(self.repository)

    @property
    def parameters(self) -> dict[str, Any]:
        """What decides the probabilities beside the weights and the inputs."""
        return {"scores": self.scores}

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the checkpoint's own tensors, which depend on no precision and no library version."""
        return fingerprint(self.repository.tensors([""]))

    def load(self, mixture: nn.Module) -> nn.Module:
        """The tower: batches of inputs [B, ...] -> embeddings [B, D] of `mixture`, which takes log probabilities."""
        import transformers

        kind = getattr(transformers, self.architecture, None)
        if kind is None:
            raise UnibindError(
                f"the installed transformers {transformers.__version__} has no {self.architecture}; update it"
            )
        model = self.repository.load(kind, self.repository.config)
        model = model.to(device=self.device, dtype=DTYPES[self.precision])
        tower = _Tower(model, SCORES[self.scores], mixture.to(self.device))
        return _PictureTower(tower) if self._reads_pictures else tower


class _Tower(nn.Module):
    """Inputs [B, ...] -> embeddings [B, D]."""

    def __init__(self, model: nn.Module, scores: Callable[[Tensor], Tensor], mixture: nn.Module) -> None:
        super().__init__()
        self.model, self.scores, self.mixture = model, scores, mixture

    def forward(self, batch: Tensor) -> Tensor:
        """Classify, and mix."""
        batch = batch.to(next(self.model.parameters()).dtype)
        logits = self.model(**{str(self.model.main_input_name): batch}).logits
        return self.mixture(self.scores(logits.float()))  # type: ignore[no-any-return]


class _PictureTower(nn.Module):
    """Pictures [B, F, 3, H, W] -> [B, D], the mean over each item's pictures."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, batch: Tensor) -> Tensor:
        """Embed items, picture by picture."""
        return embed_pictures(self.tower, batch)


def _frames(repository: Repository, frames: int | None, trained_on: str) -> int:
    """Frames taken from a video: a video classifier has a number of its own."""
    if trained_on != "video":
        return check_frames(_PICTURE_FRAMES if frames is None else frames)
    config = repository.json(CONFIG)
    own = next((config[name] for name in _FRAMES if isinstance(config.get(name), int)), None)
    if own is None:
        own = next((getattr(repository.config, name) for name in _FRAMES if hasattr(repository.config, name)), None)
    if own is None or own < 1:
        raise UnibindError(f"the configuration in {repository.folder} does not say how many frames a clip has")
    if frames not in (None, own):
        raise UnibindError(f"the classifier in {repository.folder} reads clips of {own} frames; leave out frames")
    return int(own)
