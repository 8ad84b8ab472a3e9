"""Tiny random Qwen2 checkpoints and their goldens: tests/data/models/qwen2/*."""

import transformers

from common import BOS, EOS, PAD, causal_generations, causal_passes, write_case

SIZES = dict(
    vocab_size=97,
    hidden_size=40,
    intermediate_size=44,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=48,
    rms_norm_eps=1e-5,
    pad_token_id=PAD,
    bos_token_id=BOS,
    eos_token_id=EOS,
)


def config(**fields):
    return transformers.Qwen2Config(**{**SIZES, **fields})


def passes(rng, config):
    return causal_passes(rng, config.vocab_size, 38)


def generations(rng, config):
    return causal_generations(rng, config.vocab_size)


def qwen2(case, head=transformers.Qwen2ForCausalLM, generations=generations, **fields):
    write_case("qwen2", case, lambda: head(config(**fields)), passes, generations)


def main():
    qwen2("base")
    qwen2("tied", tie_word_embeddings=True, num_key_value_heads=4)
    qwen2("last_layers_slide", use_sliding_window=True, sliding_window=5, max_window_layers=1)
    qwen2(
        "layer_types",
        use_sliding_window=True,
        sliding_window=3,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    )
    qwen2("yarn", rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16))
    qwen2("model", transformers.Qwen2Model, None)
    qwen2("sequence_classification", transformers.Qwen2ForSequenceClassification, None, num_labels=3)
    qwen2("token_classification", transformers.Qwen2ForTokenClassification, None, num_labels=5)
    qwen2("question_answering", transformers.Qwen2ForQuestionAnswering, None)


if __name__ == "__main__":
    main()
