"""Reads the files that the authors of UniBind released: pickled centers and fitted checkpoints."""
