import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from unibind import files
from unibind.backbones.mini import towers, train
from unibind.backbones.mini.model import Mini
from unibind.backbones.mini.towers import DIM, TOWERS, load_tower
from unibind.errors import UnibindError
from unibind.heptad import CATEGORIES
from unibind.heptad.captions import NAMED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A toy training run: its folder, the targets per tower, the order of written files, its data, its card."""
    out = tmp_path_factory.mktemp("run")
    targets, written = {}, []
    real_train, real_write = train.train_tower, files.write_whole

    def train_tower(modality, data, tower_targets, *rest):
        targets[modality] = tower_targets
        return real_train(modality, data, tower_targets, *rest)

    def write_whole(path, content):
        written.append(path.name)
        real_write(path, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "train_tower", train_tower)
        for module in (train, towers):
            patch.setattr(module, "write_whole", write_whole)
        patch.setattr(train, "BATCH", 12)
        patch.setattr(train, "EPOCHS", dict.fromkeys(TOWERS, 1))
        data = train.prepare_data(2, 3, 1)
        card = train.train(out, data)
    return out, targets, written, data, card


def test_the_data_are_two_objects_per_category_with_a_tenth_held_out(run):
    _, _, _, data, _ = run
    assert data.labels.tolist() == list(range(len(CATEGORIES))) * 2
    assert torch.nonzero(data.holdout)[:, 0].tolist() == [0, 10, 20, 24 + 9, 24 + 19]
    captions = data.captions(NAMED)
    assert captions.shape == (48, DIM)
    assert torch.allclose(captions.norm(dim=-1), torch.ones(48), atol=1e-5)
    assert (data.per_category, data.first(1).per_category) == (2, 1)
    assert torch.allclose(data.first(1).captions(NAMED), captions[:24], atol=1e-5)
    assert not torch.allclose(data.captions(1.0), captions, atol=0.01)
    assert data.inputs.keys() == TOWERS.keys()
    assert all(len(x) == 48 and x.dtype == torch.float16 for x in data.inputs.values())


@pytest.mark.parametrize("per_category", [1, 12, 160])
def test_every_category_has_its_share_of_the_holdout(per_category, monkeypatch):
    monkeypatch.setattr(train, "_inputs", lambda job: {})
    monkeypatch.setattr(train, "ProcessPoolExecutor", lambda workers, mp_context: ThreadPoolExecutor(workers))
    data = train.prepare_data(per_category, 0, 1)
    counts = torch.bincount(data.labels[data.holdout], minlength=len(CATEGORIES))
    assert int(counts.max() - counts.min()) <= 1
    assert int(counts.sum()) == pytest.approx(per_category * len(CATEGORIES) / train.HOLDOUT_EVERY, abs=1)


def test_each_tower_is_written_before_its_scores_and_the_readme_last(run):
    out, _, written, _, card = run
    expected = [name for modality in TOWERS for name in (f"{modality}.safetensors", "card.json")]
    assert written == [*expected, "README.md"]
    assert json.loads((out / "card.json").read_text()) == card
    assert card["objects"] == 48
    assert card["scores"].keys() == TOWERS.keys()
    readme = (out / "README.md").read_text()
    assert all(f"| {modality} | {card['parameters'][modality]:,} | 1 |" in readme for modality in TOWERS)


def test_only_images_are_trained_against_text(run):
    out, targets, _, data, _ = run
    assert torch.allclose(targets["image"], data.captions(NAMED), atol=1e-5)
    images = train.embed_inputs(load_tower("image", out / "image.safetensors"), data.inputs["image"])
    for modality in TOWERS.keys() - {"image"}:
        assert torch.allclose(targets[modality], images, atol=1e-5)
    assert not torch.allclose(images, data.captions(NAMED), atol=0.01)


@pytest.fixture
def interrupted(run, tmp_path, monkeypatch):
    """A copy of the run, stopped before the scores of the event tower were written; and the towers trained since."""
    out, _, _, data, card = run
    for path in out.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    scores = {m: tower_scores for m, tower_scores in card["scores"].items() if m != "event"}
    (tmp_path / "card.json").write_text(json.dumps(card | {"scores": scores}))
    (tmp_path / "README.md").unlink()
    trained = []

    def train_tower(modality, *_):
        trained.append(modality)
        return TOWERS[modality](), card["scores"][modality]

    monkeypatch.setattr(train, "train_tower", train_tower)
    monkeypatch.setattr(train, "EPOCHS", dict.fromkeys(TOWERS, 1))
    return tmp_path, trained, data


def test_an_interrupted_run_resumes_where_it_stopped(run, interrupted):
    complete, card = run[0], run[4]
    out, trained, data = interrupted
    assert train.train(out, data)["scores"] == card["scores"]
    assert trained == ["event"]
    kept = TOWERS.keys() - {"event"}
    assert all((complete / f"{m}.safetensors").read_bytes() == (out / f"{m}.safetensors").read_bytes() for m in kept)
    assert (out / "README.md").is_file()
    train.train(out, data)
    assert trained == ["event"]


def test_a_tower_whose_file_is_missing_is_trained_again(run, interrupted):
    complete, (out, trained, data) = run[0], interrupted
    (out / "card.json").write_bytes((complete / "card.json").read_bytes())
    (out / "event.safetensors").unlink(missing_ok=True)
    train.train(out, data)
    assert trained == ["event"]
    assert (out / "event.safetensors").is_file()


def test_the_folder_of_another_run_is_refused(interrupted):
    out, trained, data = interrupted
    with pytest.raises(UnibindError, match=r"card\.json belongs to a run with different .*; choose another --out"):
        train.train(out, replace(data, seed=4))
    with pytest.raises(UnibindError, match=r"different command, named; choose another --out"):
        train.train(out, data, named=1.0)
    assert trained == []


def test_mini_reads_the_written_towers(run):
    out, _, _, data, _ = run
    x = data.inputs["audio"][:4].float()
    expected = train.embed_inputs(load_tower("audio", out / "audio.safetensors"), x)
    assert torch.allclose(Mini(["audio"], weights=out).encode("audio", x), expected, atol=1e-6)


def test_training_is_deterministic_and_reaches_its_targets(run, monkeypatch):
    _, _, _, data, _ = run
    monkeypatch.setattr(train, "BATCH", 43)
    monkeypatch.setattr(train, "EPOCHS", {"thermal": 45})
    monkeypatch.setitem(train.AUGMENTATIONS, "thermal", lambda x, _: x)
    targets = torch.nn.functional.normalize(torch.randn(48, DIM, generator=torch.Generator().manual_seed(0)), dim=-1)
    states = []
    for _ in range(2):
        tower, _ = train.train_tower("thermal", data, targets, targets)
        states.append(tower.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    trained = ~data.holdout
    similarity = train.embed_inputs(tower, data.inputs["thermal"][trained]) @ targets[trained].T
    assert (similarity.argmax(dim=1) == torch.arange(43)).float().mean() > 0.9
