"""CLAP (Wu et al., "Large-scale contrastive language-audio pretraining with feature fusion", 2023).

The feature extractor of transformers cuts recordings that are longer than the window at random. This one does not:
- checkpoints without fusion take the middle of the recording;
- checkpoints with fusion take the whole recording resized to one window, and the windows in the middle of the first,
  second and last third of all possible ones.

In a batch without long recordings, transformers also marks a random one as long. Here only long recordings are marked,
so that an embedding does not depend on the rest of the batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...modalities.audio import Audio
from ...preprocess.clips import center_window, resampled
from .._shared.processor_inputs import ProcessorInput
from .._shared.repository import Repository
from .family import Encoder, Family, TextTower, TowerSpec, as_weights
from .inputs import TextInput

_FUSION = "fusion"
_PARAMETERS = (
    *("sampling_rate", "max_length_s", "truncation", "padding", "feature_size", "fft_window_size", "hop_length"),
    *("frequency_min", "frequency_max", "top_db"),
)


class AudioInput(ProcessorInput):
    """Mel spectrograms [1, frames, bins]; with fusion [4, frames, bins], four equal ones for a short recording."""

    def _read(self) -> Any:
        from transformers import ClapFeatureExtractor

        return ClapFeatureExtractor.from_pretrained(self.repository.folder, local_files_only=True)

    def __call__(self, raw: Audio) -> Tensor:
        """The spectrogram of one recording, at the sampling rate of the checkpoint."""
        samples = resampled(raw.samples, raw.rate, self.processor.sampling_rate)
        if len(samples) <= self.processor.nb_max_samples:
            return self._mel(samples)
        if self.processor.truncation == _FUSION:
            return self._fused(self._mel(samples, max_length=len(samples))[0])
        return self._mel(center_window(samples, self.processor.nb_max_samples))

    def _mel(self, samples: Any, **options: Any) -> Tensor:
        rate = self.processor.sampling_rate
        out = self.processor(samples, sampling_rate=rate, return_tensors="pt", **options)
        return out["input_features"][0].float()  # type: ignore[no-any-return]

    def _fused(self, mel: Tensor) -> Tensor:
        """[frames of the recording, bins] -> [4, frames of a window, bins]: all of it resized, and three windows."""
        window = self.processor.nb_max_samples // self.processor.hop_length + 1
        resized = functional.interpolate(mel[None, None], (window, mel.shape[1]), mode="bilinear")[0, 0]
        starts = [(len(mel) - window) * part // 6 for part in (1, 3, 5)]
        whole = [mel] if len(mel) == window else [resized]  # no longer than a window in frames: nothing to fuse
        return torch.stack(whole + [mel[start : start + window] for start in starts])

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings of the extractor, and how long recordings are cut."""
        settings = {name: getattr(self.processor, name) for name in _PARAMETERS}
        return settings | {"longer": "whole and three even windows" if settings["truncation"] == _FUSION else "middle"}


class AudioTower(nn.Module):
    """Batches of `AudioInput`s [B, 1 or 4, frames, bins] -> [B, D]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor) -> Tensor:
        """Embed recordings, of which only long ones are marked as long."""
        longer = (batch != batch[:, -1:]).flatten(1).any(dim=1, keepdim=True)  # [B, 1]; short: all four are equal
        return self.model(input_features=as_weights(self, batch), is_longer=longer).audio_embeds  # type: ignore[no-any-return]


def _load_text(repository: Repository) -> nn.Module:
    from transformers import ClapTextModelWithProjection

    config = repository.config.text_config
    model = repository.load(ClapTextModelWithProjection, config)
    return TextTower(model, config.pad_token_id, lambda out, mask: out.text_embeds)


def _load_audio(repository: Repository) -> nn.Module:
    from transformers import ClapAudioModelWithProjection

    return AudioTower(repository.load(ClapAudioModelWithProjection, repository.config.audio_config))


def _text_input(repository: Repository, _: int) -> TextInput:
    config = repository.config.text_config
    first_position = config.pad_token_id + 1  # RoBERTa counts positions from the padding token
    return TextInput(repository, config.max_position_embeddings - first_position)


def _audio_input(repository: Repository, _: int) -> AudioInput:
    return AudioInput(repository)


FAMILY = Family(
    dim=lambda config: config.projection_dim,
    towers={
        "text": TowerSpec(_load_text, ("text_model.", "text_projection.")),
        "audio": TowerSpec(_load_audio, ("audio_model.", "audio_projection.")),
    },
    encoders={"text": Encoder("text", _text_input), "audio": Encoder("audio", _audio_input)},
    logit_scale="logit_scale_a",
)
