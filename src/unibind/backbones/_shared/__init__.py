"""Parts that several backbones are composed of."""
