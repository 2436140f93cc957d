"""`unibind doctor`: what this installation can do, and whether it computes what it should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ._console import JsonOption, busy, print_json, print_table, say

if TYPE_CHECKING:
    from ..doctor import BackboneState


def doctor(json: JsonOption = False) -> None:
    """Show torch, devices, decoders and extras, and check every backbone that is here against golden numbers.

    The exit code is 1 where something required is missing or a check fails. Nothing is downloaded.

    \b
    unibind doctor
    unibind doctor --json
    """
    from ..doctor import DECODERS, as_json, diagnose

    with busy("examining"):
        found = diagnose()
    if json:
        print_json(as_json(found))
    else:
        print_table(("system", ""), list(found.system.items()))
        print_table(
            ("decoder", "version", "reads"), [(p, v or "missing", DECODERS[p]) for p, v in found.decoders.items()]
        )
        print_table(
            ("extra", "state"),
            [
                (extra, f"cannot import {', '.join(missing)}" if missing else "there")
                for extra, missing in found.extras.items()
            ],
        )
        print_table(("backbone", "golden check", "here now"), [(b.kind, _checks(b), _here(b)) for b in found.backbones])
        say("all is well" if found.healthy else "unibind: something above is missing or does not compute as it should")
    if not found.healthy:
        raise typer.Exit(1)


def _here(backbone: BackboneState) -> str:
    return "as the model one names" if backbone.missing is None else backbone.missing or "yes"


def _checks(backbone: BackboneState) -> str:
    if not backbone.checks:
        return "none"
    worst = max(backbone.checks, key=lambda check: check.difference / check.allowed)
    word = "passed" if backbone.passed else "FAILED"
    found = f"largest difference {worst.difference:.0e}, allowed {worst.allowed:.0e}"
    return f"{word}: {len(backbone.checks)} modalities, {found}"
