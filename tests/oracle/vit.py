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


def vit(case, head=transformers.ViTForImageClassification, edit=None, **fields):
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
    vit("model", transformers.ViTModel, pooler_output_size=9, pooler_act="gelu")


if __name__ == "__main__":
    main()
