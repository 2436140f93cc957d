"""Code blocks of the documentation, so that tests run what readers copy."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)


def code_blocks(page):
    """The titled code blocks of a page of the documentation by their titles."""
    return dict(_BLOCK.findall((DOCS / page).read_text(encoding="utf-8")))
