"""Small files that would cost hours or gigabytes if they were believed."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from .seeds import archived, fff, film, flir, mesh, pcd, pillow, png_header, radiometric, saved, sound


def _npy(descr: str, shape: str) -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


def _zip(members: int, body: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(members):
            archive.writestr(f"a{number}.npy", body)
    return buffer.getvalue()


def _overlapping(members: int, body: bytes) -> bytes:
    """An archive whose directory lists the same compressed bytes again and again."""
    one = _zip(1, body)
    (start,) = struct.unpack_from("<I", one, one.rfind(b"PK\x05\x06") + 16)
    entries = one[start : one.rfind(b"PK\x05\x06")] * members
    tail = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, members & 0xFFFF, members & 0xFFFF, len(entries), start, 0)
    return one[:start] + entries + tail


def _glb(layout: dict[str, object], body: bytes = b"") -> bytes:
    text = json.dumps(layout).encode()
    text += b" " * (-len(text) % 4)
    binary = struct.pack("<I4s", len(body), b"BIN\0") + body if body else b""
    header = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text) + len(binary), len(text), b"JSON")
    return header + text + binary


def _node_chain(count: int) -> bytes:
    nodes: list[dict[str, object]] = [{"children": [place + 1], "translation": [1, 0, 0]} for place in range(count)]
    return _triangle_scene([*nodes, {"mesh": 0}])


def _triangle_scene(nodes: list[dict[str, object]]) -> bytes:
    layout = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": nodes,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36}],
    }
    return _glb(layout, np.eye(3, dtype=np.float32).tobytes())


def _many_scans(scans: int) -> bytes:
    """A progressive JPEG with its last scan repeated."""
    data = pillow("JPEG", np.zeros((2000, 2000, 3), np.uint8), progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def _flat_png(width: int, height: int) -> bytes:
    """A valid PNG of one bit per pixel, all black."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + (width + 7) // 8) * 64) for _ in range(-(-height // 64))) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _wide_sensor(side: int) -> bytes:
    """Two events in the far corners of a huge sensor."""
    t, x = np.array([0, 10]), np.array([0, side - 1])
    return archived(t=t, x=x, y=x, p=np.array([0, 1]))


def _obj_with_materials(count: int) -> bytes:
    lines = ["v 0 0 0", "v 1 0 0", "v 0 1 0"]
    lines += [line for number in range(count) for line in (f"usemtl m{number}", "f 1 2 3")]
    return "\n".join(lines).encode()


def _packed_run(count: int) -> bytes:
    """A compressed PCD of one byte repeated, which copies take 264 bytes at a time to unpack."""
    size = 12 * count
    packed = b"\0z" + b"\xe0\xff\0" * (size // 264)
    header = pcd("binary").split(b"DATA")[0].replace(b" 40\n", b" %d\n" % count) + b"DATA binary_compressed\n"
    return header + struct.pack("<II", len(packed), size) + packed


def _deep_glb(depth: int) -> bytes:
    return struct.pack("<4sIII4s", b"glTF", 2, 20 + depth, depth, b"JSON") + b"[" * depth


def _long_word() -> bytes:
    """A number of five million digits."""
    return mesh("ply", encoding="ascii").replace(b"end_header\n", b"end_header\n" + b"1" * 5_000_000)


def _black(kind: str, side: int, **options: object) -> bytes:
    return pillow(kind, np.zeros((side, side, 3), np.uint8), **options)


def _claimed_counts(width: int, height: int, body: bytes) -> bytes:
    return flir(records=[(1, struct.pack("<HHH", 2, width, height).ljust(32, b"\0") + body), (0x20, bytes(1024))])


def _tiff_of(width: int, height: int) -> bytes:
    """A TIFF whose strips all point at the same bytes."""
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
        (278, 4, height), (279, 4, width * height * 2 & 0xFFFFFFFF),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, kind, 1, v) for tag, kind, v in tags)
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + bytes(1000)


def _large_film(side: int, kind: str = "mp4", codec: str = "mjpeg") -> bytes:
    return film(kind, codec, count=2, side=side)


