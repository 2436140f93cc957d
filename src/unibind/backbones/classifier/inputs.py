"""From raw items to the inputs of a classifier, through the checkpoint's own processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import UnibindError
from ...modalities.audio import Audio
from ...modalities.spec import Raw
from ...preprocess.clips import center_window, resampled
from .._shared.picture_inputs import PICTURE_INPUTS
from .._shared.processor_inputs import PICTURE_PARAMETERS, ImageProcessorInput, ProcessorInput
from .._shared.repository import Repository

_SHORTEST_S, _LONGEST_S = 0.1, 30.0  # of a recording, where the extractor has no length of its own
_EXTRACTOR_PARAMETERS = (
    *("sampling_rate", "feature_size", "num_mel_bins", "max_length", "mean", "std", "do_normalize", "padding_value"),
    *("n_fft", "hop_length", "chunk_length", "n_samples", "stride", "dither"),
)
_MEL_FRAME_S, _MEL_SHIFT_S = 0.025, 0.010  # of extractors with a `max_length` in frames


class RecordingInput(ProcessorInput):
    """What a feature extractor makes of a recording, such as samples [T] or mel energies [T, bins].

    A recording longer than the extractor's window, or than 30 s if it has none, is cut to its middle. One shorter than
    0.1 s is filled up with silence.
    """

    def _read(self) -> Any:
        from transformers import AutoFeatureExtractor

        return AutoFeatureExtractor.from_pretrained(
            self.repository.folder, local_files_only=True, trust_remote_code=False
        )

    def __call__(self, raw: Audio) -> Tensor:
        """The features of one recording, at the sampling rate of the checkpoint."""
        rate = self.processor.sampling_rate
        samples = resampled(raw.samples, raw.rate, rate)
        samples = np.pad(samples, (0, max(0, round(_SHORTEST_S * rate) - len(samples))))
        window = self._window()
        samples = center_window(samples, window) if len(samples) > window else samples
        out = self.processor(samples, sampling_rate=rate, return_tensors="pt")
        return torch.as_tensor(out[self.processor.model_input_names[0]][0]).float()

    def _window(self) -> int:
        """The most samples that are used."""
        rate, frames = self.processor.sampling_rate, getattr(self.processor, "max_length", None)
        if isinstance(frames, int):
            return round(rate * (_MEL_FRAME_S + (frames - 1) * _MEL_SHIFT_S))
        return int(getattr(self.processor, "n_samples", None) or _LONGEST_S * rate)

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings of the extractor, and how recordings are cut."""
        settings = {name: getattr(self.processor, name, None) for name in _EXTRACTOR_PARAMETERS}
        kept = {name: value for name, value in settings.items() if value is not None}
        return kept | {"longer": "middle", "window": self._window()}


class ClipInput(ImageProcessorInput):
    """The frames of a video at the middles of equal parts, [F, 3, H, W], resized and normalized by Pillow."""

    def _read(self) -> Any:
        settings = _video_settings(self.repository)
        if settings is None:
            return super()._read()
        import transformers

        by_pillow = getattr(transformers, "VideoMAEImageProcessorPil", None) or transformers.VideoMAEImageProcessor
        return by_pillow(**settings)

    def __call__(self, raw: Raw) -> Tensor:
        """The clip of one video."""
        frames = list(PICTURE_INPUTS[self.modality].pictures(raw, self.frames))
        out = self.processor(frames, return_tensors="pt", input_data_format="channels_last")
        return torch.as_tensor(out["pixel_values"][0]).float()


def _video_settings(repository: Repository) -> dict[str, Any] | None:
    """The settings of a video processor, for an image processor to apply to frames; None if there is only the latter.

    transformers has video processors with torchvision only.
    """
    candidates = [
        repository.json("video_preprocessor_config.json"),
        repository.json("processor_config.json").get("video_processor"),
        repository.json("preprocessor_config.json"),
    ]
    found = next((each for each in candidates if isinstance(each, dict) and "video_processor_type" in each), None)
    if found is None:
        return None
    settings = {name: found[name] for name in PICTURE_PARAMETERS if found.get(name) is not None}
    missing = [name for name in ("image_mean", "image_std", "size") if name not in settings]
    if missing:
        raise UnibindError(f"the video processor in {repository.folder} has no {missing[0]}; download it again")
    return settings
