"""Building blocks from arrays to model inputs, which backbones combine; they know no modality types."""
