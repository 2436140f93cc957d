"""Everything that talks to language models."""
