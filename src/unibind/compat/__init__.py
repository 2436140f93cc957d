"""Reading the files that UniBind released: pickled centers and fitted checkpoints."""
