"""The backbone `sentence_transformers`: models of that library, from a folder or the Hub.

The library preprocesses and embeds; here items are decoded, drawn, resampled and handed over one modality at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import UnibindError
from ...modalities import ANCHOR
from ...modalities.interleaved import JOINT, Interleaved
from ...modalities.spec import Raw
from .._shared.device import resolve_device
from .._shared.picture_inputs import PICTURE_INPUTS, check_frames
from .._shared.precision import DTYPES, resolve_precision
from .._shared.towers import FrozenTowers, check_item, check_offered, select_modalities
from ..contract import Contract
from . import loading
from .folder import ModelFolder
from .packing import pack, unpack
from .readings import AudioReading, PictureReading, Reading, TextReading, VideoReading, joint_input, part_arrays

_KIND = "sentence_transformers"
_MODEL = "model"  # the one tower
_FRAMES_ARE_CHOSEN = {"processing_kwargs": {"video": {"do_sample_frames": False}}}


class SentenceTransformersBackbone:
    """A backbone over one model of sentence-transformers; see `unibind.backbones.Backbone` for the protocol.

    `model` is a folder or the name of a model on the Hub, `revision` a branch, tag or commit there. Modalities are
    those that the model reads; where it sees pictures, also those that can be drawn. `prompt` is "document", "query" or
    the name of another prompt of the model, and `instruction` a text that takes its place. `truncate_dim` is how many
    leading numbers of each vector are kept. `precision` is "float32", "bfloat16" or "auto", and `frames` the number of
    frames taken from a video. The model is read when the backbone is created; with `compile`, it is compiled when it is
    first used.

    Raises MissingExtraError without sentence-transformers, MissingFileError if there is no such model, UnknownNameError
    for a prompt that it does not have, and UnibindError for models that need foreign code or have pickled weights.
    """

    def __init__(
        self,
        model: str,
        modalities: Sequence[str] | None = None,
        *,
        precision: str = "float32",
        device: str | None = None,
        prompt: str = loading.DOCUMENT,
        instruction: str | None = None,
        truncate_dim: int | None = None,
        revision: str | None = None,
        frames: int = 8,
        compile: bool = False,
    ) -> None:
        loading.library()
        self.name = f"{_KIND}:{model}"
        self._folder = ModelFolder(model, revision)
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device, DTYPES)
        self._truncate_dim = truncate_dim
        self._towers = FrozenTowers(self._load, self.device, compile=compile)
        opened: Any = self._towers[_MODEL]
        self.dim, self._whole = loading.width(opened)
        self._readings = _readings(opened, check_frames(frames))
        self.modalities = select_modalities(modalities, tuple(self._readings))
        self.license = self._folder.repository.license()
        self.logit_scale = loading.logit_scale(opened, self._folder)
        self.logit_bias = loading.logit_bias(opened, self._folder)
        self._prompt = loading.find_prompt(opened, prompt) if instruction is None else instruction
        self._query_prompt = loading.find_prompt(opened, loading.QUERY)
        self._task = prompt if prompt in (loading.DOCUMENT, loading.QUERY) else None
        self._reads_messages, self._max_tokens = loading.reads_messages(opened), opened.max_seq_length
        options = {
            "precision": self.precision,
            "prompt": prompt,
            "instruction": instruction,
            "truncate_dim": truncate_dim,
            "revision": revision,
            "frames": frames,
        }
        self.options: Mapping[str, Any] = {name: value for name, value in options.items() if value is not None}

    @property
    def combined(self) -> tuple[str, ...]:
        """The modalities that parts of one item may have: all, where the model reads messages of several parts."""
        return self.modalities if self._reads_messages else ()

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Turn one raw item into a row of bytes uint8 [T] (see `packing`), which the library's input is made of."""
        if isinstance(raw, Interleaved):
            check_offered(modality, self)
            return pack(part_arrays(raw.parts, self._readings))
        check_item(modality, raw, self.modalities)
        return pack(self._readings[modality].arrays(raw))

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a batch of rows [B, T]: float32 [B, dim], unit length, on the CPU."""
        check_offered(modality, self)
        rows = [unpack(row) for row in batch.cpu()]
        moving = any(isinstance(self._readings[part], VideoReading) for part in modality.split(JOINT))
        if JOINT in modality:
            return self._embed([joint_input(row, self._readings) for row in rows], moving)
        items = [self._readings[modality].inputs(row) for row in rows]
        parts = [self._embed([item[i] for item in items], moving) for i in range(len(items[0]))]
        return functional.normalize(torch.stack(parts).mean(dim=0), dim=-1)

    def contract(self, modality: str) -> Contract:
        """Return everything that decides what the embeddings of this modality mean; folders and names do not."""
        check_offered(modality, self)
        parameters = {part: self._readings[part].parameters for part in modality.split(JOINT)}
        return Contract(
            space=self._space,
            backbone=_KIND,
            modality=modality,
            weights=self._folder.weights,
            preprocessing=parameters.get(modality, {"parts": parameters}) | self._asked(modality),
            precision=self.precision,
        )

    def as_queries(self) -> SentenceTransformersBackbone:
        """This backbone with the prompt of queries, unless another prompt than that of documents was chosen."""
        if self._task != loading.DOCUMENT or "instruction" in self.options:
            return self
        queries = copy(self)
        queries._task, queries._prompt = loading.QUERY, self._query_prompt
        queries.options = {**self.options, "prompt": loading.QUERY}
        return queries

    @property
    def _space(self) -> str:
        """Weights and modules, and how much of each vector is kept."""
        kept = "" if self._whole else f"[:{self.dim}]"
        return f"{_KIND}@{self._folder.weights}.{self._folder.configuration}{kept}"

    def _asked(self, modality: str) -> dict[str, Any]:
        """Prompt, side of the search and longest text, where they have an effect on this modality."""
        if modality != ANCHOR and not self._reads_messages:
            return {"side": self._task}
        return {"side": self._task, "prompt": self._prompt, "max_tokens": self._max_tokens}

    def _load(self, _: str) -> nn.Module:
        model: nn.Module = loading.load_model(self._folder, self.precision, self.device, self._truncate_dim)
        return model

    def _embed(self, inputs: list[Any], moving: bool) -> Tensor:
        """Unit embeddings [B, D] of the library's inputs, which have videos if `moving`."""
        model: Any
        with self._towers.running(_MODEL) as model:
            z = model.encode(
                inputs,
                prompt=self._prompt,
                task=self._task,
                batch_size=len(inputs),
                show_progress_bar=False,
                convert_to_tensor=True,
                **(_FRAMES_ARE_CHOSEN if moving else {}),
            )
            z = functional.normalize(z.float(), dim=-1).cpu()
        if z.shape != (len(inputs), self.dim):
            raise UnibindError(f"{self.name} gives vectors {list(z.shape)}, but says that they are {self.dim} wide")
        return z.clone()  # a regular tensor, not one of inference


def _readings(model: Any, frames: int) -> dict[str, Reading]:
    """How each modality is read that the model offers, or that it sees as pictures."""
    offered = [name for name in model.modalities if isinstance(name, str)]
    processors = tuple(loading.picture_processors(model))
    readings: dict[str, Reading] = {}
    if "text" in offered:
        readings["text"] = TextReading(plain=not loading.takes_dicts(model))
    if "image" in offered:
        readings |= {modality: PictureReading(modality, frames, processors) for modality in PICTURE_INPUTS}
    if "video" in offered:
        readings["video"] = VideoReading(frames, processors)
    if "audio" in offered:
        readings["audio"] = AudioReading(*loading.recordings(model))
    if not readings:
        raise UnibindError(f"the model reads {', '.join(map(str, model.modalities))} only; choose another one")
    return readings
