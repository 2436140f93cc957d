"""What is known about one backbone: its card, its options, where its weights are looked for, and its contracts."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UnibindError
from ._shared.weights import WEIGHTS
from .contract import Contract
from .registry import create_backbone, find_spec
from .spec import COMMON_OPTIONS, BackboneSpec, Card


@dataclass(frozen=True)
class BackboneOption:
    """An option of a backbone, its default, and what it means ("" where the backbone does not say)."""

    name: str
    default: Any
    meaning: str


@dataclass(frozen=True)
class BackboneDescription:
    """A backbone by its name.

    `places` are where its weights are looked for, in this order. `contracts` has the contract of each modality with the
    default options; where they cannot be had, it is empty and `problem` says why.
    """

    name: str
    card: Card
    options: tuple[BackboneOption, ...]
    places: tuple[str, ...]
    contracts: Mapping[str, Contract]
    problem: str | None


def describe_backbone(name: str) -> BackboneDescription:
    """Describe a backbone by a name such as "mini", "transformers" or "transformers:FOLDER"; downloads nothing.

    Raises UnknownNameError if no backbone has this name.
    """
    kind, _, argument = name.partition(":")
    spec = find_spec(kind)
    contracts, problem = _contracts(name, argument, spec.card)
    return BackboneDescription(name, spec.card, _options(spec), _places(spec), contracts, problem)


def _options(spec: BackboneSpec) -> tuple[BackboneOption, ...]:
    """The options by the signature of what builds the backbone; the text after the colon is none of them."""
    parameters = list(inspect.signature(spec.builder() if spec.builder else spec.create).parameters.values())
    takes_argument = ":" in spec.card.name or spec.builder is None
    meanings = {**COMMON_OPTIONS, **spec.meanings}
    return tuple(
        BackboneOption(p.name, None if p.default is p.empty else p.default, meanings.get(p.name, ""))
        for p in parameters[takes_argument:]
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    )


def _places(spec: BackboneSpec) -> tuple[str, ...]:
    """Where weights are looked for: what is given, the environment variable, and what the card says."""
    if WEIGHTS not in spec.card.weights:
        return (spec.card.weights,)
    return ("--weights PATH or hf:OWNER/REPO/FILE", f"{WEIGHTS} (now {os.environ.get(WEIGHTS) or 'not set'})")


def _contracts(name: str, argument: str, card: Card) -> tuple[dict[str, Contract], str | None]:
    if card.unavailable is not None:
        return {}, card.unavailable
    if ":" in card.name and not Path(argument or "").is_file() and not (argument and Path(argument).is_dir()):
        return {}, f"the contracts depend on the model; name one on this machine, as in {card.name}"
    try:
        backbone = create_backbone(name)
        return {modality: backbone.contract(modality) for modality in backbone.modalities}, None
    except UnibindError as error:
        return {}, str(error)
