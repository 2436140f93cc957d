"""The folder of a model of sentence-transformers: its modules, what may not be loaded, and the fingerprint of the rest.

Only classes of sentence-transformers itself are loaded, and only tensors in safetensors files.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import MissingFileError, UnibindError
from .._shared.checkpoints import fingerprint
from .._shared.repository import Repository, find_repository, reading

HUB_FILES = (
    *("*.json", "*.txt", "*.jinja", "*.model", "README.md"),
    *("model.safetensors", "model-*.safetensors", "*/model.safetensors", "*/model-*.safetensors"),
)

_MODULES, _ROUTER, _LIBRARY = "modules.json", "router_config.json", "config_sentence_transformers.json"
_KIND = "SentenceTransformer"
_OWN = "sentence_transformers."  # where the classes of modules may come from
_DECIDING = (  # files that decide what an embedding is, beside the weights
    *("*config.json", "tokenizer.json", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt"),
    *("*.model", "chat_template.*"),
)
_WITHOUT_EFFECT = ("generation_config.json", "data_config.json")
_NOTES = ("transformers_version", "_name_or_path", "name_or_path", "dtype", "torch_dtype", "__version__")


@dataclass(frozen=True)
class Module:
    """A module of a model: the name of its class, and its folder relative to that of the model."""

    kind: str
    path: str


class ModelFolder:
    """A model on this machine. Raises UnibindError where loading it would run foreign code, or read a pickle."""

    def __init__(self, argument: str, revision: str | None) -> None:
        self.repository = find_repository(argument, revision, files=HUB_FILES)
        self.folder = self.repository.folder
        if not (self.folder / _MODULES).is_file() and not (self.folder / "config.json").is_file():
            raise MissingFileError(f"{self.folder} is not a model: it has neither {_MODULES} nor config.json")
        self._check_kind()
        with reading("the list of modules", self.folder):
            for module in self.modules:
                self._check(module)

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """All modules, those of routers too; a plain model of transformers is one."""
        listed = self.repository.list_or_object(_MODULES, [{"type": f"{_OWN}models.Transformer", "path": ""}])
        found: list[Module] = []
        for entry in listed:
            module = Module(str(entry["type"]), str(entry["path"]))
            routes = self._repository(module).json(_ROUTER)
            found += [module, *(Module(str(kind), f"{module.path}/{name}".lstrip("/"))
                                for name, kind in routes.get("types", {}).items())]  # fmt: skip
        return tuple(found)

    @cached_property
    def weights(self) -> str:
        """Fingerprint of all tensors, which depend on no precision and no library version."""
        tensors = (
            (f"{module.path}:{name}", tensor)
            for module in self.modules
            if any(self._files(module, "model*.safetensors"))
            for name, tensor in self._repository(module).tensors([""])
        )
        return fingerprint(tensors)

    @cached_property
    def configuration(self) -> str:
        """Twelve hexadecimal digits of the modules, their settings, tokenizers and processors."""
        parts: list[Any] = [(module.path, module.kind.rsplit(".", 1)[-1]) for module in self.modules]
        for module in self.modules:
            names = {path for pattern in _DECIDING for path in self._files(module, pattern)}
            deciding = (path for path in names if path.name not in (_LIBRARY, *_WITHOUT_EFFECT))
            parts += [(module.path, path.name, _content(path)) for path in sorted(deciding)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    def _check_kind(self) -> None:
        kind = self.repository.json(_LIBRARY).get("model_type", _KIND)
        if kind != _KIND:
            raise UnibindError(
                f"the model in {self.folder} is a {kind}, which does not give one vector per item; choose a {_KIND}"
            )

    def _check(self, module: Module) -> None:
        folder = self.folder / module.path
        if not folder.resolve().is_relative_to(self.folder.resolve()):
            raise UnibindError(f"the model in {self.folder} has a module outside its folder, {module.path}")
        if not module.kind.startswith(_OWN):
            raise UnibindError(
                f"the model in {self.folder} needs code of its own, the class {module.kind}, which unibind never runs; "
                "choose a model of classes of sentence-transformers alone"
            )
        if any(self._files(module, "adapter_config.json")):
            raise UnibindError(f"{folder} is an adapter; merge it into its model first (merge_and_unload of peft)")
        if any(self._files(module, "*.bin")) and not any(self._files(module, "model*.safetensors")):
            raise UnibindError(f"the weights in {folder} are pickled; save the model again as safetensors")
        for name, value in self._loading_arguments(module).items():
            if "kernel" in f"{name}={value}":
                raise UnibindError(
                    f"the model in {self.folder} asks for downloaded kernels ({name}); remove that setting"
                )

    def _loading_arguments(self, module: Module) -> dict[str, Any]:
        """What a module's settings pass to the function that loads its weights."""
        settings = [self._repository(module).json(path.name) for path in self._files(module, "sentence_*_config.json")]
        return {
            n: v for each in settings for key in ("model_args", "model_kwargs") for n, v in each.get(key, {}).items()
        }

    def _repository(self, module: Module) -> Repository:
        return Repository(self.folder / module.path)

    def _files(self, module: Module, pattern: str) -> list[Path]:
        return sorted((self.folder / module.path).glob(pattern))


def _content(path: Path) -> str:
    """A file's content without notes on how it was made; JSON in one form."""
    content = path.read_bytes()
    if path.name.endswith("config.json"):
        settings = json.loads(content)
        if isinstance(settings, dict):
            content = json.dumps({k: v for k, v in settings.items() if k not in _NOTES}, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()
