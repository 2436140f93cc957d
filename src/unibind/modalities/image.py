"""Images: JPEG, PNG, WebP, BMP, GIF (first frame) and TIFF to upright 8-bit sRGB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .formats.images import JPEG_MAGIC, PNG_MAGIC, TIFF_MAGIC, read_rgb, rgb_pixels
from .limits import Limits
from .messages import Part, RenderOptions, picture_part
from .source import Source
from .spec import FileFormat, ModalitySpec, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@dataclass(frozen=True, eq=False)
class Image:
    """An image: `pixels` uint8 [H, W, 3], sRGB, upright."""

    pixels: NDArray[np.uint8]
    modality: ClassVar[str] = "image"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type."""
        require(
            self.pixels.dtype == np.uint8 and self.pixels.ndim == 3 and self.pixels.shape[2] == 3,
            f"an Image takes uint8 [H, W, 3], not {self.pixels.dtype} {list(self.pixels.shape)}",
        )

    def summary(self) -> dict[str, Any]:
        """Width and height in pixels."""
        return {"width": self.pixels.shape[1], "height": self.pixels.shape[0]}


def _read(source: Source, limits: Limits) -> Image:
    """Read an image: turned upright by its EXIF tag, 16 bits scaled to 8, transparency laid on white."""
    return Image(read_rgb(source, limits))


def _from_pil(item: object) -> Image | None:
    """A PIL image of any mode as an image; see `_read`."""
    if not type(item).__module__.startswith("PIL."):  # cheaper than to import PIL
        return None
    from PIL import Image as Pillow

    return Image(rgb_pixels(item)) if isinstance(item, Pillow.Image) else None


def _picture(raw: Image, size: tuple[int, int]) -> Picture:
    """The image as it is, fitted into `size` (width, height) on white."""
    from PIL import Image as Pillow
    from PIL import ImageOps

    return ImageOps.pad(Pillow.fromarray(raw.pixels), size, color="white")


def _message(raw: Image, options: RenderOptions) -> list[Part]:
    from PIL import Image as Pillow

    return [picture_part(Pillow.fromarray(raw.pixels), options.side)]


def _row(name: str, suffixes: tuple[str, ...], sniff: Callable[[bytes], bool]) -> FileFormat:
    # Fallback rows: a file that modalities with pictures of their own do not recognize is an image.
    return FileFormat(name, suffixes, _read, sniff, fallback=True)


SPEC = ModalitySpec(
    name="image",
    raw_types=(Image,),
    formats=(
        _row("JPEG", (".jpg", ".jpeg"), lambda head: head.startswith(JPEG_MAGIC)),
        _row("PNG", (".png",), lambda head: head.startswith(PNG_MAGIC)),
        _row("WebP", (".webp",), lambda head: head.startswith(b"RIFF") and head[8:12] == b"WEBP"),
        _row("BMP", (".bmp",), lambda head: head.startswith(b"BM")),
        _row("GIF", (".gif",), lambda head: head.startswith(b"GIF8")),
        _row("TIFF", (".tif", ".tiff"), lambda head: head.startswith(TIFF_MAGIC)),
    ),
    picture=_picture,
    message=_message,
    column_names=("img", "picture", "photo"),
    prompt_phrase="photographs",
    aspects=("looks", "parts", "shape", "context"),
    templates=(
        "a photo of a {}.",
        "a blurry photo of a {}.",
        "a close-up photo of a {}.",
        "a rendering of a {}.",
        "a picture that shows a {}.",
    ),
    from_object=_from_pil,
)
