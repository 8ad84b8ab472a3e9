"""Checkpoints of layers as BitNet quantises them, weights and activations: tests/data/models/{bitnet,llama}/ternary_*.

A value that activations round to may be near another: the seed advances until none is, in any pass.
"""

import os

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # bitnet.py compiles its functions
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import torch
import transformers
from transformers.integrations import bitnet

import common
from common import ids, padded_batch, write_case
from decoders import LLAMA

CLEAR = 5e-5  # of an activation, in steps, from the middle of two


class Rounding(common.Routing):
    """Routing whose gap says of activations, too, how clear their rounding is."""

    def __enter__(self):
        self.own = {layer: layer.forward for layer in (bitnet.BitLinear, bitnet.AutoBitLinear)}
        for layer, forward in self.own.items():

            def seen(module, x, forward=forward):
                steps = x * (127 / x.abs().max(dim=-1, keepdim=True).values.clamp(min=1e-5))
                steps = steps[steps.abs() < 126.9]  # the largest is 127
                middle = (steps - steps.floor() - 0.5).abs().min().item()
                self.gap = min(self.gap, middle / CLEAR * common.MIN_MARGIN)
                return forward(module, x)

            layer.forward = seen
        return super().__enter__()

    def __exit__(self, *error):
        for layer, forward in self.own.items():
            layer.forward = forward
        return super().__exit__(*error)


def is_layer(name):
    return name.endswith("proj.weight")


def packed(tensors, without=()):
    out = dict(tensors)
    for name, weight in tensors.items():
        if is_layer(name) and not any(layer in name for layer in without):
            mean = weight.abs().mean()
            out[name] = bitnet.pack_weights((weight / mean).round().clamp(-1, 1))
            out[name + "_scale"] = mean.reshape(1)
    return out


def passes(rng, config):
    return {
        "single": {"input_ids": ids(rng, config.vocab_size, 1, 5)},
        "left_padded": padded_batch(rng, config.vocab_size, [4, 2], "left"),
    }


def generations(rng, config):
    return {"greedy": {"input_ids": ids(rng, config.vocab_size, 1, 3), "options": dict(max_new_tokens=7)}}


def write(arch, case, prefix, quantization, tensors_edit, scale=None, **fields):
    config_class = getattr(transformers, prefix + "Config")

    def make():
        torch.manual_seed(0)  # codes are stored as they are
        return getattr(transformers, prefix + "ForCausalLM")(config_class(**{**LLAMA, **fields}))

    def edit(config):
        config["quantization_config"] = {"quant_method": "bitnet", **quantization}

    weights = dict(special=[(r"weight_scale$", *scale)]) if scale else {}
    write_case(arch, case, make, passes, generations, config_edit=edit, tensors_edit=tensors_edit, weights=weights)


def main():
    common.Routing = Rounding
    auto = dict(linear_class="autobitlinear")
    sizes = dict(num_key_value_heads=2)
    write("bitnet", "ternary_packed", "BitNet", dict(auto, quantization_mode="offline"), packed, (0.28, 0.06), **sizes)
    write("bitnet", "ternary_online", "BitNet", dict(auto, quantization_mode="online"), None, **sizes)
    kept = ["lm_head", "model.layers.1.mlp.up_proj", "layers.0.self_attn.o_proj"]
    some = lambda tensors: packed(tensors, kept)
    write("llama", "ternary_packed", "Llama", dict(modules_to_not_convert=kept), some, (3.6, 0.7), **sizes)


if __name__ == "__main__":
    main()
