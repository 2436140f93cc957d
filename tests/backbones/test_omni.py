"""EmbeddingGemma 2, tiny and random, by the backbone `sentence_transformers`; its processors need torchvision."""

import importlib.util

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from tests.backbones.test_transformers import RAW
from tests.helpers.tiny_omni import omni
from unibind.backbones import create_backbone
from unibind.backbones._shared.batching import collate
from unibind.backbones._shared.picture_inputs import PICTURE_INPUTS
from unibind.errors import UnibindError
from unibind.modalities.interleaved import Interleaved
from unibind.preprocess.clips import resampled

pytestmark = pytest.mark.slow  # the library takes seconds to import
SEES = importlib.util.find_spec("torchvision") is not None
FRAMES = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return omni(tmp_path_factory.mktemp("omni"))


def explicit(modality, raw):
    """The library's own form of an item."""
    if modality == "text":
        return raw.text
    if modality == "image":
        return Pillow.fromarray(raw.pixels)
    if modality == "audio":
        return {"array": resampled(raw.samples, raw.rate, 16_000), "sampling_rate": 16_000}
    frames = list(map(Pillow.fromarray, PICTURE_INPUTS["video"].pictures(raw, FRAMES)))
    times = {"fps": FRAMES / raw.duration_s, "duration": raw.duration_s, "total_num_frames": FRAMES}
    return {"array": frames, "video_metadata": times | {"frames_indices": list(range(FRAMES))}}


@pytest.mark.skipif(not SEES, reason="needs torchvision")
def test_items_of_all_kinds_and_together_are_the_librarys_own(folder):
    from sentence_transformers import SentenceTransformer

    backbone = create_backbone(f"sentence_transformers:{folder}", frames=FRAMES)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    for modality in ("text", "image", "audio", "video"):
        ours = backbone.encode(modality, collate([backbone.preprocess(modality, raw) for raw in RAW[modality]]))
        items = [explicit(modality, raw) for raw in RAW[modality]]
        chosen = {"processing_kwargs": {"video": {"do_sample_frames": False}}} if modality == "video" else {}
        theirs = model.encode_document(items, **chosen)
        assert np.abs(ours.numpy() - theirs).max() < 1e-6
    for kinds in (("image", "text"), ("text", "audio"), ("image", "audio", "text")):
        item = Interleaved(tuple(RAW[kind][0] for kind in kinds))
        ours = backbone.encode(item.modality, collate([backbone.preprocess(item.modality, item)]))
        theirs = model.encode_document([{kind: explicit(kind, RAW[kind][0]) for kind in kinds}])
        torch.testing.assert_close(ours, torch.from_numpy(theirs), atol=1e-6, rtol=0)
    assert backbone.contract("video").preprocessing["clip"]


@pytest.mark.skipif(SEES, reason="torchvision is there")
def test_the_library_that_a_processor_lacks_is_named(folder):
    with pytest.raises(UnibindError, match=r"needs another library \(EmbeddingGemma2VideoProcessor requires the Torch"):
        create_backbone(f"sentence_transformers:{folder}")
