"""Tiny random ViT checkpoints and their goldens: tests/data/models/vit/*."""

import torch
import transformers

from common import edit_tensors, write_case

SIZES = dict(
    hidden_size=20,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=27,
    image_size=13,
    patch_size=4,
    num_channels=3,
    layer_norm_eps=1e-6,
)


def config(**fields):
    return transformers.ViTConfig(**{**SIZES, **fields})


def passes(rng, config):
    size = config.image_size if isinstance(config.image_size, list) else [config.image_size] * 2

    def images(count):
        return {"pixel_values": torch.randn((count, config.num_channels, *size), generator=rng)}

    return {"single": images(1), "batch": images(3)}


def resized(rng, config):
    """Images of other sizes, and one of the config's, whose positions are made to fit."""

    def images(*shape):
        pixels = torch.randn((shape[0], config.num_channels, *shape[1:]), generator=rng)
        return {"pixel_values": pixels, "interpolate_pos_encoding": torch.tensor([1])}

    return {"larger": images(2, 17, 22), "smaller": images(1, 8, 9), "same": images(1, config.image_size, config.image_size)}


def masked(rng, config):
    """Some patches hidden, and none."""
    named = passes(rng, config)
    if config.patch_size == config.encoder_stride:
        patches = (config.image_size // config.patch_size) ** 2
        named["batch"]["bool_masked_pos"] = torch.rand((3, patches), generator=rng) < 0.4
    else:
        pixels = torch.randn((2, config.num_channels, 12, 13), generator=rng)
        named["larger"] = {"pixel_values": pixels, "interpolate_pos_encoding": torch.tensor([1])}
    return named


def vit(case, head=transformers.ViTForImageClassification, edit=None, passes=passes, **fields):
    write_case("vit", case, lambda: head(config(**fields)), passes, tensors_edit=edit)


# In a checkpoint, and what Transformers 5 has between loading and saving.
NAMES_IN_MEMORY = [
    ("encoder.layer.", "layers."),
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
]


def names_in_memory(tensors):
    def renamed(name):
        for old, new in NAMES_IN_MEMORY:
            name = name.replace(old, new)
        return name

    return {renamed(name): tensor for name, tensor in tensors.items()}


def main():
    vit("base", num_labels=5)
    vit("rectangles", image_size=[11, 17], patch_size=[3, 5], num_channels=1, num_labels=3, hidden_act="gelu_new")
    vit("no_bias", qkv_bias=False, num_hidden_layers=3)
    vit("names_in_memory", edit=names_in_memory, num_labels=3)
    images = transformers.ViTForMaskedImageModeling
    vit("masked_image", images, passes=masked, image_size=12, encoder_stride=4)
    small = dict(hidden_size=12, intermediate_size=9, num_hidden_layers=1, num_channels=2, qkv_bias=False)
    vit("other_stride", images, passes=masked, image_size=9, patch_size=3, encoder_stride=2, **small)
    vit("resized", passes=resized, num_labels=4, hidden_size=12, intermediate_size=9, num_channels=1)
    vit("model", transformers.ViTModel, pooler_output_size=9, pooler_act="gelu")


if __name__ == "__main__":
    main()
