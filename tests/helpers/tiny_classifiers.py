"""Tiny classifiers with random weights, saved in the same files as real ones."""

import json

from tests.helpers.tiny_models import SIZES, picture_processor, save, write_json

ANIMALS = ("tabby, tabby cat", "golden_retriever", "fire engine, fire truck", "park bench")
SOUNDS = ("Speech", "Rain", "Dog", "Chainsaw", "Violin, fiddle")
ACTIONS = ("riding a bike", "eating spaghetti", "playing guitar")


def _named(labels):
    return {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}


def vit(folder, labels=ANIMALS, seed=0, license="apache-2.0", **config):
    from transformers import ViTConfig, ViTForImageClassification

    picture_processor(folder, "ViTImageProcessor", {"height": 32, "width": 32})
    made = ViTConfig(**SIZES, image_size=32, patch_size=8, **_named(labels), **config)
    return save(folder, ViTForImageClassification(made), seed, license=license)


def ast(folder, labels=SOUNDS, seed=0, **config):
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    settings = {"max_length": 64, "num_mel_bins": 16}
    ASTFeatureExtractor(**settings, mean=-4.0, std=4.0).save_pretrained(folder)
    made = ASTConfig(**SIZES, **settings, patch_size=8, frequency_stride=8, time_stride=8, **_named(labels), **config)
    return save(folder, ASTForAudioClassification(made), seed, license="bsd-3-clause")


def wav2vec2(folder, labels=SOUNDS, seed=0, **config):
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    Wav2Vec2FeatureExtractor(sampling_rate=8000, do_normalize=True).save_pretrained(folder)
    convolutions = {"conv_dim": (16, 16), "conv_stride": (40, 4), "conv_kernel": (40, 4), "num_feat_extract_layers": 2}
    positions = {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 4, "classifier_proj_size": 16}
    made = Wav2Vec2Config(**SIZES, **convolutions, **positions, **_named(labels), **config)
    return save(folder, Wav2Vec2ForSequenceClassification(made), seed)


def videomae(folder, labels=ACTIONS, seed=0, **config):
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    crop = {"do_center_crop": True, "crop_size": {"height": 32, "width": 32}}
    picture_processor(folder, "VideoMAEImageProcessor", {"shortest_edge": 32}, **crop)
    made = VideoMAEConfig(
        **SIZES, image_size=32, patch_size=8, num_frames=4, tubelet_size=2, **_named(labels), **config
    )
    return save(folder, VideoMAEForVideoClassification(made), seed, license="cc-by-nc-4.0")


def vjepa2(folder, labels=ACTIONS, seed=0, **config):
    from transformers import VJEPA2Config, VJEPA2ForVideoClassification

    picture_processor(folder, "VJEPA2VideoProcessor", {"shortest_edge": 36}, do_center_crop=True, crop_size={
        "height": 32, "width": 32})  # fmt: skip
    facts = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    facts["video_processor_type"] = facts.pop("image_processor_type")
    write_json(folder / "video_preprocessor_config.json", facts)
    sizes = {"hidden_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_ratio": 1.0}
    predictor = {"pred_hidden_size": 24, "pred_num_attention_heads": 1, "pred_num_hidden_layers": 1}
    made = VJEPA2Config(
        **sizes, **predictor, crop_size=32, patch_size=16, frames_per_clip=4, num_pooler_layers=1, **_named(labels)
    )
    return save(folder, VJEPA2ForVideoClassification(made), seed, license="mit")


def whisper(folder, labels=SOUNDS, seed=0, **config):
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForAudioClassification

    WhisperFeatureExtractor().save_pretrained(folder)
    sizes = {"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16}
    sizes |= {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16, "classifier_proj_size": 16}
    tokens = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 1)
    made = WhisperConfig(**sizes, **tokens, vocab_size=10, **_named(labels), **config)
    return save(folder, WhisperForAudioClassification(made), seed)


def vivit(folder, labels=ACTIONS, seed=0, **config):
    from transformers import VivitConfig, VivitForVideoClassification

    crop = {"do_center_crop": True, "crop_size": {"height": 32, "width": 32}}
    picture_processor(folder, "VivitImageProcessor", {"shortest_edge": 36}, **crop, offset=True)
    made = VivitConfig(**SIZES, image_size=32, num_frames=4, tubelet_size=[2, 16, 16], **_named(labels), **config)
    return save(folder, VivitForVideoClassification(made), seed)
