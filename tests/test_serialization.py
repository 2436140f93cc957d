import dataclasses
import json
from fnmatch import fnmatch
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest

from tests.helpers.toy_store import KNOWLEDGE, QUICK, SwappedColors, filled_store, picture, tone
from unibind import UniBind, model
from unibind import serialization as artifact
from unibind.errors import ContractError, MissingFileError, UnibindError
from unibind.modalities.text import Text

FILES = {"unibind.json", "heads.safetensors", "centers.safetensors", "descriptions.parquet", "README.md"}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    store = filled_store(tmp_path_factory.mktemp("stores") / "store", SwappedColors())
    return UniBind.fit(SwappedColors(), store, KNOWLEDGE, QUICK)


@pytest.fixture
def folder(fitted, tmp_path):
    fitted.save_pretrained(tmp_path / "model", measured={"top1": 0.75})
    return tmp_path / "model"


class Narrow(SwappedColors):
    """SwappedColors with some of its modalities."""

    def __init__(self, modalities, weights):
        super().__init__(weights)
        self.modalities = tuple(modalities)


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """The toy is what `create_backbone("toy")` builds; returns what it was asked for, and its weights."""
    state = {"weights": "1", "asked": []}

    def create_backbone(name, *, modalities=None, **options):
        state["asked"].append((name, modalities, options))
        return Narrow(modalities or SwappedColors.modalities, state["weights"])

    monkeypatch.setattr(model, "create_backbone", create_backbone)
    return state


RAWS = [picture("red", 50), tone("green", 51), Text("blue"), picture("blue", 52)]


def one_sentence(error, *words):
    text = str(error.value)
    assert "\n" not in text
    assert all(word in text for word in words), text


# --- round trip ----------------------------------------------------------------------------------------------------


def test_a_loaded_model_is_the_saved_one(fitted, folder, installed):
    again = UniBind.from_pretrained(folder, device="cpu")
    assert installed["asked"] == [("toy", None, {"device": "cpu"})]
    assert np.array_equal(again.embed(RAWS), fitted.embed(RAWS))
    assert again.classify(RAWS) == fitted.classify(RAWS)
    assert again.summary == fitted.summary
    assert again.knowledge.fingerprint == KNOWLEDGE.fingerprint
    assert {m: again.contract(m) for m in again.modalities} == {m: fitted.contract(m) for m in fitted.modalities}


def test_the_folder_holds_what_it_should(folder):
    assert {path.name for path in folder.iterdir()} == FILES
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: unibind\nlicense: mit\n")
    assert "3 categories: blue, green, red." in card
    assert "| image | 12 | 100.0 % |" in card
    assert '"top1": 0.75' in card


