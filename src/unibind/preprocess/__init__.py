"""Raw items to tensors: building blocks that backbones put together."""
