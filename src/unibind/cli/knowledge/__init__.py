"""`unibind knowledge`: make, look at, mend and reuse bases of descriptions; one module a verb."""

from __future__ import annotations

import typer

from . import check, describe, embed, generate, show
from . import edit as editing
from . import transfer as importing

app = typer.Typer(help="Descriptions by language models: make, look at, mend, share.", no_args_is_help=True)
app.command("generate")(generate.generate)
app.command("describe")(describe.describe)
app.command("show")(show.show)
app.command("check")(check.check)
app.command("edit")(editing.edit)
app.command("block")(editing.block)
app.command("embed")(embed.embed)
app.command("import")(importing.import_)
app.command("export")(importing.export)
app.command("merge")(importing.merge)
