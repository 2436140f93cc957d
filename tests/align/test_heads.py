import numpy as np
import pytest
from safetensors.numpy import save_file

from unibind.affine import AffineMap
from unibind.align.heads import Head, load_heads, save_heads
from unibind.errors import UnibindError


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def test_identity_changes_nothing():
    x = unit(np.random.default_rng(0).normal(size=(5, 8)))
    assert np.allclose(Head.identity(8)(x), x, atol=1e-7)


def test_a_head_by_hand():
    head = Head(AffineMap(np.array([[0, 1], [1, 0]], np.float32), np.array([1, 0], np.float32)))
    assert head(np.array([[1, 0]], np.float32)) == pytest.approx(np.array([[0.5**0.5, 0.5**0.5]]))


def test_a_head_refuses_another_width():
    with pytest.raises(UnibindError, match=r"\[N, 4\]"):
        Head.identity(4)(np.ones((2, 5), np.float32))


def test_round_trip_and_fingerprint(tmp_path):
    rng = np.random.default_rng(0)
    heads = {
        m: Head(AffineMap(rng.normal(size=(4, 4)).astype(np.float32), np.zeros(4, np.float32)))
        for m in ("audio", "event")
    }
    save_heads(heads, tmp_path / "heads.safetensors")
    loaded = load_heads(tmp_path / "heads.safetensors")
    assert {m: h.fingerprint for m, h in loaded.items()} == {m: h.fingerprint for m, h in heads.items()}
    assert len({h.fingerprint for h in heads.values()}) == 2


def test_a_file_with_other_entries_is_refused(tmp_path):
    save_file({"audio.weight": np.eye(2, dtype=np.float32)}, tmp_path / "heads.safetensors")
    with pytest.raises(UnibindError, match=r"audio\.weight"):
        load_heads(tmp_path / "heads.safetensors")
