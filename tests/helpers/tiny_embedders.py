"""Tiny models of sentence-transformers with random weights, saved by that library from `tiny_models`."""

import json

import torch

from tests.helpers import tiny_models


def plain(root, kind, **options):
    """A model of transformers in a folder of its own."""
    folder = root / f"plain_{kind}"
    folder.mkdir()
    getattr(tiny_models, kind)(folder, **options)
    return folder


def saved(model, folder, **settings):
    """The folder of a saved model, whose card has no example: the library computes those from a fixed sentence."""
    model.save(str(folder), create_model_card=False)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")
    change(folder / "config_sentence_transformers.json", **settings)
    return folder


def change(path, **settings):
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def texts(root, seed=0, pooling="mean"):
    """A sentence embedder with prompts, and a projection whose leading numbers can be kept."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    torch.manual_seed(seed)
    transformer = Transformer(str(plain(root, "sentence", seed=seed)))
    modules = [transformer, Pooling(32, pooling), Dense(32, 24)]
    prompts = {"query": "red ", "document": "a dog of ", "other": "rain "}
    return saved(SentenceTransformer(modules=modules, prompts=prompts, device="cpu"), root / "texts")


def clip(root):
    from sentence_transformers import SentenceTransformer

    return saved(SentenceTransformer(str(plain(root, "clip")), device="cpu"), root / "clip")


def clap(root):
    from sentence_transformers import SentenceTransformer

    folder = plain(root, "clap")
    change(folder / "tokenizer_config.json", model_max_length=18)  # it has 20 positions, and two come before texts
    return saved(SentenceTransformer(str(folder), device="cpu"), root / "clap")


def routed(root):
    """Texts and pictures by routes of their own."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Router, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    torch.manual_seed(3)
    text = [Transformer(str(plain(root, "sentence"))), Pooling(32, "mean"), Dense(32, 24)]
    image = [Transformer(str(plain(root, "dinov2"))), Pooling(32, "cls"), Dense(32, 24)]
    router = Router({"text": text, "image": image}, default_route="text")
    return saved(SentenceTransformer(modules=[router, Normalize()], device="cpu"), root / "routed")


def asymmetric(root):
    """Queries and documents by models of their own."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding

    torch.manual_seed(6)
    document = [Transformer(str(plain(root, "sentence"))), Pooling(32, "mean")]
    query = [StaticEmbedding(document[0].tokenizer.backend_tokenizer, embedding_dim=32)]
    router = Router.for_query_document(query_modules=query, document_modules=document)
    return saved(SentenceTransformer(modules=[router], device="cpu"), root / "asymmetric")


def static(root):
    """Words without context, in a route beside pictures."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding

    torch.manual_seed(4)
    words = Transformer(str(plain(root, "sentence"))).tokenizer.backend_tokenizer
    image = [Transformer(str(plain(root, "dinov2"))), Pooling(32, "mean")]
    router = Router({"text": [StaticEmbedding(words, embedding_dim=32)], "image": image}, default_route="text")
    return saved(SentenceTransformer(modules=[router], device="cpu"), root / "static")


def sounds(root):
    """Recordings alone."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    folder = root / "plain_wav2vec2"
    folder.mkdir()
    config = Wav2Vec2Config(
        **tiny_models.SIZES, conv_dim=(16, 16), conv_kernel=(10, 3), conv_stride=(5, 2), num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2, mask_time_prob=0.0, do_stable_layer_norm=True, feat_extract_norm="layer",
    )  # fmt: skip
    Wav2Vec2FeatureExtractor(sampling_rate=4_000, return_attention_mask=True).save_pretrained(folder)
    letters = ("<pad>", "<s>", "</s>", "<unk>", "|", *tiny_models.LETTERS)
    tiny_models.write_json(folder / "vocab.json", {letter: i for i, letter in enumerate(letters)})
    tiny_models.save(folder, Wav2Vec2Model(config))
    modules = [Transformer(str(folder)), Pooling(32, "mean")]
    return saved(SentenceTransformer(modules=modules, device="cpu"), root / "sounds")


def words(root):
    """Words without context, and nothing else."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.manual_seed(5)
    tokenizer = Transformer(str(plain(root, "sentence"))).tokenizer.backend_tokenizer
    return saved(
        SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=32)], device="cpu"), root / "words"
    )


TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image> {% elif part['type'] == 'text' %}{{ part['text'] }} {% endif %}"
    "{% endfor %}{% endfor %}</s>"
)


def messages(root):
    """A model of texts and pictures in messages, which is asked by a prompt: LLaVA, pooled at its last token."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaModel

    folder = root / "plain_llava"
    folder.mkdir()
    names = ("<pad>", "<unk>", "<s>", "</s>", "<image>", "user", "system", *tiny_models.WORDS, *tiny_models.LETTERS)
    tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    more = {"additional_special_tokens": ["<image>"], "model_max_length": 128, "padding_side": "left"}
    tiny_models.write_json(
        folder / "tokenizer_config.json", special | more | {"tokenizer_class": "PreTrainedTokenizerFast"}
    )
    tiny_models.picture_processor(
        folder, "CLIPImageProcessor", {"shortest_edge": 32}, do_center_crop=True, crop_size={"height": 32, "width": 32}
    )
    settings = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    tiny_models.write_json(
        folder / "processor_config.json", {"processor_class": "LlavaProcessor", "image_token": "<image>", **settings}
    )
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**tiny_models.SIZES, image_size=32, patch_size=8),
        text_config=LlamaConfig(
            **tiny_models.SIZES, vocab_size=len(names), max_position_embeddings=128, pad_token_id=0, bos_token_id=2,
            eos_token_id=3,
        ),
        image_token_index=4,
    )  # fmt: skip
    tiny_models.save(folder, LlavaModel(config))
    modules = [Transformer(str(folder)), Pooling(32, "lasttoken")]
    prompts = {"query": "a dog of", "document": "blue"}
    return saved(SentenceTransformer(modules=modules, prompts=prompts, device="cpu"), root / "messages")
