"""Meshes and scenes: PLY, OBJ, OFF, STL, GLB; nothing outside the given bytes is ever opened.

Text is read by `text_meshes`, binary files by trimesh; their headers are checked before it allocates what they claim.
"""

from __future__ import annotations

import io
import json
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, UnreadableError
from ...extras import import_extra
from ..limits import Limits
from ..source import Source
from .text_meshes import Mesh, read_ascii_ply, read_ascii_stl, read_obj, read_off

_PLY_HEADER = re.compile(rb"\Aply\r?\n.*?end_header\r?\n", re.DOTALL)
_PLY_BYTES = {
    "char": 1, "uchar": 1, "int8": 1, "uint8": 1, "short": 2, "ushort": 2, "int16": 2, "uint16": 2,
    "int": 4, "uint": 4, "int32": 4, "uint32": 4, "float": 4, "float32": 4, "double": 8, "float64": 8,
}  # fmt: skip
_MAX_GLB_LAYOUT = 8 << 20  # bytes of JSON
_MAX_GLB_DEPTH = 100  # of nodes within nodes
_COPIES = 3  # of a binary mesh and what trimesh makes of it, for one of other files
_BLOCK = 1 << 16  # triangles measured at a time


def load_meshes(source: Source, kind: str, limits: Limits) -> list[Mesh]:
    """The file's meshes and points in the coordinates of its scene; `kind` is ply, obj, off, stl or glb.

    Raises LimitError for more points or triangles than `limits` allow, UnreadableError for a file that has less than
    its header claims or that names another file.
    """
    meshes = _READERS[kind](source, limits)
    for mesh in meshes:
        corners = mesh.triangles
        if corners.size and (corners.min() < 0 or corners.max() >= len(mesh.points)):
            raise UnreadableError(
                f"{source.name} has a face with a corner that is not one of its {len(mesh.points):,} points"
            )
    return meshes


