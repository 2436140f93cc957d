"""Items inside HTML pages: pictures, animations and sounds as data URLs; a page is one file and works offline."""

from __future__ import annotations

import base64
import io

from .pictures import picture
from .registry import modality_spec
from .spec import Raw

__all__ = ["motion_url", "picture_url", "sound_url"]

_JPEG_QUALITY = 88
_FRAME_MS, _MOTION_QUALITY = 110, 60


def picture_url(raw: Raw, size: int = 320) -> str:
    """An item's picture, `size` pixels high, as a data URL."""
    buffer = io.BytesIO()
    picture(raw, size).save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    return _data_url("image/jpeg", buffer.getvalue())


def motion_url(raw: Raw, size: int = 160) -> str | None:
    """An item's animation, `size` pixels high, as a data URL that repeats; None where its picture shows all."""
    motion = modality_spec(raw.modality).motion
    frames = [] if motion is None else motion(raw, size)
    if len(frames) < 2:
        return None
    buffer = io.BytesIO()
    style = {"duration": _FRAME_MS, "quality": _MOTION_QUALITY, "loop": 0}
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], **style)
    return _data_url("image/webp", buffer.getvalue())


def sound_url(raw: Raw) -> str | None:
    """What an item sounds like, as a data URL that browsers play; None for items of silent modalities."""
    sound = modality_spec(raw.modality).sound
    return None if sound is None else _data_url("audio/wav", sound(raw))


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
