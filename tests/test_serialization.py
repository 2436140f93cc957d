"""Saving, loading and uploading a model; what is refused when its folder is unfinished or damaged."""

import dataclasses
import json
from fnmatch import fnmatch
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest

from tests.helpers.toy_store import KNOWLEDGE, SwappedColors, filled_store, picture, tone
from unibind import UniBind, fit, serialization
from unibind.errors import ContractError, MissingFileError, UnibindError
from unibind.modalities.text import Text

FILES = {
    "unibind.json",
    "heads.safetensors",
    "centers.safetensors",
    "means.safetensors",
    "descriptions.parquet",
    "README.md",
}
RAWS = [picture("red", 50), tone("green", 51), Text("blue"), picture("blue", 52)]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    store = filled_store(tmp_path_factory.mktemp("stores") / "store", SwappedColors())
    return fit(store, knowledge=KNOWLEDGE, backbone=SwappedColors(), progress=False)


MEASURED = {"top-1, %": {"class name": "75.0"}, "What did not work": "a | b", "detail": {"image": {"a": 1}}}


@pytest.fixture
def folder(fitted, tmp_path):
    fitted.save_pretrained(tmp_path / "model", measured=MEASURED)
    return tmp_path / "model"


class PartialBackbone(SwappedColors):
    """SwappedColors with some of its modalities."""

    def __init__(self, modalities, weights):
        super().__init__(weights)
        self.modalities = tuple(modalities)


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """Make `create_backbone("toy")` create the toy; returns its weights and the arguments of every call."""
    state = {"weights": "1", "calls": []}

    def create_backbone(name, *, modalities=None, **options):
        state["calls"].append((name, modalities, options))
        return PartialBackbone(modalities or SwappedColors.modalities, state["weights"])

    monkeypatch.setattr(serialization, "create_backbone", create_backbone)
    return state


def assert_one_sentence(error, *words):
    text = str(error.value)
    assert "\n" not in text
    assert all(word in text for word in words), text


# --- saving and loading --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_loaded_model_equals_the_saved_one(fitted, folder, installed):
    loaded = UniBind.from_pretrained(folder, device="cpu")
    assert installed["calls"] == [("toy", None, {"device": "cpu"})]
    assert np.array_equal(loaded.embed(RAWS), fitted.embed(RAWS))
    assert loaded.classify(RAWS) == fitted.classify(RAWS)
    assert loaded.summary == fitted.summary
    assert loaded.knowledge.fingerprint == KNOWLEDGE.fingerprint
    assert {m: loaded.contract(m) for m in loaded.modalities} == {m: fitted.contract(m) for m in fitted.modalities}


def test_the_folder_contains_the_documented_files_only(folder):
    assert {path.name for path in folder.iterdir()} == FILES


def test_the_model_card_has_hub_metadata_and_figures(folder):
    card = (folder / "README.md").read_text()
    metadata = huggingface_hub.ModelCard(card).data
    assert (metadata.library_name, metadata.license, metadata.pipeline_tag) == ("unibind", "mit", "feature-extraction")
    assert "3 categories: blue, green, red." in card
    assert "| image | 24 | 100.0 % (cross-validation) |" in card
    assert "| top-1, % | |\n|---|---|\n| class name | 75\\.0 |" in card
    assert "What did not work: a \\| b" in card
    assert '"image": {\n  "a": 1\n }' in card


def test_saving_again_gives_the_same_bytes(fitted, folder, tmp_path):
    fitted.save_pretrained(tmp_path / "again", measured=MEASURED)
    # safetensors writes metadata in any order, and the card names its folder
    same = FILES - {"descriptions.parquet", "centers.safetensors", "README.md"}
    assert all((folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in same)


def test_a_zero_shot_model_can_be_saved(tmp_path):
    zero_shot = UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=SwappedColors())
    zero_shot.save_pretrained(tmp_path / "model")
    loaded = UniBind.from_pretrained(tmp_path / "model")
    assert loaded.heads == {}
    assert loaded.summary is None
    assert loaded.classify(RAWS) == zero_shot.classify(RAWS)


def test_a_bare_backbone_can_be_saved(tmp_path):
    UniBind(SwappedColors()).save_pretrained(tmp_path / "model")
    loaded = UniBind.from_pretrained(tmp_path / "model")
    assert loaded.knowledge is None
    assert np.array_equal(loaded.embed(RAWS), UniBind(SwappedColors()).embed(RAWS))


def test_only_the_requested_modalities_are_loaded_and_saved(fitted, folder, tmp_path):
    part = UniBind.from_pretrained(folder, modalities=["image", "text"])
    assert set(part.heads) == {"image"}
    assert set(part.centers) == {"image", "text"}
    assert np.array_equal(part.embed(RAWS[:1]), fitted.embed(RAWS[:1]))
    part.save_pretrained(tmp_path / "part")
    loaded = UniBind.from_pretrained(tmp_path / "part", modalities=["image", "text"])
    assert loaded.classify(RAWS[:1]) == fitted.classify(RAWS[:1])


def test_a_model_fitted_on_another_backbone_is_refused(folder, installed):
    installed["weights"] = "2"
    with pytest.raises(ContractError) as refused:
        UniBind.from_pretrained(folder)
    assert_one_sentence(refused, "was fitted on another toy", "install that version or fit again")


# --- unfinished and damaged folders --------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["save_heads", "save_centers", "write_whole"])
def test_an_interrupted_save_leaves_the_old_model(fitted, folder, monkeypatch, step):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(serialization, step, interrupt)
    for place in (folder, folder.with_name("new")):
        with pytest.raises(KeyboardInterrupt):
            fitted.save_pretrained(place)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(folder.parent.iterdir()) == [folder]


