"""Meshes written as text: OBJ, OFF, and the ASCII forms of PLY and STL, line by line.

Only points, their colors and faces are read: materials, groups and textures cost nothing, however many there are.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, UnreadableError
from ..limits import Limits
from ..source import Source
from .text_numbers import cut_short, filled, table

_MAX_CONTINUED = 1000  # lines that make one
_INDEX_LISTS = ("vertex_index", "vertex_indices")
_RGB = ("red", "green", "blue")
_REAL = ("float", "float32", "double", "float64")


@dataclass(frozen=True)
class Mesh:
    """Points float64 [N, 3], their colors uint8 [N, 3] if every point has one, and triangles int64 [F, 3 corners]."""

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]
    rgb: NDArray[np.uint8] | None = None


class Faces:
    """Collects polygons as fans of triangles, no more of them than the limits allow."""

    def __init__(self, name: str, limits: Limits) -> None:
        self._corners, self._name, self._limits = array("q"), name, limits

    def add(self, corners: Sequence[int]) -> None:
        """Add one polygon; fewer than three corners are no face."""
        for second, third in pairwise(corners[1:]):
            self._corners.extend((corners[0], second, third))
        if len(self._corners) > 3 * self._limits.max_points:
            raise LimitError(
                f"{self._name} has more than {self._limits.max_points:,} triangles, more than the limits allow"
            )

    def triangles(self) -> NDArray[np.int64]:
        """All of them, [F, 3]."""
        return np.array(self._corners, np.int64).reshape(-1, 3)


def check_points(count: int, name: str, limits: Limits) -> None:
    """Raise LimitError for more points than the limits allow."""
    if count > limits.max_points:
        raise LimitError(f"{name} claims {count:,} points, the limits allow {limits.max_points:,}; raise them")


def read_obj(source: Source, limits: Limits) -> Mesh:
    """Wavefront's OBJ: `v x y z [w | r g b]` and `f` lines, whose corners count from 1, or back from the last point."""
    points, colors, faces = array("d"), array("d"), Faces(source.name, limits)
    for number, line in enumerate(_continued(source.lines(limits)), start=1):
        words = line.split()
        if not words or words[0] not in ("v", "f"):
            continue
        try:
            if words[0] == "v":
                points.extend(map(float, words[1:4]))
                colors.extend(map(float, words[4:7] if len(words) == 7 else ()))
                if len(points) % 3:
                    raise ValueError("a point has three coordinates")
                check_points(len(points) // 3, source.name, limits)
            else:
                known = len(points) // 3
                corners = (int(word.split("/", 1)[0]) for word in words[1:])
                faces.add([corner - 1 if corner > 0 else known + corner for corner in corners])
        except (ValueError, OverflowError) as error:
            if isinstance(error, LimitError):
                raise
            raise UnreadableError(f"{source.name} line {number} is damaged: {line.strip()[:60]!r}") from None
    xyz = np.array(points).reshape(-1, 3)
    rgb = _bytes(np.array(colors).reshape(-1, 3)) if len(colors) == len(points) else None
    return Mesh(xyz, faces.triangles(), rgb)


def _continued(lines: Iterator[str]) -> Iterator[str]:
    """Lines, of which one that ends with a backslash goes on in the next."""
    parts: list[str] = []
    for line in lines:
        text = line.rstrip()
        if text.endswith("\\") and len(parts) < _MAX_CONTINUED:
            parts.append(text[:-1])
        else:
            yield " ".join([*parts, text])
            parts.clear()


def read_off(source: Source, limits: Limits) -> Mesh:
    """The Object File Format: counts, points (in COFF with colors), faces. Collections glue "OFF" to the counts."""
    lines = filled(source.lines(limits), "#")
    header = " ".join(islice(lines, 1))
    if re.fullmatch(r"C?OFF", header):
        header += " " + next(lines, "")
    match = re.fullmatch(r"(C?)OFF\s*(\d{1,18})\s+(\d{1,18})(\s+\d+)?", header)
    if not match:
        raise UnreadableError(f"{source.name} has no OFF header with counts of vertices and faces")
    count, face_count = int(match[2]), int(match[3])
    check_points(max(count, face_count), source.name, limits)
    _check_size(6 * count + 2 * face_count, source)  # "0 0 0\n" and "0\n" at least
    if match[1]:
        colored = table(lines, count, 7, source.name)
        points, rgb = colored[:, :3].copy(), _bytes(colored[:, 3:6])
    else:
        points, rgb = table(lines, count, 3, source.name), None
    faces = Faces(source.name, limits)
    for line in _exactly(lines, face_count, source.name):
        words = line.split()
        corners = int(words[0])
        if len(words) <= corners:
            raise UnreadableError(f"{source.name} is cut short, or damaged: a face has {len(words) - 1} corners")
        faces.add([int(word) for word in words[1 : corners + 1]])
    return Mesh(points, faces.triangles(), rgb)


def read_ascii_ply(source: Source, limits: Limits) -> Mesh:
    """The ASCII form of PLY. Elements other than `vertex` and `face` are skipped; the header was checked before."""
    lines = filled(source.lines(limits))
    points, rgb, faces = np.empty((0, 3)), None, Faces(source.name, limits)
    for element, count, properties in _ply_elements(lines):
        names = [words[-1] for words in properties]
        if element == "vertex":
            if any(words[0] == "list" for words in properties):
                raise UnreadableError(f"{source.name} has lists in its points; export it again")
            columns = dict(zip(names, table(lines, count, len(names), source.name).T, strict=True))
            if missing := {"x", "y", "z"} - columns.keys():
                raise UnreadableError(f"{source.name} has points without {', '.join(sorted(missing))}")
            points = np.stack([columns[axis] for axis in "xyz"], axis=1)
            if columns.keys() >= set(_RGB):
                shares = properties[names.index(_RGB[0])][0] in _REAL
                rgb = _bytes(np.stack([columns[channel] for channel in _RGB], axis=1), 255 if shares else 1)
        else:
            for line in _exactly(lines, count, source.name):
                if element == "face":
                    faces.add(_corners(line.split(), properties, source.name))
    return Mesh(points, faces.triangles(), rgb)


def _ply_elements(lines: Iterator[str]) -> list[tuple[str, int, list[list[str]]]]:
    """Name, count and properties (words, without "property") of every element of the header."""
    elements: list[tuple[str, int, list[list[str]]]] = []
    for line in lines:
        words = line.split()
        if words == ["end_header"]:
            break
        if words[0] == "element":
            elements.append((words[1], int(words[2]), []))
        elif words[0] == "property":
            elements[-1][2].append(words[1:])
    return elements


def _corners(words: list[str], properties: list[list[str]], name: str) -> list[int]:
    """Corners of a face, whose line may have other numbers and lists as well; every one of them must be there."""
    corners: list[int] = []
    at = 0
    for kind, *_, column in properties:
        length = int(words[at]) if kind == "list" and at < len(words) else 0
        if kind == "list" and column in _INDEX_LISTS:
            corners = [int(word) for word in words[at + 1 : at + 1 + length]]
        at += 1 + length
    if at > len(words):
        raise UnreadableError(f"{name} is cut short, or damaged: a face has {len(words)} numbers instead of {at}")
    return corners


def read_ascii_stl(source: Source, limits: Limits) -> Mesh:
    """The ASCII form of STL: three `vertex` lines for every face, and `endsolid` at the end."""
    points, last = array("d"), ""
    for line in filled(source.lines(limits)):
        last = line.lower()
        if last.startswith("vertex"):
            points.extend(float(word) for word in line.split()[1:4])
            check_points(len(points) // 3, source.name, limits)
    if len(points) % 9 or not last.startswith("endsolid"):
        raise UnreadableError(f"{source.name} is cut short: it does not end with a whole face and `endsolid`")
    xyz = np.array(points).reshape(-1, 3)
    return Mesh(xyz, np.arange(len(xyz)).reshape(-1, 3))


def _exactly(lines: Iterator[str], count: int, name: str) -> Iterator[str]:
    for done in range(count):
        line = next(lines, None)
        if line is None:
            raise cut_short(name, count, done)
        yield line


def _check_size(least_bytes: int, source: Source) -> None:
    if least_bytes > source.size + 1:  # the last line may lack its newline
        raise UnreadableError(
            f"{source.name} is cut short: its header claims at least {least_bytes:,} bytes and it has {source.size:,}"
        )


def _bytes(colors: NDArray[Any], scale: int | None = None) -> NDArray[np.uint8]:
    """Colors as bytes; without a `scale`, those that are at most 1 are taken for shares."""
    if scale is None:
        scale = 255 if colors.size and colors.max() <= 1 else 1
    return np.rint(np.nan_to_num(colors * scale)).clip(0, 255).astype(np.uint8)
