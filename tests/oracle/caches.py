"""Goldens of caches: tests/data/generation/caches.safetensors, what Transformers' cache classes make of random keys and
values, as hft has them, (B,S,H,D). Needs optimum-quanto and gguf.

What is given to a cache is NAME.keys and NAME.values, of layer i NAME.i.keys, one update behind the other along S; what
the last update returns is NAME.all_keys and NAME.all_values.
"""

import sys

import gguf
import numpy
import optimum.quanto
import torch
from transformers import DynamicCache, EncoderDecoderCache, Gemma3TextConfig, StaticCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer, QuantoQuantizedLayer, StaticLayer

from common import DATA, generator, save

B, H, D = 2, 2, 3


def states(name, tokens, heads=H, size=D, batch=B):
    """Keys and values [B,H,S,D]; the last element of each is large, as those of real keys are."""
    random = generator("caches", name)
    pair = [torch.randn(batch, heads, tokens, size, generator=random) for _ in range(2)]
    for x in pair:
        x[..., -1] *= 3
    return pair


def ours(x):
    return x.permute(0, 2, 1, 3).contiguous()


def given(name, keys, values):
    return {f"{name}.keys": ours(keys), f"{name}.values": ours(values)}


def returned(name, pair):
    return {f"{name}.all_keys": ours(pair[0]), f"{name}.all_values": ours(pair[1])}


def rows(x, chosen):
    return x[torch.tensor(chosen)]


def dynamic():
    """5 tokens, crop to 3, 2 more, reorder 1 0, repeat 2, select 3 0, 1 more."""
    keys, values = states("dynamic", 8)
    layer = DynamicLayer()
    layer.update(keys[:, :, :5], values[:, :, :5])
    layer.crop(-2)
    layer.update(keys[:, :, 5:7], values[:, :, 5:7])
    layer.reorder_cache(torch.tensor([1, 0]))
    layer.batch_repeat_interleave(2)
    layer.batch_select_indices(torch.tensor([3, 0]))
    return {**given("dynamic", keys, values), **returned("dynamic", layer.update(keys[:, :, 7:], values[:, :, 7:]))}


def sliding():
    """A window of 6: 4 tokens, crop to 3, 2 more, repeat 2, select 2 1 0, 4 more of rows 1 0 0."""
    keys, values = states("sliding", 10)
    layer = DynamicSlidingWindowLayer(sliding_window=6)
    layer.update(keys[:, :, :4], values[:, :, :4])
    layer.crop(-1)
    layer.update(keys[:, :, 4:6], values[:, :, 4:6])
    layer.batch_repeat_interleave(2)
    layer.batch_select_indices(torch.tensor([2, 1, 0]))
    of = [1, 0, 0]
    last = layer.update(rows(keys, of)[:, :, 6:9], rows(values, of)[:, :, 6:9])
    tensors = {**given("sliding", keys, values), **returned("sliding", last)}
    last = layer.update(rows(keys, of)[:, :, 9:], rows(values, of)[:, :, 9:])
    return {**tensors, **returned("sliding.more", last)}


def static():
    """Room for 9: 5 tokens, reorder 1 1, 2 more."""
    keys, values = states("static", 7)
    layer = StaticLayer(max_cache_len=9)
    layer.update(keys[:, :, :5], values[:, :, :5])
    layer.reorder_cache(torch.tensor([1, 1]))
    last = [x[:, :, :7] for x in layer.update(keys[:, :, 5:], values[:, :, 5:])]
    return {**given("static", keys, values), **returned("static", last)}


def mixed(kind):
    """Gemma 3's layers, one with a window of 4, one without: 5 tokens, then one, each layer its own."""
    config = Gemma3TextConfig(
        num_hidden_layers=2, sliding_window=4, layer_types=["sliding_attention", "full_attention"], head_dim=D
    )
    cache = DynamicCache(config=config) if kind == "dynamic" else StaticCache(config=config, max_cache_len=8)
    tensors = {}
    for i in range(2):
        name = f"mixed.{i}"
        keys, values = states(name, 6)
        cache.update(keys[:, :, :5], values[:, :, :5], i)
        pair = cache.update(keys[:, :, 5:], values[:, :, 5:], i)
        if kind == "static" and i == 1:
            pair = [x[:, :, :6] for x in pair]
        tensors |= {**given(name, keys, values), **returned(name, pair)}
    return tensors


def encoder_decoder():
    """3 tokens over 4 of an encoder, repeat 3, select 5 0, crop to 2, 1 more."""
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    keys, values = states("decoder", 4)
    across = states("encoder", 4)
    cache.self_attention_cache.update(keys[:, :, :3], values[:, :, :3], 0)
    cache.cross_attention_cache.update(*across, 0)
    cache.batch_repeat_interleave(3)
    cache.batch_select_indices(torch.tensor([5, 0]))
    cache.crop(-1)
    last = cache.self_attention_cache.update(keys[:, :, 3:], values[:, :, 3:], 0)
    layer = cache.cross_attention_cache.layers[0]
    return {
        **given("decoder", keys, values),
        **returned("decoder", last),
        **given("encoder", *across),
        **returned("encoder", (layer.keys, layer.values)),
    }


def quantised():
    """8 tokens and one more: what is in the codes by then, and what is not. Groups lie within a head of 32 elements, or
    are 8 tokens of one element of a head."""
    tensors = {}
    keys, values = states("quantised", 9, size=32, batch=1)
    tensors |= given("quantised", keys, values)
    for name, settings in {
        "quanto_4": {"nbits": 4, "q_group_size": 16},
        "quanto_2": {"nbits": 2, "q_group_size": 32},
        "quanto_4_keys_by_channel": {"nbits": 4, "axis_key": -1, "q_group_size": 8},
    }.items():
        layer = QuantoQuantizedLayer(**settings)
        layer.update(keys[:, :, :8], values[:, :, :8])
        tensors |= returned(name, layer.update(keys[:, :, 8:], values[:, :, 8:]))
    pair = []
    for x in (keys, values):
        old = x[:, :, :8].contiguous()
        codes = gguf.quants.quantize(old.numpy(), gguf.GGMLQuantizationType.Q8_0)
        decoded = torch.from_numpy(numpy.array(gguf.quants.dequantize(codes, gguf.GGMLQuantizationType.Q8_0)))
        pair.append(torch.cat([decoded.reshape(old.shape), x[:, :, 8:]], dim=2))
    return tensors | returned("q8_0", pair)


def main():
    tensors = {**dynamic(), **sliding(), **static(), **mixed("dynamic"), **encoder_decoder(), **quantised()}
    for name, x in mixed("static").items():
        if not torch.equal(x, tensors[name]):
            sys.exit(f"{name}: a static cache gives others than a dynamic one")
    save(
        DATA / "generation" / "caches.safetensors",
        {name: x.contiguous() for name, x in tensors.items()},
        **{"optimum-quanto": optimum.quanto.__version__},
    )


if __name__ == "__main__":
    main()
