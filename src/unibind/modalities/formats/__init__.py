"""Decoders of file formats that need more than a few lines."""
