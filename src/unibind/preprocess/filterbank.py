"""Log mel filter banks as Kaldi computes them, in batched torch."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def log_mel(
    waveform: Tensor,
    rate: int,
    *,
    bins: int,
    frame_ms: float = 25.0,
    shift_ms: float = 10.0,
    low_hz: float = 20.0,
    preemphasis: float = 0.97,
) -> Tensor:
    """Log mel energies [..., T, bins] of waveforms [..., N], T = 1 + (N - frame) // shift, natural logarithm.

    The options of Kaldi's compute-fbank-feats that ImageBind and AST use: no dither, no energy, mean of each frame
    removed, pre-emphasis, Hann window, power spectrum of the next power of two, HTK mel scale from `low_hz` to half
    the rate, snipped edges. Raises ValueError for a waveform shorter than one frame.
    """
    frame, shift = round(rate * frame_ms / 1000), round(rate * shift_ms / 1000)
    if waveform.shape[-1] < frame:
        raise ValueError(f"a filter bank needs at least {frame} samples ({frame_ms} ms), not {waveform.shape[-1]}")
    frames = waveform.unfold(-1, frame, shift)  # [..., T, frame]
    frames = frames - frames.mean(dim=-1, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    frames = (frames - preemphasis * before) * torch.hann_window(frame, periodic=False)
    size = 1 << (frame - 1).bit_length()
    power = torch.fft.rfft(frames, n=size).abs().square()  # [..., T, size / 2 + 1]
    mel = power[..., : size // 2] @ _mel_weights(rate, size, bins, low_hz)
    return mel.clamp(min=torch.finfo(torch.float32).eps).log()


@lru_cache(maxsize=8)
def _mel_weights(rate: int, size: int, bins: int, low_hz: float) -> Tensor:
    """Triangular filters [size / 2, bins], evenly spaced in HTK mel."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(hertz / 700.0)

    edges = torch.linspace(
        float(mel(torch.tensor(low_hz))), float(mel(torch.tensor(rate / 2))), bins + 2, dtype=torch.float64
    )
    at = mel(torch.arange(size // 2, dtype=torch.float64) * rate / size)[:, None]
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (at - left) / (middle - left), (right - at) / (right - middle)
    return torch.minimum(rising, falling).clamp(min=0).float()
