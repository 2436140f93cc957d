"""Disk space and time of an installation in an empty environment, without and with the extra `all`.

    python benchmarks/install.py

Run it in a clone of the repository. torch comes first, in the build that constraints.txt and your index lead to.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
LARGEST = 6  # packages that are named


def megabytes(folder: Path) -> float:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / "bin" / "python"
        empty = megabytes(Path(folder))
        for what in ("torch", f"{REPOSITORY}", f"{REPOSITORY}[all]"):
            started = time.monotonic()
            command = [python, "-m", "pip", "install", "--quiet", "--constraint", REPOSITORY / "constraints.txt", what]
            subprocess.run(command, check=True)
            seconds = time.monotonic() - started
            name = what.replace(str(REPOSITORY), "unibind")
            print(f"{name}: {megabytes(Path(folder)) - empty:,.0f} MB in all, {seconds:.0f} s for this step")
        (site,) = Path(folder).glob("lib/python3*/site-packages")
        sizes = sorted(
            ((megabytes(package), package.name) for package in site.iterdir() if package.is_dir()), reverse=True
        )
        print("largest:", ", ".join(f"{name} {size:.0f} MB" for size, name in sizes[:LARGEST]))


if __name__ == "__main__":
    main()
