"""Decoders of file formats, shared by the rows of the modalities' format tables."""