def _whole(source: Source, limits: Limits) -> bytes:
    """The content of a binary file, of which trimesh makes several copies."""
    return source.read_bytes(replace(limits, max_unpacked=limits.max_unpacked // _COPIES))


def _by_trimesh(data: bytes, kind: str) -> list[Mesh]:
    trimesh = import_extra("trimesh", "reading meshes")

    scene = trimesh.load_scene(io.BytesIO(data), file_type=kind, resolver=None, process=False, skip_materials=True)
    meshes = []
    for part in scene.dump():
        triangles = np.asarray(getattr(part, "faces", ()), np.int64).reshape(-1, 3)
        colors = np.asarray(getattr(part, "colors", ()), np.uint8)  # of a cloud
        rgb = colors[:, :3] if colors.ndim == 2 and len(colors) == len(part.vertices) else None
        meshes.append(Mesh(np.asarray(part.vertices, np.float64), triangles, rgb))
    return meshes


def _check_claim(points: int, least_bytes: int, source: Source, limits: Limits) -> None:
    if points > limits.max_points:
        raise LimitError(f"{source.name} claims {points:,} points, the limits allow {limits.max_points:,}; raise them")
    if least_bytes > source.size:
        raise UnreadableError(
            f"{source.name} is cut short: its header claims at least {least_bytes:,} bytes and it has {source.size:,}"
        )


def _ply(source: Source, limits: Limits) -> list[Mesh]:
    match = _PLY_HEADER.match(source.head)
    if not match:
        raise UnreadableError(f"{source.name} has no complete PLY header")
    lines = [line.split() for line in match[0].decode("ascii", "replace").splitlines()]
    is_ascii = ["format", "ascii", "1.0"] in lines
    largest, least_bytes, count = 0, len(match[0]), 0
    for words in lines:
        if words[:1] == ["element"] and len(words) == 3:
            if not words[2].isdecimal():
                raise UnreadableError(f"{source.name} claims {words[2]!r} PLY elements; the header is damaged")
            count = int(words[2])
            largest = max(largest, count)
        elif words[:1] == ["property"] and len(words) >= 3:
            kind = words[2] if words[1] == "list" else words[1]
            if kind not in _PLY_BYTES:
                raise UnreadableError(f"{source.name} has a PLY property of unknown type {kind!r}")
            least_bytes += count * (2 if is_ascii else _PLY_BYTES[kind])  # ASCII: a digit and a space
    # the last line may lack its newline
    _check_claim(largest, least_bytes - is_ascii, source, limits)
    return [read_ascii_ply(source, limits)] if is_ascii else _by_trimesh(_whole(source, limits), "ply")


def _stl(source: Source, limits: Limits) -> list[Mesh]:
    head = source.head.lstrip()[:2048].lower()
    if head.startswith(b"solid") and b"facet" in head:  # ASCII, which claims no size
        return [read_ascii_stl(source, limits)]
    if source.size < 84:
        raise UnreadableError(f"{source.name} is shorter than the header of a binary STL file")
    (faces,) = struct.unpack_from("<I", source.head, 80)
    _check_claim(3 * faces, 84 + 50 * faces, source, limits)
    if source.size > 84 + 50 * faces:
        raise UnreadableError(f"{source.name} claims {faces:,} faces and has more bytes than they take; it is damaged")
    return _by_trimesh(_whole(source, limits), "stl")


def _glb(source: Source, limits: Limits) -> list[Mesh]:
    """Read a GLB file.

    Accessors that claim more than the file has, references to other files, too many or too deep nodes and nodes with
    two parents are refused: shared nodes could multiply each other to a huge scene.
    """
    data = _whole(source, limits)
    if len(data) < 20 or data[:4] != b"glTF":
        raise UnreadableError(f"{source.name} does not start as a GLB file")
    length, size, kind = struct.unpack_from("<II4s", data, 8)
    if length != len(data) or 20 + size > length or kind != b"JSON":
        raise UnreadableError(
            f"{source.name} is cut short: its header claims {length:,} bytes and it has {len(data):,}"
        )
    if size > _MAX_GLB_LAYOUT:
        raise LimitError(f"{source.name} describes its scene in {size:,} bytes, more than {_MAX_GLB_LAYOUT:,}")
    layout = json.loads(data[20 : 20 + size])
    for buffer in layout.get("buffers", []):
        if not buffer.get("uri", "data:").startswith("data:"):
            raise UnreadableError(
                f"{source.name} keeps its points in another file ({buffer['uri']!r}); pack them into one"
            )
    nodes, meshes = layout.get("nodes", []), layout.get("meshes", [])
    _check_nodes(nodes, source.name, limits)
    parts = len(nodes) + sum(len(mesh["primitives"]) for mesh in meshes)
    if parts > limits.max_parts:
        raise LimitError(f"{source.name} has {parts:,} nodes and meshes, the limits allow {limits.max_parts:,}")
    counts = [accessor["count"] for accessor in layout.get("accessors", [])]
    positions = [[counts[primitive["attributes"]["POSITION"]] for primitive in mesh["primitives"]] for mesh in meshes]
    points = sum(sum(positions[node["mesh"]]) for node in nodes if "mesh" in node)
    _check_claim(points, 0, source, limits)
    # an accessor without a view is all zeros, of any length, at no cost to the file; six indices per point are ample
    if max(counts, default=0) > 6 * limits.max_points:
        raise LimitError(f"{source.name} claims {max(counts):,} points or indices, more than the limits allow")
    return _by_trimesh(data, "glb")


def _check_nodes(nodes: Sequence[dict[str, Any]], name: str, limits: Limits) -> None:
    parents: dict[int, int] = {}
    for place, node in enumerate(nodes):
        for child in node.get("children", []):
            if child in parents:
                raise UnreadableError(f"{name} is not valid glTF: a node of its scene has two parents")
            parents[child] = place
    depths: dict[int, int] = {}
    for place in range(len(nodes)):
        path = [place]
        while path[-1] in parents and path[-1] not in depths and len(path) <= _MAX_GLB_DEPTH:
            path.append(parents[path[-1]])
        depth = depths.get(path[-1], 0)
        for above, node_place in enumerate(reversed(path)):
            depths.setdefault(node_place, depth + above)
        if depths[place] > _MAX_GLB_DEPTH:
            raise LimitError(f"{name} has more than {_MAX_GLB_DEPTH} nodes within each other; flatten its scene")


_READERS: dict[str, Callable[[Source, Limits], list[Mesh]]] = {
    "ply": _ply,
    "obj": lambda source, limits: [read_obj(source, limits)],
    "off": lambda source, limits: [read_off(source, limits)],
    "stl": _stl,
    "glb": _glb,
}


def points_of(meshes: Sequence[Mesh]) -> tuple[NDArray[np.float64], NDArray[np.uint8] | None]:
    """All points [N, 3], and their colors [N, 3] if every point has one."""
    xyz = np.concatenate([np.empty((0, 3)), *(mesh.points for mesh in meshes)])
    rgb = np.concatenate([np.empty((0, 3), np.uint8), *(mesh.rgb for mesh in meshes if mesh.rgb is not None)])
    return xyz, rgb if len(rgb) == len(xyz) else None


def sample_surface(meshes: Sequence[Mesh], count: int, seed: int, name: str) -> NDArray[np.float64]:
    """`count` points [count, 3] spread evenly over the area of the triangles, by seed.

    Uniform inside a triangle by folding the unit square (Osada et al., "Shape distributions", 2002).
    """
    areas = np.concatenate([_areas(mesh) for mesh in meshes])
    total = areas.sum()
    if not 0 < total < np.inf:
        raise UnreadableError(f"{name} has no surface to sample points from: the area of its faces is {total:g}")
    random = np.random.default_rng(seed)
    # searchsorted may return one past the end where the sum was rounded
    face = np.searchsorted(np.cumsum(areas), random.random(count) * total, side="right").clip(max=len(areas) - 1)
    weights = random.random((count, 2))
    weights = np.where(weights.sum(axis=1, keepdims=True) > 1, 1 - weights, weights)
    chosen = np.empty((count, 3, 3))
    first = 0
    for mesh in meshes:
        here = (face >= first) & (face < first + len(mesh.triangles))
        chosen[here] = mesh.points[mesh.triangles[face[here] - first]]
        first += len(mesh.triangles)
    corner, sides = chosen[:, 0], chosen[:, 1:] - chosen[:, :1]
    return corner + (weights[:, :, None] * sides).sum(axis=1)


def _areas(mesh: Mesh) -> NDArray[np.float64]:
    """Areas of the triangles [F], a block at a time."""
    areas = np.empty(len(mesh.triangles))
    for start in range(0, len(areas), _BLOCK):
        corners = mesh.points[mesh.triangles[start : start + _BLOCK]]
        sides = corners[:, 1:] - corners[:, :1]
        areas[start : start + _BLOCK] = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
    return areas
