"""The backbone `sentence_transformers`, compared with the library's own `encode` (see `tiny_embedders`)."""

import json
import pickle
import shutil
from fnmatch import fnmatch

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from tests.backbones.test_transformers import RAW, recording
from tests.helpers import tiny_embedders
from unibind.backbones import Backbone, License, as_queries, create_backbone
from unibind.backbones._shared.batching import collate
from unibind.backbones._shared.minilm import model_folder
from unibind.backbones._shared.picture_inputs import PICTURE_INPUTS
from unibind.backbones.sentence_transformers.packing import pack, unpack
from unibind.errors import ContractError, MissingExtraError, MissingFileError, UnibindError, UnknownNameError
from unibind.modalities.audio import Audio
from unibind.modalities.interleaved import Interleaved
from unibind.modalities.text import Text

pytestmark = pytest.mark.slow  # the library takes seconds to import
KINDS = ("texts", "clip", "clap", "routed", "static", "sounds", "words", "messages", "asymmetric")
SEEN = tuple(PICTURE_INPUTS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folder of every model, each saved once."""
    root = tmp_path_factory.mktemp("embedders")
    made = {}
    for kind in KINDS:
        (root / kind).mkdir()
        made[kind] = getattr(tiny_embedders, kind)(root / kind)
    return made


@pytest.fixture
def folder(folders, tmp_path):
    """A private copy of a model's folder, to be changed."""

    def copy(kind):
        return shutil.copytree(folders[kind], tmp_path / kind)

    return copy


def create(folder, **options):
    return create_backbone(f"sentence_transformers:{folder}", **options)


def embed(backbone, modality, raws):
    return backbone.encode(modality, collate([backbone.preprocess(modality, raw) for raw in raws]))


def own(folder, **options):
    """The library's own model."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True, **options)


def unit(array):
    return torch.nn.functional.normalize(torch.as_tensor(array), dim=-1)


def close(ours, theirs):
    torch.testing.assert_close(ours, unit(theirs), atol=1e-6, rtol=0)


# --- against the library's own encode ------------------------------------------------------------------------------


def test_minilm_is_the_librarys_own():
    texts = ["a red dog", "http://somewhere.org/dog.jpg", "Rain! " * 300]
    ours = embed(create(model_folder()), "text", list(map(Text, texts)))
    assert torch.equal(ours, own(model_folder()).encode(texts, convert_to_tensor=True, normalize_embeddings=True))


def test_minilm_agrees_with_the_packaged_tower():
    texts = [Text("a red dog"), Text("Rain!")]
    ours, packaged = embed(create(model_folder()), "text", texts), embed(create_backbone("mini"), "text", texts)
    torch.testing.assert_close(ours, packaged, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["clip", "routed", "static"])
def test_texts_and_pictures_are_the_librarys_own(folders, kind):
    backbone, model = create(folders[kind]), own(folders[kind])
    assert isinstance(backbone, Backbone)
    assert backbone.modalities == ("text", *SEEN)
    close(embed(backbone, "text", RAW["text"]), model.encode([raw.text for raw in RAW["text"]]))
    pictures = [Pillow.fromarray(raw.pixels) for raw in RAW["image"]]
    close(embed(backbone, "image", RAW["image"]), model.encode(pictures))
    frames = PICTURE_INPUTS["video"].pictures(RAW["video"][0], 8)
    close(embed(backbone, "video", RAW["video"])[0], unit(model.encode(list(map(Pillow.fromarray, frames)))).mean(0))


def test_words_without_context_are_the_librarys_own(folders):
    close(
        embed(create(folders["words"]), "text", RAW["text"]),
        own(folders["words"]).encode([t.text for t in RAW["text"]]),
    )


def test_messages_are_the_librarys_own_with_the_prompt_for_pictures_too(folders):
    backbone, model = create(folders["messages"]), own(folders["messages"])
    assert "message" in model.modalities and backbone.modalities == ("text", *SEEN)
    close(embed(backbone, "text", RAW["text"]), model.encode_document([raw.text for raw in RAW["text"]]))
    pictures = [Pillow.fromarray(raw.pixels) for raw in RAW["image"]]
    asked = model.encode_document(pictures)
    close(embed(backbone, "image", RAW["image"]), asked)
    assert np.abs(asked - model.encode_query(pictures)).max() > 1e-3
    assert backbone.contract("image").preprocessing["prompt"] == "blue"
    assert create(folders["messages"], prompt="query").contract("image").hash != backbone.contract("image").hash


@pytest.mark.parametrize("modality", ["thermal", "depth", "event"])
def test_what_can_be_drawn_is_seen(folders, modality):
    (raw,) = RAW[modality]
    drawn = Pillow.fromarray(PICTURE_INPUTS[modality].pictures(raw, 1)[0])
    close(embed(create(folders["clip"]), modality, [raw])[0], own(folders["clip"]).encode(drawn))


@pytest.mark.parametrize(("kind", "rate"), [("clap", 8_000), ("sounds", 4_000)])
def test_recordings_are_the_librarys_own_at_its_rate(folders, kind, rate):
    backbone, model = create(folders[kind]), own(folders[kind])
    recordings = [recording(seconds, rate=rate, seed=i) for i, seconds in enumerate((0.3, 1.0, 0.7))]
    theirs = model.encode([{"array": raw.samples, "sampling_rate": rate} for raw in recordings])
    close(embed(backbone, "audio", recordings), theirs)


def test_recordings_of_several_rates_share_a_batch(folders):
    seconds = np.arange(16_000) / 16_000
    tone = np.sin(2 * np.pi * 200 * seconds).astype(np.float32)
    backbone = create(folders["sounds"])
    high, low = embed(backbone, "audio", [Audio(tone, 16_000), Audio(tone[::4].copy(), 4_000)])
    assert high @ low > 0.999


def test_long_recordings_are_not_cut_at_random(folders):
    backbone = create(folders["clap"], modalities=["audio"])
    long = recording(2.0, rate=8_000)
    middle = Audio(long.samples[4_000:12_000], 8_000)
    assert torch.equal(backbone.preprocess("audio", long), backbone.preprocess("audio", middle))
    assert backbone.contract("audio").preprocessing["middle_samples"] == 8_000


def test_a_text_that_looks_like_a_file_is_a_text(folders, tmp_path):
    Pillow.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    for text in (str(tmp_path / "red.png"), "http://somewhere.org/red.png"):
        for kind in ("clip", "routed"):
            close(embed(create(folders[kind]), "text", [Text(text)]), own(folders[kind]).encode([{"text": text}]))
    words, model = create(folders["static"]), own(folders["static"])  # its texts must be bare
    expected = model.encode([{"text": "a red dog"}["text"], "rain"])
    close(embed(words, "text", [Text("a red dog"), Text("rain")]), expected)


def test_items_of_different_sizes_share_a_batch(folders):
    backbone = create(folders["clip"])
    raws = [*RAW["image"], type(RAW["image"][0])(RAW["image"][0].pixels[:20, :30])]
    rows = [backbone.preprocess("image", raw) for raw in raws]
    assert len({len(row) for row in rows}) == 2
    together = backbone.encode("image", collate(rows))
    alone = torch.cat([embed(backbone, "image", [raw]) for raw in raws])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    assert together.dtype == torch.float32 and not together.is_inference()
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(len(raws)))


@pytest.mark.parametrize("padding", [0, 1, 70_000])
def test_packed_arrays_come_back(padding):
    arrays = {"a": np.arange(12, dtype=np.float32).reshape(3, 4).T, "b": np.array(2.5), "c": np.zeros(0, np.uint8)}
    row = torch.nn.functional.pad(pack(arrays), (0, padding))
    again = unpack(row)
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        assert again[name].dtype == array.dtype and np.array_equal(again[name], array)


# --- items of several parts ----------------------------------------------------------------------------------------


def test_a_picture_and_a_text_become_one_vector(folders):
    backbone, model = create(folders["messages"]), own(folders["messages"])
    (picture, other, _), (text, short, _) = RAW["image"], RAW["text"]
    pairs = [Interleaved((picture, text)), Interleaved((other, short))]
    theirs = [{"image": Pillow.fromarray(p.pixels), "text": t.text} for p, t in ((picture, text), (other, short))]
    together = embed(backbone, "image+text", pairs)
    close(together, model.encode_document(theirs))
    turned = embed(backbone, "image+text", [Interleaved((text, picture))])
    close(turned, model.encode_document([{"text": text.text, "image": Pillow.fromarray(picture.pixels)}]))
    assert (turned[0] - together[0]).abs().max() > 1e-3
    drawn = PICTURE_INPUTS["thermal"].pictures(RAW["thermal"][0], 1)[0]
    close(
        embed(backbone, "image+text+thermal", [Interleaved((picture, RAW["thermal"][0], text))]),
        model.encode_document([{"image": list(map(Pillow.fromarray, (picture.pixels, drawn))), "text": text.text}]),
    )


def test_the_contract_of_several_parts_has_those_of_each(folders):
    backbone = create(folders["messages"])
    joint = backbone.contract("image+text")
    assert joint.preprocessing["parts"]["image"]["picture"] == "unchanged"
    assert joint.shares_space(backbone.contract("text")) and joint.modality == "image+text"
    joint.check_comparable(backbone.contract("image"))


def test_models_that_read_one_part_at_a_time_say_so(folders):
    for kind in ("clip", "routed"):
        backbone = create(folders[kind])
        assert backbone.combined == ()
        with pytest.raises(UnibindError, match="does not embed several parts as one vector; pass a list"):
            embed(backbone, "image+text", [Interleaved((RAW["image"][0], RAW["text"][0]))])
    with pytest.raises(UnknownNameError, match="unknown modality 'audio'"):
        create(folders["messages"]).preprocess("audio+text", Interleaved((RAW["audio"][0], RAW["text"][0])))


# --- prompts, width, precision, contracts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ({}, {"prompt_name": "document"}),
        ({"prompt": "query"}, {"prompt_name": "query"}),
        ({"prompt": "other"}, {"prompt_name": "other"}),
        ({"prompt": "query", "instruction": "blue "}, {"prompt": "blue "}),
        ({"instruction": ""}, {"prompt": ""}),
    ],
)
def test_prompts_come_before_texts_and_are_in_the_contract(folders, options, theirs):
    backbone, plain = create(folders["texts"], **options), create(folders["texts"], instruction="green ")
    close(embed(backbone, "text", RAW["text"]), own(folders["texts"]).encode([t.text for t in RAW["text"]], **theirs))
    assert backbone.contract("text").shares_space(plain.contract("text"))
    assert backbone.contract("text").hash != plain.contract("text").hash
    with pytest.raises(ContractError, match="differ in preprocessing"):
        backbone.contract("text").check_comparable(plain.contract("text"))


def test_the_prompt_of_documents_may_be_that_of_passages(folder):
    changed = folder("texts")
    tiny_embedders.change(changed / "config_sentence_transformers.json", prompts={"query": "red ", "passage": "a car "})
    close(
        embed(create(changed), "text", RAW["text"]),
        own(changed).encode([t.text for t in RAW["text"]], prompt_name="passage"),
    )


def test_queries_and_documents_may_have_models_of_their_own(folders):
    backbone, model = create(folders["asymmetric"]), own(folders["asymmetric"])
    texts = [raw.text for raw in RAW["text"]]
    close(embed(backbone, "text", RAW["text"]), model.encode_document(texts))
    queries = as_queries(backbone)
    close(embed(queries, "text", RAW["text"]), model.encode_query(texts))
    assert (embed(queries, "text", RAW["text"]) - embed(backbone, "text", RAW["text"])).abs().max() > 0.01
    assert queries.contract("text").hash != backbone.contract("text").hash


def test_an_unknown_prompt_lists_those_of_the_model(folders):
    with pytest.raises(UnknownNameError, match="unknown prompt 'title'; choose one of: document, query, other"):
        create(folders["texts"], prompt="title")


def test_leading_numbers_are_kept_at_unit_length(folders):
    backbone, full = create(folders["texts"], truncate_dim=8), create(folders["texts"])
    assert (backbone.dim, full.dim) == (8, 24)
    texts = [t.text for t in RAW["text"]]
    close(
        embed(backbone, "text", RAW["text"]),
        own(folders["texts"], truncate_dim=8).encode(texts, prompt_name="document"),
    )
    with pytest.raises(ContractError, match=r"live in the space .*\[:8\] and"):
        backbone.contract("text").check_comparable(full.contract("text"))
    assert create(folders["texts"], truncate_dim=24).contract("text") == full.contract("text")
    for wrong in (25, 0):
        with pytest.raises(
            UnibindError, match=f"truncate_dim is {wrong}, but the vectors of this model have 24 numbers"
        ):
            create(folders["texts"], truncate_dim=wrong)


def test_contracts_differ_where_anything_differs(folder, folders, tmp_path):
    base = create(folders["texts"]).contract("text")
    (tmp_path / "again").mkdir()
    other_weights = create(tiny_embedders.texts(tmp_path / "again", seed=1)).contract("text")
    (tmp_path / "pooled").mkdir()
    other_pooling = create(tiny_embedders.texts(tmp_path / "pooled", pooling="cls")).contract("text")
    assert not base.shares_space(other_weights) and base.weights != other_weights.weights
    assert not base.shares_space(other_pooling)
    shorter = folder("texts")
    tiny_embedders.change(shorter / "tokenizer_config.json", model_max_length=9)
    contracts = [base, other_weights, other_pooling, create(shorter).contract("text")]
    contracts += [create(folders["texts"], **options).contract("text") for options in (
        {"precision": "bfloat16"}, {"prompt": "query"}, {"instruction": ""}, {"truncate_dim": 8})]  # fmt: skip
    assert len({contract.hash for contract in contracts}) == len(contracts)


def test_contracts_do_not_depend_on_where_or_how_a_model_is_stored(folder, folders):
    copy = folder("texts")
    (copy / "README.md").write_text("---\nlicense: mit\n---\n")
    tiny_embedders.change(copy / "config.json", transformers_version="4.9", dtype="bfloat16")
    assert create(copy).contract("text") == create(folders["texts"]).contract("text")
    seen = create(folders["clip"], frames=3)
    assert seen.contract("video").hash != create(folders["clip"]).contract("video").hash
    assert seen.contract("image") == create(folders["clip"]).contract("image")


def test_bfloat16_is_near_float32(folders):
    for kind in ("clip", "routed"):
        rounded, exact = create(folders[kind], precision="bfloat16"), create(folders[kind])
        for modality in ("text", "image"):
            near = (embed(rounded, modality, RAW[modality]) * embed(exact, modality, RAW[modality])).sum(-1)
            assert near.min() > 0.98 and near.max() < 1.0001
        assert rounded.logit_scale == exact.logit_scale


def test_options_rebuild_the_backbone(folders):
    backbone = create(folders["texts"], prompt="query", truncate_dim=8, precision="bfloat16", frames=2)
    assert create_backbone(backbone.name, **json.loads(json.dumps(backbone.options))).contract(
        "text"
    ) == backbone.contract("text")


def test_license_and_scale_are_the_models(folders, folder):
    model = own(folders["clip"])
    backbone = create(folders["clip"])
    assert backbone.license == License("Apache-2.0", commercial=True)
    assert backbone.logit_scale == pytest.approx(model.transformers_model.logit_scale.exp().item())
    assert (create(folders["texts"]).logit_scale, create(folders["routed"]).logit_scale) == (20.0, 20.0)
    unlicensed = folder("texts")
    (unlicensed / "README.md").unlink()
    assert not create(unlicensed).license.commercial


def test_a_worker_gets_no_weights_and_prepares_the_same(folders):
    backbone = create(folders["clip"])
    sent = pickle.dumps(backbone)
    assert len(sent) < 10_000
    again = pickle.loads(sent)
    for modality in ("text", "image", "event"):
        assert torch.equal(
            again.preprocess(modality, RAW[modality][0]), backbone.preprocess(modality, RAW[modality][0])
        )


def test_only_requested_modalities_are_offered(folders):
    backbone = create(folders["clip"], modalities=["image"])
    assert backbone.modalities == ("image",)
    with pytest.raises(UnknownNameError, match="unknown modality 'text'"):
        backbone.preprocess("text", RAW["text"][0])
    with pytest.raises(UnknownNameError, match="unknown modality 'audio'"):
        create(folders["clip"], modalities=["audio"])


# --- what is refused -----------------------------------------------------------------------------------------------


def test_code_of_a_model_is_never_run(folder, tmp_path):
    foreign = folder("texts")
    ran = tmp_path / "ran"
    (foreign / "own_module.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Own: pass\n")
    modules = json.loads((foreign / "modules.json").read_text())
    modules[1]["type"] = "own_module.Own"
    (foreign / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(
        UnibindError, match=r"needs code of its own, the class own_module.Own, which unibind never runs"
    ):
        create(foreign)
    assert not ran.exists()


def test_code_in_a_route_is_never_run(folder):
    foreign = folder("routed")
    config = json.loads((foreign / "router_config.json").read_text())
    name = next(name for name, kind in config["types"].items() if kind.endswith("Dense"))
    config["types"][name] = "os.system"
    (foreign / "router_config.json").write_text(json.dumps(config))
    with pytest.raises(UnibindError, match=r"the class os.system, which unibind never runs"):
        create(foreign)


def test_a_model_that_needs_remote_code_is_refused(folder):
    foreign = folder("texts")
    tiny_embedders.change(foreign / "config.json", model_type="own", auto_map={"AutoConfig": "own.Config"})
    with pytest.raises(UnibindError, match=r"the modules of the model in .* cannot be read: ValueError"):
        create(foreign)


def test_downloaded_kernels_are_refused(folder):
    foreign = folder("texts")
    tiny_embedders.change(
        foreign / "sentence_bert_config.json", model_args={"attn_implementation": "kernels-community/flash"}
    )
    with pytest.raises(UnibindError, match="asks for downloaded kernels"):
        create(foreign)


def test_pickled_weights_are_refused(folder):
    pickled = folder("texts")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(UnibindError, match="are pickled; save the model again as safetensors"):
        create(pickled)


def test_models_of_other_kinds_are_refused(folder):
    ranks = folder("texts")
    tiny_embedders.change(ranks / "config_sentence_transformers.json", model_type="CrossEncoder")
    with pytest.raises(UnibindError, match="is a CrossEncoder, which does not give one vector per item"):
        create(ranks)


def test_an_adapter_is_refused(folder):
    adapted = folder("texts")
    (adapted / "adapter_config.json").write_text("{}")
    with pytest.raises(UnibindError, match="is an adapter; merge it"):
        create(adapted)


def test_a_missing_weight_is_refused(folder):
    from safetensors.torch import load_file, save_file

    lacking = folder("clip")
    state = load_file(lacking / "model.safetensors")
    del state["visual_projection.weight"]
    save_file(state, lacking / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UnibindError, match=r"lacks 1 weights of CLIPModel, e.g. visual_projection.weight"):
        create(lacking)


def test_missing_and_damaged_folders_are_one_sentence(folder, tmp_path):
    with pytest.raises(UnibindError, match="write sentence_transformers:REPO_OR_DIR"):
        create_backbone("sentence_transformers")
    with pytest.raises(MissingFileError, match="does not exist"):
        create(tmp_path / "nowhere")
    with pytest.raises(MissingFileError, match="is not a model: it has neither"):
        create(tmp_path)
    damaged = folder("texts")
    (damaged / "model.safetensors").write_bytes(b"short")
    with pytest.raises(UnibindError, match=r"the modules of the model in .* cannot be read"):
        create(damaged)


@pytest.mark.parametrize(
    "content", ["{}", "[1]", '[{"type": 1}]', '[{"type": "os.system", "path": ".."}]', "[", "null"]
)
def test_a_damaged_list_of_modules_is_one_sentence(folder, content):
    damaged = folder("texts")
    (damaged / "modules.json").write_text(content)
    with pytest.raises(UnibindError) as refused:
        create(damaged)
    assert str(damaged) in str(refused.value) and "\n" not in str(refused.value)


def test_a_model_on_the_hub_is_downloaded_with_all_its_modules(folders, monkeypatch, tmp_path):
    source = folders["routed"]
    files = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]
    asked = {}

    def download(name, *, revision, allow_patterns):
        asked[name] = revision
        for file in files:
            if any(fnmatch(file, pattern) for pattern in allow_patterns):  # as huggingface_hub matches
                (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source / file, tmp_path / file)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    fetched = create_backbone("sentence_transformers:maker/routed", revision="v1")
    assert asked == {"maker/routed": "v1"} and fetched.options["revision"] == "v1"
    assert fetched.contract("image") == create(source).contract("image")
    assert torch.equal(embed(fetched, "text", RAW["text"]), embed(create(source), "text", RAW["text"]))


def test_the_library_is_an_extra(folders, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'unibind\[sentence_transformers\]'"):
        create(folders["texts"])
