import pytest
import torch

from tests.helpers.reference import CHECKPOINTS, checkpoint_entries
from tests.helpers.tiny_imagebind import SIZES, public_shapes, public_state
from unibind.backbones._shared.transformer import END_OF_TEXT, attend
from unibind.backbones.imagebind.checkpoint import locate
from unibind.backbones.imagebind.golden import golden_checks
from unibind.backbones.imagebind.towers import SIZES as HUGE
from unibind.backbones.imagebind.towers import Size, build_tower
from unibind.errors import UnibindError


@pytest.fixture(scope="module")
def towers():
    located, _ = locate(public_shapes())
    state = public_state()
    made = {}
    for tower, names in located.items():
        if tower == "point_cloud":
            continue
        module = build_tower(tower, {ours: tuple(state[p].shape) for ours, p in names.items()}, Size(*SIZES[tower]))
        module.load_state_dict({ours: state[public] for ours, public in names.items()}, assign=True)
        made[tower] = module.eval().requires_grad_(False)
    return made


@pytest.mark.slow
def test_outputs_equal_the_references():
    checks = {check.what: check for check in golden_checks()}
    assert {"imagebind image", "imagebind video", "imagebind text", "imagebind audio"} < set(checks)
    assert {what: c.difference for what, c in checks.items() if c.difference > 1e-5} == {}


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_every_entry_of_a_public_checkpoint_belongs_to_a_tower(checkpoint):
    shapes = {name: shape for name, shape, _ in checkpoint_entries(checkpoint)}
    located, unknown = locate(shapes)
    assert unknown == []
    assert set(HUGE) <= set(located)
    for tower in located:
        expected = {ours: shapes[public] for ours, public in located[tower].items()}
        module = build_tower(tower, expected)
        assert {name: tuple(entry.shape) for name, entry in module.state_dict().items()} == expected


@pytest.mark.slow
def test_an_image_equals_a_still_clip(towers):
    pictures = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    folded = towers["vision"](pictures)
    doubled = towers["vision"](pictures[:, :, None].repeat(1, 1, 2, 1, 1))
    assert (folded - doubled).abs().max() < 1e-5
    moving = torch.stack([pictures, pictures.flip(-1)], dim=2)
    assert (towers["vision"](moving) - folded).abs().max() > 1e-3


def test_padding_does_not_change_text_embeddings(towers):
    ids = torch.randint(1, 40000, (3, 12), generator=torch.Generator().manual_seed(0))
    ids[0, 4], ids[1, 11], ids[2, 7] = (END_OF_TEXT,) * 3
    ids[0, 5:], ids[2, 8:] = 0, 0
    short = towers["text"](ids)
    long = towers["text"](torch.nn.functional.pad(ids, (0, 65)))
    alone = torch.cat([towers["text"](row[: n + 1][None]) for row, n in zip(ids, (4, 11, 7), strict=True)])
    assert (short - long).abs().max() < 1e-5
    assert (short - alone).abs().max() < 1e-5


def test_embeddings_have_unit_length_and_scales_are_separate(towers):
    z = towers["thermal"](torch.randn(2, 1, 224, 224))
    torch.testing.assert_close(z.norm(dim=1), torch.ones(2))
    assert "log_logit_scale" in towers["audio"].state_dict()
    assert "log_logit_scale" not in towers["vision"].state_dict()


@pytest.mark.parametrize("causal", [False, True])
def test_attention_in_bfloat16_is_attention(causal):
    q, k, v = torch.randn(3, 2, 4, 17, 8, generator=torch.Generator().manual_seed(0))
    plain = attend(q, k, v, causal=causal)
    quick = attend(*(x.bfloat16() for x in (q, k, v)), causal=causal)
    assert (plain - quick.float()).abs().max() < 0.03
    if causal:  # the first token sees itself only
        torch.testing.assert_close(plain[:, :, 0], v[:, :, 0])


def test_a_missing_entry_is_named():
    with pytest.raises(UnibindError, match=r"audio tower lack norm_out.weight"):
        build_tower("audio", {"stem.patch": (48, 1, 16, 16)})
