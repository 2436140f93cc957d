"""Mutated and crafted files: each is read to bounded, finite data or refused, soon and in little memory."""
