"""Tiny random Llama checkpoints and their goldens: tests/data/models/llama/*."""

import torch
import transformers

from common import BOS, EOS, PAD, causal_generations, causal_passes, ids, padded_batch, write_case

SIZES = dict(
    vocab_size=99,
    hidden_size=40,
    intermediate_size=44,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=32,
    rms_norm_eps=1e-5,
    pad_token_id=PAD,
    bos_token_id=BOS,
    eos_token_id=EOS,
)


def config(**fields):
    return transformers.LlamaConfig(**{**SIZES, **fields})


def passes(long_length):
    return lambda rng, config: causal_passes(rng, config.vocab_size, long_length)


def generations(rng, config):
    return causal_generations(rng, config.vocab_size)


def llama(case, long_length=38, extra_passes=None, extra_generations=None, **options):
    """A LlamaForCausalLM case; options beyond write_case's own are config fields."""
    own = {
        key: options.pop(key)
        for key in ("dtype", "max_shard_size", "config_edit", "tensors_edit", "weights")
        if key in options
    }

    def all_passes(rng, config):
        return {**passes(long_length)(rng, config), **(extra_passes(rng, config) if extra_passes else {})}

    def all_generations(rng, config):
        return {**generations(rng, config), **(extra_generations(rng, config) if extra_generations else {})}

    def make():
        return transformers.LlamaForCausalLM(config(**options))

    write_case("llama", case, make, all_passes, all_generations, **own)


def rope(rope_type, theta=10000.0, **fields):
    return dict(rope_theta=theta, rope_type=rope_type, **fields)


def at_boundary(boundary):
    """Passes around the length at which a length-dependent RoPE changes its frequencies."""

    def make(rng, config):
        vocab = config.vocab_size
        batch = padded_batch(rng, vocab, [boundary + 6, boundary - 3], "left")
        return {
            "at_boundary": {"input_ids": ids(rng, vocab, 1, boundary)},
            "past_boundary": {"input_ids": ids(rng, vocab, 1, boundary + 1)},
            "past_boundary_left_padded": batch,
        }

    return make


def over_boundary(boundary):
    """Generation that starts below the boundary and ends above it: cached keys keep the rotation they were given."""

    def make(rng, config):
        return {
            "greedy_crossing": {"input_ids": ids(rng, config.vocab_size, 1, boundary - 5)},
            "greedy_beyond": {"input_ids": ids(rng, config.vocab_size, 2, boundary + 4)},
        }

    return make


def offset_positions(rng, config):
    return {"offset_positions": {"input_ids": ids(rng, config.vocab_size, 1, 6), "position_ids": torch.arange(5, 11)[None]}}


def v4(rope_theta, rope_scaling=None, drop=(), **more):
    """Rewrites config.json as Transformers 4 wrote it."""

    def edit(content):
        del content["rope_parameters"]
        content["torch_dtype"] = content.pop("dtype")
        content["transformers_version"] = "4.41.2"
        content["rope_theta"] = rope_theta
        content["rope_scaling"] = rope_scaling
        for key in drop:
            content.pop(key, None)
        content.update(more)

    return edit


