from __future__ import annotations

import io
import json
import socket
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.reference import SAMPLE_FILES, SAMPLES
from unibind.errors import LimitError, UnibindError, UnreadableError
from unibind.modalities.formats.pcd import unpack_lzf
from unibind.modalities.limits import Limits
from unibind.modalities.pictures import picture
from unibind.modalities.point_cloud import PointCloud
from unibind.modalities.reading import read

XYZ = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, -3.5]], np.float32)
RGB = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30]], np.uint8)
MESHES = ("ply", "obj", "off", "stl", "glb")


def load(tmp_path: Path, name: str, data: bytes | str, limits: Limits | None = None, **options: Any) -> PointCloud:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    raw = read(path, "point_cloud", limits=limits or Limits(), **options)
    assert isinstance(raw, PointCloud)
    return raw


def mesh_file(kind: str, mesh: Any = None) -> bytes:
    if mesh is None:
        mesh = trimesh.creation.box(extents=(1, 2, 4))
    data = trimesh.exchange.export.export_mesh(mesh, None, file_type=kind)
    return data if isinstance(data, bytes) else data.encode()


def ply(extra: str = "", rows: str = "0 0 0\n1 0 0\n0 2 0\n0 0 -3.5\n", count: object = 4, faces: str = "") -> bytes:
    header = f"ply\nformat ascii 1.0\nelement vertex {count}\nproperty float x\nproperty float y\nproperty float z\n"
    return f"{header}{extra}{faces}end_header\n{rows}".encode()


def colored_ply() -> bytes:
    rows = "".join(f"{x} {y} {z} {r} {g} {b}\n" for (x, y, z), (r, g, b) in zip(XYZ, RGB, strict=True))
    return ply("property uchar red\nproperty uchar green\nproperty uchar blue\n", rows)


