"""A person's changes to a base, which no later run undoes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .building import BuildResult, rebuild
from .journal import open_existing


def edit_descriptions(folder: str | Path, texts: Mapping[str, str]) -> BuildResult:
    """Replace texts, id -> new text, and rebuild the base; a blocked description becomes part of it again.

    Raises MissingFileError where `folder` is not a base, and UnibindError, changing nothing, for an unknown id or a
    blank text.
    """
    with open_existing(folder) as journal:
        journal.apply_edits(texts)
        return rebuild(journal)


def block_descriptions(folder: str | Path, ids: Sequence[str]) -> BuildResult:
    """Leave descriptions out of the base permanently and rebuild it; raises as `edit_descriptions` does."""
    with open_existing(folder) as journal:
        journal.block(*ids)
        return rebuild(journal)
