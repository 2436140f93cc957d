"""A small valid file of every format that is read."""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

RNG = np.random.default_rng(7)
PIXELS = RNG.integers(0, 255, (24, 32, 3), np.uint8)
COUNTS = RNG.integers(0, 65535, (24, 32), np.uint16)
TONE = (0.4 * np.sin(np.arange(4000) * 0.2)).astype(np.float32)
XYZ = RNG.normal(size=(40, 3)).astype(np.float32)


def pillow(kind: str, array: np.ndarray = PIXELS, **options: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(values: np.ndarray, unit: str | None = None, **options: Any) -> bytes:
    import tifffile

    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, description=json.dumps({"unit": unit}) if unit else None, metadata=None, **options)
    return buffer.getvalue()


def sound(kind: str, subtype: str | None = None, samples: np.ndarray = TONE, rate: int = 16_000) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def ffmpeg_sound(kind: str, codec: str, samples: np.ndarray = TONE, rate: int = 16_000) -> bytes:
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def film(kind: str, codec: str, count: int = 24, fps: int = 12, side: int = 0, **options: str) -> bytes:
    import av

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        with av.open(str(path), "w", format=kind, options=options) as container:
            stream = container.add_stream(codec, rate=fps)
            stream.width, stream.height = (side, side) if side else (48, 32)
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.gop_size = 6
            for place in range(count):
                picture = np.roll(np.kron(PIXELS[:8, :8], np.ones((4, 6, 1), np.uint8)), place, axis=1)
                picture = np.zeros((side, side, 3), np.uint8) if side else picture
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = place
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path.read_bytes()


def flir(counts: np.ndarray = COUNTS, records: list[tuple[int, bytes]] | None = None, png: bool = False) -> bytes:
    """A radiometric JPEG of a camera that sees black bodies without air between: counts are its Planck function."""
    raw = struct.pack("<HHH", 2, counts.shape[1], counts.shape[0]).ljust(32, b"\0")
    raw += pillow("PNG", counts.byteswap()) if png else counts.astype("<u2").tobytes()
    camera = bytearray(0x400)
    camera[0] = 2
    for place, value in {0x20: 1, 0x28: 293, 0x2C: 293, 0x30: 293, 0x34: 1, 0x58: 15000, 0x5C: 1400, 0x60: 1}.items():
        struct.pack_into("<f", camera, place, value)
    struct.pack_into("<if", camera, 0x308, -5000, 0.0125)
    records = [(1, raw), (0x20, bytes(camera))] if records is None else records
    return radiometric(fff(records))


def fff(records: list[tuple[int, bytes]], count: int | None = None) -> bytes:
    """FLIR's container of records."""
    place, entries = 64 + 32 * len(records), []
    for kind, data in records:
        entries.append(struct.pack(">HHIIIIIII", kind, 1, 100, 0, place, len(data), 0, 0, 0))
        place += len(data)
    directory, body = b"".join(entries), b"".join(data for _, data in records)
    header = (
        b"FFF\0" + b"ATAU".ljust(16, b"\0") + struct.pack(">III", 101, 64, len(records) if count is None else count)
    )
    return header.ljust(64, b"\0") + directory + body


def radiometric(data: bytes) -> bytes:
    """A JPEG with a FLIR file in its APP1 segments."""
    parts = [data[at : at + 60_000] for at in range(0, len(data), 60_000)]
    segments = b"".join(
        b"\xff\xe1" + struct.pack(">H", len(part) + 10) + b"FLIR\0\x01" + bytes([number, len(parts) - 1]) + part
        for number, part in enumerate(parts)
    )
    picture = pillow("JPEG")
    return picture[:2] + segments + picture[2:]


def events(count: int = 200) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "t": np.sort(rng.integers(0, 100_000, count)),
        "x": rng.integers(0, 34, count),
        "y": rng.integers(0, 34, count),
        "p": rng.integers(0, 2, count),
    }


def event_file(kind: str) -> bytes:
    import faery

    columns = events()
    packet = np.zeros(len(columns["t"]), faery.EVENTS_DTYPE)
    for name, values in columns.items():
        packet["on" if name == "p" else name] = values
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"events.{kind.rstrip('23')}"
        with warnings_off():
            options = {"version": kind} if kind.startswith("evt") else {}
            path = path.with_suffix(".raw") if kind.startswith("evt") else path
            faery.events_stream_from_array(packet, (34, 34)).to_file(path, **options)
        return path.read_bytes()


def warnings_off() -> Any:
    import warnings

    return warnings.catch_warnings(action="ignore")


def atis() -> bytes:
    columns = events()
    rows = [(x, y, (p << 7) | (t >> 16), t >> 8 & 255, t & 255) for t, x, y, p in zip(*columns.values(), strict=True)]
    return np.array(rows, np.uint8).tobytes()


