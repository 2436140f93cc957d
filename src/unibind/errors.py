"""Errors for users. Each message is one sentence: what is wrong, where, and what to do.

Messages contain names and texts exactly as they are; whoever shows them on a terminal passes them through `printable`.
"""

from __future__ import annotations

import re

# control characters (escape sequences, bells, new lines), those that reorder or hide text, and lone surrogates; the
# joiners U+200C and U+200D stay, because emoji and some scripts need them
_UNSAFE = (
    "\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb"
    "\\U000e0000-\\U000e007f\\ud800-\\udfff"
)
_UNSAFE_CHARACTER = re.compile(f"[\\x00-\\x1f{_UNSAFE}]")
UNSAFE_IN_JSON = re.compile(f"[{_UNSAFE}]")  # what JSON does not escape by itself


def printable(text: object) -> str:
    r"""One line that is safe to show: what could act on a terminal, or hide, becomes an escape such as `\x1b`.

    A byte of a file name that is not UTF-8 is shown as `\xff`.
    """
    return _UNSAFE_CHARACTER.sub(lambda match: _escape(match.group()), str(text))


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a file name, as Python decodes it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


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


class NoLabelsError(UnibindError):
    """No item that a fit could learn from has a label."""


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


class WriteError(UnibindError, OSError):
    """The system does not let a file or folder be written: a full disk, a missing permission; `errno` is its reason."""

    def __init__(self, message: str, errno: int) -> None:
        super().__init__(message)
        self.errno = errno

    def __reduce__(self) -> tuple[type[WriteError], tuple[str, int | None]]:  # it comes from worker processes too
        return type(self), (str(self), self.errno)

    def __str__(self) -> str:
        return str(self.args[0])
