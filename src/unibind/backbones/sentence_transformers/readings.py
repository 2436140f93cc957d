"""How each modality is read by a model of sentence-transformers: from a raw item to arrays, and to the library's input.

Inputs are handed over in explicit forms, because the library guesses the modality of others: a text that ends in .jpg
would be a picture, and a one-dimensional array a sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ...modalities.audio import Audio
from ...modalities.spec import Raw
from ...modalities.text import Text
from ...modalities.video import Video
from ...preprocess.clips import center_window, resampled
from .._shared.picture_inputs import PICTURE_INPUTS


class Reading(Protocol):
    """How one modality is read. `kind` is the library's name of what the model gets."""

    kind: ClassVar[str]

    def arrays(self, raw: Any) -> dict[str, NDArray]:
        """The arrays of a raw item, in a worker process."""
        ...

    def inputs(self, arrays: Mapping[str, NDArray]) -> list[Any]:
        """The library's inputs of one item; its embedding is the mean of theirs."""
        ...

    @property
    def parameters(self) -> dict[str, Any]:
        """The preprocessing parameters in the contract, as JSON."""
        ...


@dataclass(frozen=True)
class TextReading:
    """A text as it is. `plain` hands over a bare str, to modules that take nothing else."""

    plain: bool
    kind: ClassVar[str] = "text"

    def arrays(self, raw: Text) -> dict[str, NDArray]:
        """Its bytes in UTF-8."""
        return {"utf8": np.frombuffer(raw.text.encode(), np.uint8)}

    def inputs(self, arrays: Mapping[str, NDArray]) -> list[Any]:
        """A dict that says that it is a text, or the bare text."""
        text = arrays["utf8"].tobytes().decode()
        return [text if self.plain else {self.kind: text}]

    @property
    def parameters(self) -> dict[str, Any]:
        """None."""
        return {}


@dataclass(frozen=True)
class PictureReading:
    """What is seen, as pictures (see `picture_inputs`); a video as the mean over `frames` of its frames."""

    modality: str
    frames: int
    processors: tuple[str, ...]
    kind: ClassVar[str] = "image"

    def arrays(self, raw: Raw) -> dict[str, NDArray]:
        """Pictures uint8 [F, H, W, 3]."""
        return {"pictures": PICTURE_INPUTS[self.modality].pictures(raw, self.frames)}

    def inputs(self, arrays: Mapping[str, NDArray]) -> list[Any]:
        """A Pillow image for every picture."""
        from PIL import Image

        return [Image.fromarray(pixels) for pixels in arrays["pictures"]]

    @property
    def parameters(self) -> dict[str, Any]:
        """How the item becomes pictures, and the classes that prepare them."""
        return PICTURE_INPUTS[self.modality].parameters(self.frames) | {"processors": list(self.processors)}


@dataclass(frozen=True)
class VideoReading:
    """A video for a model that sees motion: `frames` frames with their times, which the model does not sample again."""

    frames: int
    processors: tuple[str, ...]
    kind: ClassVar[str] = "video"

    def arrays(self, raw: Video) -> dict[str, NDArray]:
        """Frames uint8 [F, H, W, 3], and the duration in seconds."""
        pictures = PICTURE_INPUTS[self.kind].pictures(raw, self.frames)
        return {"pictures": pictures, "duration_s": np.array(raw.duration_s, np.float64)}

    def inputs(self, arrays: Mapping[str, NDArray]) -> list[Any]:
        """One clip, channels first, with what is known of its times."""
        frames, duration = arrays["pictures"].transpose(0, 3, 1, 2), float(arrays["duration_s"])
        times = {"fps": len(frames) / duration, "duration": duration, "total_num_frames": len(frames)}
        metadata = times | {"frames_indices": list(range(len(frames)))}
        return [{"array": np.ascontiguousarray(frames), "video_metadata": metadata}]

    @property
    def parameters(self) -> dict[str, Any]:
        """How frames are chosen, that the model reads them as one clip, and the classes that prepare them."""
        return PICTURE_INPUTS[self.kind].parameters(self.frames) | {"clip": True, "processors": list(self.processors)}


@dataclass(frozen=True)
class AudioReading:
    """A recording at the model's own rate.

    Its feature extractor decides what is cut or padded; where it would cut at random, it gets the middle `longest`
    samples.
    """

    rate_hz: int
    longest: int | None
    kind: ClassVar[str] = "audio"

    def arrays(self, raw: Audio) -> dict[str, NDArray]:
        """Samples float32 [N], at `rate_hz`."""
        samples = resampled(raw.samples, raw.rate, self.rate_hz)
        if self.longest is not None and len(samples) > self.longest:
            samples = center_window(samples, self.longest)
        return {"samples": samples}

    def inputs(self, arrays: Mapping[str, NDArray]) -> list[Any]:
        """The samples with their rate."""
        return [{"array": arrays["samples"], "sampling_rate": self.rate_hz}]

    @property
    def parameters(self) -> dict[str, Any]:
        """The rate, and which samples of long recordings are used."""
        return {"rate_hz": self.rate_hz} | ({"middle_samples": self.longest} if self.longest else {})


def part_arrays(parts: Sequence[Raw], readings: Mapping[str, Reading]) -> dict[str, NDArray]:
    """The arrays of an item of several parts; their names have the part's position and modality."""
    return {
        f"{position}.{part.modality}.{name}": array
        for position, part in enumerate(parts)
        for name, array in readings[part.modality].arrays(part).items()
    }


def joint_input(arrays: Mapping[str, NDArray], readings: Mapping[str, Reading]) -> dict[str, list[Any]]:
    """The library's input of several parts: what the model gets by its kind, in the order of each kind's first part."""
    parts: dict[tuple[int, str], dict[str, NDArray]] = {}
    for name, array in arrays.items():
        position, modality, own = name.split(".")
        parts.setdefault((int(position), modality), {})[own] = array
    joint: dict[str, list[Any]] = {}
    for (_, modality), own_arrays in sorted(parts.items(), key=lambda part: part[0]):
        reading = readings[modality]
        joint.setdefault(reading.kind, []).extend(_bare(each, reading.kind) for each in reading.inputs(own_arrays))
    return joint


def _bare(value: Any, kind: str) -> Any:
    """What a dict that names its kind contains; other values as they are."""
    return value[kind] if isinstance(value, dict) and kind in value else value
