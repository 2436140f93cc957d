import csv
import io
import json
import subprocess
import sys
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unibind import heptad
from unibind.errors import UnibindError, UnknownNameError
from unibind.heptad.sample import sense_all
from unibind.heptad.write import FILE_FORMATS, encode_atis, write_sample

MODALITIES = ("image", "text", "audio", "point_cloud", "thermal", "video", "event")
SUFFIXES = {modality: suffix for modality, (suffix, _) in FILE_FORMATS.items()}


@pytest.fixture(scope="module")
def drum(tmp_path_factory) -> tuple[heptad.Sample, Path]:
    out = tmp_path_factory.mktemp("drum")
    sample = heptad.sample_object("drum", 3, seed=7)
    write_sample(sample, out)
    return sample, out / sample.id


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of every file in a folder, by relative path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_modality_has_a_file():
    assert set(FILE_FORMATS) == set(MODALITIES)


def test_the_same_seed_gives_the_same_bytes(drum, tmp_path):
    sample, path = drum
    write_sample(heptad.sample_object("drum", 3, seed=7), tmp_path)
    first, second = contents(path.parent), contents((tmp_path / sample.id).parent)
    assert len(first) == 7 and first == second


@pytest.mark.parametrize("other", [("drum", 4, "test", 7), ("drum", 3, "train", 7), ("drum", 3, "test", 8)])
def test_index_split_and_seed_each_change_the_object(drum, other):
    sample, _ = drum
    assert not np.array_equal(sample.image(), heptad.sample_object(*other).image())
    assert not np.array_equal(sample.audio(), heptad.sample_object(*other).audio())


def test_modalities_do_not_depend_on_the_order_of_generation():
    forwards, backwards = heptad.sample_object("bell", 0), heptad.sample_object("bell", 0)
    sensed = sense_all(forwards)
    for modality in reversed(MODALITIES):
        again = getattr(backwards, modality)()
        assert again == sensed[modality] if modality == "text" else np.array_equal(again, sensed[modality])


def test_image_and_caption_files(drum):
    sample, path = drum
    assert np.array_equal(np.asarray(Image.open(path.with_suffix(".png"))), sample.image())
    assert path.with_suffix(".txt").read_text() == sample.text() + "\n"


def test_the_sound_file_is_two_seconds_at_16_khz(drum):
    sample, path = drum
    with wave.open(str(path.with_suffix(".wav"))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes()) == (
            16000,
            1,
            2,
            32000,
        )
        stored = np.frombuffer(file.readframes(32000), "<i2") / 32767
    assert np.abs(stored - sample.audio()).max() < 1e-4 and np.abs(stored).max() > 0.005


def test_the_point_cloud_file_has_coordinates_only(drum):
    sample, path = drum
    header, body = path.with_suffix(".ply").read_bytes().split(b"end_header\n", 1)
    assert header.decode().splitlines() == [
        "ply",
        "format binary_little_endian 1.0",
        "element vertex 2048",
        *(f"property float {axis}" for axis in "xyz"),
    ]
    assert np.array_equal(np.frombuffer(body, "<f4").reshape(-1, 3), sample.point_cloud())


def test_the_thermal_file_is_in_centikelvin_and_declares_it(drum):
    sample, path = drum
    with tifffile.TiffFile(path.with_suffix(".tiff")) as file:
        stored = file.asarray()
        assert json.loads(file.pages[0].description) == {"unit": "centikelvin"}
    assert stored.dtype == np.uint16
    assert stored / 100 - 273.15 == pytest.approx(sample.thermal(), abs=0.006)


def test_the_video_file_contains_the_frames(drum):
    import av

    sample, path = drum
    with av.open(str(path.with_suffix(".mp4"))) as container:
        assert float(container.duration) / av.time_base == pytest.approx(2.0, abs=0.01)
        stored = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert stored.shape == (24, 96, 96, 3)
    assert np.abs(stored.astype(int) - sample.video()).mean() < 8


def decode_atis(data: bytes) -> np.ndarray:
    """Decode 40-bit records to events [N, 4], bit by bit as documented for N-MNIST."""
    rows = []
    for start in range(0, len(data), 5):
        word = int.from_bytes(data[start : start + 5], "big")
        rows.append((word & 0x7FFFFF, word >> 32, word >> 24 & 0xFF, word >> 23 & 1))
    return np.array(rows, np.int64).reshape(-1, 4)


