"""Backbones, weights and tables named by relative paths are found from any directory later."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

import unibind
from tests.helpers import tiny_models
from tests.helpers.command import run, run_json
from unibind.backbones import create_backbone
from unibind.backbones.mini.model import WEIGHTS
from unibind.errors import MissingFileError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with four pictures and a table in a folder of its own; the working directory is the project."""
    folder = tmp_path / "project"
    (folder / "tables").mkdir(parents=True)
    rows = []
    for i, color in enumerate([(200, 40, 40), (190, 30, 50), (40, 60, 200), (30, 50, 190)]):
        Picture.fromarray(np.full((32, 32, 3), color, np.uint8)).save(folder / f"{i}.png")
        rows.append(f"../{i}.png,{'red' if i < 2 else 'blue'},{'val' if i % 2 else 'train'}")
    (folder / "tables" / "m.csv").write_text("\n".join(["path,label,split", *rows]))
    monkeypatch.chdir(folder)
    return folder


def elsewhere(monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")


@pytest.mark.slow
def test_weights_and_table_by_relative_paths(project, tmp_path, monkeypatch):
    shutil.copytree(WEIGHTS, "weights")
    run("encode", "tables/m.csv", "--out", "store", "--backbone", "mini", "--weights", "weights")
    run("fit", "store", "--out", "model", "--steps", 2)
    name, options = unibind.Store.open("store").backbone
    assert (name, options) == ("mini", {"weights": str(project / "weights")})
    elsewhere(monkeypatch, tmp_path)
    found = run_json("search", "../project/2.png", "--store", "../project/store", "-k", 1)
    assert "2.png" in str(found)
    assert numbers(run_json("encode", "../project/tables/m.csv", "--out", "../project/store")) == (0, 4)
    assert unibind.Store.open("../project/store").backbone == (name, options)
    model = unibind.UniBind.from_pretrained("../project/model")
    assert model.backbone.weights == project / "weights"
    shutil.rmtree(project / "weights")  # the packaged ones are the same
    assert unibind.UniBind.from_pretrained("../project/model").embed(["../project/0.png"]).shape == (1, 384)


def numbers(summary):
    return summary["encoded"], summary["unchanged"]


@pytest.mark.slow
def test_a_backbone_folder_by_a_relative_path(project, tmp_path, monkeypatch):
    tiny_models.clip(Path("clip"))
    unibind.encode("tables/m.csv", store="store", backbone="transformers:clip", progress=False)
    unibind.fit("store", config=unibind.FitConfig(steps=2), progress=False).save_pretrained("model")
    elsewhere(monkeypatch, tmp_path)
    hits = unibind.search("../project/3.png", "../project/store", k=1)
    assert Path(hits[0].uri).name == "3.png"
    again = unibind.encode(project / "tables" / "m.csv", store=project / "store", progress=False)
    assert (again.encoded, again.unchanged) == (0, 4)
    for backbone in (None, "transformers:../project/clip", f"transformers:{project}/clip"):
        unibind.search("a dog", project / "store", model=project / "model", backbone=backbone)
    assert unibind.UniBind.from_pretrained("../project/model").backbone.name == f"transformers:{project / 'clip'}"


def test_names_of_the_hub_stay_as_they_are(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError, match=r"the folder no/such/folder does not exist"):
        create_backbone("transformers:no/such/folder")
