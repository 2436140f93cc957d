"""Files as the authors of UniBind release them, made from the tiny ImageBind: linear maps and pickled centers."""

import pickle

import torch

WIDTH = 32
LABELS = ("dog", "cat", "folding chair")


def linear(modality, width=WIDTH):
    """The entries of a fitted linear map of one modality."""
    generator = torch.Generator().manual_seed(len(modality))
    return {
        f"mlp_for_{modality}.weight": torch.randn(width, width, generator=generator),
        f"mlp_for_{modality}.bias": torch.randn(width, generator=generator),
    }


def centers(width=WIDTH):
    """50 centers per label, each [50, width] and not of unit length."""
    generator = torch.Generator().manual_seed(1)
    return {label: 3 * torch.randn(50, width, generator=generator) for label in LABELS}


def saved(path, state):
    """Save a state dict; returns the path."""
    torch.save(state, path)
    return path


def pickled(path, value):
    """Pickle a value; returns the path."""
    path.write_bytes(pickle.dumps(value))
    return path
