import itertools

import numpy as np
import pytest
import torch

from tests.helpers.reference import CHECKPOINTS, checkpoint_entries
from tests.helpers.released import linear, saved
from tests.helpers.tiny_imagebind import SIZES, public_state
from unibind.backbones._shared.checkpoints import open_checkpoint
from unibind.backbones.imagebind.checkpoint import locate
from unibind.backbones.imagebind.convert import open_released, write_towers
from unibind.backbones.imagebind.loading import load_tower, open_weights
from unibind.backbones.imagebind.towers import Size
from unibind.errors import UnibindError, UnknownNameError

FORMS = {"imagebind": "", "pointbind": "bind.", "unibind": "backbone.bind."}


def prefixed(form, *towers):
    """The tiny model as one of the released files names its entries."""
    state = {FORMS[form] + name: tensor for name, tensor in public_state(*towers).items()}
    if form == "imagebind":
        return state
    return state | {FORMS[form].removesuffix("bind.") + "logit_scale": torch.tensor(2.6593)}


@pytest.fixture(scope="module")
def state():
    """Entries of two small towers."""
    return public_state("audio", "thermal")


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_every_released_form_gives_the_same_towers(form, tmp_path):
    released = open_released([saved(tmp_path / "a.pth", prefixed(form))])
    assert released.maps == {}
    told = []
    (tmp_path / "out").mkdir()
    fingerprints = write_towers(released.towers, tmp_path / "out", lambda *news: told.append(news))
    public = public_state()
    located, _ = locate(public)
    assert fingerprints.keys() == located.keys()
    assert told == [(tower, len(located)) for tower in released.towers]
    found = open_weights(tmp_path / "out")
    assert found.keys() == located.keys()
    for tower, file in found.items():
        assert file.checkpoint.metadata == {
            "format": "pt",
            "tower": tower,
            "fingerprint": released.towers[tower].fingerprint,
            "space": released.towers["text"].fingerprint,
            "source": "a.pth",
            "license": "CC-BY-NC-SA-4.0",
        }
        tensors = file.mapped(file.names)
        assert tensors.keys() == located[tower].keys()
        assert all(torch.equal(tensors[ours], public[name]) for ours, name in located[tower].items())


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_every_entry_of_a_public_checkpoint_is_written_once(checkpoint, tmp_path):
    count = itertools.count()
    entries = checkpoint_entries(checkpoint)
    stamped = {name: torch.tensor(next(count), dtype=getattr(torch, dtype)) for name, _, dtype in entries}
    write_towers(open_released([saved(tmp_path / "a.pth", stamped)]).towers, tmp_path)
    stamps = []
    for file in open_weights(tmp_path).values():
        stamps += [int(tensor) for tensor in file.mapped(file.names).values()]
    missing = {name for name, stamp in stamped.items() if int(stamp) not in stamps}
    assert len(set(stamps)) == len(stamps)
    assert {name.removeprefix("bind.") for name in missing} <= {"modality_preprocessors.text.mask", "logit_scale"}


def test_the_recorded_fingerprint_matches_the_weights(tmp_path, state):
    released = open_released([saved(tmp_path / "a.pth", state)])
    noted = write_towers(released.towers, tmp_path)
    for tower, file in open_weights(tmp_path / "a.pth").items():
        assert noted[tower] == file.fingerprint  # computed, for this file notes none


def test_without_a_text_tower_no_space_is_recorded(tmp_path, state):
    write_towers(open_released([saved(tmp_path / "a.pth", state)]).towers, tmp_path)
    assert "space" not in open_checkpoint(tmp_path / "audio.safetensors").metadata


def test_a_converted_tower_computes_the_same(tmp_path, state):
    write_towers(open_released([saved(tmp_path / "a.pth", state)]).towers, tmp_path)
    x = torch.randn(2, 1, 224, 224, generator=torch.Generator().manual_seed(0))
    size = Size(*SIZES["thermal"])
    before, after = (
        load_tower(open_weights(path)["thermal"], precision="float32", device="cpu", size=size)(x)
        for path in (tmp_path / "a.pth", tmp_path)
    )
    assert torch.equal(before, after)


def test_fitted_maps_are_found_under_our_modalities(tmp_path, state):
    path = saved(tmp_path / "a.pth", state | linear("audio") | linear("point"))
    maps = open_released([path]).maps
    assert set(maps) == {"audio", "point_cloud"}
    assert np.array_equal(maps["audio"].weight, linear("audio")["mlp_for_audio.weight"])
    assert np.array_equal(maps["point_cloud"].bias, linear("point")["mlp_for_point.bias"])


def test_several_files_are_combined(tmp_path, state):
    one = saved(tmp_path / "a.pth", state | linear("audio"))
    two = saved(tmp_path / "b.pth", public_state("audio", "depth") | linear("thermal"))
    released = open_released([one, two])
    assert set(released.towers) == {"audio", "thermal", "depth"}
    assert set(released.maps) == {"audio", "thermal"}


def refused(paths, *words, kind=UnibindError):
    with pytest.raises(kind) as error:
        open_released(paths)
    text = str(error.value)
    assert "\n" not in text
    assert all(word in text for word in words), text


def changed(state, name_part, change):
    name = next(name for name in state if name_part in name)
    return state | {name: change(state[name])}


def test_different_towers_in_two_files(tmp_path, state):
    one = saved(tmp_path / "a.pth", state)
    two = saved(tmp_path / "b.pth", changed(state, "audio.cls_token", lambda t: t + 1))
    refused([one, two], "a.pth", "b.pth", "different audio towers")


def test_two_maps_for_one_modality(tmp_path, state):
    one = saved(tmp_path / "a.pth", state | linear("audio"))
    refused([one, saved(tmp_path / "b.pth", state | linear("audio"))], "b.pth", "a second map for audio")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"fc.weight": torch.zeros(2, 2)}, ("1 entries", "fc.weight")),
        ({"logit_scale": torch.zeros(())}, ("no tower",)),
        (linear("audio"), ("no tower",)),
        (linear("smell"), ("mlp_for_smell.weight", "smell")),
        (linear("text"), ("text",)),
        ({"mlp_for_audio.weight": torch.zeros(2, 2)}, ("audio", "weight [D, D]")),
        (linear("audio") | {"mlp_for_audio.bias": torch.zeros(3)}, ("audio", "[3]")),
        (linear("audio") | {"mlp_for_audio.bias": torch.zeros(())}, ("audio", "[]")),
    ],
)
def test_files_of_other_models_are_refused(tmp_path, content, words):
    refused([saved(tmp_path / "a.pth", content)], *words)


def test_unknown_modalities_are_unknown_names(tmp_path):
    refused([saved(tmp_path / "a.pth", linear("smell"))], kind=UnknownNameError)


def test_half_precision_is_not_mistaken_for_the_original(tmp_path, state):
    content = changed(state, "audio.cls_token", torch.Tensor.half)
    refused([saved(tmp_path / "a.pth", content)], "a.pth", "audio.cls_token", "float16")


def test_an_empty_list_of_files_is_refused():
    refused([], "no tower")
