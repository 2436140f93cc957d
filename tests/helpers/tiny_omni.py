"""EmbeddingGemma 2 with tiny random weights, in the files that it is published as."""

from tests.helpers import tiny_models
from tests.helpers.tiny_models import write_json

MEDIA = {
    "image_token": "<|image|>",
    "boi_token": "<|image>",
    "eoi_token": "<image|>",
    "audio_token": "<|audio|>",
    "boa_token": "<|audio>",
    "eoa_token": "<audio|>",
}
SPECIAL = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"}
NAMES = (*SPECIAL.values(), *MEDIA.values(), "<|video|>", "user", "system", *tiny_models.WORDS, *tiny_models.LETTERS)
IDS = {name: i for i, name in enumerate(NAMES)}
PARTS = {"image": "<|image|>", "audio": "<|audio|>", "video": "<|video|>"}


def template():
    cases = "".join(f"{{% elif part['type'] == '{kind}' %}}{token} " for kind, token in PARTS.items())
    part = "{% if part['type'] == 'text' %}{{ part['text'] }} " + cases + "{% endif %}"
    parts = "{% for part in message['content'] %}" + part + "{% endfor %}"
    return "{% for message in messages %}{{ message['role'] }} " + parts + "{% endfor %}<eos>"


def omni(folder):
    """The folder of a model of texts, pictures, recordings and videos, alone or together."""
    from transformers import EmbeddingGemma2Config, EmbeddingGemma2Model

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    narrow = {"head_dim": 8, "global_head_dim": 16, "hidden_size_per_layer_input": 16, "embedding_dim": 24}
    audio = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "output_proj_dims": 48}
    tokens = {f"{name}_id": IDS[token] for name, token in MEDIA.items() if name != "eoa_token"}
    config = EmbeddingGemma2Config(
        text_config=sizes | narrow | {"vocab_size": len(NAMES), "num_key_value_heads": 2},
        vision_config=sizes | {"head_dim": 8, "num_key_value_heads": 4},
        audio_config=audio | {"subsampling_conv_channels": [128, 4]},
        eoa_token_index=IDS["<audio|>"],
        video_token_id=IDS["<|video|>"],
        **tokens,
    )
    model = EmbeddingGemma2Model(config).eval()
    model.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    _write_processor(folder)
    _write_modules(folder)
    return folder


def _write_processor(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(IDS, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([*SPECIAL.values(), *MEDIA.values(), "<|video|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    kind = {"tokenizer_class": "TokenizersBackend", "backend": "tokenizers", "model_max_length": 4096}
    write_json(folder / "tokenizer_config.json", kind | SPECIAL | MEDIA | {"extra_special_tokens": ["<|video|>"]})
    (folder / "chat_template.jinja").write_text(template())
    write_json(
        folder / "processor_config.json",
        {
            "processor_class": "EmbeddingGemma2Processor",
            "feature_extractor": {"feature_extractor_type": "Gemma4AudioFeatureExtractor"},
            "image_processor": {"image_processor_type": "Gemma4ImageProcessor"},
            "video_processor": {"video_processor_type": "EmbeddingGemma2VideoProcessor"},
        },
    )


def _write_modules(folder):
    library = "sentence_transformers"
    kinds = {
        "": f"{library}.base.modules.transformer.Transformer",
        "1_Pooling": f"{library}.sentence_transformer.modules.pooling.Pooling",
        "2_Normalize": f"{library}.base.modules.normalize.Normalize",
    }
    modules = [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (path, kind) in enumerate(kinds.items())]
    write_json(folder / "modules.json", modules)
    reads = {"method": "forward", "method_output_name": "last_hidden_state"}
    modalities = dict.fromkeys(("text", "image", "audio", "video"), reads) | {
        "message": reads | {"format": "structured"}
    }
    write_json(
        folder / "sentence_bert_config.json",
        {
            "transformer_task": "feature-extraction",
            "modality_config": modalities,
            "module_output_name": "token_embeddings",
        },
    )
    write_json(folder / "1_Pooling" / "config.json", {"embedding_dimension": 24, "pooling_mode": "mean"})
    write_json(folder / "2_Normalize" / "config.json", {})
    prompts = {"query": "a dog of", "document": ""}
    write_json(folder / "config_sentence_transformers.json", {"model_type": "SentenceTransformer", "prompts": prompts})
