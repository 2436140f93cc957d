"""`unibind doctor`: what this installation can do, and whether it computes the expected results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ._console import JsonOption, busy, notify, print_json, print_table

if TYPE_CHECKING:
    from ..doctor import BackboneState, Diagnosis


def doctor(json: JsonOption = False) -> None:
    """Show torch, devices, packages and extras, and check every available backbone against golden values.

    The checks run on the default device. The exit code is 1 if a required package is missing or a check fails. Nothing
    is downloaded.

    Examples:
      $ unibind doctor
      $ unibind doctor --json
    """
    from ..doctor import as_json, diagnose

    with busy("examining the installation"):
        diagnosis = diagnose()
    if json:
        print_json(as_json(diagnosis))
    else:
        _print(diagnosis)
    if not diagnosis.healthy:
        raise typer.Exit(1)


def _print(diagnosis: Diagnosis) -> None:
    from ..doctor import REQUIRED
    from ..extras import EXTRAS

    required = [(package, version or "missing", REQUIRED[package]) for package, version in diagnosis.required.items()]
    extras = [
        (name, EXTRAS[name].purpose, f"pip install 'unibind[{name}]'" if missing else "installed")
        for name, missing in diagnosis.extras.items()
    ]
    print_table(("system", ""), list(diagnosis.system.items()))
    print_table(("required package", "version", "for"), required)
    print_table(("extra", "for", "state"), extras)
    print_table(
        ("backbone", "golden checks", "usable"), [(b.kind, _checks(b), _usable(b)) for b in diagnosis.backbones]
    )
    notify("everything works" if diagnosis.healthy else "unibind: a package above is missing, or a golden check failed")


def _usable(backbone: BackboneState) -> str:
    return "depends on the model" if backbone.missing is None else backbone.missing or "yes"


def _checks(backbone: BackboneState) -> str:
    if not backbone.checks:
        return "none"
    worst = max(backbone.checks, key=lambda check: check.difference / check.allowed)
    verdict = "passed" if backbone.passed else "FAILED"
    difference = f"largest difference {worst.difference:.0e}, allowed {worst.allowed:.0e}"
    return f"{verdict}: {len(backbone.checks)} checks, {difference}"