def saved(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def archived(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def torch_saved(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


PCD = "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F {color}\nCOUNT 1 1 1 1\n"
PCD_SIZE = "WIDTH {n}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {n}\nDATA {data}\n"
PACKED = (RGB.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)).astype("<u4")


def pcd_header(data: str, n: int = 4, color: str = "U") -> bytes:
    return (PCD.format(color=color) + PCD_SIZE.format(n=n, data=data)).encode()


def pcd_ascii() -> bytes:
    rows = [f"{x} {y} {z} {color}\n" for (x, y, z), color in zip(XYZ, PACKED, strict=True)]
    return pcd_header("ascii") + "".join(rows).encode()


def pcd_binary() -> bytes:
    cloud = np.empty(4, [("xyz", "<f4", 3), ("rgb", "<u4")])
    cloud["xyz"], cloud["rgb"] = XYZ, PACKED
    return pcd_header("binary", color="F") + cloud.tobytes()


def pcd_compressed() -> bytes:
    planes = XYZ.T.astype("<f4").tobytes() + PACKED.tobytes()
    packed = b"".join(bytes([len(run) - 1]) + run for run in (planes[i : i + 32] for i in range(0, len(planes), 32)))
    return pcd_header("binary_compressed") + struct.pack("<II", len(packed), len(planes)) + packed


COLORED = {
    "ascii.ply": colored_ply(),
    "ascii.pcd": pcd_ascii(),
    "binary.pcd": pcd_binary(),
    "compressed.pcd": pcd_compressed(),
    "bytes.npy": saved(np.hstack([XYZ, RGB])),
    "unit.npy": saved(np.hstack([XYZ, RGB / 255])),
    "columns.xyz": "".join(" ".join(map(str, row)) + "\n" for row in np.hstack([XYZ, RGB])).encode(),
}
PLAIN = {
    "ascii.ply": ply(),
    "points.obj": b"".join(b"v %f %f %f\n" % tuple(row) for row in XYZ),
    "points.off": b"OFF\n4 0 0\n" + b"".join(b"%f %f %f\n" % tuple(row) for row in XYZ),
    "float64.npy": saved(XYZ.astype(np.float64)),
    "fortran.npy": saved(np.asfortranarray(XYZ)),
    "only.npz": archived(anything=XYZ),
    "points.npz": archived(labels=np.zeros(9), points=XYZ),
    "xyz.npz": archived(labels=np.zeros(9), xyz=XYZ),
    "tensor.pt": torch_saved(torch.from_numpy(XYZ)),
    "half.pt": torch_saved(torch.from_numpy(XYZ).half()),
    "dict.pt": torch_saved({"points": torch.from_numpy(XYZ), "label": 3}),
    "commas.txt": b"# x, y, z\n0,0,0\n1,0,0\n0,2,0\n0,0,-3.5\n",
    "blanks.xyz": b"// scan\n0 0 0\n\n1 0 0\n0\t2\t0\n0 0 -3.5",
    "normals.npy": saved(np.hstack([XYZ, -np.abs(XYZ) - 1])),  # negative: no colors
}


@pytest.mark.parametrize("name", PLAIN)
def test_points_are_kept_as_they_are(name: str, tmp_path: Path) -> None:
    cloud = load(tmp_path, name, PLAIN[name])
    assert cloud.xyz.dtype == np.float32
    assert cloud.xyz.tolist() == XYZ.tolist()
    assert cloud.rgb is None


@pytest.mark.parametrize("name", COLORED)
def test_colors_are_kept(name: str, tmp_path: Path) -> None:
    cloud = load(tmp_path, name, COLORED[name])
    assert cloud.xyz.tolist() == XYZ.tolist()
    assert cloud.rgb is not None
    assert cloud.rgb.dtype == np.uint8
    assert cloud.rgb.tolist() == RGB.tolist()


def test_pcd_with_padding_normals_and_other_types(tmp_path: Path) -> None:
    header = (
        b"VERSION .7\nFIELDS normal x _ y _ z\nSIZE 4 8 1 8 1 2\nTYPE F F U F U I\nCOUNT 3 1 2 1 4 1\n"
        b"WIDTH 1\nHEIGHT 2\nDATA binary\n"
    )
    rows = [
        struct.pack("<3fd2sd4sh", 0, 0, 1, 1.5, b"", -2.5, b"", 7),
        struct.pack("<3fd2sd4sh", *[0] * 4, b"", 1, b"", -1),
    ]
    assert load(tmp_path, "mixed.pcd", header + b"".join(rows)).xyz.tolist() == [[1.5, -2.5, 7], [0, 1, -1]]


def test_lzf_copies_that_overlap_themselves() -> None:
    # literal "ab", then copy 7 bytes from 2 back: length field 5 (5 + 2), offset field 1 (1 + 1)
    assert unpack_lzf(bytes([1]) + b"ab" + bytes([5 << 5, 1]), 9, "x") == b"ababababa"
    # long form: length field 7, one more byte 3 -> 7 + 3 + 2 = 12, from 1 back
    assert unpack_lzf(bytes([0]) + b"z" + bytes([7 << 5, 3, 0]), 13, "x") == b"z" * 13
    with pytest.raises(UnreadableError, match="damaged"):
        unpack_lzf(bytes([0]) + b"z" + bytes([1 << 5, 9]), 4, "x")  # from before the start


@pytest.mark.parametrize("kind", MESHES)
def test_meshes_are_sampled_by_area(kind: str, tmp_path: Path) -> None:
    cloud = load(tmp_path, f"box.{kind}", mesh_file(kind), points=14_000)
    assert cloud.xyz.shape == (14_000, 3)
    half = np.array([0.5, 1.0, 2.0])
    distance = np.abs(np.abs(cloud.xyz) - half)
    assert distance.min(axis=1).max() < 1e-5  # every point lies on a face
    # faces of a 1 x 2 x 4 box: 2 * (2 * 4, 1 * 4, 1 * 2) = 16, 8, 4 of 28
    share = np.bincount(distance.argmin(axis=1), minlength=3) / len(cloud.xyz)
    np.testing.assert_allclose(share, [16 / 28, 8 / 28, 4 / 28], atol=0.02)
    np.testing.assert_allclose(cloud.xyz.mean(axis=0), 0, atol=0.05)


def test_the_seed_decides_the_sample(tmp_path: Path) -> None:
    first = load(tmp_path, "box.ply", mesh_file("ply"), points=64)
    assert np.array_equal(first.xyz, load(tmp_path, "box.ply", mesh_file("ply"), points=64, seed=0).xyz)
    assert not np.array_equal(first.xyz, load(tmp_path, "box.ply", mesh_file("ply"), points=64, seed=1).xyz)
    assert len(load(tmp_path, "box.ply", mesh_file("ply")).xyz) == 8192


def test_scene_is_merged_with_its_transforms(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    box = trimesh.creation.box()
    scene.add_geometry(box, geom_name="box", transform=trimesh.transformations.translation_matrix([10, 0, 0]))
    scene.add_geometry(box, geom_name="box", transform=trimesh.transformations.translation_matrix([-10, 5, 0]))
    cloud = load(tmp_path, "two.glb", scene.export(file_type="glb"), points=2000)
    right = cloud.xyz[:, 0] > 0
    np.testing.assert_allclose(cloud.xyz[right].mean(axis=0), [10, 0, 0], atol=0.1)
    np.testing.assert_allclose(cloud.xyz[~right].mean(axis=0), [-10, 5, 0], atol=0.1)
    assert abs(right.mean() - 0.5) < 0.05


def test_no_other_file_or_host_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    (tmp_path / "paint.mtl").write_text("newmtl a\nmap_Kd http://192.0.2.1/texture.png\n")
    text = "mtllib paint.mtl\nusemtl a\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n"
    assert len(load(tmp_path, "painted.obj", text, points=10).xyz) == 10
    layout = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"uri": "secret.bin", "byteLength": 36}],
    }
    (tmp_path / "secret.bin").write_bytes(bytes(36))
    with pytest.raises(UnreadableError, match=r"another file \('secret.bin'\)"):
        load(tmp_path, "linked.glb", glb(layout))


