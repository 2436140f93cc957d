"""The mutants of every seed file: the same ones for the same seed."""

from __future__ import annotations

from collections.abc import Iterator

from .mutations import mutated
from .seeds import SEEDS, seed


def mutants(corpus: str, count: int, only: str = "") -> Iterator[tuple[str, str, bytes]]:
    """File name, modality and bytes of `count` mutants of every seed file whose name contains `only`."""
    for name, (modality, _) in SEEDS.items():
        for number in range(count) if only in name else ():
            stem, _, suffix = name.rpartition(".")
            yield f"{stem}-{corpus}-{number}.{suffix}", modality, mutated(seed(name), f"{corpus}/{name}/{number}")
