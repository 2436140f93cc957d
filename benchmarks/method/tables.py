"""Markdown: tables and figures with intervals."""

from __future__ import annotations

from collections.abc import Sequence

MISSING = "-"

Estimate = tuple[float, float, float]  # measured, and the ends of its 95 % interval; all as shares


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, the first column to the left and figures to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def percent(value: float | None) -> str:
    """A share in percent."""
    return MISSING if value is None else f"{100 * value:.1f}"


def percent_of(estimate: Estimate | None) -> str:
    """A share in percent with its interval."""
    if estimate is None:
        return MISSING
    value, low, high = (100 * each for each in estimate)
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def points(estimate: Estimate | None) -> str:
    """A difference of shares in points with its interval."""
    if estimate is None:
        return MISSING
    value, low, high = (100 * each for each in estimate)
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def listed(names: Sequence[str]) -> str:
    """Names in words: a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def words(modality: str) -> str:
    return modality.replace("_", " ")
