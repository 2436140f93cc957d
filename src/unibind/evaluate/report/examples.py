"""Single items on the page: the worst mistakes, search results and explained predictions, as cards with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from ...errors import UnibindError
from ...modalities.media import motion_url, picture_url, sound_url
from ...modalities.reading import read
from ...modalities.source import is_url
from ...predictions import Prediction
from ...retrieval import Hit
from ..parts import names
from ..recognition import Recognition

_HEIGHT = 224  # of a picture, in pixels
MOST_MISTAKES, MOST_CARDS = 8, 48  # per modality; of all modalities together


@dataclass(frozen=True)
class Search:
    """A query for items of `label`, and its hits in one modality before and after the fit."""

    query: str
    label: str
    modality: str
    before: list[Hit]
    after: list[Hit]


@dataclass(frozen=True)
class ExplainedItem:
    """A test item, its label, and the prediction of the fitted model with the nearest description."""

    uri: str
    label: str
    prediction: Prediction


@dataclass(frozen=True)
class Card:
    """One item as the page shows it: a caption, details on hover, and its picture and sound as data URLs, or its text.

    `good` says whether the caption is right, None if it has no right answer. `motion` is an animation, such as a
    video's frames or a cloud that turns, which plays while the card is pointed at.
    """

    caption: str
    details: str
    good: bool | None = None
    picture: str | None = None
    motion: str | None = None
    sound: str | None = None
    text: str | None = None
    problem: str | None = None


def mistakes(recognition: Recognition) -> dict[str, list[Card]]:
    """The wrong answers that were the furthest from the true class, worst first, by modality; none where all is right.

    At most MOST_MISTAKES per modality and MOST_CARDS in all.
    """
    most = min(MOST_MISTAKES, max(1, MOST_CARDS // max(1, len(recognition.by_modality))))
    return {m: cards for m in recognition.by_modality if (cards := _mistakes_of(recognition, m, most))}


def _mistakes_of(recognition: Recognition, modality: str, most: int) -> list[Card]:
    recognized = recognition.by_modality[modality]
    answers = recognized.answers[recognition.shown_in(modality)]
    wrong = np.flatnonzero(~answers.correct)
    if answers.margin is not None:
        wrong = wrong[np.argsort(-answers.margin[wrong], kind="stable")]
    cards = []
    for row in wrong[:most]:
        items, answer = recognized.items, str(answers.predicted[row])
        sure = "" if answers.confidence is None else f" ({100 * answers.confidence[row]:.0f} % sure)"
        caption = f"{items.labels[row]}, taken for {answer}{sure}"
        cards.append(_card(caption, items.ids[row], modality, items.uris[row], items.descriptions[row], good=False))
    return cards


def hit_cards(hits: Sequence[Hit], label: str) -> list[Card]:
    """Search results, right where they have the label that was searched for."""
    return [
        _card(
            f"{h.rank}. {h.label} ({h.score:.2f})",
            h.id,
            h.modality,
            h.uri,
            h.text,
            good=h.label == label,
        )
        for h in hits
    ]


def explained_card(item: ExplainedItem) -> Card:
    """An explained item under its true label."""
    return _card(item.label, item.uri, item.prediction.modality, item.uri, None)


def _card(
    caption: str, name: str, modality: str, uri: str | None, text: str | None, *, good: bool | None = None
) -> Card:
    """The card of one item; a file that was moved after it was encoded gives a card that says so."""
    details = f"{names([modality])}: {name if uri is None else file_name(uri)}"
    if uri is None:
        return Card(caption, details, good, text=text or name)
    try:
        raw = read(uri, modality)
        media = {"picture": picture_url(raw, _HEIGHT), "motion": motion_url(raw), "sound": sound_url(raw)}
        return Card(caption, details, good, **media)
    except UnibindError as error:
        return Card(caption, details, good, problem=str(error))


def file_name(uri: str) -> str:
    """The last two parts of a path or URL."""
    path = Path(urlsplit(uri).path if is_url(uri) else uri)
    return "/".join(path.parts[-2:]).lstrip("/") or uri
