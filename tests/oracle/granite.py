"""Tiny random Granite checkpoints and their goldens: tests/data/models/granite/*."""

import transformers

from common import causal_generations, causal_passes, write_case
from qwen2 import SIZES


def passes(rng, config):
    return causal_passes(rng, config.vocab_size, 38)


def generations(rng, config):
    return causal_generations(rng, config.vocab_size)


def granite(case, head=transformers.GraniteForCausalLM, generations=generations, **fields):
    config = transformers.GraniteConfig(**{**SIZES, **fields})
    write_case("granite", case, lambda: head(config), passes, generations)


if __name__ == "__main__":
    factors = dict(embedding_multiplier=3.5, residual_multiplier=0.4, attention_multiplier=0.2, logits_scaling=0.7)
    granite("base", **factors)
    granite("biases", attention_bias=True, mlp_bias=True, **{**factors, "logits_scaling": 0.5})
    granite("model", transformers.GraniteModel, None, **factors)
