"""Tiny random T5 checkpoints and their goldens: tests/data/models/t5/*."""

import torch
import transformers

from common import EOS, PAD, ids, padded_batch, write_case

SIZES = dict(
    vocab_size=97,
    d_model=20,
    d_kv=6,
    d_ff=27,
    num_layers=3,  # Transformers 5.24 cannot cache more layers of the decoder than of the encoder
    num_decoder_layers=2,
    num_heads=3,
    relative_attention_num_buckets=8,
    relative_attention_max_distance=12,
    pad_token_id=PAD,
    eos_token_id=EOS,
    decoder_start_token_id=PAD,
)

# Scores are not scaled: without this a query would see one key.
WEIGHTS = dict(special=[(r"\.q\.weight$", 0.0, 0.2)])


def config(**fields):
    return transformers.T5Config(**{**SIZES, **fields})


def decoder_batch(rng, vocab_size, lengths, side):
    batch = padded_batch(rng, vocab_size, lengths, side)
    return {"decoder_" + key: value for key, value in batch.items()}


def passes(rng, config):
    V = config.vocab_size
    return {
        "one_token": {"input_ids": ids(rng, V, 1, 1), "decoder_input_ids": ids(rng, V, 1, 1)},
        "short_source": {"input_ids": ids(rng, V, 1, 3), "decoder_input_ids": ids(rng, V, 1, 11)},
        "batch": {"input_ids": ids(rng, V, 3, 7), "decoder_input_ids": ids(rng, V, 3, 4)},
        "padded": {
            **padded_batch(rng, V, [9, 4, 7], "right"),
            **decoder_batch(rng, V, [3, 6, 2], "right"),
        },
        "padded_source": {**padded_batch(rng, V, [5, 8], "left"), "decoder_input_ids": ids(rng, V, 2, 5)},
        "long": {"input_ids": ids(rng, V, 1, 61), "decoder_input_ids": ids(rng, V, 1, 47)},
    }


def encoder_passes(rng, config):
    return {
        name: {key: value for key, value in inputs.items() if not key.startswith("decoder")}
        for name, inputs in passes(rng, config).items()
    }


def generations(rng, config):
    return {
        "greedy": {"input_ids": ids(rng, config.vocab_size, 1, 9)},
        "greedy_batch": padded_batch(rng, config.vocab_size, [4, 9, 6], "right"),
        "greedy_left": padded_batch(rng, config.vocab_size, [7, 3], "left"),
        "uncached": {**padded_batch(rng, config.vocab_size, [5, 8], "right"), "options": {"use_cache": False}},
        "beams": {**padded_batch(rng, config.vocab_size, [4, 9, 6], "right"), "options": {"num_beams": 3}},
    }


def own_head(tensors):
    """T5 1.1 has a head of its own; a model of Transformers 5 gets one by loading it."""
    return {**tensors, "lm_head.weight": torch.zeros_like(tensors["shared.weight"])}


def t5(case, head=transformers.T5ForConditionalGeneration, passes=passes, generations=generations, edit=None, **fields):
    write_case(
        "t5", case, lambda: head(config(**fields)), passes, generations, tensors_edit=edit, weights=WEIGHTS
    )


def main():
    t5("base")
    t5("gated", feed_forward_proj="gated-gelu", tie_word_embeddings=False, edit=own_head, num_decoder_layers=None, num_layers=2)
    t5("gated_silu", feed_forward_proj="gated-silu", tie_word_embeddings=False, num_layers=1, num_decoder_layers=1, d_kv=7)
    t5("model", transformers.T5Model, generations=None)
    t5("encoder", transformers.T5EncoderModel, passes=encoder_passes, generations=None)


if __name__ == "__main__":
    main()
