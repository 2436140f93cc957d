"""Finding a moment in a long recording, on the command line and in Python."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toy_store import RATE_HZ, tone
from tests.helpers.toys import CATEGORIES, ToyBackbone

SECONDS = 2


@pytest.fixture
def walk(tmp_path, monkeypatch):
    """A sound of six seconds: two of each of the toy's pitches, encoded in segments of two seconds into `store`."""
    toy = spec("toy", lambda argument=None, **options: ToyBackbone(), modalities=ToyBackbone.modalities)
    register(monkeypatch, entry("toy", toy))
    monkeypatch.chdir(tmp_path)
    count = SECONDS * RATE_HZ
    soundfile.write("walk.wav", np.concatenate([np.resize(tone(name).samples, count) for name in CATEGORIES]), RATE_HZ)
    run("encode", "walk.wav", "--out", "store", "--backbone", "toy", "--segments", SECONDS)
    return tmp_path


@pytest.mark.slow
def test_a_word_finds_its_moment(walk):
    for place, name in enumerate(CATEGORIES):
        printed = run_json("search", name, "--store", "store", "-k", 1)["hits"]
        (hit,) = unibind.search(name, "store", k=1)
        assert printed == [vars(hit)]
        assert (hit.start_s, hit.end_s) == (SECONDS * place, SECONDS * place + SECONDS)
        assert hit.uri == f"walk.wav#t={SECONDS * place},{SECONDS * place + SECONDS}"
        (again,) = unibind.search(hit.uri, "store", k=1)  # a hit is an item
        assert again.id == hit.id
        assert again.score == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_moments_are_shown_filtered_kept_and_played(walk):
    table = run("search", "green", "--store", "store").stdout
    assert "moment" in table
    assert "0:02-0:04" in table
    later = run_json("search", "red", "--store", "store", "--where", "start_s >= 2 and end_s < 6")["hits"]
    assert [hit["start_s"] for hit in later] == [2]
    assert later == unibind.search("red", "store", where="start_s >= 2 and end_s < 6").to_rows()
    run("search", "blue", "--store", "store", "--out", "hits.csv", "--html", "hits.html", "--png", "hits.png")
    with Path("hits.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["start_s"], first["end_s"]) == ("4.0", "6.0")
    page = Path("hits.html").read_text()
    assert re.findall(r'href="([^"]+)"', page)[0] == f"{Path('walk.wav').absolute().as_uri()}#t=4,6"
    assert page.count("<audio") == 3
