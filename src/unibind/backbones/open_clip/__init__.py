"""CLIP models of the OpenCLIP project, through its own library."""

from .model import CARD, create

__all__ = ["CARD", "create"]
