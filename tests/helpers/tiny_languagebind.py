"""Tiny repositories of LanguageBind with generated weights, in the file formats of the public ones."""

import json
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import save_file

from unibind.backbones.languagebind.golden import tiny_config, tiny_weights

KINDS = {  # the repositories that together have every modality -> tiny model
    "LanguageBind_Image": "image",
    "LanguageBind_Video_FT": "video",
    "LanguageBind_Audio_FT": "audio",
    "LanguageBind_Thermal": "thermal",
    "LanguageBind_Depth": "depth",
}
LOGIT_SCALE = {"image": 100.0, "video": 50.0, "audio": 20.0, "thermal": 30.0, "depth": 40.0}


@lru_cache
def _generated(kind):
    weights = tiny_weights(kind)
    return weights.mapped(weights.shapes)


def tiny_state(kind):
    """Weights by public name, with what else the public files have: positions' numbers, and a logit scale."""
    state = dict(_generated(kind))
    state["logit_scale"] = torch.tensor(LOGIT_SCALE[kind.split("_")[0]]).log()
    for model in ("vision", "text"):
        count = len(state[f"{model}_model.embeddings.position_embedding.weight"])
        state[f"{model}_model.embeddings.position_ids"] = torch.arange(count)[None]
    return state


def write_repository(folder, kind, *, state=None, config=None, safetensors=False):
    """A repository with `pytorch_model.bin` (or `model.safetensors`) and `config.json`; returns the folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = tiny_state(kind) if state is None else state
    if safetensors:
        save_file(state, folder / "model.safetensors")
    else:
        torch.save(state, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(tiny_config(kind) if config is None else config))
    return folder


def write_all(folder):
    """One repository per modality in subfolders; returns the folder."""
    for name, kind in KINDS.items():
        write_repository(Path(folder) / name, kind)
    return Path(folder)