def with_inv_freq(tensors):
    """Checkpoints made before Transformers 4.32 carry the rotary buffer; it is ignored."""
    for layer in range(2):
        tensors[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = torch.arange(5, dtype=torch.float32)
    return tensors


def heads():
    llama("base", hidden_size=64, intermediate_size=96, extra_passes=offset_positions)
    llama("tied", tie_word_embeddings=True, weights=dict(gain=2.0))
    llama("biases", attention_bias=True, mlp_bias=True)
    llama("head_dim", head_dim=20)
    llama("mha", hidden_size=30, num_attention_heads=5, num_key_value_heads=5, vocab_size=131, num_hidden_layers=3)
    llama("mqa", hidden_size=48, num_attention_heads=6, num_key_value_heads=1, vocab_size=101)
    llama("gqa_odd", hidden_size=48, num_attention_heads=6, num_key_value_heads=2, vocab_size=103)
    llama("activation", hidden_act="gelu", rms_norm_eps=1e-2, rope_parameters=rope("default", 500.0))


def ropes():
    wide = dict(vocab_size=71, long_length=67, num_attention_heads=2, num_key_value_heads=1, head_dim=16)  # eight frequencies, so that ramps and lists have something between their ends
    llama("rope_linear", rope_parameters=rope("linear", factor=4.0), max_position_embeddings=32, **wide)
    llama(
        "rope_dynamic",
        rope_parameters=rope("dynamic", factor=2.5),
        max_position_embeddings=16,
        extra_passes=at_boundary(16),
        extra_generations=over_boundary(16),
        **wide,
    )
    yarn = dict(max_position_embeddings=64, **wide)
    llama("rope_yarn", rope_parameters=rope("yarn", factor=4.0, original_max_position_embeddings=16), **yarn)
    llama(
        "rope_yarn_betas",
        rope_parameters=rope("yarn", 10.0, factor=2.0, original_max_position_embeddings=32, beta_fast=2, beta_slow=0.5),
        **yarn,
    )
    llama(
        "rope_yarn_mscale",
        rope_parameters=rope(
            "yarn", factor=8.0, original_max_position_embeddings=16, mscale=1.5, mscale_all_dim=0.8
        ),
        **yarn,
    )
    llama(
        "rope_yarn_attention_factor",
        rope_parameters=rope(
            "yarn", 100.0, factor=4.0, original_max_position_embeddings=16, beta_fast=1.5, beta_slow=0.4, attention_factor=1.37, truncate=False
        ),
        **yarn,
    )
    short = [1.0, 1.05, 1.1, 1.3, 1.4, 1.7, 2.0, 2.2]
    long = [1.0, 1.5, 2.25, 3.5, 5.0, 8.0, 13.0, 21.0]
    longrope = dict(
        max_position_embeddings=64,
        extra_passes=at_boundary(16),
        extra_generations=over_boundary(16),
        **wide,
    )
    lists = dict(short_factor=short, long_factor=long, original_max_position_embeddings=16)
    llama("rope_longrope", rope_parameters=rope("longrope", **lists), **longrope)
    llama("rope_longrope_factor", rope_parameters=rope("longrope", factor=2.0, **lists), **longrope)
    llama("rope_longrope_attention_factor", rope_parameters=rope("longrope", attention_factor=1.21, **lists), **longrope)
    llama(
        "rope_llama3",
        rope_parameters=rope(
            "llama3", 500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32
        ),
        max_position_embeddings=128,
        **wide,
    )


def files():
    llama("sharded", max_shard_size="40KB")
    llama("bf16", dtype=torch.bfloat16)
    llama("f16", dtype=torch.float16, tie_word_embeddings=True, weights=dict(gain=2.0))
    theta = rope("default", 5000.0)
    # As early checkpoints are: fields with defaults absent, a buffer left in the file, fields that mean nothing here.
    llama(
        "v4_config",
        num_key_value_heads=4,
        rope_parameters=theta,
        config_edit=v4(
            5000.0,
            drop=("num_key_value_heads", "head_dim", "attention_bias", "mlp_bias", "attention_dropout", "use_cache"),
            pretraining_tp=2,
            some_unknown_field={"a": [1, None]},
        ),
        tensors_edit=with_inv_freq,
    )
    linear = {"type": "linear", "factor": 2.0}
    llama("v4_rope_scaling", rope_parameters=rope("linear", factor=2.0), config_edit=v4(10000.0, linear))
    yarn = {"rope_type": "yarn", "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
    llama(
        "v4_yarn",
        long_length=67,
        head_dim=16,
        max_position_embeddings=64,
        rope_parameters=rope("yarn", factor=4.0, original_max_position_embeddings=16),
        config_edit=v4(10000.0, yarn),
    )


def other_heads():
    model = config(vocab_size=107)
    write_case("llama", "model", lambda: transformers.LlamaModel(model), passes(38))
    labels = config(num_labels=3, id2label={0: "no", 1: "yes", 2: "unsure"})
    make = transformers.LlamaForSequenceClassification
    write_case("llama", "sequence_classification", lambda: make(labels), passes(38))
    tags = config(num_labels=5, vocab_size=41)
    write_case("llama", "token_classification", lambda: transformers.LlamaForTokenClassification(tags), passes(20))
    answers = config(vocab_size=41)
    write_case("llama", "question_answering", lambda: transformers.LlamaForQuestionAnswering(answers), passes(20))


if __name__ == "__main__":
    heads()
    ropes()
    files()
    other_heads()
