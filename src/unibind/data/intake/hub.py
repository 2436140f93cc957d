"""Data sets by name, such as `hf:ylecun/mnist` of the Hugging Face Hub, through the library `datasets`."""

from __future__ import annotations

from typing import Any

from ...errors import UnibindError
from ...extras import import_extra

_MARK = "hf:"


def names_data_set(source: str) -> bool:
    """Whether a source is the name of a data set; `hf://...` is a URL."""
    return source.startswith(_MARK) and not source.startswith(f"{_MARK}//")


def open_data_set(source: str) -> Any:
    """The data set of a name `hf:OWNER/NAME`, or `hf:OWNER/NAME:CONFIGURATION`; by split, where it has several.

    Raises MissingExtraError without the library, and UnibindError for a data set that cannot be loaded.
    """
    name, _, configuration = source.removeprefix(_MARK).partition(":")
    datasets = import_extra("datasets", f"the data set {source}")
    try:
        return datasets.load_dataset(name, configuration or None)
    except Exception as error:  # of the network, of the Hub, and of the data set's own files
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnibindError(f"the data set {source} could not be loaded: {reason}") from error
