"""Tiny random Qwen3 checkpoints and their goldens: tests/data/models/qwen3/*."""

import transformers

from common import causal_generations, causal_passes, write_case
from qwen2 import SIZES


def passes(rng, config):
    return causal_passes(rng, config.vocab_size, 38)


def generations(rng, config):
    return causal_generations(rng, config.vocab_size)


def qwen3(case, head=transformers.Qwen3ForCausalLM, generations=generations, **fields):
    config = transformers.Qwen3Config(**{**SIZES, **fields})
    write_case("qwen3", case, lambda: head(config), passes, generations)


if __name__ == "__main__":
    qwen3("base", head_dim=12)
    qwen3("biases", head_dim=8, attention_bias=True, tie_word_embeddings=True)
    qwen3("slides", head_dim=10, use_sliding_window=True, sliding_window=4, max_window_layers=1)
    qwen3("model", transformers.Qwen3Model, None, head_dim=12)
    qwen3("token_classification", transformers.Qwen3ForTokenClassification, None, head_dim=12, num_labels=5)
