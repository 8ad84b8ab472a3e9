"""Goldens of layers by Transformers: tests/data/layers/*.safetensors. Gradients are those of sum(y * dy)."""

import torch
from transformers import MambaConfig
from transformers.models.mamba.modeling_mamba import MambaMixer
from transformers.models.t5.modeling_t5 import T5Attention

from common import DATA, generator, save


def relative_position_buckets():
    tensors = {}
    for bidirectional in (True, False):
        for buckets, furthest in [(32, 128), (32, 1000), (12, 20), (7, 40), (64, 512)]:
            key = f"{'both' if bidirectional else 'causal'}.{buckets}.{furthest}"
            tensors[key] = T5Attention._relative_position_bucket(
                torch.arange(-1200, 1201), bidirectional, buckets, furthest
            ).to(torch.uint8)
    save(DATA / "layers" / "relative_position_buckets.safetensors", tensors)


def mamba_mixer():
    tensors, rng = {}, generator("mamba_mixer")
    for name, options in [
        ("plain", dict(hidden_size=6, state_size=3, time_step_rank=2)),
        ("biases", dict(hidden_size=10, state_size=5, time_step_rank=3, use_bias=True, conv_kernel=3, hidden_act="gelu")),
        ("no_conv_bias", dict(hidden_size=9, state_size=2, time_step_rank=1, expand=3, use_conv_bias=False)),
    ]:
        mixer = MambaMixer(MambaConfig(num_hidden_layers=1, **options), 0).eval()
        for key, parameter in mixer.named_parameters():
            fan_in = parameter[0].numel() if key.endswith("weight") else 1
            parameter.data.copy_(torch.randn(parameter.shape, generator=rng) / fan_in**0.5)
        x = torch.randn((2, 11, options["hidden_size"]), generator=rng).requires_grad_()
        mask = torch.ones((2, 11), dtype=torch.uint8)
        mask[0, :3] = 0  # padding at the left of one row
        with torch.no_grad():
            tensors |= {f"{name}.mask": mask, f"{name}.masked": mixer(x, attention_mask=mask)}
        y = mixer(x)
        dy = torch.randn(y.shape, generator=rng)
        (y * dy).sum().backward()
        tensors |= {f"{name}.x": x.detach(), f"{name}.y": y.detach(), f"{name}.dy": dy, f"{name}.grad.x": x.grad}
        for key, parameter in mixer.named_parameters():
            tensors[f"{name}.{key}"] = parameter.detach()
            tensors[f"{name}.grad.{key}"] = parameter.grad
    save(DATA / "layers" / "mamba_mixer.safetensors", tensors)


if __name__ == "__main__":
    relative_position_buckets()
    mamba_mixer()
