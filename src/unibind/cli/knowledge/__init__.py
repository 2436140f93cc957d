"""`unibind knowledge`: make, inspect, edit and share knowledge bases; one module per group of verbs."""

from __future__ import annotations

import typer

from . import check, describe, edit, embed, generate, show, transfer

app = typer.Typer(help="Make, inspect, edit and share knowledge bases of descriptions.", no_args_is_help=True)
app.command("generate")(generate.generate)
app.command("describe")(describe.describe)
app.command("show")(show.show)
app.command("check")(check.check)
app.command("edit")(edit.edit)
app.command("block")(edit.block)
app.command("embed")(embed.embed)
app.command("import")(transfer.import_)
app.command("export")(transfer.export)
app.command("merge")(transfer.merge)
