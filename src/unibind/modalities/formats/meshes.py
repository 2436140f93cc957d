"""Meshes and scenes through trimesh: PLY, OBJ, OFF, STL, GLB; nothing outside the given bytes is ever opened.

Headers are checked before trimesh allocates what they claim.
"""

from __future__ import annotations

import io
import json
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, UnreadableError
from ...extras import import_extra

_TEXT = ("obj", "off")
_PLY_HEADER = re.compile(rb"\Aply\r?\n.*?end_header\r?\n", re.DOTALL)
_PLY_BYTES = {
    "char": 1, "uchar": 1, "int8": 1, "uint8": 1, "short": 2, "ushort": 2, "int16": 2, "uint16": 2,
    "int": 4, "uint": 4, "int32": 4, "uint32": 4, "float": 4, "float32": 4, "double": 8, "float64": 8,
}  # fmt: skip


def load_scene(data: bytes, kind: str, name: str, max_points: int) -> Any:
    """A `trimesh.Scene` of the file's meshes and points; `kind` is ply, obj, off, stl or glb.

    Raises LimitError for more than `max_points` vertices, UnreadableError for a header that claims more than the
    file can hold or that names another file.
    """
    _CHECKS[kind](data, name, max_points)
    if kind in _TEXT:
        data = data.decode("utf-8", "replace").encode()  # names and comments may have any encoding

    trimesh = import_extra("trimesh", "reading meshes")

    return trimesh.load_scene(io.BytesIO(data), file_type=kind, resolver=None, process=False, skip_materials=True)


def _check_claim(vertices: int, least_bytes: int, data: bytes, name: str, max_points: int) -> None:
    if vertices > max_points:
        raise LimitError(f"{name} claims {vertices:,} points, the limits allow {max_points:,}; raise them")
    if least_bytes > len(data):
        raise UnreadableError(
            f"{name} is cut short: its header claims at least {least_bytes:,} bytes and it has {len(data):,}"
        )


def _check_ply(data: bytes, name: str, max_points: int) -> None:
    match = _PLY_HEADER.match(data)
    if not match:
        raise UnreadableError(f"{name} has no complete PLY header")
    lines = [line.split() for line in match[0].decode("ascii", "replace").splitlines()]
    is_ascii = ["format", "ascii", "1.0"] in lines
    vertices, least_bytes, count = 0, len(match[0]), 0
    for words in lines:
        if words[:1] == ["element"] and len(words) == 3:
            if not words[2].isdecimal():
                raise UnreadableError(f"{name} claims {words[2]!r} PLY elements; the header is damaged")
            count = int(words[2])
            vertices += count if words[1] == "vertex" else 0
        elif words[:1] == ["property"] and len(words) >= 3:
            kind = words[2] if words[1] == "list" else words[1]
            if kind not in _PLY_BYTES:
                raise UnreadableError(f"{name} has a PLY property of unknown type {kind!r}")
            least_bytes += count * (2 if is_ascii else _PLY_BYTES[kind])  # ASCII: a digit and a space
    _check_claim(vertices, least_bytes - is_ascii, data, name, max_points)  # the last line may lack its newline


def _check_obj(data: bytes, name: str, max_points: int) -> None:
    _check_claim(data.count(b"\nv ") + data.startswith(b"v "), 0, data, name, max_points)


def _check_off(data: bytes, name: str, max_points: int) -> None:
    text = re.sub(rb"#[^\n]*", b"", data[:65536]).decode("ascii", "replace")
    match = re.match(r"\s*C?OFF\s*(\d+)\s+(\d+)", text)
    if not match:
        raise UnreadableError(f"{name} has no OFF header with counts of vertices and faces")
    vertices, faces = int(match[1]), int(match[2])
    _check_claim(vertices, 6 * vertices + 2 * faces, data, name, max_points)  # "0 0 0\n" and "0\n" at least


def _check_stl(data: bytes, name: str, max_points: int) -> None:
    if data.lstrip()[:5].lower() == b"solid" and b"facet" in data[:2048]:  # ASCII, which claims no size
        _check_claim(data.count(b"vertex"), 0, data, name, max_points)
        return
    if len(data) < 84:
        raise UnreadableError(f"{name} is shorter than the header of a binary STL file")
    (faces,) = struct.unpack_from("<I", data, 80)
    _check_claim(3 * faces, 84 + 50 * faces, data, name, max_points)
    if len(data) > 84 + 50 * faces:
        raise UnreadableError(f"{name} claims {faces:,} faces and has more bytes than they take; it is damaged")