def test_the_event_file_contains_the_events(drum):
    sample, path = drum
    assert np.array_equal(decode_atis(path.with_suffix(".bin").read_bytes()), sample.event())


def test_event_records_match_bytes_worked_out_by_hand():
    events = np.array([[0x012345, 9, 95, 1], [0x7FFFFF, 0, 1, 0]])
    assert encode_atis(events) == bytes([9, 95, 0x81, 0x23, 0x45, 0, 1, 0x7F, 0xFF, 0xFF])


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 2**23 - 1), st.integers(0, 255), st.integers(0, 239), st.integers(0, 1)), max_size=20
    )
)
def test_events_survive_a_round_trip_through_40_bits(events):
    array = np.array(events, np.int64).reshape(-1, 4)
    assert np.array_equal(decode_atis(encode_atis(array)), array)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, list[int]]:
    reports: list[int] = []
    return heptad.make(tmp_path_factory.mktemp("heptad"), {"val": 1}, seed=1, progress=reports.append), reports


@pytest.mark.slow
def test_make_writes_every_category_and_a_manifest(made):
    manifest, reports = made
    rows = list(csv.DictReader(io.StringIO(manifest.read_text())))
    assert len(rows) == 24 * 7 and sum(reports) == 24
    assert Counter(r["modality"] for r in rows) == dict.fromkeys(MODALITIES, 24)
    assert Counter(r["label"] for r in rows) == dict.fromkeys(heptad.CATEGORIES, 7)
    assert len({r["id"] for r in rows}) == len(rows) and len({r["object"] for r in rows}) == 24
    for row in rows:
        assert row["uri"].endswith(SUFFIXES[row["modality"]])
        assert (manifest.parent / row["uri"]).stat().st_size > 0
        text = (manifest.parent / row["object"]).with_suffix(".txt").read_text().strip()
        assert row["description"] == ("" if row["modality"] == "text" else text)
    files = [p for p in manifest.parent.rglob("*") if p.is_file()]
    assert len(files) == len(rows) + 1  # no temporary files are left


@pytest.mark.slow
def test_workers_and_a_single_process_write_the_same_bytes(made, tmp_path):
    manifest, _ = made
    write_sample(heptad.sample_object("kettle", 0, "val", 1), tmp_path)
    again = contents(tmp_path)
    assert len(again) == 7 and again == {name: (manifest.parent / name).read_bytes() for name in again}


@pytest.mark.slow
def test_every_category_is_in_bounds_and_moves(made):
    for category in heptad.CATEGORIES:
        sensed = sense_all(heptad.sample_object(category, 0, "val", 1))
        assert {k: v.shape for k, v in sensed.items() if k not in ("text", "event")} == {
            "image": (128, 128, 3),
            "audio": (32000,),
            "point_cloud": (2048, 3),
            "thermal": (96, 96),
            "video": (24, 96, 96, 3),
        }
        assert np.percentile(np.abs(sensed["point_cloud"]), 95) < 1.6
        assert np.abs(np.diff(sensed["video"].astype(int), axis=0)).max() > 20
        assert 2000 < len(sensed["event"]) <= 30000
        assert np.isfinite(sensed["audio"]).all() and 0.005 < np.abs(sensed["audio"]).max() <= 1
        assert len(sensed["text"].split()) >= 4


@pytest.mark.slow
def test_a_contact_sheet_has_one_row_per_category():
    sheet = heptad.contact_sheet(seed=2, categories=["drum", "mug"])
    assert sheet.mode == "RGB" and sheet.height == 256
    assert np.asarray(sheet)[:, 100:].std() > 20


@pytest.mark.parametrize("call", [lambda: heptad.sample_object("unicorn", 0), lambda: heptad.contact_sheet(0, ["cow"])])
def test_unknown_categories_are_refused(call):
    with pytest.raises(UnknownNameError, match="choose one of: airplane"):
        call()


def test_unknown_splits_and_empty_counts_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown Heptad split 'dev'"):
        heptad.make(tmp_path, {"dev": 1})
    with pytest.raises(UnibindError, match="at least 1 object"):
        heptad.make(tmp_path, 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_generating_objects_needs_neither_torch_nor_matplotlib():
    code = "import sys; from unibind.heptad import write; print(sorted({'torch', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