def test_a_model_takes_the_place_of_another_and_other_files_stay(fitted, folder, tmp_path):
    (folder / "notes.md").write_text("mine")
    (folder / "photos").mkdir()
    (folder / "photos" / "dog.jpg").write_text("dog")
    folder.chmod(0o750)
    (tmp_path / "link").symlink_to("model")
    UniBind(SwappedColors()).save_pretrained(tmp_path / "link")
    assert {path.name for path in folder.iterdir()} == FILES - {"descriptions.parquet"} | {"notes.md", "photos"}
    assert (folder / "photos" / "dog.jpg").read_text() == "dog"
    assert folder.stat().st_mode & 0o777 == 0o750
    assert UniBind.from_pretrained(tmp_path / "link").heads == {}
    assert {path.name for path in tmp_path.iterdir()} == {"model", "link"}


def test_the_manifest_is_written_last(fitted, tmp_path, monkeypatch):
    present, write_whole = [], serialization.write_whole

    def record(path, content):
        present.append({p.name for p in path.parent.iterdir()})
        write_whole(path, content)

    monkeypatch.setattr(serialization, "write_whole", record)
    fitted.save_pretrained(tmp_path / "model")
    assert present[-1] == FILES - {"unibind.json"}


def test_an_empty_folder_is_not_a_model(tmp_path):
    with pytest.raises(MissingFileError, match="not a complete unibind model"):
        UniBind.from_pretrained(tmp_path)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "damage", [truncate, Path.unlink, lambda p: p.write_bytes(b""), lambda p: p.write_bytes(b"\xff" * 99)]
)
@pytest.mark.parametrize("name", sorted(FILES - {"README.md"}))
def test_a_damaged_file_gives_one_sentence(folder, name, damage):
    damage(folder / name)
    with pytest.raises(UnibindError) as refused:
        UniBind.from_pretrained(folder)
    assert_one_sentence(refused, str(folder))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda facts: facts | {"format": 99},
            ("format 99", f"reads {serialization._FORMAT}", "install a matching version"),
        ),
        (
            lambda facts: facts | {"heads": {"image": "0" * 12}},
            ("heads.safetensors does not belong to its unibind.json",),
        ),
        (
            lambda facts: {k: v for k, v in facts.items() if k != "calibration"},
            ("has no 'calibration'", "save the model again"),
        ),
        (lambda facts: [facts], ("is a list, not an object",)),
    ],
)
def test_a_changed_manifest_gives_one_sentence(folder, change, words):
    path = folder / "unibind.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(UnibindError) as refused:
        UniBind.from_pretrained(folder)
    assert_one_sentence(refused, str(folder), *words)


# --- Hugging Face Hub ----------------------------------------------------------------------------------------------


def test_a_name_that_is_not_a_folder_is_fetched_from_the_hub(fitted, folder, monkeypatch):
    calls = []
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **options: calls.append((name, options)) or str(folder)
    )
    loaded = UniBind.from_pretrained("somebody/colors", revision="v1")
    assert loaded.classify(RAWS) == fitted.classify(RAWS)
    ((name, options),) = calls
    assert (name, options["revision"]) == ("somebody/colors", "v1")
    patterns = options["allow_patterns"]
    assert all(any(fnmatch(file, pattern) for pattern in patterns) for file in FILES)
    assert not any(fnmatch(file, pattern) for pattern in patterns for file in ("model.pkl", "setup.py", "weights.bin"))


def test_a_missing_network_gives_one_sentence(monkeypatch):
    def fail(*_, **__):
        raise ConnectionError("a long\nstory")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(MissingFileError) as refused:
        UniBind.from_pretrained("somebody/colors")
    assert_one_sentence(refused, "somebody/colors", "ConnectionError", "check the name and the network")


@pytest.mark.parametrize("source", ["nowhere", "./no/where", "/no/where", "a/b/c", Path("no/where")])
def test_a_path_is_never_looked_up_on_the_hub(source, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked the Hub"))
    with pytest.raises(MissingFileError, match="no such folder"):
        UniBind.from_pretrained(source)


@dataclasses.dataclass
class FakeHub:
    """Replaces huggingface_hub.HfApi and records its calls."""

    calls: list

    def create_repo(self, repo_id, **options):
        self.calls.append(("create_repo", repo_id, options["private"]))
        return f"https://hub.example/{repo_id}"

    def create_branch(self, repo_id, *, branch, exist_ok):
        self.calls.append(("create_branch", repo_id, branch))

    def upload_folder(self, *, repo_id, folder_path, commit_message, revision):
        serialization.read(Path(folder_path))  # complete
        files = {p.name for p in Path(folder_path).iterdir()}
        self.calls.append(("upload_folder", repo_id, revision, commit_message, files))
        self.card = (Path(folder_path) / "README.md").read_text()


@pytest.fixture
def hub(monkeypatch):
    hub = FakeHub([])
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda token=None: hub.calls.append(("token", token)) or hub)
    return hub


def test_push_uploads_a_complete_folder(fitted, hub):
    assert fitted.push_to_hub("somebody/colors", private=True) == "https://hub.example/somebody/colors"
    assert hub.calls == [
        ("token", None),
        ("create_repo", "somebody/colors", True),
        ("upload_folder", "somebody/colors", None, "Upload a UniBind model", FILES),
    ]
    assert 'unibind.UniBind.from_pretrained("somebody/colors")' in hub.card


def test_push_takes_a_token_a_branch_and_a_message(fitted, hub):
    fitted.push_to_hub("somebody/colors", token="hf_x", revision="dev", commit_message="Second fit")
    assert hub.calls == [
        ("token", "hf_x"),
        ("create_repo", "somebody/colors", False),
        ("create_branch", "somebody/colors", "dev"),
        ("upload_folder", "somebody/colors", "dev", "Second fit", FILES),
    ]
