"""Tiny random Mistral checkpoints and their goldens: tests/data/models/mistral/*."""

import transformers

from common import causal_generations, causal_passes, write_case
from qwen2 import SIZES


def passes(rng, config):
    return causal_passes(rng, config.vocab_size, 38)


def generations(rng, config):
    return causal_generations(rng, config.vocab_size)


def mistral(case, head=transformers.MistralForCausalLM, generations=generations, **fields):
    config = transformers.MistralConfig(**{**SIZES, **fields})
    write_case("mistral", case, lambda: head(config), passes, generations)


if __name__ == "__main__":
    mistral("base", sliding_window=None)
    mistral("window", sliding_window=5, head_dim=12)
    mistral("model", transformers.MistralModel, None, sliding_window=3)
    mistral("sequence_classification", transformers.MistralForSequenceClassification, None, num_labels=3)
