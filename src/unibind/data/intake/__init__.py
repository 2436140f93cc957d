"""Taking in what a person has: folders, tables, lists and files, and a report of what was left out."""

from .collecting import Manifest
from .modality_choice import ModalityChoice, parse_modality_choice
from .reading import Sources, read_manifest, source_folders
from .report import IntakeReport, SetAside
from .split_names import normalized_split

__all__ = [
    "IntakeReport",
    "Manifest",
    "ModalityChoice",
    "SetAside",
    "Sources",
    "normalized_split",
    "parse_modality_choice",
    "read_manifest",
    "source_folders",
]