def glb(layout: dict[str, Any]) -> bytes:
    text = json.dumps(layout).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text), len(text), b"JSON") + text


def test_names_in_other_encodings_are_ignored(tmp_path: Path) -> None:
    text = "# Möbel\no Stühle\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n".encode("latin-1")
    assert len(load(tmp_path, "latin.obj", text, points=5).xyz) == 5


def test_suffix_may_be_missing() -> None:
    assert read(PLAIN["ascii.ply"], "point_cloud").xyz.tolist() == XYZ.tolist()
    assert read(COLORED["binary.pcd"], "point_cloud").xyz.tolist() == XYZ.tolist()


BROKEN_POINTS = {
    "nan.npy": saved(np.array([[0, 0, 0], [np.nan, 0, 0], [0, np.inf, 0], [1, 1, 1]])),
    "nan.xyz": b"0 0 0\nnan 0 0\n0 inf 0\n1 1 1\n",
    "nan.pcd": pcd_header("ascii") + b"0 0 0 0\nnan 0 0 0\n0 inf 0 0\n1 1 1 0\n",
    "nan.ply": ply(rows="0 0 0\nnan 0 0\n0 inf 0\n1 1 1\n"),
    "huge.npy": saved(np.array([[0, 0, 0], [1e300, 0, 0], [0, -1e39, 0], [1, 1, 1]])),
}


@pytest.mark.parametrize("name", BROKEN_POINTS)
def test_points_that_are_not_finite(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="2 of 4 points are NaN or infinite; drop_nan"):
        load(tmp_path, name, BROKEN_POINTS[name])
    assert load(tmp_path, name, BROKEN_POINTS[name], drop_nan=True).xyz.tolist() == [[0, 0, 0], [1, 1, 1]]


def test_a_cloud_of_broken_points_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="all 2 points"):
        load(tmp_path, "nan.npy", saved(np.full((2, 3), np.nan)), drop_nan=True)


OBJ = {
    "indented.obj": "  v 0 0 0\n\tv 1 0 0\n v\t0  2\t 0\n\n   v 0 0 -3.5 # last\n",
    "weights.obj": "v 0 0 0 1.0\nv 1 0 0 1.0\nv 0 2 0 1.0\nv 0 0 -3.5 1.0\n",
    "continued.obj": "v 0 \\\n 0 0\nv 1 0 0\nv 0 \\\n2 \\\n0\nv 0 0 -3.5",
    "returns.obj": "v 0 0 0\r\nv 1 0 0\r\nv 0 2 0\r\nv 0 0 -3.5\r\n",
}


@pytest.mark.parametrize("name", OBJ)
def test_points_of_an_obj_are_split_by_any_white_space(name: str, tmp_path: Path) -> None:
    cloud = load(tmp_path, name, OBJ[name])
    assert cloud.xyz.tolist() == XYZ.tolist()
    assert cloud.rgb is None


