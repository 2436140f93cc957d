"""Seeded damage: cuts, flips, boundary numbers, moved blocks, and large numbers in text."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_BOUNDARY = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 9900, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 100_000_000)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_WORDS = (b"0", b"-1", b"9900", b"2147483648", b"99999999999999999999", b"1e308", b"nan", b"1e999", b"x")


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _byte(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)


def _boundary(data: bytearray, rng: random.Random) -> None:
    """A number of 1, 2, 4 or 8 bytes, most often near the start, where headers are."""
    width = rng.choice((1, 2, 4, 4, 8))
    span = len(data) if rng.random() < 0.4 else min(len(data), 400)
    place = rng.randrange(max(1, span - width))
    value = rng.choice(_BOUNDARY) & ((1 << 8 * width) - 1)
    data[place : place + width] = value.to_bytes(width, rng.choice(("little", "big")))


def _drop(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    del data[start : start + rng.randint(1, 64)]


def _repeat(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    block = bytes(data[start : start + rng.randint(1, 200)])
    data[start:start] = block * rng.choice((1, 2, 50))


def _number(data: bytearray, rng: random.Random) -> None:
    """A written number replaced by another one; binary data has few, and is flipped."""
    places = list(_NUMBER.finditer(bytes(data[:4000])))
    if not places:
        return _flip(data, rng)
    place = rng.choice(places)
    data[place.start() : place.end()] = rng.choice(_WORDS)
    return None


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _cut, _flip, _byte, _boundary, _boundary, _drop, _repeat, _number,
)  # fmt: skip


def mutated(data: bytes, seed: str) -> bytes:
    """The bytes with one to three kinds of damage; the same for the same seed."""
    rng = random.Random(seed)
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if out:
            rng.choice(MUTATIONS)(out, rng)
    return bytes(out)