def _check_glb(data: bytes, name: str, max_points: int) -> None:
    """Refuse accessors that claim more than the file has, references to other files, and nodes with two parents.

    Shared nodes could multiply each other to a huge scene.
    """
    if len(data) < 20 or data[:4] != b"glTF":
        raise UnreadableError(f"{name} does not start as a GLB file")
    length, size, kind = struct.unpack_from("<II4s", data, 8)
    if length != len(data) or 20 + size > length or kind != b"JSON":
        raise UnreadableError(f"{name} is cut short: its header claims {length:,} bytes and it has {len(data):,}")
    layout = json.loads(data[20 : 20 + size])
    for buffer in layout.get("buffers", []):
        if not buffer.get("uri", "data:").startswith("data:"):
            raise UnreadableError(f"{name} keeps its points in another file ({buffer['uri']!r}); pack them into one")
    nodes = layout.get("nodes", [])
    children = [child for node in nodes for child in node.get("children", [])]
    if len(children) != len(set(children)):
        raise UnreadableError(f"{name} is not valid glTF: a node of its scene has two parents")
    counts = [accessor["count"] for accessor in layout.get("accessors", [])]
    positions = [
        [counts[primitive["attributes"]["POSITION"]] for primitive in mesh["primitives"]]
        for mesh in layout.get("meshes", [])
    ]
    vertices = sum(sum(positions[node["mesh"]]) for node in nodes if "mesh" in node)
    _check_claim(vertices, 0, data, name, max_points)
    # an accessor without a view is all zeros, of any length, at no cost to the file; six indices per point are ample
    _check_claim(max(counts, default=0), 0, data, name, 6 * max_points)


_CHECKS: dict[str, Callable[[bytes, str, int], None]] = {
    "ply": _check_ply,
    "obj": _check_obj,
    "off": _check_off,
    "stl": _check_stl,
    "glb": _check_glb,
}


def triangles_of(scene: Any, name: str) -> NDArray[np.float64]:
    """Every triangle of the scene's meshes in the scene's own coordinates, [F, 3 corners, 3]."""
    triangles = [np.empty((0, 3, 3))]
    for mesh in scene.dump():
        faces = np.asarray(getattr(mesh, "faces", ()), np.int64).reshape(-1, 3)
        if faces.size and (faces.min() < 0 or faces.max() >= len(mesh.vertices)):
            raise UnreadableError(
                f"{name} has a face with a corner that is not one of its {len(mesh.vertices):,} points"
            )
        triangles.append(np.asarray(mesh.vertices, np.float64)[faces])
    return np.concatenate(triangles)


def vertices_of(scene: Any) -> tuple[NDArray[np.float64], NDArray[np.uint8] | None]:
    """The scene's points [N, 3], and their colors [N, 3] if every point has one."""
    clouds = [cloud for cloud in scene.dump() if len(cloud.vertices)]
    xyz = np.concatenate([np.empty((0, 3)), *(cloud.vertices for cloud in clouds)])
    rgb = np.concatenate([np.empty((0, 3), np.uint8), *(_colors(cloud) for cloud in clouds)])
    return xyz, rgb if len(rgb) == len(xyz) else None


def _colors(cloud: Any) -> NDArray[np.uint8]:
    """Colors of a `trimesh.PointCloud` [N, 3], or [0, 3] where it has none."""
    colors = np.asarray(getattr(cloud, "colors", ()), np.uint8)
    return colors[:, :3] if colors.ndim == 2 else np.empty((0, 3), np.uint8)


def sample_surface(triangles: NDArray[np.float64], count: int, seed: int, name: str) -> NDArray[np.float64]:
    """`count` points [count, 3] spread evenly over the area of triangles [F, 3, 3], by seed.

    Uniform inside a triangle by folding the unit square (Osada et al., "Shape distributions", 2002).
    """
    corner, sides = triangles[:, 0], triangles[:, 1:] - triangles[:, :1]
    areas = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
    total = areas.sum()
    if not 0 < total < np.inf:
        raise UnreadableError(f"{name} has no surface to sample points from: the area of its faces is {total:g}")
    random = np.random.default_rng(seed)
    # searchsorted may return one past the end where the sum was rounded
    face = np.searchsorted(np.cumsum(areas), random.random(count) * total, side="right").clip(max=len(areas) - 1)
    weights = random.random((count, 2))
    weights = np.where(weights.sum(axis=1, keepdims=True) > 1, 1 - weights, weights)
    return corner[face] + (weights[:, :, None] * sides[face]).sum(axis=1)
