"""Search results for people: a page that works offline, and one picture of all hits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..data.location import local_path
from ..errors import UnibindError
from ..files import write_whole
from ..modalities import Raw, modality_spec
from ..modalities.media import picture_url, sound_url
from ..modalities.pictures import grid, picture, save_png
from ..modalities.reading import read
from ..modalities.segments import split_segment
from ..modalities.source import is_file, is_url
from ..modalities.text import Text

if TYPE_CHECKING:
    from .hits import Hit, Hits

_COLUMNS, _CELL = 5, 256  # of a picture of results: cells per row, their height in pixels
_LINKED = ("http", "https")  # URLs that become links: any other scheme may run something


@dataclass(frozen=True)
class _Card:
    """A hit as the page shows it: a link to its file, its picture and sound as data URLs, or why there is none.

    A link to a segment goes to its moment; one of a modality that moves is also played from the file, as `plays` says.
    """

    hit: Hit
    link: str | None
    picture: str | None = None
    sound: str | None = None
    plays: bool = False
    problem: str | None = None


def save_page(hits: Hits, path: Path) -> None:
    """Write the page atomically; a hit whose file cannot be read says so."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("unibind.retrieval", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.jinja").render(
        hits=hits, query_link=_query_link(hits.query), cards=[_card(hit) for hit in hits]
    )
    write_whole(path, page.encode("utf-8", "backslashreplace"))


def save_contact_sheet(hits: Hits, path: Path) -> None:
    """Write a PNG with one cell per hit, captioned by rank, label and score; raises UnibindError for no hits."""
    if not hits:
        raise UnibindError("there are no results to draw; search for something else")
    pictures = [picture(_readable(hit), _CELL) for hit in hits]
    captions = [f"{h.rank}. {h.label or h.id} ({h.score:.2f}, {f'{h.modality} {h.moment}'.strip()})" for h in hits]
    save_png(grid(pictures, min(_COLUMNS, len(hits)), captions), path)


def _readable(hit: Hit) -> Raw:
    """The item of a hit, or in words why its file cannot be read."""
    if hit.uri is None:
        return Text(hit.text or hit.id)
    try:
        return read(hit.uri, hit.modality)
    except UnibindError as error:
        return Text(str(error))


def _card(hit: Hit) -> _Card:
    if hit.uri is None:  # an inline text, which the page shows as it is
        return _Card(hit, None)
    link = _link(hit.uri)
    try:
        raw = read(hit.uri, hit.modality)
        plays = link is not None and hit.start_s is not None and modality_spec(hit.modality).motion is not None
        return _Card(hit, link, picture_url(raw), sound_url(raw), plays)
    except UnibindError as error:
        return _Card(hit, link, problem=str(error))


def _query_link(query: str) -> str | None:
    """The address of a query that is a file or a URL; None for texts and items in memory."""
    return _link(query) if is_url(query) or is_file(Path(split_segment(query)[0])) else None


def _link(uri: str) -> str | None:
    """The address of a file or web page, and its segment, where players start; None for what no click should open."""
    file, segment = split_segment(uri)
    path = local_path(file)
    if path is None and urlsplit(file).scheme not in _LINKED:
        return None
    return (file if path is None else path.absolute().as_uri()) + str(segment or "")
