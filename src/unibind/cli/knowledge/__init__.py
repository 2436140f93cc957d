"""`unibind knowledge`: make, inspect, edit and share knowledge bases; one module per group of verbs."""

from __future__ import annotations

import typer

from .._console import add_verb
from . import check, describe, edit, embed, generate, show, transfer

app = typer.Typer(help="Make, inspect, edit and share knowledge bases of descriptions.", no_args_is_help=True)
add_verb(app, "generate", generate.generate)
add_verb(app, "describe", describe.describe)
add_verb(app, "show", show.show)
add_verb(app, "check", check.check)
add_verb(app, "edit", edit.edit)
add_verb(app, "block", edit.block)
add_verb(app, "embed", embed.embed)
add_verb(app, "import", transfer.import_)
add_verb(app, "export", transfer.export)
add_verb(app, "merge", transfer.merge)
