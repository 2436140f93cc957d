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
