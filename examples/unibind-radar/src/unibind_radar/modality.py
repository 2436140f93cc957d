"""The modality `radar`: range-Doppler maps, their files, pictures and prompts."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unibind.errors import UnibindError, UnreadableError
from unibind.modalities import FileFormat, ModalitySpec
from unibind.modalities.limits import Limits
from unibind.modalities.messages import Part, RenderOptions, picture_part, text_part
from unibind.modalities.source import Source

MAGIC = b"RADAR1\n"


@dataclass(frozen=True, eq=False)
class Radar:
    """A range-Doppler map: `power` float32 [ranges, speeds] in dB, speeds from -`max_speed` to +`max_speed` m/s."""

    power: NDArray[np.float32]
    max_speed: float
    modality: ClassVar[str] = "radar"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type."""
        if self.power.ndim != 2 or self.power.dtype != np.float32:
            raise UnibindError(f"a Radar takes float32 [ranges, speeds], not {self.power.dtype} {self.power.shape}")

    def summary(self) -> dict[str, Any]:
        """Ranges, speeds, and the strongest echo in dB."""
        ranges, speeds = self.power.shape
        return {"ranges": ranges, "speeds": speeds, "peak_db": round(float(self.power.max()), 2)}


def read_radar(source: Source, limits: Limits) -> Radar:
    """A `.radar` file: a line RADAR1, a line with ranges, speeds and the largest speed, then float32 numbers."""
    with source.open() as file:
        if file.readline() != MAGIC:
            raise UnreadableError(f"{source.name} does not start with RADAR1; record it again")
        ranges, speeds, max_speed = file.readline().split()
        if int(ranges) * int(speeds) > limits.max_pixels:
            raise UnreadableError(f"{source.name} claims {ranges} x {speeds} cells, more than the limits allow")
        power = np.frombuffer(file.read(), np.float32)
    return Radar(power.reshape(int(ranges), int(speeds)).copy(), float(max_speed))


def picture(raw: Radar, size: tuple[int, int]) -> Any:
    """Range upwards, speed to the right, strong echoes light."""
    from PIL import Image

    from unibind.modalities.colormap import inferno

    low, high = float(raw.power.min()), float(raw.power.max())
    return Image.fromarray(inferno((raw.power[::-1] - low) / max(high - low, 1e-6))).resize(size)


def message(raw: Radar, options: RenderOptions) -> list[Part]:
    """Words and a picture for a multimodal language model."""
    words = f"A range-Doppler map of a radar: range goes up, speed to the right, up to {raw.max_speed:g} m/s."
    return [text_part(words), picture_part(picture(raw, (options.side, options.side)), options.side)]


SPEC = ModalitySpec(
    name="radar",
    raw_types=(Radar,),
    formats=(FileFormat("RADAR1", (".radar",), read_radar, sniff=lambda head: head.startswith(MAGIC)),),
    picture=picture,
    message=message,
    prompt_phrase="radar recordings, where only range and speed are measured",
    aspects=("motion", "shape"),
    templates=("a radar recording of a {}.", "the radar echo of a {}.", "a {} seen by a radar."),
)
