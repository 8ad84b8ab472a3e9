"""Tiny random Mamba checkpoints and their goldens: tests/data/models/mamba/*."""

import transformers

from common import BOS, EOS, PAD, causal_generations, causal_passes, write_case

SIZES = dict(
    vocab_size=97,
    hidden_size=20,
    state_size=5,
    num_hidden_layers=2,
    conv_kernel=4,
    expand=2,
    time_step_rank=3,
    layer_norm_epsilon=1e-5,
    pad_token_id=PAD,
    bos_token_id=BOS,
    eos_token_id=EOS,
)

# Decays are exp(-exp(A_log) * step): around those that a trained model has.
WEIGHTS = dict(special=[(r"A_log$", 0.5, 1.0), (r"\.D$", 1.0, 0.5), (r"dt_proj\.bias$", -2.0, 1.0)])


def config(**fields):
    return transformers.MambaConfig(**{**SIZES, **fields})


def passes(rng, config):
    # Positions play no part.
    return {k: v for k, v in causal_passes(rng, config.vocab_size, 70).items() if k != "left_padded_positions"}


def generations(rng, config):
    return causal_generations(rng, config.vocab_size)


def mamba(case, head=transformers.MambaForCausalLM, generations=generations, **fields):
    write_case("mamba", case, lambda: head(config(**fields)), passes, generations, weights=WEIGHTS)


def main():
    mamba("base")
    mamba("untied", tie_word_embeddings=False, num_hidden_layers=3)
    mamba("biases", use_bias=True, use_conv_bias=False, conv_kernel=2, expand=3)
    mamba("auto_rank", time_step_rank="auto", hidden_size=36, hidden_act="gelu", residual_in_fp32=False)
    mamba("model", transformers.MambaModel, None)


if __name__ == "__main__":
    main()
