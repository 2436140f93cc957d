"""Point clouds: PLY, OBJ, OFF, STL and GLB meshes or points, PCD, XYZ text, and NPY, NPZ or PT arrays.

The y axis is taken as up, as in glTF and most mesh collections.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import LimitError, UnreadableError
from .formats import meshes, point_files
from .formats.arrays import NPY_MAGIC, ZIP_MAGIC
from .formats.point_files import Cloud, Colors, Decode
from .limits import Limits
from .messages import Part, RenderOptions, picture_parts, text_part
from .source import Source
from .spec import FileFormat, ModalitySpec, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Points in space: `xyz` float32 [N, 3] in the file's own unit, optional colors `rgb` uint8 [N, 3]."""

    xyz: NDArray[np.float32]
    rgb: NDArray[np.uint8] | None = None
    modality: ClassVar[str] = "point_cloud"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type, and points that are not finite."""
        require(
            self.xyz.dtype == np.float32 and self.xyz.ndim == 2 and self.xyz.shape[1] == 3 and len(self.xyz) > 0,
            f"a PointCloud takes float32 [N, 3], not {self.xyz.dtype} {list(self.xyz.shape)}",
        )
        require(bool(np.isfinite(self.xyz).all()), "a PointCloud must not contain NaN or infinite coordinates")
        require(self.rgb is None or self.rgb.shape == self.xyz.shape, "a PointCloud's rgb must be [N, 3] like its xyz")

    def summary(self) -> dict[str, Any]:
        """Number of points, size of the bounding box in the file's unit, whether there are colors."""
        extent = (self.xyz.max(0).astype(float) - self.xyz.min(0)).tolist()
        return {"points": len(self.xyz), "extent": [round(e, 4) for e in extent], "color": self.rgb is not None}


# --- reading -------------------------------------------------------------------------------------------------------


def _read_points(
    decode: Decode, source: Source, limits: Limits, *, points: int = 8192, seed: int = 0, drop_nan: bool = False
) -> PointCloud:
    """Read a file of points as they are, with their colors, in the file's own unit; `points` and `seed` have no effect.

    Points that are not finite are refused, or dropped if `drop_nan` (range sensors write NaN where nothing came back).
    Raises LimitError for more points than `limits` allow, UnreadableError for a file that is empty, cut short, or does
    not contain what it claims.
    """
    _check_count(points, limits)
    return _point_cloud(decode(source, limits), drop_nan, source.name)


def _read_mesh(
    kind: str, source: Source, limits: Limits, *, points: int = 8192, seed: int = 0, drop_nan: bool = False
) -> PointCloud:
    """Read a file that may have faces: `points` points spread evenly over their area, the same ones for the same seed.

    Without faces its vertices are read as points; see `_read_points`.
    """
    _check_count(points, limits)
    parts = meshes.load_meshes(source, kind, limits)
    if not any(len(part.triangles) for part in parts):
        return _point_cloud(meshes.points_of(parts), drop_nan, source.name)
    return _point_cloud((meshes.sample_surface(parts, points, seed, source.name), None), drop_nan, source.name)


def _check_count(points: int, limits: Limits) -> None:
    if not 1 <= points <= limits.max_points:
        raise LimitError(f"between 1 and {limits.max_points:,} points can be sampled, not {points:,}")


def _point_cloud(cloud: Cloud, drop_nan: bool, name: str) -> PointCloud:
    """A cloud in float32, without the points that are not finite."""
    xyz, rgb = cloud
    if not len(xyz):
        raise UnreadableError(f"{name} contains no points")
    with np.errstate(over="ignore"):  # values beyond float32's range become infinite, and are caught here
        points = xyz.astype(np.float32)
    finite = np.isfinite(points).all(axis=1)
    if finite.all():
        return PointCloud(points, rgb)
    broken = int((~finite).sum())
    if not drop_nan:
        raise UnreadableError(f"{name}: {broken:,} of {len(xyz):,} points are NaN or infinite; drop_nan drops them")
    if broken == len(xyz):
        raise UnreadableError(f"{name}: all {broken:,} points are NaN or infinite")
    return PointCloud(points[finite], None if rgb is None else rgb[finite])


# --- showing -------------------------------------------------------------------------------------------------------

_PANELS = (("front", 0, 0), ("side", 90, 0), ("top", 0, 90))  # title, azimuth and elevation in degrees
_MESSAGE_VIEWS = (
    ("from the front", 0, 0),
    ("from the right", 90, 0),
    ("from above", 0, 90),
    ("from the front, right and above", 40, 25),
    ("from behind, left and above", 220, 25),
)
_NEAR, _FAR = np.array([20.0, 40.0, 90.0]), np.array([190.0, 205.0, 230.0])  # colors of points without their own
_MOST_DRAWN = 500_000  # points
_MARGIN = 0.06  # of a panel's shorter side


