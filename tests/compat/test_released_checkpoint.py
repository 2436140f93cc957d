import numpy as np
import pytest
import torch

from tests.helpers.released import LABELS, WIDTH, centers, linear, pickled, saved
from tests.helpers.tiny_imagebind import SIZES, public_state
from unibind import UniBind
from unibind.align.centers import Scoring
from unibind.backbones.imagebind import towers
from unibind.backbones.imagebind.model import ImageBind
from unibind.backbones.imagebind.towers import Size
from unibind.compat import released_checkpoint as released
from unibind.compat.released_checkpoint import convert
from unibind.data.embeddings import unit
from unibind.errors import ContractError, MissingFileError, UnibindError, UnknownNameError
from unibind.modalities.audio import Audio
from unibind.modalities.thermal import Thermal

HEAT = Thermal(np.linspace(10, 40, 48 * 64, dtype=np.float32).reshape(48, 64), celsius=True)


def scaled(state, tower, scale):
    name = f"modality_postprocessors.{tower}.1.log_logit_scale"
    return state | {name: torch.tensor(float(scale)).log()}


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """ImageBind's towers have as many layers as the tiny model's."""
    for tower, size in SIZES.items():
        monkeypatch.setitem(towers.SIZES, tower, Size(*size))


@pytest.fixture(scope="module")
def state():
    return scaled(scaled(public_state("text", "thermal", "audio"), "thermal", 10), "audio", 20)


@pytest.fixture
def fitted(state, tmp_path):
    return saved(tmp_path / "fitted.pt", {f"backbone.bind.{n}": t for n, t in state.items()} | linear("thermal"))


def released_scores(fitted, state, raw):
    """The similarities of the reference, written out: W (s u) + b at unit length, against unit-length centers."""
    backbone = ImageBind(["thermal"], weights=fitted.parent / "out")
    u = backbone.encode("thermal", backbone.preprocess("thermal", raw)[None])
    s = state["modality_postprocessors.thermal.1.log_logit_scale"].exp()
    fitted_map = linear("thermal")
    z = torch.nn.functional.linear(s * u, fitted_map["mlp_for_thermal.weight"], fitted_map["mlp_for_thermal.bias"])
    normal = torch.nn.functional.normalize
    return {label: (normal(c, dim=1) @ normal(z, dim=1)[0]).max().item() for label, c in centers().items()}


def test_a_fitted_checkpoint_and_its_centers_become_a_model(fitted, state, tmp_path):
    out = tmp_path / "out"
    converted = convert([fitted, pickled(tmp_path / "c.pkl", centers())], out)
    assert set(converted.towers) == {"text", "thermal", "audio"}
    assert (converted.heads, converted.centers) == (("thermal",), ("thermal",))
    model = UniBind.from_pretrained(out)
    kept = model.centers["thermal"]
    assert kept.labels == LABELS
    assert kept.sizes == (50, 50, 50)
    assert kept.description_ids[:2] == ("dog/0", "dog/1")
    assert kept.description_ids[-1] == "folding chair/49"
    assert (kept.strategy, kept.scoring) == ("released", Scoring("max"))
    assert np.allclose(np.linalg.norm(kept.vectors, axis=1), 1, atol=1e-6)
    expected = released_scores(fitted, state, HEAT)
    scores = dict(zip(LABELS, kept.scores(model.embed([HEAT]))[0], strict=True))
    assert scores == pytest.approx(expected, abs=1e-5)
    (found,) = model.classify([HEAT])
    assert found.label == max(expected, key=expected.get)
    assert found.description_id.startswith(f"{found.label}/")


def test_the_heads_scale_is_the_towers(fitted, tmp_path):
    convert([fitted], tmp_path / "out")
    head = UniBind.from_pretrained(tmp_path / "out").heads["thermal"]
    assert np.allclose(head.affine.weight, 10 * linear("thermal")["mlp_for_thermal.weight"].numpy(), rtol=1e-6)
    assert np.array_equal(head.affine.bias, linear("thermal")["mlp_for_thermal.bias"].numpy())


@pytest.mark.slow
def test_the_vision_towers_scale_is_one(tmp_path):
    path = saved(tmp_path / "a.pt", public_state("text", "vision") | linear("event"))
    convert([path], tmp_path / "out")
    head = UniBind.from_pretrained(tmp_path / "out").heads["event"]
    assert np.array_equal(head.affine.weight, linear("event")["mlp_for_event.weight"].numpy())


def test_centers_alone_need_a_modality(state, tmp_path):
    path, pkl = saved(tmp_path / "a.pth", state), pickled(tmp_path / "c.pkl", centers())
    with pytest.raises(UnibindError, match="--modality"):
        convert([path, pkl], tmp_path / "out")
    converted = convert([path, pkl], tmp_path / "out", modality="audio")
    assert (converted.heads, converted.centers) == ((), ("audio",))
    model = UniBind.from_pretrained(tmp_path / "out", modalities=["audio"])
    sound = Audio(np.sin(np.arange(32000, dtype=np.float32) / 9), 16000)
    u = model.backbone.encode("audio", model.backbone.preprocess("audio", sound)[None]).numpy()
    best = {label: (unit(c.numpy()) @ u[0]).max() for label, c in centers().items()}
    assert model.classify([sound])[0].label == max(best, key=best.get)


