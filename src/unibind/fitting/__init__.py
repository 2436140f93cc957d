"""Fitting: from a store to a model with heads, centers and calibration."""

from .fit import fit

__all__ = ["fit"]
