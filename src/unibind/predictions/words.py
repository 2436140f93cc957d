"""Explanations in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .explanation import Case, Explanation

_MOST_CHARACTERS = 160  # of a quoted description


def explanation_sentence(explanation: Explanation) -> str:
    """What the item is most like and by how much, and which description gave the most."""
    prediction, winner, other = explanation.prediction, explanation.winner, explanation.runner_up
    against = "" if other is None else f" rather than {other.label} ({percentage(other.probability)})"
    sentence = (
        f"{prediction.item} is most like {winner.label} ({percentage(winner.probability)}){against}: "
        f"{scores(explanation)}."
    )
    first = winner.evidence[0] if winner.evidence else None
    if first is None or not first.description:
        return sentence
    quoted = f'"{shortened(first.description)}"'
    if first.contribution < 0:
        return f"{sentence} Even {quoted} speaks against it."
    return f"{sentence} {quoted} is {percentage(first.share)} of what counted for {winner.label}."


def aspects_sentence(case: Case) -> str:
    """What the descriptions of each aspect contributed to the score; empty where none has one."""
    parts = ", ".join(f"{aspect} {value:+.3f}" for aspect, value in case.aspects.items())
    return f"{case.label} by aspect: {parts}" if parts else ""


def scores(explanation: Explanation) -> str:
    """Score of winner and runner-up, and what they are made of."""
    winner, other = explanation.winner, explanation.runner_up
    against = "" if other is None else f" against {other.score:.3f}"
    return f"it scores {winner.score:.3f}{against}, by {explanation.scoring} over {_counted(winner, other)}"


def _counted(winner: Case, other: Case | None) -> str:
    counts = {winner.descriptions} | (set() if other is None else {other.descriptions})
    words = " and ".join(f"{count:,}" for count in sorted(counts))
    return f"{words} {'description' if counts == {1} else 'descriptions'}" + (
        "" if other is None else " each" if len(counts) == 1 else ""
    )


def percentage(share: float) -> str:
    """A share with one decimal."""
    return f"{100 * share:.1f} %"


def shortened(text: str, most: int = _MOST_CHARACTERS) -> str:
    """A text in one line, and not longer than `most` characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."
