"""A newcomer's first minutes: nothing but the package and a folder of files; no backbone is named.

Whether answers are right can only be seen on real photographs: the sample files beside the repository.
"""

import json
import logging
import shutil

import numpy as np
import pytest
import soundfile
from PIL import Image

import unibind
from tests.helpers.command import run, run_installed, run_json
from tests.helpers.reference import SAMPLES
from unibind.data import opening

pytestmark = pytest.mark.slow

CLASSES = "dog, cat, car, bird, chair"
RIGHT = {"bird_image": "bird", "car_image": "car", "dog_image": "dog", "image_chair": "chair", "image_dog": "dog"}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The working directory, with a folder `mixed` of two pictures, a sound and a text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mixed").mkdir()
    for name, color in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        Image.new("RGB", (64, 48), color).save(tmp_path / "mixed" / f"{name}.jpg")
    soundfile.write(tmp_path / "mixed" / "tone.wav", np.sin(np.arange(16_000) / 9) / 2, 16_000)
    (tmp_path / "mixed" / "note.txt").write_text("A dog sleeps on the grass.")
    return tmp_path / "mixed"


@pytest.fixture
def nothing_said_yet():
    """As in a new process: what the default backbone knows has not been said."""
    opening._say_what_it_knows.cache_clear()


# --- what is printed, on generated files ---------------------------------------------------------------------------


def test_the_command_says_once_what_the_default_knows_and_prints_json_apart(files):
    done = run_installed("classify", files / "red.jpg", files / "tone.wav", "--classes", "cat, dog", "--json")
    assert {p["label"] for p in json.loads(done.stdout)} <= {"cat", "dog"}
    (said,) = (line for line in done.stderr.splitlines() if "the default backbone" in line)
    assert said.startswith("unibind: starter, the default backbone, knows what kinds of things are in photographs")
    assert "only procedural objects" in said
    assert "Traceback" not in done.stderr


def test_python_says_it_once(files, nothing_said_yet, caplog):
    unibind.UniBind.zero_shot(["cat", "dog"])
    unibind.encode(files, files.parent / "store", workers=0)
    unibind.UniBind.zero_shot(["cat", "dog"])
    said = [r for r in caplog.records if "the default backbone" in r.getMessage()]
    assert [(r.name, r.levelno) for r in said] == [("unibind.data.opening", logging.WARNING)]


def test_it_is_not_said_to_those_who_chose(files, nothing_said_yet, caplog):
    run("encode", files, "--out", "store", "--workers", 0, "--backbone", "starter")
    run("search", "a dog", "--store", "store")
    run("classify", files / "red.jpg", "--classes", "cat,dog", "--backbone", "mini")
    assert "the default backbone" not in caplog.text


def test_a_mixed_folder_becomes_one_store_that_a_text_searches(files):
    encoded = run_json("encode", files, "--out", "cli", "--workers", 0)
    assert (encoded["encoded"], encoded["quarantine"]) == (4, [])
    assert unibind.encode(files, "python", workers=0).encoded == 4
    for store in ("cli", "python"):
        assert unibind.Store.open(store).backbone == ("starter", {})
        assert unibind.Store.open(store).counts() == {"image": 2, "audio": 1, "text": 1}
    shown = run_json("search", "a dog on grass", "--store", "cli")["hits"]
    hits = unibind.search("a dog on grass", "python")
    assert [hit["modality"] for hit in shown] == [hit.modality for hit in hits]
    assert (hits[0].modality, len(hits)) == ("text", 4)


def test_a_picture_is_as_near_to_a_text_in_photo_and_a_sound_in_mini(files):
    starter = unibind.UniBind(unibind.create_backbone("starter"))
    for name, part in (("red.jpg", "photo"), ("tone.wav", "mini"), ("note.txt", "mini")):
        own = unibind.UniBind(unibind.create_backbone(part))
        crossed = unibind.similarity(starter.embed(files / name), own.embed("a dog"))
        assert crossed == pytest.approx(unibind.similarity(own.embed(files / name), own.embed("a dog")), abs=1e-6)


# --- whether it is right, on real photographs ----------------------------------------------------------------------


@pytest.mark.reference
def test_five_photographs_are_recognized():
    pictures = [SAMPLES / "image" / f"{name}.jpg" for name in RIGHT]
    shown = run_json("classify", *pictures, "--classes", CLASSES)
    predictions = unibind.UniBind.zero_shot(CLASSES).classify(pictures)
    assert [p["label"] for p in shown] == [p.label for p in predictions] == list(RIGHT.values())
    assert all(p.probability > 0.75 for p in predictions), predictions


@pytest.mark.reference
def test_photographs_and_a_video_are_found_by_words(tmp_path):
    for name in (*(f"image/{name}.jpg" for name in RIGHT), "video/video_autos.mp4"):
        shutil.copy(SAMPLES / name, tmp_path)
    summary = unibind.encode(tmp_path, tmp_path / "store", workers=0)
    assert summary.encoded == 6

    def best(query):
        (first, *_) = run_json("search", query, "--store", tmp_path / "store")["hits"]
        assert unibind.search(query, tmp_path / "store")[0].uri == first["uri"]
        return first["uri"].rpartition("/")[2]

    assert best("a dog on grass") == "image_dog.jpg"
    assert best("something to sit on") == "image_chair.jpg"
    assert best("a bird on a branch") == "bird_image.jpg"
    assert best("driving on a road") in ("video_autos.mp4", "car_image.jpg")


@pytest.mark.reference
def test_a_video_is_embedded_near_what_it_shows():
    model = unibind.UniBind(unibind.create_backbone("starter"))
    cosines = unibind.similarity(
        model.embed(SAMPLES / "video" / "video_autos.mp4"), model.embed(["a car", "a dog", "a piano"])
    )
    assert cosines.argmax() == 0