def _ragged_ply(faces: int) -> bytes:
    """A binary PLY whose polygons have three and four corners in turn, which readers take one by one."""
    header = (
        "ply\nformat binary_little_endian 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
        f"element face {faces}\nproperty list uchar int vertex_indices\nend_header\n"
    ).encode()
    corners = struct.pack("<B3i", 3, 0, 1, 2) + struct.pack("<B4i", 4, 0, 1, 2, 3)
    return header + np.eye(4, 3, dtype="<f4").tobytes() + corners * (faces // 2)


# File name -> modality and how it is made. All of these are refused, or are no attack any more.
ATTACKS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "records.jpg": ("thermal", lambda: radiometric(fff([(2, b"")] * 200_000))),
    "claimed_records.jpg": ("thermal", lambda: radiometric(fff([(1, bytes(40))], count=2**32 - 1))),
    "segments.jpg": ("thermal", lambda: pillow("JPEG")[:2] + b"\xff\xe1\x00\x0aFLIR\0\x01\x00\xff" * 200_000),
    "large_counts.jpg": ("thermal", lambda: _claimed_counts(65535, 65535, bytes(64))),
    "flir_png.jpg": ("thermal", lambda: _claimed_counts(30000, 2000, _flat_png(30000, 30000))),
    "members.npz": ("event", lambda: _overlapping(100_000, saved(np.zeros(1)))),
    "members.pt": ("point_cloud", lambda: _overlapping(100_000, b"")),
    "overlapping.npz": ("event", lambda: _overlapping(500, saved(np.zeros(4_000_000)))),
    "overlapping_many.npz": ("point_cloud", lambda: _overlapping(60_000, saved(np.zeros(1000)))),
    "bomb.npz": ("point_cloud", lambda: _zip(1, _npy("<f8", "(20000000, 3)") + bytes(1 << 24))),
    "negative.npz": ("event", lambda: _zip(1, _npy("<f8", "(-1,)") + bytes(1 << 26))),
    "empty_type.npy": ("event", lambda: _npy("|V0", "(1000000000000,)")),
    "no_rows.npy": ("point_cloud", lambda: _npy("<f8", "(1000000000000, 0)")),
    "materials.obj": ("point_cloud", lambda: _obj_with_materials(60_000)),
    "groups.obj": ("point_cloud", lambda: b"v 0 0 0\nv 1 0 0\nv 0 1 0\n" + b"g a\nf 1 2 3\no b\nf 1 2 3\n" * 30_000),
    "polygon.obj": ("point_cloud", lambda: b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf " + b"1 2 3 " * 10_000),
    "long_line.obj": ("point_cloud", lambda: b"v 0 0 0 " * 3_000_000),
    "continued.obj": ("point_cloud", lambda: b"v 0 0 0 \\\n" * 300_000),
    "chain.glb": ("point_cloud", lambda: _node_chain(3_000)),
    "long_chain.glb": ("point_cloud", lambda: _node_chain(60_000)),
    "circle.glb": ("point_cloud", lambda: _triangle_scene([{"children": [1]}, {"children": [0], "mesh": 0}])),
    "crowd.glb": ("point_cloud", lambda: _triangle_scene([{"mesh": 0, "children": []}] * 100_000)),
    "deep_json.glb": ("point_cloud", lambda: _deep_glb(200_000)),
    "long_word.ply": ("point_cloud", _long_word),
    "lists.ply": ("point_cloud", lambda: _ragged_ply(400_000)),
    "wide.pcd": ("point_cloud", lambda: pcd("ascii").replace(b"COUNT 1 1 1", b"COUNT 1 1 2000000000")),
    "one_line.xyz": ("point_cloud", lambda: b"0 " * 20_000_000),
    "comments.xyz": ("point_cloud", lambda: b"#\n" * 5_000_000),
    "scans.jpg": ("image", lambda: _many_scans(9_000)),
    "thin.png": ("image", lambda: png_header(1, 90_000_000)),
    "line.png": ("image", lambda: _flat_png(1, 32_000)),
    "lying.png": ("image", lambda: png_header(2**31 - 1, 1)),
    "large.png": ("image", lambda: _flat_png(9_900, 9_900)),
    "same_strip.tiff": ("thermal", lambda: _tiff_of(60_000, 60_000)),
    "sensor.npz": ("event", lambda: _wide_sensor(9_900)),
    "channels.wav": ("audio", lambda: sound("WAV").replace(b"\x01\x00\x01\x00\x80>", b"\x01\x00\xff\xff\x80>")),
    "long_line.csv": ("imu", lambda: b"1," * 10_000_000),
    "field.csv": ("imu", lambda: b'"' + b"1\n" * 5_000_000),
    "letters.txt": ("text", lambda: b"a" * 5_000_000),
}  # fmt: skip

# Inputs as large as the limits allow, or just above them; they take a while to make.
LARGEST: dict[str, tuple[str, Callable[[], bytes]]] = {
    "run.pcd": ("point_cloud", lambda: _packed_run(9_000_000)),
    "largest.png": ("image", lambda: _flat_png(8_000, 8_000)),
    "largest.jpg": ("image", lambda: _black("JPEG", 8_000, progressive=True, subsampling=0)),
    "largest.webp": ("image", lambda: _black("WEBP", 8_000, lossless=True, method=0)),
    "large_strip.tiff": ("thermal", lambda: _tiff_of(7_900, 7_900)),
    "largest_depth.png": ("depth", lambda: pillow("PNG", np.zeros((8_000, 8_000), np.uint16))),
    "largest_counts.png": ("thermal", lambda: pillow("PNG", np.zeros((8_000, 8_000), np.uint16))),
    "largest_events.png": ("event", lambda: _flat_png(8_000, 8_000)),
    "largest_sensor.npz": ("event", lambda: _wide_sensor(7_900)),
    "hour.flac": ("audio", lambda: sound("FLAC", samples=np.zeros(44_100 * 3600, np.float32), rate=44_100)),
    "hours.flac": ("audio", lambda: sound("FLAC", samples=np.zeros(8_000 * 3601, np.float32), rate=8_000)),
    "large.mp4": ("video", lambda: _large_film(9_900)),
    "largest.avi": ("video", lambda: _large_film(5_904, "avi")),
    "thin.webp": ("image", lambda: pillow("WEBP", np.zeros((16_000, 80, 3), np.uint8), lossless=True)),
    "widest.png": ("image", lambda: _flat_png(32_000, 160)),
}  # fmt: skip