def test_a_thousand_indented_lines_are_a_thousand_points(tmp_path: Path) -> None:
    rows = np.random.default_rng(4).normal(size=(1000, 3)).astype(np.float32)
    text = "".join(f"    v {x:.9g} {y:.9g} {z:.9g}\n" for x, y, z in rows)
    assert np.array_equal(load(tmp_path, "indented.obj", text).xyz, rows)


def test_colors_of_an_obj(tmp_path: Path) -> None:
    text = "".join(f"v {x} {y} {z} {r} {g} {b}\n" for (x, y, z), (r, g, b) in zip(XYZ, RGB / 255, strict=True))
    cloud = load(tmp_path, "colored.obj", text)
    assert cloud.rgb is not None
    assert cloud.rgb.tolist() == RGB.tolist()


@pytest.mark.parametrize("face", ["f 1 2 3 4", "f 1/9/9 2/9/9 3/9/9 4/9/9", "f -4 -3 -2 -1", "f 1//1 2//1 3//1 4//1"])
def test_faces_of_an_obj(face: str, tmp_path: Path) -> None:
    """A square of four corners, whose corners count from 1, or back from the last point."""
    square = f"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n {face}\nusemtl a\n"
    xyz = load(tmp_path, "square.obj", square, points=4000).xyz
    np.testing.assert_allclose(xyz.mean(axis=0), [0.5, 0.5, 0], atol=0.03)
    np.testing.assert_allclose(xyz.std(axis=0), [12**-0.5, 12**-0.5, 0], atol=0.02)


def test_damaged_lines_of_an_obj_are_named(tmp_path: Path) -> None:
    for text in ("v 0 0 0\nv 1 x 0\n", "v 0 0 0\nv 1 0\n", "v 0 0 0\nf 1 b 3\n"):
        with pytest.raises(UnreadableError, match="line 2"):
            load(tmp_path, "damaged.obj", text)


def test_colored_off_and_glued_header(tmp_path: Path) -> None:
    colored = "COFF 4 0 0\n" + "".join(
        f"{x} {y} {z} {r} {g} {b} 255\n" for (x, y, z), (r, g, b) in zip(XYZ, RGB, strict=True)
    )
    cloud = load(tmp_path, "colored.off", colored)
    assert cloud.xyz.tolist() == XYZ.tolist()
    assert cloud.rgb is not None
    assert cloud.rgb.tolist() == RGB.tolist()
    glued = "OFF4 1 0\n# corners\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3 255 0 0\n"
    np.testing.assert_allclose(
        load(tmp_path, "glued.off", glued, points=4000).xyz.mean(axis=0), [0.5, 0.5, 0], atol=0.03
    )


def test_faces_of_an_ascii_ply_with_other_properties(tmp_path: Path) -> None:
    faces = (
        "element face 2\nproperty uchar red\nproperty list uchar int vertex_indices\n"
        "property list uchar float texcoord\nelement edge 1\nproperty int vertex1\n"
    )
    rows = "0 0 0\n1 0 0\n1 1 0\n0 1 0\n255 3 0 1 2 0\n0 3 0 2 3 2 0.5 0.5\n7\n"
    xyz = load(tmp_path, "faces.ply", ply(rows=rows, faces=faces), points=4000).xyz
    np.testing.assert_allclose(xyz.mean(axis=0), [0.5, 0.5, 0], atol=0.03)


NO_SURFACE = {
    "nan.obj": "v 0 0 0\nv 1 0 0\nv 0 nan 0\nf 1 2 3\n",
    "flat.obj": "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n",
}


@pytest.mark.parametrize("name", NO_SURFACE)
def test_mesh_without_a_surface(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no surface"):
        load(tmp_path, name, NO_SURFACE[name])


ABSURD = {
    "ascii.ply": ply(count=10**12),
    "binary.ply": ply(count=10**12).replace(b"ascii", b"binary_little_endian"),
    "faces.ply": ply(faces=f"element face {10**12}\nproperty list uchar int vertex_indices\n"),
    "negative.ply": ply(count=-1),
    "wide.off": b"OFF\n1000000000000 0 0\n0 0 0\n",
    "faces.off": b"OFF\n1 1000000000000 0\n0 0 0\n",
    "count.stl": b"\0" * 80 + struct.pack("<I", 2**32 - 1),
    "ascii.pcd": pcd_header("ascii", n=10**12),
    "binary.pcd": pcd_header("binary", n=10**12),
    "packed.pcd": pcd_header("binary_compressed", n=10**12) + struct.pack("<II", 8, 2**32 - 1),
    "zeros.glb": glb({"accessors": [{"componentType": 5126, "count": 10**12, "type": "VEC3"}], "bufferViews": []}),
    "count.npy": b"\x93NUMPY\x01\x00\x44\x00"
    + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 3)}".ljust(67)
    + b"\n",
    "view.pt": torch_saved(torch.zeros(1, 3).expand(10**12, 3)),
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_claims_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="claims"):
        load(tmp_path, name, ABSURD[name])


