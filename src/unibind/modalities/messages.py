"""Items as messages to multimodal language models, and the parts that the modalities build them from.

Models see pictures and read text; some also hear. What a picture shows is explained in words before it: colors that
stand for temperatures or times mean nothing without an explanation. Parts follow OpenAI's chat protocol.
"""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UnibindError, UnknownNameError
from .spec import Raw

if TYPE_CHECKING:
    from PIL import Image

Part = dict[str, Any]

HEARD_HZ = 16_000  # the rate of sounds that are sent

_MIN_LONG_SIDE = 224  # pixels; smaller pictures are enlarged because some models refuse them
_MIN_SHORT_SIDE = 32  # pixels; thinner pictures get white margins, for the same reason
_MAX_SHEET_SIDE = 1536  # pixels of a sheet of several pictures
_JPEG_QUALITY = 88
_MIN_HEARD_S = 0.1


@dataclass(frozen=True)
class RenderOptions:
    """How items are shown to a model.

    Pictures have at most `side` pixels on their longer side; videos and event recordings are shown at `frames`
    moments. `sound` sends sounds as audio, for servers that accept it; otherwise as spectrograms. `one_picture` puts
    all views and frames of an item on one sheet, for servers that accept one picture per request.
    """

    side: int = 512
    frames: int = 6
    sound: bool = False
    one_picture: bool = False

    def __post_init__(self) -> None:
        """Refuse sizes at which nothing can be seen, and more frames than fit into a request."""
        if not 64 <= self.side <= 4096:
            raise UnibindError(f"side must be 64 to 4096 pixels, not {self.side}")
        if not 1 <= self.frames <= 32:
            raise UnibindError(f"frames must be 1 to 32 per recording, not {self.frames}")


def render(raw: Raw, options: RenderOptions | None = None) -> list[Part]:
    """An item as content parts of a user's message: first text, then pictures with captions, or a sound.

    Raises UnknownNameError for a modality whose items are not shown to models (texts are read as they are).
    """
    from .registry import modality_names, modality_spec

    message = modality_spec(raw.modality).message
    if message is None:
        shown = [name for name in modality_names() if modality_spec(name).message is not None]
        raise UnknownNameError("modality to show", raw.modality, shown)
    return message(raw, options or RenderOptions())


def text_part(text: str) -> Part:
    """A paragraph of text."""
    return {"type": "text", "text": text}


def picture_part(picture: Image.Image, side: int) -> Part:
    """A picture of at most `side` pixels on its longer side, as a JPEG in a data URL."""
    buffer = io.BytesIO()
    _fitted(picture, side).save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{_base64(buffer.getvalue())}"}}


def picture_parts(captioned: Sequence[tuple[str, Image.Image]], options: RenderOptions) -> list[Part]:
    """Pictures, each after its caption; or all of them on one sheet."""
    from .pictures import grid

    if not options.one_picture or len(captioned) == 1:
        return [
            part
            for caption, picture in captioned
            for part in (text_part(f"{caption}:"), picture_part(picture, options.side))
        ]
    columns = int(np.ceil(np.sqrt(len(captioned))))
    side = min(options.side, _MAX_SHEET_SIDE // columns)
    fitted = [_fitted(picture, side) for _, picture in captioned]
    sheet = grid(fitted, columns, [caption for caption, _ in captioned])
    return [text_part("All in one picture, to be read row by row:"), picture_part(sheet, _MAX_SHEET_SIDE)]


def sound_part(samples: NDArray[np.floating]) -> Part:
    """A mono sound [N] at HEARD_HZ as a 16-bit WAV file; very short sounds are padded with silence."""
    samples = np.pad(samples, (0, max(0, round(_MIN_HEARD_S * HEARD_HZ) - len(samples))))
    data = _base64(wav_file(samples, HEARD_HZ))
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def wav_file(samples: NDArray[np.floating], rate: int) -> bytes:
    """A mono sound [N] as a 16-bit WAV file; louder than full scale is clipped."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes())
    return buffer.getvalue()


def duration(seconds: float) -> str:
    """A duration in words, such as "80 ms" or "2.5 s"."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    """At most `side` pixels on the longer side; small pictures are enlarged, thin ones padded with white."""
    from PIL import Image, ImageOps

    longer = max(picture.size)
    target = min(max(longer, min(_MIN_LONG_SIDE, side)), side)
    if longer != target:
        width, height = (max(1, round(s * target / longer)) for s in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    if min(picture.size) < _MIN_SHORT_SIDE:
        width, height = (max(s, _MIN_SHORT_SIDE) for s in picture.size)
        picture = ImageOps.pad(picture, (width, height), color="white")
    return picture


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
