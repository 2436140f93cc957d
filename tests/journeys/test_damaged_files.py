"""A folder with a cut-off download, a picture that lies and a film that is half there, beside good files."""

import numpy as np
import pytest

import unibind
from tests.fuzz.seeds import film, pillow, png_header, sound
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toy_store import picture, tone
from tests.helpers.toys import ToyBackbone
from unibind.data.store import Store
from unibind.errors import LimitError, UnreadableError

BAD = {"half.avi": "cut short", "cut.ogg": "cut short", "thin.png": "1 x 90000000 pixels", "cut.mp3": "cut short"}


class FilmToy(ToyBackbone):
    """The toy backbone, which takes films by their first frame."""

    modalities = (*ToyBackbone.modalities, "video")

    def preprocess(self, modality, raw):
        if modality == "video":
            modality, raw = "image", unibind.Image(raw.frames(np.zeros(1))[0])
        return super().preprocess(modality, raw)

    def encode(self, modality, batch):
        return super().encode("image" if modality == "video" else modality, batch)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    register(monkeypatch, entry("toy", spec("toy", lambda *_, **options: FilmToy(), modalities=FilmToy.modalities)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("mine")
    (root / "red.png").write_bytes(pillow("PNG", picture("red").pixels))
    (root / "green.wav").write_bytes(sound("WAV", samples=tone("green").samples, rate=tone("green").rate))
    (root / "film.avi").write_bytes(film("avi", "mjpeg"))
    (root / "half.avi").write_bytes(film("avi", "mjpeg")[: 1 << 14])
    (root / "cut.ogg").write_bytes(sound("OGG", "VORBIS")[:-900])
    (root / "cut.mp3").write_bytes(sound("MP3")[:-900])
    (root / "thin.png").write_bytes(png_header(1, 90_000_000))
    return root


@pytest.mark.slow
def test_inspect_reads_what_is_whole_and_says_what_is_not(folder):
    files = sorted(folder.iterdir())
    rows = {row["file"].rpartition("/")[2]: row for row in run_json("inspect", *files, code=2)}
    assert {name for name, row in rows.items() if "error" in row} == set(BAD)
    for name, words in BAD.items():
        assert words in rows[name]["error"]
        assert "\n" not in rows[name]["error"]
    printed = run("inspect", *files, code=2)
    assert "film.avi" in printed.stdout.replace("\n", "")
    assert all(words in printed.stderr for words in BAD.values())


@pytest.mark.slow
def test_encode_keeps_the_good_files_and_quarantines_the_others(folder, tmp_path):
    shown = run_json("encode", folder, "--backbone", "toy", "--out", tmp_path / "store", code=1)
    assert (shown["encoded"], shown["quarantined"]) == (3, 4)
    reasons = {row["id"].rpartition("/")[2]: row["message"] for row in Store.open(tmp_path / "store").quarantined()}
    assert set(reasons) == set(BAD)
    assert all(words in reasons[name] for name, words in BAD.items())


def test_the_same_through_python(folder, tmp_path):
    for name, words in BAD.items():
        with pytest.raises(UnreadableError, match=words):
            unibind.read(folder / name)
    summary = unibind.encode(folder, tmp_path / "store", backbone="toy", progress=False)
    assert (summary.encoded, summary.quarantined) == (3, 4)


def test_limits_can_be_raised(folder):
    with pytest.raises(LimitError, match="limits allow"):
        unibind.read(folder / "red.png", limits=unibind.Limits(max_pixels=2))
    assert unibind.read(folder / "red.png", limits=unibind.Limits(max_pixels=10_000)).pixels.ndim == 3
