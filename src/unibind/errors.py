"""Errors for users. Each message is one sentence: what is wrong, where, and what to do."""

from __future__ import annotations


class UnibindError(ValueError):
    """Base of all errors that unibind raises for user input; the command line prints the message and exits with 2."""


class UnreadableError(UnibindError):
    """A file or byte string cannot be read as the given modality."""


class LimitError(UnreadableError):
    """An input needs more pixels, seconds, points or events than the limits allow."""


class UnknownNameError(UnibindError):
    """A modality, backbone, strategy, category, ... does not exist; the message lists the existing names."""

    def __init__(self, kind: str, name: object, known: object) -> None:
        names = ", ".join(str(k) for k in known)  # type: ignore[attr-defined]
        super().__init__(f"unknown {kind} {name!r}; choose one of: {names}")


class ContractError(UnibindError):
    """Vectors of different contracts were about to be compared or mixed."""


class MissingExtraError(UnibindError, ImportError):
    """An optional dependency is missing; the message names the extra to install."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional dependency: install it with `pip install 'unibind[{extra}]'`")


class MissingFileError(UnibindError, FileNotFoundError):
    """A given file or folder does not exist."""

    def __str__(self) -> str:  # FileNotFoundError would print the tuple of its arguments
        return str(self.args[0])
