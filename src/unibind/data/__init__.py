"""Items and their embeddings: manifests, tables, the loader, the store and encoding."""
