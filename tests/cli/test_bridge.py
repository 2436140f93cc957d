"""`unibind bridge`, and `unibind search` with parts outside the anchor space."""

import json

import pytest
from typer.testing import CliRunner

from tests.helpers.labs import BRIDGED, KNOWLEDGE, LABS, UNBRIDGED, item_store, open_labs
from unibind.backbones import create_backbone
from unibind.cli import app
from unibind.errors import ContractError, UnibindError


@pytest.fixture(autouse=True)
def labs(monkeypatch):
    open_labs(monkeypatch)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "parts.toml"
    path.write_text(BRIDGED)
    return path


@pytest.fixture
def unbridged(file):
    file.write_text(UNBRIDGED)
    return create_backbone(f"composed:{file}")


def invoke(*arguments):
    return CliRunner().invoke(app, ["bridge", *map(str, arguments)])


@pytest.mark.slow
def test_the_table_shows_recall_and_whether_the_gap_is_corrected(file, tmp_path):
    KNOWLEDGE.save(tmp_path / "base.jsonl")
    done = invoke(file, "--knowledge", tmp_path / "base.jsonl")
    assert done.exit_code == 0, done.output
    assert "no map" in done.stdout
    assert "rotation only" in done.stdout
    assert "the modality gap of its items is not corrected" in done.stderr
    assert (tmp_path / "audio.safetensors").is_file()

    store = item_store(tmp_path / "own", LABS["lab_b"].create())
    done = invoke(
        file, "--knowledge", tmp_path / "base.jsonl", "--items", store.path, "--steps", 10, "--json", "--force"
    )
    (record,) = json.loads(done.stdout)
    assert (record["modality"], record["items"]) == ("audio", 120)
    assert record["knowledge"] == KNOWLEDGE.fingerprint
    assert set(record["recall"]) == {"padded", "procrustes", "ridge", "refined"}
    assert (
        "corrected by the mean of 120"
        in invoke(file, "--knowledge", tmp_path / "base.jsonl", "--items", store.path, "--force").stderr
    )


def test_a_missing_file_is_refused(file):
    done = invoke(file.parent / "nowhere.toml", "--knowledge", "drum,bell")
    assert isinstance(done.exception, UnibindError)
    assert "nowhere.toml does not exist" in str(done.exception)


def test_descriptions_are_asked_for(file):
    done = invoke(file)
    assert "pass some with --knowledge" in str(done.exception)


def test_search_leaves_out_parts_outside_the_anchor_space_unless_requested(unbridged, tmp_path):
    store = item_store(tmp_path / "store", unbridged, ("image", "audio"), ("test",), each=4)
    store.note_backbone(unbridged.name, unbridged.options)
    arguments = ["search", "drum", "--store", str(store.path), "--no-center"]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    assert {hit["modality"] for hit in json.loads(done.stdout)["hits"]} == {"image"}
    assert "audio is left out: its tower is not in the query's space" in done.stderr
    refused = CliRunner().invoke(app, [*arguments, "--in", "audio"]).exception
    assert isinstance(refused, ContractError)
    assert "the audio tower has its own space, lab_b@1" in str(refused)
