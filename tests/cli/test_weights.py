"""`unibind weights`, `unibind backbones` and the options they serve, in process, on a tiny ImageBind."""

import json
import sys

import numpy as np
import pytest
import soundfile

from tests.helpers.registered import entry, register
from tests.helpers.released import centers, linear, pickled, saved
from tests.helpers.tiny_imagebind import SIZES, public_state
from tests.helpers.toys import ToyBackbone
from unibind.backbones import BackboneSpec, Card, License
from unibind.backbones.imagebind import towers
from unibind.backbones.imagebind.towers import Size
from unibind.cli import main


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    """Tiny towers, no weights but those that are named, and nothing said about commercial use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNIBIND_COMMERCIAL_ONLY", "")
    monkeypatch.delenv("UNIBIND_WEIGHTS", raising=False)
    for tower, size in SIZES.items():
        monkeypatch.setitem(towers.SIZES, tower, Size(*size))


@pytest.fixture
def unibind(monkeypatch, capsys):
    """Runs the command: exit code, standard output, standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["unibind", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
            sys.exit(0)
        captured = capsys.readouterr()
        return int(done.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def fitted(tmp_path):
    pickled(tmp_path / "centers.pkl", centers())
    return saved(tmp_path / "fitted.pt", public_state("text", "audio") | linear("audio"))


def test_help_shows_examples(unibind):
    assert "unibind weights convert imagebind_huge.pth" in unibind("weights", "convert", "--help")[1]
    assert "unibind backbones list" in unibind("backbones", "list", "--help")[1]


def test_convert_then_classify(unibind, fitted, tmp_path):
    code, out, err = unibind("weights", "convert", fitted, "centers.pkl", "model")
    assert code == 0
    assert "audio" in out
    assert "--model model" in err
    soundfile.write(tmp_path / "tone.wav", np.sin(np.arange(48000) / 9), 16000)
    code, out, err = unibind("classify", "tone.wav", "--model", "model", "--json")
    assert (code, err) == (0, "")
    (found,) = json.loads(out)
    assert found["label"] in centers()
    assert found["description_id"].startswith(found["label"] + "/")


def test_convert_for_machines(unibind, fitted):
    code, out, _ = unibind("weights", "convert", fitted, "centers.pkl", "model", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["folder"] == "model"
    assert set(facts["towers"]) == {"text", "audio"}
    assert (facts["heads"], facts["centers"]) == (["audio"], ["audio"])


def test_towers_are_used_by_weights(unibind, tmp_path):
    saved(tmp_path / "tiny.pth", public_state("text", "audio"))
    assert "--backbone imagebind --weights towers" in unibind("weights", "convert", "tiny.pth", "towers")[2]
    (tmp_path / "items" / "dog").mkdir(parents=True)
    (tmp_path / "items" / "dog" / "a.txt").write_text("a dog")
    chosen = ("--backbone", "imagebind", "--weights", "towers")
    assert unibind("encode", "items", "--out", "store", *chosen)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("none.pth", "out"), "none.pth"),
        (("centers.pkl", "out"), "no tower"),
        (("fitted.pt", "centers.pkl", "out", "--modality", "smell"), "smell"),
        (("fitted.pt", "notes.pt", "out"), "notes.pt"),
    ],
)
def test_what_cannot_be_converted(unibind, fitted, tmp_path, arguments, word):
    (tmp_path / "notes.pt").write_text("no checkpoint")
    code, _, err = unibind("weights", "convert", *arguments)
    assert code == 2
    assert err.startswith("unibind: ")
    assert word in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_replacing_must_be_asked_for(unibind, fitted):
    assert unibind("weights", "convert", fitted, "out")[0] == 0
    code, _, err = unibind("weights", "convert", fitted, "out")
    assert code == 2
    assert "--force" in err
    assert unibind("weights", "convert", fitted, "out", "--force")[0] == 0


# --- backbones -----------------------------------------------------------------------------------------------------


def listed(unibind, *options):
    code, out, _ = unibind("backbones", "list", "--json", *options)
    assert code == 0
    return {facts["name"].partition(":")[0]: facts for facts in json.loads(out)}


def test_every_backbone_is_listed(unibind):
    found = listed(unibind)
    assert {"mini", "imagebind", "transformers", "open_clip", "composed"} <= set(found)
    assert found["mini"]["width"] == 384
    assert found["mini"]["missing"] == ""
    assert found["imagebind"]["license"] == "CC-BY-NC-SA-4.0 (non-commercial)"
    assert "imagebind_huge.pth" in found["imagebind"]["weights"]
    assert "UNIBIND_WEIGHTS" in found["imagebind"]["missing"]
    assert found["transformers"]["missing"] is None  # depends on the model
    code, out, _ = unibind("backbones", "list")
    assert code == 0
    assert "(non-commercial)" in out.replace("\n", "")


def test_weights_that_are_here_are_told(unibind, tmp_path, monkeypatch):
    monkeypatch.setenv("UNIBIND_WEIGHTS", str(saved(tmp_path / "tiny.pth", public_state("text", "audio"))))
    assert listed(unibind)["imagebind"]["missing"] == ""


def test_a_backbone_without_its_extra_is_not_here(unibind, monkeypatch):
    monkeypatch.setattr("unibind.doctor.EXTRAS", {"mini": ("no_such_module",)})
    assert listed(unibind)["mini"]["missing"] == "install unibind[mini]"


def test_third_party_backbones_are_listed_even_if_they_are_broken(unibind, monkeypatch):
    card = Card("paid", "a paid model", ("text",), 4, License("Proprietary", commercial=False), "bought")
    register(monkeypatch, entry("broken", None, load=lambda: 1 / 0), entry("paid", BackboneSpec(card, ToyBackbone)))
    found = listed(unibind)
    assert found["broken"]["commercial"] is None
    assert "cannot be imported (ZeroDivisionError" in found["broken"]["missing"]
    assert found["paid"]["commercial"] is False
    assert unibind("backbones", "list")[0] == 0


@pytest.mark.parametrize("before", [True, False])
def test_only_commercial_ones_are_listed_on_demand(unibind, before):
    if before:
        out = unibind("--commercial-only", "backbones", "list", "--json")[1]
        found = {facts["name"] for facts in json.loads(out)}
    else:
        found = set(listed(unibind, "--commercial-only"))
    assert {"mini", "transformers"} <= {name.partition(":")[0] for name in found}
    assert "imagebind" not in found


def test_commercial_only_refuses_other_licenses(unibind, tmp_path, monkeypatch):
    saved(tmp_path / "tiny.pth", public_state("text", "audio"))
    (tmp_path / "items" / "dog").mkdir(parents=True)
    (tmp_path / "items" / "dog" / "a.txt").write_text("a dog")
    arguments = ("encode", "items", "--out", "store", "--backbone", "imagebind", "--weights", "tiny.pth")
    code, _, err = unibind("--commercial-only", *arguments)
    assert code == 2
    assert "CC-BY-NC-SA-4.0, which forbids commercial use" in err
    assert not (tmp_path / "store").exists()
    monkeypatch.setenv("UNIBIND_COMMERCIAL_ONLY", "0")
    assert unibind(*arguments)[0] == 0
    monkeypatch.setenv("UNIBIND_COMMERCIAL_ONLY", "1")
    assert unibind(*arguments)[0] == 2
