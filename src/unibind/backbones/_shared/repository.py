"""The files of one model, in a folder or from the Hugging Face Hub, read without running any code of theirs."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import MissingExtraError, MissingFileError, UnibindError
from ...json_files import Kind, check_fields
from ..spec import License

CONFIG = "config.json"
_CARD = "README.md"
SMALL_FILES = [  # of a model of transformers: all but its weights
    *(CONFIG, _CARD, "preprocessor_config.json", "processor_config.json", "modules.json"),
    "video_preprocessor_config.json",
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "*.model"),
    *("sentence_bert_config.json", "*_Pooling/config.json"),
]
_SAFETENSORS = ["model.safetensors", "model.safetensors.index.json", "model-*.safetensors"]
_PICKLES = ["pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*.bin"]  # read as weights only
_SHARDS = Kind(
    "an object whose values are names of files beside it",
    lambda value: (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(name, str) and Path(name).name == name for name in value.values())
    ),
)

# Licenses by the identifiers that model cards use.
_LICENSES = {
    "mit": License("MIT", commercial=True),
    "apache-2.0": License("Apache-2.0", commercial=True),
    "bsd-2-clause": License("BSD-2-Clause", commercial=True),
    "bsd-3-clause": License("BSD-3-Clause", commercial=True),
    "cc0-1.0": License("CC0-1.0", commercial=True),
    "cc-by-4.0": License("CC-BY-4.0", commercial=True),
    "cc-by-sa-4.0": License("CC-BY-SA-4.0", commercial=True),
    "cc-by-nc-4.0": License("CC-BY-NC-4.0", commercial=False),
    "cc-by-nc-sa-4.0": License("CC-BY-NC-SA-4.0", commercial=False),
    "cc-by-nc-nd-4.0": License("CC-BY-NC-ND-4.0", commercial=False),
}


class Repository:
    """A folder as `save_pretrained` writes it; all reading is local."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def model_type(self) -> str:
        """The architecture that config.json names; raises UnibindError if it names none."""
        if not (self.folder / CONFIG).is_file():
            raise MissingFileError(f"{self.folder} has no {CONFIG}; choose a folder that `save_pretrained` wrote")
        model_type = self.json(CONFIG).get("model_type")
        if not isinstance(model_type, str):
            raise UnibindError(f"{self.folder / CONFIG} names no model_type; choose a folder of a transformers model")
        return model_type

    @cached_property
    def config(self) -> Any:
        """The model's configuration object."""
        from transformers import AutoConfig

        with reading("the configuration", self.folder):
            return AutoConfig.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)

    def json(self, name: str) -> dict[str, Any]:
        """A JSON object of the folder; empty if there is no such file."""
        value = self.list_or_object(name, {})
        if not isinstance(value, dict):
            raise UnibindError(f"{self.folder / name} is not a JSON object; download it again")
        return value

    def list_or_object(self, name: str, missing: Any) -> Any:
        """The content of a JSON file of the folder, or `missing` if there is no such file."""
        path = self.folder / name
        if not path.is_file():
            return missing
        with reading("the file", path):
            return json.loads(path.read_text(encoding="utf-8"))

    def license(self) -> License:
        """The license that the model card names; an unknown one counts as non-commercial."""
        from huggingface_hub import metadata_load

        try:
            value = (metadata_load(self.folder / _CARD) or {}).get("license")
        except Exception:  # no card, or unreadable metadata
            value = None
        name = value if isinstance(value, str) else "unknown"
        return _LICENSES.get(name.lower(), License(name, commercial=False))

    def load(self, model: Any, config: Any) -> nn.Module:
        """A model of a transformers class with the weights of this folder, on the CPU in evaluation mode.

        Raises UnibindError if a weight is missing, which transformers would initialize at random with a warning, or if
        one has another shape than the configuration says.
        """
        extra = {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(model).parameters else {}
        attention = "sdpa" if getattr(model, "_supports_sdpa", False) else "eager"
        with reading("the weights", self.folder), quiet():
            tower, report = model.from_pretrained(
                self.folder,
                config=config,
                attn_implementation=attention,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are named below
                **extra,
            )
        missing = sorted(report["missing_keys"])
        if missing:
            raise UnibindError(
                f"the checkpoint in {self.folder} lacks {len(missing)} weights of {model.__name__}, "
                f"e.g. {missing[0]}; download it again"
            )
        unfit = sorted(name for name, *_ in report["mismatched_keys"])
        if unfit:
            raise UnibindError(
                f"the checkpoint in {self.folder} has {len(unfit)} weights of other shapes than its {CONFIG} says, "
                f"e.g. {unfit[0]}; download both again"
            )
        return tower.eval()  # type: ignore[no-any-return]

    def tensors(self, prefixes: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
        """The checkpoint's own tensors whose names start with one of `prefixes`, one at a time.

        Raises UnibindError if there are none.
        """
        with reading("the weights", self.folder):
            selected = [
                (name, read)
                for path in self.weight_files()
                for name, read in _open(path)
                if name.startswith(tuple(prefixes))
            ]
            for name, read in selected:
                yield name, read()
        if not selected:
            raise UnibindError(f"the checkpoint in {self.folder} has no weights {prefixes[0]}*; download it again")

    def weight_files(self) -> list[Path]:
        """The checkpoint's files; safetensors are preferred, as in transformers.

        Raises MissingFileError if there are none, and UnibindError for an index that does not name files beside it.
        """
        for single, index, _ in (_SAFETENSORS, _PICKLES):
            if (self.folder / single).is_file():
                return [self.folder / single]
            if (self.folder / index).is_file():
                where = str(self.folder / index)
                fields = check_fields(self.json(index), {"weight_map": _SHARDS}, where, "download it again", open=True)
                return [self.folder / name for name in sorted(set(fields["weight_map"].values()))]
        raise MissingFileError(f"{self.folder} has no weights; it needs model.safetensors (or pytorch_model.bin)")


def _open(path: Path) -> list[tuple[str, Callable[[], Tensor]]]:
    """Names of a file's tensors, each with a function that reads it from the memory-mapped file."""
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        file = safe_open(path, framework="pt")
        return [(name, partial(file.get_tensor, name)) for name in file.keys()]  # noqa: SIM118
    state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return [(name, partial(state.__getitem__, name)) for name in state]


def find_repository(argument: str, revision: str | None, *, files: Sequence[str] | None = None) -> Repository:
    """The folder `argument`, or the model of that name on the Hugging Face Hub (its cached files when offline).

    `files` are patterns of the files that are downloaded; None: those of one model of transformers. Raises
    MissingFileError if neither exists.
    """
    folder = Path(argument).expanduser()
    if folder.is_dir():
        return Repository(folder)
    if argument.startswith((".", "/", "~")) or argument.count("/") > 1:
        raise MissingFileError(f"the folder {folder} does not exist; choose a folder or a model on the Hub")
    return Repository(_download(argument, revision, files))


def _download(repository: str, revision: str | None, files: Sequence[str] | None) -> Path:
    from huggingface_hub import snapshot_download

    def fetch(patterns: Sequence[str]) -> Path:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(patterns)))

    try:
        if files is not None:
            return fetch(files)
        folder = fetch(SMALL_FILES + _SAFETENSORS)
        return folder if any(folder.glob(_SAFETENSORS[0] + "*")) else fetch(SMALL_FILES + _PICKLES)
    except Exception as error:
        raise MissingFileError(
            f"{repository!r} is not a folder and cannot be downloaded from the Hub ({_first_line(error)}); "
            "check the name and the network"
        ) from None


@contextmanager
def reading(what: str, where: Path, extra: str = "transformers") -> Iterator[None]:
    """Turn errors of the libraries that read files into one sentence; `extra` installs these libraries."""
    try:
        yield
    except UnibindError:
        raise
    except ImportError as error:  # e.g. a SentencePiece tokenizer
        raise MissingExtraError(f"{what} of the model in {where} ({_first_line(error)})", extra) from None
    except Exception as error:  # libraries raise all kinds of errors on damaged files
        raise UnibindError(f"{what} of the model in {where} cannot be read: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {text}"[:200]


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress progress bars and tables of unused weights on the terminal."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
