"""Point clouds: PLY, OBJ, OFF, STL and GLB meshes or points, PCD, XYZ text, and NPY, NPZ or PT arrays."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import LimitError, UnreadableError
from .formats import arrays as _arrays
from .formats import meshes as _meshes
from .formats import pcd as _pcd
from .limits import Limits
from .source import Source
from .spec import Reader, require


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Points in space: `xyz` float32 [N, 3] in the file's own unit, optional color `rgb` uint8 [N, 3]."""

    xyz: NDArray[np.float32]
    rgb: NDArray[np.uint8] | None = None
    modality: ClassVar[str] = "point_cloud"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type, and points that are not finite."""
        require(
            self.xyz.dtype == np.float32 and self.xyz.ndim == 2 and self.xyz.shape[1] == 3 and len(self.xyz) > 0,
            f"a PointCloud takes float32 [N, 3], not {self.xyz.dtype} {list(self.xyz.shape)}",
        )
        require(bool(np.isfinite(self.xyz).all()), "a PointCloud must not hold NaN or infinite coordinates")
        require(self.rgb is None or self.rgb.shape == self.xyz.shape, "a PointCloud's rgb must be [N, 3] like its xyz")

    def summary(self) -> dict[str, Any]:
        """Count of points, size of the bounding box, whether there is color."""
        extent = (self.xyz.max(0).astype(float) - self.xyz.min(0)).tolist()
        return {"points": len(self.xyz), "extent": [round(e, 4) for e in extent], "color": self.rgb is not None}


Colors = NDArray[np.uint8] | None
Cloud = tuple[NDArray[np.float64], Colors]
Decode = Callable[[Source, Limits], Cloud]
T = TypeVar("T")

_KEYS = ("points", "xyz")  # of an archive with several arrays
_BYTES_PER_POINT = 64  # of an array file, at the most: eight columns of eight bytes


def read(source: Source, limits: Limits, *, points: int = 8192, seed: int = 0, drop_nan: bool = False) -> PointCloud:
    """Read one cloud in the file's own unit.

    A file with faces gives `points` points spread evenly over their area, the same ones for the same `seed`; a file
    of points gives them as they are, with their colors. Points that are not finite are refused, or left out if
    `drop_nan` (range sensors write NaN where nothing came back). Raises LimitError for more points than `limits`
    allow, UnreadableError for a file that is empty, cut short, or claims what it does not hold.
    """
    if not 1 <= points <= limits.max_points:
        raise LimitError(f"between 1 and {limits.max_points:,} points can be sampled, not {points:,}")
    xyz, rgb = _decoder(source, points, seed)(source, limits)
    return _finite(xyz, rgb, drop_nan, source.name)


def _decoder(source: Source, points: int, seed: int) -> Decode:
    """The decoder for this file, by suffix, or by its first bytes where the suffix says nothing."""
    meshes = {f".{kind}": partial(_mesh, kind=kind, points=points, seed=seed) for kind in _meshes.KINDS}
    decoders: dict[str, Decode] = _POINT_DECODERS | meshes
    by_magic = (suffix for magic, suffix in _MAGIC.items() if source.head.startswith(magic))
    suffix = source.suffix if source.suffix in decoders else next(by_magic, None)
    if suffix is None:
        raise UnreadableError(f"{source.name} is no point cloud file; known are {', '.join(decoders)}")
    return decoders[suffix]


def _mesh(source: Source, limits: Limits, *, kind: str, points: int, seed: int) -> Cloud:
    scene = _meshes.load_scene(_bytes(source), kind, source.name, limits.max_points)
    triangles = _meshes.triangles_of(scene, source.name)
    if not len(triangles):
        return _meshes.vertices_of(scene)
    return _meshes.sample_surface(triangles, points, seed, source.name), None


def _pcd_file(source: Source, limits: Limits) -> Cloud:
    with source.open() as file:
        return _pcd.read_pcd(file, source.name, limits.max_points)


def _text(source: Source, limits: Limits) -> Cloud:
    """Lines of x y z, or x y z r g b, between white space, commas or semicolons."""
    text = _bytes(source).replace(b",", b" ").replace(b";", b" ").decode("utf-8", "replace")
    if text.count("\n") > 2 * limits.max_points:  # comments and blank lines may be as many as points
        raise LimitError(f"{source.name} holds more than the {limits.max_points:,} points that the limits allow")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty file is reported below
        return _columns(np.loadtxt(io.StringIO(text), comments=("#", "//"), ndmin=2), limits, source.name)


def _array_file(source: Source, limits: Limits) -> Cloud:
    arrays = _arrays.arrays_of(source, limits.max_points * _BYTES_PER_POINT)
    return _columns(_the_points(arrays, source.name), limits, source.name)


def _torch_file(source: Source, limits: Limits) -> Cloud:
    """A tensor, or a dict of them, that torch.save wrote; unpickled by torch's weights-only reader."""
    import torch

    if not source.head.startswith(_arrays.ZIP_MAGIC):
        raise UnreadableError(f"{source.name} is no file of torch.save, or one from before torch 1.6: save it again")
    data = io.BytesIO(_bytes(source))
    with zipfile.ZipFile(data) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > limits.max_points * _BYTES_PER_POINT:
        raise LimitError(f"{source.name} unpacks to {unpacked:,} bytes, more than {limits.max_points:,} points need")
    data.seek(0)
    try:
        loaded = torch.load(data, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnreadableError(f"{source.name} holds Python objects, which are never run; save a bare tensor") from error
    named = loaded if isinstance(loaded, dict) else {"points": loaded}
    tensors = {str(key): value for key, value in named.items() if isinstance(value, torch.Tensor)}
    tensor = _the_points(tensors, source.name)
    if tensor.numel() > limits.max_points * _BYTES_PER_POINT // 8:  # a view may claim far more than its storage holds
        raise LimitError(
            f"{source.name} claims {tensor.numel():,} numbers and {limits.max_points:,} points are allowed"
        )
    return _columns(tensor.detach().to_dense().double().numpy(), limits, source.name)


def _the_points(arrays: Mapping[str, T], name: str) -> T:
    """The array named points or xyz, or the only one there is."""
    for key in arrays if len(arrays) == 1 else _KEYS:
        if key in arrays:
            return arrays[key]
    raise UnreadableError(f"{name} holds {', '.join(arrays) or 'no arrays'}; name one of them {' or '.join(_KEYS)}")


def _columns(table: NDArray[Any], limits: Limits, name: str) -> Cloud:
    """Split [N, 3] or [N, 6] numbers into points and colors."""
    if table.ndim != 2 or table.shape[1] not in (3, 6) or table.dtype.kind not in "iuf":
        raise UnreadableError(
            f"{name} holds {table.dtype} {list(table.shape)}; a point cloud is numbers [N, 3], or [N, 6] with rgb"
        )
    if len(table) > limits.max_points:
        raise LimitError(f"{name} holds {len(table):,} points and the limits allow {limits.max_points:,}; raise them")
    return table[:, :3].astype(np.float64), _colors(table[:, 3:])


def _colors(columns: NDArray[Any]) -> Colors:
    """Colors from 0..1 or 0..255; None for columns that can be none, such as normals."""
    if not columns.size or not ((columns >= 0) & (columns <= 255)).all():
        return None
    scale = 255 if columns.max() <= 1 else 1
    return np.rint(columns * scale).astype(np.uint8)


def _finite(xyz: NDArray[np.float64], rgb: Colors, drop_nan: bool, name: str) -> PointCloud:
    if not len(xyz):
        raise UnreadableError(f"{name} holds no points")
    with np.errstate(over="ignore"):  # beyond float32's range is infinite, and caught here
        points = xyz.astype(np.float32)
    finite = np.isfinite(points).all(axis=1)
    if finite.all():
        return PointCloud(points, rgb)
    broken = int((~finite).sum())
    if not drop_nan:
        raise UnreadableError(
            f"{name}: {broken:,} of {len(xyz):,} points are NaN or infinite; drop_nan leaves them out"
        )
    if broken == len(xyz):
        raise UnreadableError(f"{name}: all {broken:,} points are NaN or infinite")
    return PointCloud(points[finite], None if rgb is None else rgb[finite])


def _bytes(source: Source) -> bytes:
    with source.open() as file:
        return file.read()


_POINT_DECODERS: dict[str, Decode] = {
    ".pcd": _pcd_file,
    ".xyz": _text,
    ".txt": _text,
    ".npy": _array_file,
    ".npz": _array_file,
    ".pt": _torch_file,
}
_MAGIC = {b"ply\n": ".ply", b"ply\r": ".ply", b"glTF": ".glb", b"OFF": ".off", b"# .PCD": ".pcd"}

READER = Reader(
    modality="point_cloud",
    suffixes=(*(f".{kind}" for kind in _meshes.KINDS), ".pcd", ".xyz", ".npy", ".npz", ".pt"),
    read=read,
    sniff=lambda head: head.startswith(tuple(_MAGIC)),
)
