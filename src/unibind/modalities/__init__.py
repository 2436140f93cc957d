"""The modalities: one file per modality, with its raw type, its reader and its pictures."""

from __future__ import annotations

from ..errors import UnknownNameError
from .spec import Raw

__all__ = ["ANCHOR", "EXTRA_MODALITIES", "MODALITIES", "Raw", "check_modality", "raw_from_object"]

MODALITIES = ("image", "text", "audio", "point_cloud", "thermal", "video", "event")
EXTRA_MODALITIES = ("depth", "imu")  # that some backbones know beside the seven
ANCHOR = "text"  # the modality whose embeddings are the fixed center of the space


def check_modality(name: str, known: tuple[str, ...] = MODALITIES + EXTRA_MODALITIES) -> str:
    """Return `name` if it is a known modality; raise UnknownNameError otherwise."""
    if name not in known:
        raise UnknownNameError("modality", name, known)
    return name


def raw_from_object(item: object) -> Raw | None:
    """The raw item that a modality makes of a library's own object (a PIL image, say); None where none does."""
    if type(item).__module__.startswith("PIL."):
        from .image import from_pil

        return from_pil(item)
    return None
