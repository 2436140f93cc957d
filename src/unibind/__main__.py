"""`python -m unibind`: the same as the `unibind` command."""

from .cli import main

main()
