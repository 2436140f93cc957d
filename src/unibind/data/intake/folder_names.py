"""What the folders on the way to a file say: its split and its label.

The split is the first folder, from the top, whose name is a split's (train, val, test and their other spellings).
Folders beside such a one are splits too, of names that are not known. The label is the innermost folder that is not
the split and not called like a modality.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache

from ...modalities import modality_names
from .columns import plain
from .split_names import known_split


def split_and_label(folders: Sequence[str], beside_splits: Collection[Sequence[str]]) -> tuple[str | None, str | None]:
    """Split and label of a file by the folders on its way; the folders in `beside_splits` contain splits."""
    names_split = _first(known_split(name) is not None for name in folders)
    if names_split is None:
        names_split = _first(
            folders[:depth] in beside_splits and plain(name) not in _kinds() for depth, name in enumerate(folders)
        )
    split = None if names_split is None else folders[names_split]
    labels = [name for depth, name in enumerate(folders) if depth != names_split and plain(name) not in _kinds()]
    return split, labels[-1] if labels else None


def above_split(folders: Sequence[str]) -> Sequence[str] | None:
    """The folders above the split of a file; None where it has no split that is known."""
    depth = _first(known_split(name) is not None for name in folders)
    return None if depth is None else folders[:depth]


def _first(conditions: Iterable[bool]) -> int | None:
    return next((index for index, holds in enumerate(conditions) if holds), None)


@cache
def _kinds() -> frozenset[str]:
    """Names of folders that say what kind of signal is in them, such as `image` and `images`."""
    return frozenset(plain(name) + plural for name in modality_names() for plural in ("", "s"))
