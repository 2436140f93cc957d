"""Knowledge bases built in tests."""

from unibind.knowledge import KnowledgeBase
from unibind.knowledge.building import rebuild


def build(journal):
    """Rebuild a base with the filters of its last build, and load it."""
    rebuild(journal)
    return KnowledgeBase.load(journal.path)
