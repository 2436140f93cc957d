"""Choosing the device a backbone runs on."""

from __future__ import annotations


def resolve_device(device: str | None) -> str:
    """Return `device`, or the best one available if it is None: CUDA, then MPS, then the CPU."""
    import torch

    if device is not None:
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
