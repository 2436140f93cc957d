"""Which modality files have, where their names do not tell it: one for all of them, or one per folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from ...errors import UnibindError
from ...modalities import check_modality
from ...modalities.source import is_url
from ..location import canonical_location

EVERYWHERE = "."  # the folder that stands for all of a source

ModalityChoice = str | Mapping[str, str] | None


def parse_modality_choice(values: Sequence[str] | None) -> ModalityChoice:
    """The choice that values such as "thermal" and "night/camera=thermal" make on a command line.

    Raises UnibindError where a folder, or all of the source, is given two modalities.
    """
    choice: dict[str, str] = {}
    for value in values or ():
        folder, _, modality = value.rpartition("=")
        if folder in choice or (not folder and EVERYWHERE in choice):
            raise UnibindError(f"two modalities are given for {folder or 'all files'}; give one")
        choice[folder or EVERYWHERE] = modality
    return choice or None


class Modalities:
    """A choice of modalities that remembers which of its folders were met.

    A folder is met by the files below it: by an absolute path, a path from the working directory, or some successive
    folders of the files' paths within the source. The longest such path decides.
    """

    def __init__(self, choice: ModalityChoice) -> None:
        by_folder = {EVERYWHERE: choice} if isinstance(choice, str) else dict(choice or {})
        for modality in by_folder.values():
            check_modality(modality)
        self.everywhere = by_folder.pop(EVERYWHERE, None)
        self._by_folder = {PurePath(os.path.normpath(folder)): modality for folder, modality in by_folder.items()}
        self._unmet = set(self._by_folder)
        self._on_disk = {
            folder: Path(canonical_location(str(folder))) for folder in self._by_folder if Path(folder).is_dir()
        }

    def of(self, place: str | PurePath, file: str | Path) -> str | None:
        """The modality chosen for a file, by its path within the source, and its path on disk or URL."""
        if not self._by_folder:
            return self.everywhere
        within = PurePath(place).parts[:-1]
        met = [folder for folder in self._by_folder if _has_successive(within, folder.parts)]
        if self._on_disk and not is_url(str(file)):
            above = Path(canonical_location(str(file))).parents
            met += [folder for folder, real in self._on_disk.items() if real in above]
        self._unmet.difference_update(met)
        longest = max(met, key=lambda folder: len(folder.parts), default=None)
        return self.everywhere if longest is None else self._by_folder[longest]

    def check_all_met(self, source: str) -> None:
        """Raise UnibindError naming a folder that no file is in: its name must be a mistake."""
        for folder in sorted(self._unmet):
            raise UnibindError(
                f"no file of {source} is in the folder {str(folder)!r}, for which the modality "
                f"{self._by_folder[folder]} is given; correct its name"
            )


def _has_successive(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    return any(parts[start : start + len(wanted)] == wanted for start in range(len(parts) - len(wanted) + 1))
