"""`unibind knowledge`: make, inspect, edit and share knowledge bases; one module per group of verbs."""

from __future__ import annotations

import typer

from .._console import CONTINUE, add_verb
from . import check, describe, edit, embed, generate, show, transfer

app = typer.Typer(help="Make, inspect, edit and share knowledge bases of descriptions.", no_args_is_help=True)
_ANSWERS = f"what the models have answered is kept in {{out}}; {CONTINUE}"
_FILES = f"what was imported is kept in {{out}}; {CONTINUE}"
_CHANGES = f"the changes so far are kept in {{base}}; {CONTINUE}"

add_verb(app, "generate", generate.generate, kept=_ANSWERS)
add_verb(app, "describe", describe.describe, kept=_ANSWERS)
add_verb(app, "show", show.show)
add_verb(app, "check", check.check)
add_verb(app, "edit", edit.edit, kept=_CHANGES)
add_verb(app, "block", edit.block, kept=_CHANGES)
add_verb(app, "embed", embed.embed, kept=f"what was embedded is kept in {{base}}; {CONTINUE}")
add_verb(app, "import", transfer.import_, kept=_FILES)
add_verb(app, "export", transfer.export)
add_verb(app, "merge", transfer.merge, kept=_FILES)
