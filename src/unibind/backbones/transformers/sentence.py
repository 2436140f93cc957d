"""Sentence embedders (Reimers & Gurevych, "Sentence-BERT", 2019): a BERT-like encoder, pooled over its tokens.

The pooling is read from modules.json and the config.json of the pooling module, as sentence-transformers writes them;
without these files, tokens are averaged.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ...errors import UnibindError
from .._shared.repository import Repository
from .family import Encoder, Family, Pool, TextTower, TowerSpec
from .inputs import TextInput

# Architectures, by the position of a text's first token: RoBERTa counts from the padding token.
_FROM_ZERO = ("albert", "bert", "distilbert", "electra", "modernbert")
_AFTER_PADDING = ("camembert", "mpnet", "roberta", "xlm-roberta")
MODEL_TYPES = _FROM_ZERO + _AFTER_PADDING

_MODULES = ("Transformer", "Pooling", "Normalize")
_LEGACY_MODES = "pooling_mode_"  # flags, "pooling_mode_mean_tokens": true


def _mean(out: Any, mask: Tensor) -> Tensor:
    weight = mask[..., None]  # [B, T, 1]
    return (out.last_hidden_state * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)  # type: ignore[no-any-return]


def _first(out: Any, _: Tensor) -> Tensor:
    return out.last_hidden_state[:, 0]  # type: ignore[no-any-return]


_POOLS: dict[str, Pool] = {"mean": _mean, "cls": _first}


def _pool(repository: Repository) -> Pool:
    """The pooling that the repository names; raises UnibindError for one that is not supported."""
    modules = repository.list_or_object("modules.json", [])
    kinds = {str(module["type"]).rsplit(".", 1)[-1]: str(module["path"]) for module in modules}
    unknown = sorted(kinds.keys() - set(_MODULES))
    if unknown:
        raise UnibindError(
            f"the model in {repository.folder} ends in a module {unknown[0]}; supported are {', '.join(_MODULES)}"
        )
    mode = _mode(repository.json(f"{kinds.get('Pooling', '1_Pooling')}/config.json"))
    if mode not in _POOLS:
        raise UnibindError(f"the model in {repository.folder} pools by {mode}; supported are {', '.join(_POOLS)}")
    return _POOLS[mode]


def _mode(config: dict[str, Any]) -> str:
    """The mode of a pooling configuration of any version: "mean", "cls", or two of them joined by "+"."""
    flags = [name.removeprefix(_LEGACY_MODES).removesuffix("_tokens").removesuffix("_token") for name in config
             if name.startswith(_LEGACY_MODES) and config[name] is True]  # fmt: skip
    modes = config.get("pooling_mode") or flags or ["mean"]
    return modes if isinstance(modes, str) else "+".join(map(str, modes))


def _load(repository: Repository) -> nn.Module:
    from transformers import MODEL_MAPPING

    config = repository.config
    model = repository.load(MODEL_MAPPING[type(config)], config)
    return TextTower(model, config.pad_token_id, _pool(repository))


def _text_input(repository: Repository, _: int) -> TextInput:
    config = repository.config
    first = (config.pad_token_id or 0) + 1 if repository.model_type in _AFTER_PADDING else 0
    configured = repository.json("sentence_bert_config.json").get("max_seq_length")
    longest = config.max_position_embeddings - first
    valid = isinstance(configured, int) and configured > 2
    return TextInput(repository, min(configured, longest) if valid else longest)


FAMILY = Family(
    dim=lambda config: config.hidden_size,
    towers={"text": TowerSpec(_load)},
    encoders={"text": Encoder("text", _text_input)},
)
