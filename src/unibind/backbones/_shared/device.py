"""Choosing the device a backbone runs on."""

from __future__ import annotations

from ...errors import UnibindError


def resolve_device(device: str | None) -> str:
    """Return `device`, or the best one available if it is None: CUDA, then MPS, then the CPU.

    Raises UnibindError, listing the devices that there are, for one that cannot be used on this machine.
    """
    if device is None:
        return available_devices()[0]
    import torch

    try:
        works = torch.empty(1, device=device).cpu().numel() == 1
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):  # what torch raises differs by device
        works = False
    if not works:
        raise UnibindError(f"the device {device} cannot be used here; choose one of: {', '.join(available_devices())}")
    return device


def available_devices() -> list[str]:
    """The devices of this machine that torch can use, best first."""
    import torch

    cuda = ["cuda", *(f"cuda:{i}" for i in range(1, torch.cuda.device_count()))] if torch.cuda.is_available() else []
    return [*cuda, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]
