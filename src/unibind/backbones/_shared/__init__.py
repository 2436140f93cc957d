"""What several backbones have in common, used by composition."""
