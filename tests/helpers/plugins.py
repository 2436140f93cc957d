"""Installing a small package for a test: its sources and the metadata that entry points are found by."""

import shutil
import tomllib
from pathlib import Path


def install(project: Path, site: Path) -> None:
    """Put a pure-Python project (pyproject.toml, src/) into the folder `site`, as a wheel would be unpacked."""
    facts = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    shutil.copytree(project / "src", site, dirs_exist_ok=True)
    info = site / f"{facts['name'].replace('-', '_')}-{facts['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {facts['name']}\nVersion: {facts['version']}\n")
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in facts["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))