@pytest.mark.parametrize("name", [*COLORED, *PLAIN])
def test_too_many_points(name: str, tmp_path: Path) -> None:
    data = COLORED.get(name, PLAIN.get(name, b""))
    assert len(load(tmp_path, name, data, Limits(max_points=300), points=3).xyz) == 4
    with pytest.raises(LimitError, match="point"):
        load(tmp_path, name, data, Limits(max_points=3), points=3)


@pytest.mark.parametrize("kind", MESHES)
def test_too_many_vertices_of_a_mesh(kind: str, tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="points"):
        load(tmp_path, f"box.{kind}", mesh_file(kind), Limits(max_points=5), points=3)
    text_stl = trimesh.exchange.stl.export_stl_ascii(trimesh.creation.box())
    with pytest.raises(LimitError, match="points"):
        load(tmp_path, "text.stl", text_stl, Limits(max_points=35), points=3)
    assert len(load(tmp_path, "text.stl", text_stl, Limits(max_points=100), points=3).xyz) == 3


@pytest.mark.parametrize("points", [0, -1, 101])
def test_sample_sizes_outside_the_limits(points: int, tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="between 1 and 100"):
        load(tmp_path, "box.ply", mesh_file("ply"), Limits(max_points=100), points=points)


def test_nodes_that_multiply_each_other_are_refused(tmp_path: Path) -> None:
    nodes: list[dict[str, Any]] = [{"children": [i + 1, i + 1]} for i in range(40)]
    with pytest.raises(UnreadableError, match="two parents"):
        load(tmp_path, "bush.glb", glb({"nodes": [*nodes, {"mesh": 0}]}))


def test_one_mesh_shown_by_many_nodes_counts_every_time(tmp_path: Path) -> None:
    layout = {
        "nodes": [{"mesh": 0}] * 1000,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"componentType": 5126, "count": 500, "type": "VEC3"}],
    }
    with pytest.raises(LimitError, match="500,000 points"):
        load(tmp_path, "crowd.glb", glb(layout), Limits(max_points=100_000))


CUT_SHORT = {
    "binary.pcd": pcd_binary()[:-1],
    "compressed.pcd": pcd_compressed()[:-1],
    "ascii.pcd": pcd_ascii()[: -len("0 0 -3.5 660510\n") - 2],
    "box.stl": mesh_file("stl")[:-1],
    "box.glb": mesh_file("glb")[:-1],
    "box.ply": mesh_file("ply")[:-30],
    "array.npy": saved(XYZ)[:-1],
    "table.off": b"OFF\n4 0 0\n0 0 0\n",
}


