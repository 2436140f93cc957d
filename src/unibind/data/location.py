"""Where an item is: one name for one file, URL or text, however it was written."""

from __future__ import annotations

import hashlib
import os
import posixpath
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from ..errors import UnibindError
from ..modalities.segments import split_segment
from ..modalities.source import is_url
from ..modalities.tar_members import member_uri, split_member, split_member_url

_TEXT = "text:"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def canonical_location(uri: str | None, text: str | None = None, *, folders: dict[str, str] | None = None) -> str:
    """The name that every spelling of one place shares.

    A local file is its absolute path with symbolic links resolved, in POSIX notation; it does not need to exist. A
    member of a tar archive is the archive's, "#" and its name. A segment of a recording is that of the recording, and
    its seconds (see `modalities.segments`). A URL is normalized (RFC 3986: case of scheme and host, default port, dot
    segments, no fragment); a `file:` URL is the file. An inline text is "text:" and the first 32
    hexadecimal digits of its SHA-256. `folders`, at first empty, keeps the real paths of folders from call to call, for
    many files.
    """
    if uri is None:
        if text is None:
            raise UnibindError("an item has neither a uri nor a text; give exactly one of them")
        return _TEXT + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    whole, segment = split_segment(uri)
    if segment is not None:
        return f"{canonical_location(whole, folders=folders)}{segment}"
    member = split_member(uri)
    if member is not None and not is_url(uri):
        return member_uri(canonical_location(str(member[0]), folders=folders), member[1])
    in_archive = split_member_url(uri) if is_url(uri) else None
    if in_archive is not None:
        return member_uri(_normalized(in_archive[0]), in_archive[1])
    path = local_path(uri)
    return _normalized(uri) if path is None else Path(_real(str(path), folders)).as_posix()


def local_path(location: str | None) -> Path | None:
    """The local file that a uri or location names; None for URLs of other machines, members, texts and nothing."""
    whole = split_segment(location or "")[0]
    return None if split_member(whole) and not is_url(whole) else place_on_disk(location)


def place_on_disk(location: str | None) -> Path | None:
    """The local file or archive member that a uri or location, or the recording of a segment, names; else None."""
    if location is None or location.startswith(_TEXT):
        return None
    location = split_segment(location)[0]
    if not is_url(location):
        return Path(location)
    parts = urlsplit(location)
    here = parts.scheme.lower() == "file" and parts.netloc.lower() in ("", "localhost")
    return Path(unquote(parts.path)) if here else None


def _real(path: str, folders: dict[str, str] | None) -> str:
    try:
        if folders is None:
            return os.path.realpath(path)
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        found = os.path.join(folders[folder], name)  # noqa: PTH118 - many files
        return os.path.realpath(path) if name in ("", ".", "..") or os.path.islink(found) else found  # noqa: PTH114
    except (OSError, ValueError):  # a name that no file can have
        return os.path.abspath(path)  # noqa: PTH100


def _normalized(url: str) -> str:
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme not in _DEFAULT_PORTS:  # buckets and data sets: what follows the scheme is a name, not a host
        return f"{scheme}://{rest.partition('#')[0]}"
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    host = host.lower().removesuffix(f":{_DEFAULT_PORTS[scheme]}")
    path = posixpath.normpath(parts.path or "/") + ("/" if parts.path.endswith("/") and parts.path != "/" else "")
    return urlunsplit((scheme, user + at + host, "/" + path.lstrip("/"), parts.query, ""))
