"""Tiny models of every supported architecture with random weights, saved in the same files as real ones."""

import json

import torch

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ("a", "red", "green", "blue", "dog", "car", "sound", "of", "rain")


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def save(folder, model, seed=0, license="mit"):
    """Random weights from a seed, larger than a usual initialization, so that inputs get distinct embeddings."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 or "bias" in name or "embedding" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
    model.eval().save_pretrained(folder)
    (folder / "README.md").write_text(f"---\nlicense: {license}\n---\n# A model\n")
    return model


def byte_pairs(folder, special, kind, end_of_word="", **tokens):
    """vocab.json and merges.txt; `special` are the first tokens (RoBERTa) or, with an end of word, the last (CLIP)."""
    pieces = [*LETTERS, *"0123456789!.,"]
    pieces += [p + end_of_word for p in pieces] if end_of_word else ["Ġ"]
    merges = [f"r e{end_of_word}", "d o"] if end_of_word else ["r e", "d o"]
    pieces += [m.replace(" ", "") for m in merges]
    names = [*pieces, *special] if end_of_word else [*special, *pieces]
    write_json(folder / "vocab.json", {name: i for i, name in enumerate(names)})
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": kind, **tokens})
    return len(names)


def picture_processor(folder, kind, size, **settings):
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": kind,
            "do_resize": True,
            "size": size,
            "resample": 3,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [0.5, 0.4, 0.3],
            "image_std": [0.2, 0.25, 0.3],
            **settings,
        },
    )


def clip(folder, seed=0):
    from transformers import CLIPConfig, CLIPModel

    special = ("<|startoftext|>", "<|endoftext|>")
    words = byte_pairs(folder, special, "CLIPTokenizer", "</w>", model_max_length=16)
    start, end = words - 2, words - 1
    text = SIZES | {"vocab_size": words, "max_position_embeddings": 16, "bos_token_id": start, "eos_token_id": end}
    vision = SIZES | {"image_size": 32, "patch_size": 8}
    config = CLIPConfig(text_config=text | {"pad_token_id": 1}, vision_config=vision, projection_dim=24)
    picture_processor(
        folder, "CLIPImageProcessor", {"shortest_edge": 32}, do_center_crop=True, crop_size={"height": 32, "width": 32}
    )
    return save(folder, CLIPModel(config), seed)


def siglip(folder, seed=0):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import SiglipConfig, SiglipModel

    pieces = ["<pad>", "</s>", "<unk>", "▁", *LETTERS, *("▁" + word for word in WORDS)]
    tokenizer = Tokenizer(models.Unigram([(piece, -float(i)) for i, piece in enumerate(pieces)], unk_id=2))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>"}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **special})
    text = SIZES | {"vocab_size": len(pieces), "max_position_embeddings": 12, "projection_size": 32, "pad_token_id": 1}
    config = SiglipConfig(text_config=text, vision_config=SIZES | {"image_size": 32, "patch_size": 8})
    picture_processor(folder, "SiglipImageProcessor", {"height": 32, "width": 32})
    return save(folder, SiglipModel(config), seed, license="apache-2.0")


def clap(folder, seed=0, fused=False):
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    words = byte_pairs(folder, ("<s>", "<pad>", "</s>", "<unk>"), "RobertaTokenizer", model_max_length=512)
    text = SIZES | {"vocab_size": words, "max_position_embeddings": 20, "pad_token_id": 1}
    audio = {
        "spec_size": 64,
        "num_mel_bins": 16,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "window_size": 4,
        "patch_embeds_hidden_size": 16,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "enable_fusion": fused,
        "fusion_type": None,
    }
    config = ClapConfig(text_config=text, audio_config=audio, projection_dim=24)
    settings = {"sampling_rate": 8000, "max_length_s": 1, "hop_length": 100, "fft_window_size": 256}
    extractor = ClapFeatureExtractor(
        feature_size=16, frequency_max=4000, truncation="fusion" if fused else "rand_trunc", **settings
    )
    extractor.save_pretrained(folder)
    return save(folder, ClapModel(config), seed, license="cc-by-nc-4.0")


def sentence(folder, seed=0, pooling=None):
    from transformers import BertConfig, BertModel

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *LETTERS, *("##" + letter for letter in LETTERS)]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(pieces)) + "\n")
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "model_max_length": 512})
    config = BertConfig(**SIZES, vocab_size=len(dict.fromkeys(pieces)), max_position_embeddings=32)
    if pooling:
        modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
        write_json(
            folder / "modules.json",
            [{"idx": i, "path": path, "type": f"sentence_transformers.models.{name}"} for i, (name, path) in
             enumerate(modules)],
        )  # fmt: skip
        write_json(folder / "1_Pooling" / "config.json", pooling)
    return save(folder, BertModel(config, add_pooling_layer=False), seed)


def dinov2(folder, seed=0):
    from transformers import Dinov2Config, Dinov2Model

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = Dinov2Config(**sizes, image_size=32, patch_size=8)
    crop = {"do_center_crop": True, "crop_size": {"height": 32, "width": 32}}
    picture_processor(folder, "BitImageProcessor", {"shortest_edge": 36}, **crop)
    return save(folder, Dinov2Model(config), seed)