def test_towers_alone_are_not_a_model(state, tmp_path):
    converted = convert([saved(tmp_path / "a.pth", state)], tmp_path / "out")
    assert (converted.heads, converted.centers) == ((), ())
    assert {p.name for p in (tmp_path / "out").iterdir()} == {f"{t}.safetensors" for t in converted.towers}
    with pytest.raises(MissingFileError, match="not a complete unibind model"):
        UniBind.from_pretrained(tmp_path / "out")


def test_a_model_can_be_moved_and_saved_again(fitted, tmp_path):
    convert([fitted, pickled(tmp_path / "c.pkl", centers())], tmp_path / "out")
    before = UniBind.from_pretrained(tmp_path / "out").classify([HEAT])
    (tmp_path / "out").rename(tmp_path / "moved")
    moved = UniBind.from_pretrained(tmp_path / "moved")
    assert moved.classify([HEAT]) == before
    moved.save_pretrained(tmp_path / "again")
    again = UniBind.from_pretrained(tmp_path / "again", weights=tmp_path / "moved")
    assert again.classify([HEAT]) == before


def test_a_saved_model_keeps_its_backbones_options(state, tmp_path):
    weights = saved(tmp_path / "a.pth", state)
    UniBind(ImageBind(weights=weights, clips=2, precision="bfloat16")).save_pretrained(tmp_path / "model")
    again = UniBind.from_pretrained(tmp_path / "model", weights=weights)
    assert again.backbone.options["clips"] == 2
    assert again.backbone.precision == "bfloat16"
    with pytest.raises(ContractError, match="audio"):
        UniBind.from_pretrained(tmp_path / "model", weights=weights, modalities=["audio"], clips=3)


@pytest.mark.slow
def test_existing_files_are_replaced_only_with_force(fitted, state, tmp_path):
    out = tmp_path / "out"
    convert([fitted], out)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    with pytest.raises(UnibindError, match="--force"):
        convert([saved(tmp_path / "a.pth", public_state("audio"))], out)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    (out / "notes.txt").write_text("mine")
    convert([saved(tmp_path / "a.pth", public_state("audio"))], out, force=True)
    assert {p.name for p in out.iterdir()} == {"audio.safetensors", "notes.txt"}


@pytest.mark.parametrize("step", ["write_towers", "_write_model"])
def test_a_conversion_that_fails_leaves_nothing(fitted, tmp_path, monkeypatch, step):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(released, step, fail)
    with pytest.raises(KeyboardInterrupt):
        convert([fitted], tmp_path / "out")
    assert list(tmp_path.iterdir()) == [fitted]


def refused(sources, out, *words, kind=UnibindError, **options):
    with pytest.raises(kind) as error:
        convert(sources, out, **options)
    text = str(error.value)
    assert "\n" not in text
    assert all(word in text for word in words), text
    assert not out.exists()


def test_files_that_do_not_belong_together_are_refused(fitted, state, tmp_path):
    out, pkl = tmp_path / "out", pickled(tmp_path / "c.pkl", centers())
    narrow = pickled(tmp_path / "narrow.pkl", centers(8))
    refused([fitted, narrow], out, "width 8", f"have {WIDTH}")
    refused([fitted, pkl, narrow], out, "both centers")
    refused([fitted, pkl], out, "smell", kind=UnknownNameError, modality="smell")
    refused([fitted, pkl], out, "video", "vision", modality="video")
    refused([saved(tmp_path / "a.pth", state | linear("audio", 8))], out, "width 8")
    mute = {name: tensor for name, tensor in state.items() if ".text." not in name}
    refused([saved(tmp_path / "b.pth", mute), pkl], out, "text", modality="audio")
    refused([pkl], out, "no tower", modality="audio")
    refused([tmp_path / "none.pth"], out, "none.pth", kind=MissingFileError)
    refused([fitted, tmp_path / "none.pkl"], out, "none.pkl", kind=MissingFileError)


def test_categories_keep_their_numbers_of_centers(fitted, tmp_path):
    """The public event centers have 5,124 rows for 101 classes."""
    generator = torch.Generator().manual_seed(1)
    sizes = (50,) * 27 + (51,) * 74
    ragged = {f"class {i}": 3 * torch.randn(size, WIDTH, generator=generator) for i, size in enumerate(sizes)}
    convert([fitted, pickled(tmp_path / "c.pkl", ragged)], tmp_path / "out")
    kept = UniBind.from_pretrained(tmp_path / "out").centers["thermal"]
    assert kept.sizes == sizes
    assert len(kept.vectors) == len(kept.description_ids) == 5124
    queries = torch.nn.functional.normalize(torch.randn(4, WIDTH, generator=generator), dim=1)
    normal = torch.nn.functional.normalize
    expected = torch.stack([(queries @ normal(c, dim=1).T).max(dim=1).values for c in ragged.values()], dim=1)
    assert kept.scores(queries.numpy()) == pytest.approx(expected.numpy(), abs=1e-5)
