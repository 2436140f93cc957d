"""Fitting: from a store to a model with heads, centers and calibration."""

from .from_store import fit

__all__ = ["fit"]