def test_saving_again_gives_the_same_bytes(fitted, folder, tmp_path):
    fitted.save_pretrained(tmp_path / "again", measured={"top1": 0.75})
    same = FILES - {"descriptions.parquet", "centers.safetensors"}  # safetensors writes metadata in any order
    assert all((folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in same)


def test_a_zero_shot_model_can_be_kept(tmp_path):
    plain = UniBind.zero_shot(SwappedColors(), KNOWLEDGE)
    plain.save_pretrained(tmp_path / "model")
    again = UniBind.from_pretrained(tmp_path / "model")
    assert again.heads == {}
    assert again.summary is None
    assert again.classify(RAWS) == plain.classify(RAWS)


def test_a_bare_backbone_can_be_kept(tmp_path):
    UniBind(SwappedColors()).save_pretrained(tmp_path / "model")
    again = UniBind.from_pretrained(tmp_path / "model")
    assert again.knowledge is None
    assert np.array_equal(again.embed(RAWS), UniBind(SwappedColors()).embed(RAWS))


def test_only_the_modalities_asked_for_are_loaded_and_kept(fitted, folder, tmp_path):
    part = UniBind.from_pretrained(folder, modalities=["image", "text"])
    assert set(part.heads) == {"image"}
    assert set(part.centers) == {"image", "text"}
    assert np.array_equal(part.embed(RAWS[:1]), fitted.embed(RAWS[:1]))
    part.save_pretrained(tmp_path / "part")
    again = UniBind.from_pretrained(tmp_path / "part", modalities=["image", "text"])
    assert again.classify(RAWS[:1]) == fitted.classify(RAWS[:1])


def test_another_backbone_than_the_fitted_one_is_refused(folder, installed):
    installed["weights"] = "2"
    with pytest.raises(ContractError) as refused:
        UniBind.from_pretrained(folder)
    one_sentence(refused, "was fitted on another toy", "install that version or fit again")


# --- unfinished and damaged ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["save_heads", "save_centers", "write_whole"])
def test_a_save_that_is_cut_off_leaves_no_model(fitted, folder, monkeypatch, step):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(artifact, step, stop)
    with pytest.raises(KeyboardInterrupt):
        fitted.save_pretrained(folder)
    with pytest.raises(MissingFileError) as refused:
        UniBind.from_pretrained(folder)
    one_sentence(refused, str(folder), "no complete unibind model", "unibind.json")
    monkeypatch.undo()
    fitted.save_pretrained(folder)
    assert artifact.read(folder).backbone == "toy"


def test_the_mark_is_written_last(fitted, tmp_path, monkeypatch):
    written, real = [], artifact.write_whole
    monkeypatch.setattr(
        artifact,
        "write_whole",
        lambda path, content: (written.append({p.name for p in path.parent.iterdir()}), real(path, content)),
    )
    fitted.save_pretrained(tmp_path / "model")
    assert written[-1] == FILES - {"unibind.json"}


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(MissingFileError, match="no complete unibind model"):
        UniBind.from_pretrained(tmp_path)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "damage", [cut, Path.unlink, lambda p: p.write_bytes(b""), lambda p: p.write_bytes(b"\xff" * 99)]
)
@pytest.mark.parametrize("name", sorted(FILES - {"README.md"}))
def test_a_damaged_file_is_told_in_a_sentence(folder, name, damage):
    damage(folder / name)
    with pytest.raises(UnibindError) as refused:
        UniBind.from_pretrained(folder)
    one_sentence(refused, str(folder))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts: facts | {"format": 99}, ("format 99", "reads 1", "install a matching version")),
        (
            lambda facts: facts | {"heads": {"image": "0" * 12}},
            ("heads.safetensors does not belong to its unibind.json",),
        ),
        (lambda facts: {k: v for k, v in facts.items() if k != "calibration"}, ("is damaged", "calibration")),
        (lambda facts: [facts], ("is damaged",)),
    ],
)
def test_a_changed_mark_is_told_in_a_sentence(folder, change, words):
    path = folder / "unibind.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(UnibindError) as refused:
        UniBind.from_pretrained(folder)
    one_sentence(refused, str(folder), *words)


# --- hub -----------------------------------------------------------------------------------------------------------


def test_a_name_that_is_no_folder_comes_from_the_hub(fitted, folder, monkeypatch):
    asked = []
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **options: asked.append((name, options)) or str(folder)
    )
    again = UniBind.from_pretrained("somebody/colors", revision="v1")
    assert again.classify(RAWS) == fitted.classify(RAWS)
    ((name, options),) = asked
    assert (name, options["revision"]) == ("somebody/colors", "v1")
    wanted = options["allow_patterns"]
    assert all(any(fnmatch(file, pattern) for pattern in wanted) for file in FILES)
    assert not any(fnmatch(file, pattern) for pattern in wanted for file in ("model.pkl", "setup.py", "weights.bin"))


def test_no_network_is_told_in_a_sentence(monkeypatch):
    def fail(*_, **__):
        raise ConnectionError("a long\nstory")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(MissingFileError) as refused:
        UniBind.from_pretrained("somebody/colors")
    one_sentence(refused, "somebody/colors", "ConnectionError", "check the name and the network")


@pytest.mark.parametrize("source", ["nowhere", "./no/where", "/no/where", "a/b/c", Path("no/where")])
def test_what_looks_like_a_path_never_asks_the_hub(source, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked the hub"))
    with pytest.raises(MissingFileError, match="there is no folder"):
        UniBind.from_pretrained(source)


@dataclasses.dataclass
class Hub:
    """Stands for huggingface_hub.HfApi."""

    calls: list

    def create_repo(self, repo_id, **options):
        self.calls.append(("create", repo_id, options["private"]))
        return f"https://hub.example/{repo_id}"

    def upload_folder(self, *, repo_id, folder_path, commit_message):
        artifact.read(Path(folder_path))  # complete
        self.calls.append(("upload", repo_id, {p.name for p in Path(folder_path).iterdir()}))


def test_push_uploads_a_complete_folder(fitted, monkeypatch):
    calls = []
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: Hub(calls))
    assert fitted.push_to_hub("somebody/colors", private=True) == "https://hub.example/somebody/colors"
    assert calls == [("create", "somebody/colors", True), ("upload", "somebody/colors", FILES)]
