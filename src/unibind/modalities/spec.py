"""What a modality consists of: `ModalitySpec`, and one `FileFormat` for each kind of file that it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from ..errors import UnibindError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from .messages import Part, RenderOptions
    from .segments import SegmentReader


@runtime_checkable
class Raw(Protocol):
    """One decoded item, in physical units."""

    modality: ClassVar[str]

    def summary(self) -> dict[str, Any]:
        """Sizes, units, durations and counts of the item, JSON-serializable."""
        ...


def require(condition: bool, message: str) -> None:
    """Raise UnibindError with `message` unless `condition` holds."""
    if not condition:
        raise UnibindError(message)


@dataclass(frozen=True)
class FileFormat:
    """One file format: a row of a modality's format table.

    `read(source, limits, **options)` decodes a file. `suffixes` (lower case, with the dot) are the endings by which
    such files are recognized; `also` are endings that are accepted only where the modality is given. `sniff(head)`
    returns whether the first 64 KiB are certainly this format of this modality; None for formats without a signature.
    A `fallback` row takes the files that no other row recognizes. `modality` is needed only in rows that a third-party
    package adds through the entry point `unibind.formats`.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[..., Raw]
    sniff: Callable[[bytes], bool] | None = None
    modality: str = ""
    also: tuple[str, ...] = ()
    fallback: bool = False

    def __post_init__(self) -> None:
        """Refuse suffixes that no file could match."""
        for suffix in self.suffixes + self.also:
            require(
                suffix.startswith(".") and suffix == suffix.lower(),
                f"the file format {self.name!r} has the suffix {suffix!r}; write it in lower case and with its dot",
            )

    def recognizes(self, head: bytes) -> bool:
        """Whether the first bytes of a file are certainly this format."""
        return self.sniff is not None and self.sniff(head)


@dataclass(frozen=True)
class ModalitySpec:
    """Everything unibind knows about one modality.

    `picture(raw, (width, height))` returns an RGB picture of that size for people; `sound(raw)` a WAV file for them,
    None for silent modalities; `motion(raw, size)` the RGB frames of an animation, `size` pixels high, None where one
    picture shows all (an item may have no frames). `message(raw, options)` shows an item to a multimodal language
    model; None for modalities whose items are not shown. All import what they need when they are called: a modality's
    module must stay light.
    """

    name: str
    raw_types: tuple[type[Raw], ...]
    formats: tuple[FileFormat, ...]
    picture: Callable[[Any, tuple[int, int]], Picture]
    picture_ratio: float = 1.0  # width over height of pictures
    sound: Callable[[Any], bytes] | None = None
    motion: Callable[[Any, int], list[Picture]] | None = None
    message: Callable[[Any, RenderOptions], list[Part]] | None = None
    prompt_phrase: str = ""  # what items are, in the prompts of language models; empty: none are written for them
    prompt_version: int = 1  # changes with the phrase
    aspects: tuple[str, ...] = ()  # what language models are asked about, such as "shape"
    column_names: tuple[str, ...] = ()  # what people call columns of its files in tables, besides its own name
    templates: tuple[str, ...] = ("a {}.",)  # control texts of zero-shot classification, {} is the class name
    segments: SegmentReader | None = None  # of recordings that may be read in segments
    from_string: Callable[[str], Raw] | None = None  # an item of a string that does not name a file
    from_object: Callable[[object], Raw | None] | None = None  # an item of another library's object, None for others

    def __post_init__(self) -> None:
        """Refuse an unusable name, raw types of another modality and templates without a place for the class name."""
        require(
            self.name.isidentifier() and self.name == self.name.lower(),
            f"a modality's name is one lower-case word such as 'radar', not {self.name!r}",
        )
        for raw_type in self.raw_types:
            require(
                getattr(raw_type, "modality", None) == self.name,
                f"{raw_type.__name__}.modality must be {self.name!r}, the name of its ModalitySpec",
            )
        for template in self.templates:
            require("{}" in template, f"the template {template!r} of {self.name} has no {{}} for the class name")
        object.__setattr__(self, "formats", tuple(replace(row, modality=self.name) for row in self.formats))

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The file endings by which this modality is recognized; endings accepted only by name are not among them."""
        return tuple(dict.fromkeys(suffix for row in self.formats for suffix in row.suffixes))