def saved(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def archived(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def mesh(kind: str, **options: Any) -> bytes:
    import trimesh

    data = trimesh.exchange.export.export_mesh(trimesh.creation.icosphere(1), None, file_type=kind, **options)
    return data if isinstance(data, bytes) else data.encode()


def pcd(data: str) -> bytes:
    header = (
        f"# .PCD v0.7\nVERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH {len(XYZ)}\nHEIGHT 1\n"
        f"VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(XYZ)}\nDATA {data}\n"
    ).encode()
    if data == "ascii":
        return header + b"".join(b"%f %f %f\n" % tuple(row) for row in XYZ)
    if data == "binary":
        return header + XYZ.tobytes()
    planes = XYZ.T.tobytes()
    packed = b"".join(bytes([len(run) - 1]) + run for run in (planes[i : i + 32] for i in range(0, len(planes), 32)))
    return header + struct.pack("<II", len(packed), len(planes)) + packed


def tensor() -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save({"points": torch.from_numpy(XYZ)}, buffer)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be large and has no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


IMU = np.hstack([np.arange(50)[:, None] / 50, np.random.default_rng(5).normal(size=(50, 6))])

# File name -> its modality and how it is made. The endings decide which readers see the mutants.
SEEDS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "picture.png": ("image", lambda: pillow("PNG")),
    "deep.png": ("image", lambda: pillow("PNG", COUNTS)),
    "picture.jpg": ("image", lambda: pillow("JPEG")),
    "progressive.jpg": ("image", lambda: pillow("JPEG", progressive=True)),
    "picture.webp": ("image", lambda: pillow("WEBP")),
    "lossless.webp": ("image", lambda: pillow("WEBP", lossless=True)),
    "picture.bmp": ("image", lambda: pillow("BMP")),
    "picture.gif": ("image", lambda: pillow("GIF")),
    "picture.tiff": ("image", lambda: pillow("TIFF", compression="tiff_lzw")),
    "degrees.tiff": ("thermal", lambda: tiff(COUNTS.astype(np.float32) / 1000, "celsius")),
    "counts.tiff": ("thermal", lambda: tiff(COUNTS, compression="zlib")),
    "flir.jpg": ("thermal", flir),
    "flir_png.jpg": ("thermal", lambda: flir(png=True)),
    "counts.png": ("thermal", lambda: pillow("PNG", COUNTS)),
    "depth.png": ("depth", lambda: pillow("PNG", COUNTS)),
    "depth.npy": ("depth", lambda: saved(COUNTS)),
    "imu.csv": ("imu", lambda: "\n".join(",".join(f"{v:.4f}" for v in row) for row in IMU).encode() + b"\n"),
    "imu.npy": ("imu", lambda: saved(IMU)),
    "sound.wav": ("audio", lambda: sound("WAV")),
    "adpcm.wav": ("audio", lambda: sound("WAV", "IMA_ADPCM")),
    "sound.flac": ("audio", lambda: sound("FLAC")),
    "sound.ogg": ("audio", lambda: sound("OGG", "VORBIS")),
    "sound.opus": ("audio", lambda: sound("OGG", "OPUS")),
    "sound.mp3": ("audio", lambda: sound("MP3")),
    "sound.aiff": ("audio", lambda: sound("AIFF")),
    "sound.au": ("audio", lambda: sound("AU")),
    "sound.caf": ("audio", lambda: sound("CAF")),
    "sound.m4a": ("audio", lambda: ffmpeg_sound("ipod", "aac")),
    "sound.aac": ("audio", lambda: ffmpeg_sound("adts", "aac")),
    "film.mp4": ("video", lambda: film("mp4", "libx264")),
    "fragmented.mp4": ("video", lambda: film("mp4", "libx264", movflags="frag_keyframe+empty_moov")),
    "film.mov": ("video", lambda: film("mov", "mpeg4")),
    "film.mkv": ("video", lambda: film("matroska", "libx264")),
    "film.webm": ("video", lambda: film("webm", "libvpx")),
    "film.avi": ("video", lambda: film("avi", "mjpeg")),
    "mpeg4.avi": ("video", lambda: film("avi", "mpeg4")),
    "film.flv": ("video", lambda: film("flv", "flv")),
    "film.mpg": ("video", lambda: film("mpeg", "mpeg1video", fps=24)),
    "film.ts": ("video", lambda: film("mpegts", "mpeg2video")),
    "film.ogv": ("video", lambda: film("ogg", "libvpx")),
    "events.es": ("event", lambda: event_file("es")),
    "events.dat": ("event", lambda: event_file("dat")),
    "evt2.raw": ("event", lambda: event_file("evt2")),
    "evt3.raw": ("event", lambda: event_file("evt3")),
    "events.aedat4": ("event", lambda: event_file("aedat4")),
    "events.bin": ("event", atis),
    "events.npz": ("event", lambda: archived(**events())),
    "events.png": ("event", lambda: pillow("PNG")),
    "ascii.ply": ("point_cloud", lambda: mesh("ply", encoding="ascii")),
    "binary.ply": ("point_cloud", lambda: mesh("ply")),
    "mesh.obj": ("point_cloud", lambda: mesh("obj")),
    "mesh.off": ("point_cloud", lambda: mesh("off")),
    "mesh.stl": ("point_cloud", lambda: mesh("stl")),
    "ascii.stl": ("point_cloud", lambda: mesh("stl_ascii")),
    "mesh.glb": ("point_cloud", lambda: mesh("glb")),
    "ascii.pcd": ("point_cloud", lambda: pcd("ascii")),
    "binary.pcd": ("point_cloud", lambda: pcd("binary")),
    "packed.pcd": ("point_cloud", lambda: pcd("binary_compressed")),
    "points.xyz": ("point_cloud", lambda: b"".join(b"%f %f %f\n" % tuple(row) for row in XYZ)),
    "points.pt": ("point_cloud", tensor),
    "points.npy": ("point_cloud", lambda: saved(XYZ)),
    "points.npz": ("point_cloud", lambda: archived(points=XYZ)),
    "text.txt": ("text", lambda: "a dog barks, naïvely\n".encode()),
}


@cache
def seed(name: str) -> bytes:
    """The bytes of one seed."""
    return SEEDS[name][1]()