@pytest.mark.parametrize("name", CUT_SHORT)
def test_files_cut_short(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        load(tmp_path, name, CUT_SHORT[name])


@pytest.mark.parametrize("suffix", [*MESHES, "pcd", "xyz", "npy", "npz", "pt"])
def test_empty_files(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        load(tmp_path, f"empty.{suffix}", b"")


BAD = {
    "shape.npy": (saved(np.zeros((4, 5))), "a point cloud is"),
    "flat.npy": (saved(np.zeros(12)), "a point cloud is"),
    "text.npy": (saved(np.array([["a", "b", "c"]])), "a point cloud is"),
    "none.npy": (saved(np.zeros((0, 3))), "no points"),
    "comments.xyz": (b"# nothing else\n", "no points|a point cloud is"),
    "many.npz": (archived(a=XYZ, b=XYZ), "name one of its arrays points or xyz"),
    "words.pt": (torch_saved({"label": 3}), "no arrays"),
    "old.pt": (torch_saved(torch.zeros(4, 3), _use_new_zipfile_serialization=False), "torch 1.6"),
    "fields.pcd": (pcd_ascii().replace(b"x y z", b"a b c"), "no field x, y, z"),
    "header.pcd": (b"# .PCD v0.7\nVERSION 0.7\n", "no DATA line"),
    "kind.pcd": (pcd_ascii().replace(b"DATA ascii", b"DATA zip"), "unknown kind 'zip'"),
    "type.pcd": (pcd_ascii().replace(b"TYPE F", b"TYPE Q"), "broken PCD header"),
    "type.ply": (ply("property complex w\n"), "unknown type 'complex'"),
    "corner.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "corner.obj"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str, tmp_path: Path) -> None:
    data, message = BAD[name]
    with pytest.raises(UnreadableError, match=message):
        load(tmp_path, name, data)


def test_pickled_objects_are_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "sprung",)

    with pytest.raises(UnreadableError, match="never run"):
        load(tmp_path, "trap.pt", torch_saved(Trap()))
    with pytest.raises(UnreadableError, match="Python objects"):
        load(tmp_path, "trap.npy", saved(np.array([Trap()], object)))
    assert not (tmp_path / "sprung").exists()


def test_torch_archive_bomb_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data/0", bytes(32 << 20))
    with pytest.raises(LimitError, match="unpacks to"):
        load(tmp_path, "bomb.pt", file.getvalue(), Limits(max_unpacked=1 << 20))


EVERY_KIND = {
    **{f"box.{kind}": mesh_file(kind) for kind in MESHES},
    **{name: COLORED[name] for name in ("ascii.ply", "ascii.pcd", "binary.pcd", "compressed.pcd", "columns.xyz")},
    **{name: PLAIN[name] for name in ("float64.npy", "points.npz", "tensor.pt")},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY_KIND)
@settings(deadline=None, max_examples=25)
@given(
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=5),
    whole=st.booleans(),
)
def test_mutated_files_give_points_or_our_error(
    name: str, tmp_path_factory: pytest.TempPathFactory, cut: float, flips: list, whole: bool
) -> None:
    data = bytearray(EVERY_KIND[name])
    for place, value in flips:
        data[int(place * len(data))] = value
    path = tmp_path_factory.getbasetemp() / f"mutated-{name}"
    path.write_bytes(data if whole else data[: int(cut * len(data))])
    try:
        cloud = read(path, "point_cloud", limits=Limits(max_points=10_000), points=100)
    except UnibindError as error:
        assert str(error)
    else:
        assert np.isfinite(cloud.xyz).all()
        assert len(cloud.xyz) <= 10_000


def test_the_picture_shows_three_views() -> None:
    line = np.zeros((200, 3), np.float32)
    line[:, 0] = np.linspace(-1, 1, 200)  # along x: a line from the front and above, a dot from the side
    pixels = np.asarray(picture(PointCloud(line), 300))
    inked = (pixels < 230).all(axis=-1)
    assert (pixels[-1, -1] == 255).all()
    assert 0 < inked.mean() < 0.2


@pytest.mark.slow
def test_near_points_are_darker_and_colors_are_shown() -> None:
    depth = np.array([[0, 0, 1], [0.2, 0, -1]], np.float32)
    plain = np.asarray(picture(PointCloud(depth), 300)).astype(int)
    assert len(np.unique(plain.reshape(-1, 3), axis=0)) >= 3
    red = np.asarray(picture(PointCloud(depth, np.array([[255, 0, 0]] * 2, np.uint8)), 300)).astype(int)
    assert ((red[..., 0] - red[..., 2]) > 100).any()


@pytest.mark.reference
@pytest.mark.parametrize("name", SAMPLE_FILES["point_cloud"])
def test_sample_clouds(name: str) -> None:
    cloud = read(SAMPLES / "point_cloud" / name, "point_cloud")
    assert len(cloud.xyz) == 8192
    longest = {
        "Duck.glb": 1.65,
        "ballA.off": 13.84,
        "bunny.ply": 0.155,
        "chair_model.obj": 0.66,
        "octagonal_pocket.stl": 0.229,
        "point_airplane.pt": 1.877,
        "point_car.pt": 1.882,
    }[name]
    assert float(np.ptp(cloud.xyz, axis=0).max()) == pytest.approx(longest, rel=0.01)
    assert len(np.unique(np.asarray(picture(cloud, 128)))) > 2
