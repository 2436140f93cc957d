"""The knowledge base: descriptions of categories and items, whose embeddings represent meaning (paper, section 3.1)."""

from __future__ import annotations

from .base import Description, KnowledgeBase, KnowledgeSource

__all__ = ["Description", "KnowledgeBase", "KnowledgeSource"]
