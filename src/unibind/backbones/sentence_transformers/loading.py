"""Loading a model of sentence-transformers, and asking it what it is."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ...errors import MissingExtraError, UnibindError, UnknownNameError
from .._shared.precision import DTYPES
from .._shared.repository import Repository, quiet, reading
from .folder import ModelFolder

EXTRA = "sentence_transformers"
DOCUMENT, QUERY = "document", "query"  # the two sides of a search, which the library names tasks
_DOCUMENT_PROMPTS = (DOCUMENT, "passage", "corpus")  # names that models give to the prompt of documents

_AT_RANDOM = ("rand_trunc", "fusion")  # how CLAP cuts long recordings
_DEFAULT_SCALE = 20.0  # of the library's contrastive losses
_READ = "_is_hf_initialized"  # what transformers marks a weight with that it read from a file
_SCALES, _BIAS = ("logit_scale", "logit_scale_a"), "logit_bias"


def library(name: str = "sentence_transformers") -> Any:
    """A module of sentence-transformers; raises MissingExtraError without it, or with one before version 6."""
    try:
        module = importlib.import_module(name)
        importlib.import_module("sentence_transformers.base.modality")
    except ImportError:
        raise MissingExtraError("the backbone sentence_transformers", EXTRA) from None
    return module


def load_model(folder: ModelFolder, precision: str, device: str, truncate_dim: int | None) -> Any:
    """The model in a precision and on a device, by the library's own loading.

    Raises UnibindError if a weight is missing, which transformers would initialize at random with a warning.
    """
    dtype = DTYPES[precision]
    kind = library().SentenceTransformer
    with reading("the modules", folder.folder, EXTRA), quiet(), _more_libraries(folder):
        model = kind(
            str(folder.folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            truncate_dim=truncate_dim,
            model_kwargs={"dtype": dtype, "use_safetensors": True},
        )
    _check_complete(model, folder)
    own = {id(p) for _, part in _transformers(model) for p in part.parameters()}  # some of these stay in float32
    for parameter in model.parameters():
        if id(parameter) not in own and parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)
    return model.to(device)


@contextmanager
def _more_libraries(folder: ModelFolder) -> Iterator[None]:
    """Say which library a processor lacks: those of pictures and videos often need torchvision."""
    try:
        yield
    except ImportError as error:
        reason = str(error).strip().split("\n")[0].split(" but ")[0]
        raise UnibindError(
            f"the model in {folder.folder} needs another library ({reason}); install it, torchvision as the build for "
            f"torch {torch.__version__} (`pip install 'sentence-transformers[image,audio,video]'` installs them all)"
        ) from None


def _check_complete(model: Any, folder: ModelFolder) -> None:
    for module, part in _transformers(model):
        weights = dict(part.named_parameters())
        missing = [name for name, weight in weights.items() if not getattr(weight, _READ, False)]
        if module.module_output_name == "token_embeddings":  # nothing reads the pooler of the first token
            missing = [name for name in missing if not name.startswith("pooler.")]
        if missing and len(missing) < len(weights):  # no version of transformers that marks nothing
            raise UnibindError(
                f"the checkpoint in {folder.folder} lacks {len(missing)} weights of {type(part).__name__}, "
                f"e.g. {missing[0]}; download it again"
            )


def width(model: Any) -> tuple[int, bool]:
    """The width of the model's vectors, and whether it is that of all their numbers.

    Raises UnibindError where `truncate_dim` is larger than that, or below 1.
    """
    kept = model.truncate_dim
    with model.truncate_embeddings(None):
        full = model.get_embedding_dimension()
    if full is None:
        raise UnibindError("the model does not say how wide its vectors are; choose another one")
    if kept is not None and not 1 <= kept <= full:
        raise UnibindError(
            f"truncate_dim is {kept}, but the vectors of this model have {full} numbers; choose 1 to {full}"
        )
    return int(kept or full), kept in (None, full)


def find_prompt(model: Any, name: str) -> str:
    """The text of a prompt by its name; "" for one that the model does not have, of "document" and "query".

    Raises UnknownNameError for other names that the model does not have.
    """
    if name == DOCUMENT:
        return next((model.prompts[each] for each in _DOCUMENT_PROMPTS if model.prompts.get(each)), "")
    if name not in model.prompts and name != QUERY:
        raise UnknownNameError("prompt", name, dict.fromkeys((DOCUMENT, QUERY, *model.prompts)))
    return str(model.prompts.get(name) or "")


def input_modules(model: Any) -> list[Any]:
    """The modules that take items: the first one, or the first one of every route."""
    routes = getattr(model[0], "sub_modules", None)
    return [model[0]] if routes is None else [route[0] for route in routes.values()]


def reads_messages(model: Any) -> bool:
    """Whether items are messages, of one part or several, and a prompt goes to all of them rather than to texts."""
    return "message" in model.modalities


def takes_dicts(model: Any) -> bool:
    """Whether all input modules accept dicts that name the modality of an item."""
    transformer = library("sentence_transformers.base.modules").Transformer
    return all(isinstance(module, transformer) for module in input_modules(model))


def recordings(model: Any) -> tuple[int, int | None]:
    """The rate in Hz of the recordings that the model reads, and how many samples it would cut out at random."""
    for module in input_modules(model):
        processor = getattr(module, "processor", None)
        extractor: Any = getattr(processor, "feature_extractor", processor)
        if rate := getattr(extractor, "sampling_rate", None):
            at_random = getattr(extractor, "truncation", None) in _AT_RANDOM
            return int(rate), int(extractor.nb_max_samples) if at_random else None
    raise UnibindError("the model does not say at which rate it reads recordings; choose other modalities")


def picture_processors(model: Any) -> list[str]:
    """The classes of what prepares pictures and videos: those that use torchvision round in another way."""
    mixin = importlib.import_module("transformers").ImageProcessingMixin
    found = set()
    for module in input_modules(model):
        processor = getattr(module, "processor", None)
        parts = (processor, *(getattr(processor, name, None) for name in ("image_processor", "video_processor")))
        found |= {type(part).__name__ for part in parts if isinstance(part, mixin)}
    return sorted(found)


def logit_scale(model: Any, folder: ModelFolder) -> float:
    """1 / temperature of a CLIP-like model; 20 for others. Raises UnibindError if it is not finite."""
    logarithm = next((value for name in _SCALES if (value := _scalar(model, folder, name)) is not None), None)
    scale = _DEFAULT_SCALE if logarithm is None else math.exp(logarithm)
    if not math.isfinite(scale):
        raise UnibindError(f"the checkpoint in {folder.folder} has the logit scale {scale}; download it again")
    return scale


def logit_bias(model: Any, folder: ModelFolder) -> float | None:
    """What a sigmoid loss adds to scaled cosines; None without one."""
    return _scalar(model, folder, _BIAS)


def _scalar(model: Any, folder: ModelFolder, name: str) -> float | None:
    """A parameter of the only transformer as the checkpoint has it, before any rounding; None if it has none."""
    parts = [part for _, part in _transformers(model)]
    if len(parts) != 1 or name not in dict(parts[0].named_parameters(recurse=False)):
        return None
    _, tensor = next(Repository(folder.folder / folder.modules[0].path).tensors([name]))
    return float(tensor.float().reshape(-1)[0])


def _transformers(model: nn.Module) -> list[tuple[Any, Any]]:
    """Modules of the library that have a model of transformers, each with that."""
    kind = library("sentence_transformers.base.modules").Transformer
    return [(module, module.model) for module in model.modules() if isinstance(module, kind)]
