"""What a modality is: its raw type, how its files are read, and (see the modules beside this one) everything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from ..errors import UnibindError


@runtime_checkable
class Raw(Protocol):
    """One decoded item."""

    modality: ClassVar[str]

    def summary(self) -> dict[str, Any]:
        """Plain facts about the item (sizes, units, durations, counts), JSON-serializable."""
        ...


def require(condition: bool, message: str) -> None:
    """Raise UnibindError with `message` unless `condition` holds."""
    if not condition:
        raise UnibindError(message)


@dataclass(frozen=True)
class Reader:
    """How one modality is read. `suffixes` are claimed endings in lower case; `sniff` says of the first 64 KiB
    whether they are surely this modality's; `read(source, limits, **options)` decodes."""

    modality: str
    suffixes: tuple[str, ...]
    read: Callable[..., Raw]
    sniff: Callable[[bytes], bool]
