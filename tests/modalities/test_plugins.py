"""Modalities and file formats of third-party packages; the good ones are the code of the how-to pages."""

import re
import sys

import numpy as np
import pytest

from tests.helpers.docs import code_blocks
from unibind.errors import LimitError, UnibindError, UnreadableError
from unibind.modalities import RenderOptions, modality_names, modality_spec, registry
from unibind.modalities.limits import Limits
from unibind.modalities.messages import render
from unibind.modalities.pictures import picture
from unibind.modalities.reading import modality_of, read, suffixes

MODALITY_PAGE, FORMAT_PAGE = "how-to/add-a-modality.md", "how-to/add-a-file-format.md"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install packages from their modules and the entry points of their pyproject.toml, for one test."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def install(name, modules, pyproject):
        entry_points = re.sub(r'\[project\.entry-points\."(.*)"\]', r"[\1]", pyproject).replace('"', "")
        folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(entry_points)
        for file, code in modules.items():
            (site / file).write_text(code)
            monkeypatch.delitem(sys.modules, file.removesuffix(".py"), raising=False)
        registry._specs.cache_clear()

    yield install
    registry._specs.cache_clear()


@pytest.fixture
def radar(install):
    """The packages of both how-to pages."""
    for name, page in (("radar-modality", MODALITY_PAGE), ("radar-csv", FORMAT_PAGE)):
        blocks = code_blocks(page)
        install(name, blocks, blocks.pop("pyproject.toml"))


def radar_file(folder, ranges=8, speeds=16):
    power = np.arange(ranges * speeds, dtype=np.float32).reshape(ranges, speeds)
    path = folder / "scan.radar"
    path.write_bytes(b"RADAR1\n%d %d\n" % (ranges, speeds) + power.tobytes())
    return path


def test_a_new_modality_is_read_by_ending_and_by_name(radar, tmp_path):
    path = radar_file(tmp_path)
    assert "radar" in modality_names()
    assert suffixes()["radar"] == (".radar", ".rcsv")
    for raw in (read(path), read(path.read_bytes(), "radar")):
        assert raw.modality == "radar"
        assert raw.summary() == {"ranges": 8, "speeds": 16, "peak_db": 127.0}


def test_a_new_modality_has_pictures_and_messages(radar, tmp_path):
    raw = read(radar_file(tmp_path))
    assert picture(raw, 96).size == (96, 96)
    words, shown = render(raw, RenderOptions(side=128))
    assert "range-Doppler" in words["text"]
    assert shown["type"] == "image_url"
    assert modality_spec("radar").templates[0].format("car") == "a radar recording of a car."


def test_readers_of_third_parties_are_held_to_the_same_errors(radar, tmp_path):
    path = radar_file(tmp_path)
    with pytest.raises(LimitError, match=r"scan\.radar claims 8 x 16 cells"):
        read(path, limits=Limits(max_pixels=100))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UnreadableError, match=r"scan\.radar cannot be read as radar"):
        read(path)
    with pytest.raises(UnibindError, match=r"radar reader has no such option: .*'scale'"):
        read(radar_file(tmp_path), scale=2.0)


def test_a_new_format_of_a_modality_is_one_row(radar, tmp_path):
    path = tmp_path / "scan.rcsv"
    path.write_text("1,2,3\n4,5,6\n")
    assert modality_of(path) == "radar"
    assert read(path, scale=2.0).power.tolist() == [[2, 4, 6], [8, 10, 12]]
    plain = path.rename(tmp_path / "scan.csv")  # an ending that the format does not claim
    with pytest.raises(UnibindError, match="no modality has the ending"):
        read(plain)
    assert read(plain, "radar").power.shape == (2, 3)


def test_the_prompts_of_a_new_modality_are_used(radar):
    from unibind.evaluate.controls import templates

    assert templates(["fire_truck"], "radar")["fire_truck"][1] == "the radar echo of a fire truck."


PGM = """
import numpy as np
from unibind.modalities import FileFormat
from unibind.modalities.image import Image

def read(source, limits):
    return Image(np.zeros((2, 2, 3), np.uint8))

FORMAT = FileFormat("PGM", (".pgm", ".png"), read, lambda head: head.startswith(b"P5"), modality="image")
"""


def test_a_format_is_added_to_a_modality_of_the_package(install, tmp_path):
    install("pgm", {"pgm_format.py": PGM}, '[project.entry-points."unibind.formats"]\npgm = "pgm_format:FORMAT"\n')
    (tmp_path / "a.pgm").write_bytes(b"P5 2 2 255\n\0\0\0\0")
    assert read(tmp_path / "a.pgm").pixels.shape == (2, 2, 3)
    assert read((tmp_path / "a.pgm").read_bytes(), "image").pixels.shape == (2, 2, 3)
    assert ".pgm" in suffixes()["image"]


@pytest.mark.parametrize(
    ("code", "group", "reason"),
    [
        ("import no_such_module_at_all", "modalities", "No module named 'no_such_module_at_all'"),
        ("VALUE = 3", "modalities", "its value must be a ModalitySpec, not a int"),
        ("VALUE = 3", "formats", "its value must be a FileFormat, not a int"),
        ("from unibind.modalities.image import SPEC as VALUE", "modalities", "the modality 'image' exists already"),
        (
            "from unibind.modalities import FileFormat\nVALUE = FileFormat('PNG', ('.png',), print, modality='image')",
            "formats",
            "the image format 'PNG' exists already",
        ),
        (
            "from unibind.modalities import FileFormat\nVALUE = FileFormat('ODOR', (), print, modality='smell')",
            "formats",
            "its modality 'smell' does not exist",
        ),
        (
            "from unibind.modalities import FileFormat\nVALUE = FileFormat('ODOR', ('odor',), print, modality='image')",
            "formats",
            "write it in lower case and with its dot",
        ),
    ],
)
def test_a_broken_plugin_is_skipped_and_named(install, code, group, reason):
    install("broken-kit", {"broken.py": code}, f'[project.entry-points."unibind.{group}"]\nbroken = "broken:VALUE"\n')
    with pytest.warns(UserWarning, match=r"plug-in 'broken' .* of the package broken-kit is ignored") as warned:
        names = modality_names()
    assert reason in str(warned[0].message)
    assert "image" in names
    assert read(b"a text", "text").text == "a text"


def test_what_two_modalities_recognize_is_ambiguous(install, tmp_path):
    code = code_blocks(MODALITY_PAGE)["radar_modality.py"]
    rival = code.replace('"radar"', '"sonar"')
    entry_point = '[project.entry-points."unibind.modalities"]\n{0} = "{0}_modality:SPEC"\n'
    install("radar", {"radar_modality.py": code}, entry_point.format("radar"))
    install("sonar", {"sonar_modality.py": rival}, entry_point.format("sonar"))
    with pytest.raises(UnibindError, match="could be radar or sonar; specify which"):
        read(radar_file(tmp_path))
    assert read(radar_file(tmp_path), "sonar").modality == "sonar"
