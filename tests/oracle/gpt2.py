"""Tiny random GPT-2 checkpoints and their goldens: tests/data/models/gpt2/*."""

import torch
import transformers

from common import BOS, EOS, PAD, causal_generations, causal_passes, ids, padded_batch, write_case

SIZES = dict(
    vocab_size=97,
    n_positions=41,
    n_embd=40,
    n_layer=2,
    n_head=4,
    n_inner=56,
    pad_token_id=PAD,
    bos_token_id=BOS,
    eos_token_id=EOS,
)
SPREAD = dict(gain=2.0, embedding=0.5)


def gpt2(case, make=transformers.GPT2LMHeadModel, extra_passes=None, own_passes=None, **options):
    """A case with a language model head; options beyond write_case's own are config fields."""
    own = {key: options.pop(key) for key in ("config_edit", "tensors_edit", "dtype") if key in options}
    config = transformers.GPT2Config(**{**SIZES, **options})

    def passes(rng, config):
        if own_passes:
            return own_passes(rng, config)
        # position 41 does not exist: the longest pass fills the table
        named = causal_passes(rng, config.vocab_size, config.n_positions)
        named["offset_positions"] = {
            "input_ids": ids(rng, config.vocab_size, 1, 6),
            "position_ids": torch.arange(20, 26)[None],
        }
        return {**named, **(extra_passes(rng, config) if extra_passes else {})}

    def generations(rng, config):
        return causal_generations(rng, config.vocab_size)

    with_ids = generations if make is transformers.GPT2LMHeadModel else None
    write_case("gpt2", case, lambda: make(config), passes, with_ids, weights=SPREAD, **own)


def types_and_shared_positions(rng, config):
    """Token types are tokens of the vocabulary; one row of positions is that of every row."""
    batch, types = ids(rng, config.vocab_size, 3, 6), ids(rng, config.vocab_size, 3, 6)
    return {
        "token_types": {"input_ids": batch, "token_type_ids": types},
        "shared_positions": {"input_ids": batch, "position_ids": torch.arange(7, 13)[None]},
    }


def few_passes(rng, config):
    """Of classes that are there for their heads, under the config's padding."""
    vocab, pad = config.vocab_size, config.pad_token_id

    def padded(lengths, side):
        batch = padded_batch(rng, vocab, lengths, side)
        return {**batch, "input_ids": batch["input_ids"].masked_fill(batch["attention_mask"] == 0, pad)}

    return {
        "batch": {"input_ids": ids(rng, vocab, 3, 7)},
        "right_padded": padded([9, 4, 7], "right"),
        "left_padded": padded([3, 8, 6], "left"),
    }


def choices(rng, config):
    """Several texts for each choice, judged by the last token, or at the places that are given."""
    vocab, pad = config.vocab_size, config.pad_token_id
    batch = padded_batch(rng, vocab, [6, 3, 5, 6], "right")
    batch["input_ids"].masked_fill_(batch["attention_mask"] == 0, pad)
    batch["token_type_ids"] = ids(rng, vocab, 4, 6)
    padded = {name: x.reshape(2, 2, 6) for name, x in batch.items()}
    return {
        "last": {"input_ids": ids(rng, vocab, 2, 3, 5)},
        "right_padded": {**padded, "mc_token_ids": torch.tensor([[4, 2], [4, 0]])},
    }


def one_by_one(rng, config):
    """A classifier that knows no padding takes one text at a time."""
    return {"single": {"input_ids": ids(rng, config.vocab_size, 1, 9)}}


def hub_names(tensors):
    """The names of the checkpoint on the hub: no `transformer.` prefix, the causal mask stored as a buffer."""
    renamed = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    for layer in range(SIZES["n_layer"]):
        mask = torch.ones(SIZES["n_positions"], SIZES["n_positions"]).tril()
        renamed[f"h.{layer}.attn.bias"] = mask[None, None]
    return renamed


def hub_config(content):
    """The fields of the hub's config.json, n_ctx among them; those with defaults are absent."""
    for key in ("dtype", "add_cross_attention", "scale_attn_weights", "tie_word_embeddings", "n_inner"):
        content.pop(key, None)
    content.update(n_ctx=SIZES["n_positions"], task_specific_params={"text-generation": {"do_sample": True}})


if __name__ == "__main__":
    gpt2("base")
    gpt2("scaled_by_layer", n_layer=3, scale_attn_by_inverse_layer_idx=True, reorder_and_upcast_attn=True)
    gpt2("relu_unscaled", activation_function="relu", n_inner=48, scale_attn_weights=False, layer_norm_epsilon=1e-3)
    gpt2("gelu_untied", activation_function="gelu", tie_word_embeddings=False, n_head=5)
    gpt2("hub_names", n_inner=None, n_embd=28, tensors_edit=hub_names, config_edit=hub_config)
    gpt2("bf16", dtype=torch.bfloat16)
    gpt2("model", transformers.GPT2Model)
    small = dict(n_embd=16, n_inner=24, n_layer=1, n_positions=26)
    gpt2("token_types", transformers.GPT2Model, types_and_shared_positions, **small)
    small.update(vocab_size=41, n_head=2)
    sequence, few = transformers.GPT2ForSequenceClassification, few_passes
    gpt2("sequence_classification", sequence, own_passes=few, num_labels=3, **{**small, "n_layer": 2})
    regression = dict(num_labels=1, pad_token_id=40, activation_function="relu", scale_attn_weights=False)
    gpt2("sequence_classification_regression", sequence, own_passes=few, **small, **regression)
    gpt2("sequence_classification_no_pad", sequence, own_passes=one_by_one, num_labels=4, **{**small, "pad_token_id": None})
    gpt2("token_classification", transformers.GPT2ForTokenClassification, own_passes=few, num_labels=5, classifier_dropout=0.2, **small)
    heads = transformers.GPT2DoubleHeadsModel
    gpt2("double_heads", heads, own_passes=choices, **{**small, "n_layer": 2})
    gpt2(
        "double_heads_tanh",
        heads,
        own_passes=choices,
        summary_activation="tanh",
        summary_first_dropout=0,
        tie_word_embeddings=False,
        **{**small, "n_embd": 18, "n_head": 3, "vocab_size": 31},
    )
    gpt2("question_answering", transformers.GPT2ForQuestionAnswering, own_passes=few, **small)