def _picture(raw: PointCloud, size: tuple[int, int]) -> Picture:
    """Front, side and top view side by side in `size` (width, height), all at one scale; near points are darker."""
    from PIL import Image, ImageDraw

    width, height = size
    raw = _thinned(raw)
    low, high = raw.xyz.min(axis=0).astype(np.float64), raw.xyz.max(axis=0).astype(np.float64)
    largest = float((high - low).max()) or 1.0
    unit = (raw.xyz - (low + high) / 2) / largest  # within -0.5..0.5
    canvas = np.full((height, width, 3), 255, np.uint8)
    edges = np.linspace(0, width, len(_PANELS) + 1).astype(int)
    for (_, azimuth, elevation), left, end in zip(_PANELS, edges[:-1], edges[1:], strict=True):
        panel = canvas[:, left:end]
        _splat(panel, _axes(azimuth, elevation) @ unit.T, raw.rgb, 1 + min(panel.shape[:2]) // 150)
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    for (title, *_), left in zip(_PANELS, edges[:-1], strict=True):
        pen.text((left + 4, 2), title, fill=(120, 120, 120))
    return picture


def view_from(raw: PointCloud, azimuth: float, elevation: float, size: int) -> Picture:
    """RGB picture, `size` pixels wide and high, as seen from far away.

    The azimuth is in degrees from the front towards the right, the elevation in degrees above the ground. The scale is
    the same from all sides, and dots are so large that evenly spread points form a surface.
    """
    from PIL import Image

    raw = _thinned(raw)
    low, high = raw.xyz.min(axis=0).astype(np.float64), raw.xyz.max(axis=0).astype(np.float64)
    centered = raw.xyz - (low + high) / 2
    farthest = float(np.linalg.norm(centered, axis=1).max()) or 1.0
    canvas = np.full((size, size, 3), 255, np.uint8)
    dot = int(np.clip(round(1.3 * size / len(raw.xyz) ** 0.5), 1 + size // 150, size // 40))
    _splat(canvas, _axes(azimuth, elevation) @ (centered / (2 * farthest)).T, raw.rgb, dot)
    return Image.fromarray(canvas)


_TURN_STEP, _TURN_ELEVATION = 15, 20  # degrees


def _turning(raw: PointCloud, size: int) -> list[Picture]:
    """A full turn about the vertical axis, seen slightly from above."""
    return [view_from(raw, azimuth, _TURN_ELEVATION, size) for azimuth in range(0, 360, _TURN_STEP)]


def _thinned(raw: PointCloud) -> PointCloud:
    """Every nth point of a cloud that has more than a picture can show."""
    step = -(-len(raw.xyz) // _MOST_DRAWN)
    return raw if step == 1 else PointCloud(raw.xyz[::step], None if raw.rgb is None else raw.rgb[::step])


def _axes(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """The directions right, up and towards the viewer [3, 3]; exact for right angles."""
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    right = [np.cos(a), 0, -np.sin(a)]
    up = [-np.sin(a) * np.sin(e), np.cos(e), -np.cos(a) * np.sin(e)]
    near = [np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)]
    return np.array([right, up, near]).round(12)


def _splat(panel: NDArray[np.uint8], axes: NDArray[np.float64], rgb: Colors, side: int) -> None:
    """Paint points as squares of `side` pixels into a panel [H, W, 3].

    `axes` [3, N] are the points' positions to the right, up and towards the viewer, within -0.5..0.5.
    """
    height, width, _ = panel.shape
    right, up, near = axes
    scale = min(height, width) * (1 - 2 * _MARGIN)
    order = np.argsort(near, kind="stable")  # the nearest are painted last, over the others
    column, row = (width / 2 + right[order] * scale).astype(int), (height / 2 - up[order] * scale).astype(int)
    nearness = (near[order] + 0.5)[:, None]
    color = _FAR + nearness * (_NEAR - _FAR) if rgb is None else rgb[order] * (0.6 + 0.4 * nearness)
    dot = np.arange(side)
    rows = (row[:, None, None] + dot[:, None]).clip(0, height - 1)
    columns = (column[:, None, None] + dot).clip(0, width - 1)
    panel[rows, columns] = color[:, None, None].astype(np.uint8)


def _message(raw: PointCloud, options: RenderOptions) -> list[Part]:
    width, height, depth = (raw.xyz.max(axis=0).astype(float) - raw.xyz.min(axis=0)).tolist()
    colors = "in their own colors" if raw.rgb is not None else "the nearer, the darker"
    words = (
        f"A three-dimensional scan of one thing: {len(raw.xyz)} points on its surface, {colors}, seen from several "
        f"sides. Its box measures {width:.3g} by {height:.3g} by {depth:.3g} (right, up, towards the viewer; which way "
        "is up in truth is not known)."
    )
    views = [(title, view_from(raw, azimuth, elevation, options.side)) for title, azimuth, elevation in _MESSAGE_VIEWS]
    return [text_part(words), *picture_parts(views, options)]


# --- the modality --------------------------------------------------------------------------------------------------


def _starts(*magic: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magic)


def _mesh(name: str, sniff: Callable[[bytes], bool] | None = None) -> FileFormat:
    kind = name.lower()
    return FileFormat(name, (f".{kind}",), partial(_read_mesh, kind), sniff)


def _points(name: str, decode: Decode, sniff: Callable[[bytes], bool] | None = None, **facts: Any) -> FileFormat:
    return FileFormat(name, (f".{name.lower()}",), partial(_read_points, decode), sniff, **facts)


SPEC = ModalitySpec(
    name="point_cloud",
    raw_types=(PointCloud,),
    formats=(
        _mesh("PLY", _starts(b"ply\n", b"ply\r")),
        _mesh("OBJ"),
        _mesh("OFF", _starts(b"OFF")),
        _mesh("STL"),
        _mesh("GLB", _starts(b"glTF")),
        _points("PCD", point_files.pcd, _starts(b"# .PCD")),
        _points("XYZ", point_files.xyz, also=(".txt",)),
        _points("PT", point_files.torch_tensor),
        _points("NPY", point_files.numpy_array, _starts(NPY_MAGIC)),
        _points("NPZ", point_files.numpy_array, _starts(ZIP_MAGIC)),
    ),
    picture=_picture,
    picture_ratio=2.4,
    motion=_turning,
    message=_message,
    column_names=("points", "cloud"),
    prompt_phrase="three-dimensional scans: points on its surface, without color",
    aspects=("shape", "parts"),
    templates=(
        "a point cloud of a {}.",
        "a 3D model of a {}.",
        "a depth scan of a {}.",
        "the three-dimensional shape of a {}.",
        "points on the surface of a {}.",
    ),
)
