"""Tiny random BERT checkpoints and their goldens: tests/data/models/bert/*."""

import torch
import transformers

from common import EOS, PAD, causal_generations, ids, padded_batch, positions_of, write_case

SIZES = dict(
    vocab_size=101,
    hidden_size=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=52,
    max_position_embeddings=37,
    type_vocab_size=2,
    pad_token_id=PAD,
)
LABELS = {0: "person", 1: "place", 2: "other"}


def passes(rng, config):
    vocab, kinds = config.vocab_size, config.type_vocab_size

    def pair(inputs):
        """Token types as for a pair of texts: zeros, then ones (and twos where there are three kinds)."""
        batch, length = inputs["input_ids"].shape
        types = torch.arange(length) * kinds // length
        return {**inputs, "token_type_ids": types.expand(batch, length)}

    left = padded_batch(rng, vocab, [5, 9, 2], "left")
    return {
        "one_token": {"input_ids": ids(rng, vocab, 1, 1)},
        "single": {"input_ids": ids(rng, vocab, 1, 11)},
        "batch": {"input_ids": ids(rng, vocab, 3, 7)},
        "token_types": pair({"input_ids": ids(rng, vocab, 2, 9)}),
        "right_padded": padded_batch(rng, vocab, [9, 4, 7], "right"),
        "right_padded_token_types": pair(padded_batch(rng, vocab, [3, 10, 8], "right")),
        "left_padded": left,
        "offset_positions": {"input_ids": ids(rng, vocab, 1, 6), "position_ids": torch.arange(20, 26)[None]},
        "long": {"input_ids": ids(rng, vocab, 1, config.max_position_embeddings)},
    }


def choices(rng, config):
    """Several texts a row."""
    vocab, lengths = config.vocab_size, [5, 9, 2, 7, 8, 4]
    padded = {name: x.reshape(2, 3, -1) for name, x in padded_batch(rng, vocab, lengths, "right").items()}
    types = torch.randint(0, config.type_vocab_size, padded["input_ids"].shape, generator=rng)
    return {
        "one": {"input_ids": ids(rng, vocab, 1, 1, 6)},
        "batch": {"input_ids": ids(rng, vocab, 3, 2, 7)},
        "right_padded": padded,
        "token_types": {**padded, "token_type_ids": types},
    }


# A decoder has an end, and logits that differ; it is small, as the layers are those of the encoder.
DECODER = dict(
    is_decoder=True,
    eos_token_id=EOS,
    vocab_size=41,
    hidden_size=32,
    num_attention_heads=4,
    intermediate_size=44,
    max_position_embeddings=23,
)
SPREAD = dict(gain=2.0, embedding=0.5)


def decoder_passes(rng, config):
    vocab, pad = config.vocab_size, config.pad_token_id
    left = padded_batch(rng, vocab, [5, 9, 2], "left")
    left["input_ids"].masked_fill_(left["attention_mask"] == 0, pad)
    return {
        "batch": {"input_ids": ids(rng, vocab, 3, 7)},
        "left_padded": left,
        "left_padded_positions": {**left, "position_ids": positions_of(left["attention_mask"])},
    }


def decoder_generations(rng, config):
    made = causal_generations(rng, config.vocab_size)
    for inputs in made.values():
        if "attention_mask" in inputs:
            inputs["input_ids"].masked_fill_(inputs["attention_mask"] == 0, config.pad_token_id)
        inputs["options"] = dict(pad_token_id=config.pad_token_id)
    return made


def bert(case, architecture, config_edit=None, tensors_edit=None, dtype=torch.float32, passes=passes, **fields):
    config = transformers.BertConfig(**{**SIZES, **fields})
    decodes = dict(generations=decoder_generations, weights=SPREAD) if config.is_decoder else {}
    write_case(
        "bert",
        case,
        lambda: architecture(config),
        passes,
        dtype=dtype,
        config_edit=config_edit,
        tensors_edit=tensors_edit,
        **decodes,
    )


def old_names(tensors):
    """Checkpoints of the first years: LayerNorm.gamma and .beta, position_ids stored as a buffer."""
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in tensors.items()
    }
    old["bert.embeddings.position_ids"] = torch.arange(SIZES["max_position_embeddings"])[None]
    return old


def old_config(content):
    """A config.json as sparse as the early ones."""
    for key in ("dtype", "pad_token_id", "use_cache", "classifier_dropout", "is_decoder", "tie_word_embeddings"):
        content.pop(key, None)
    content.update(transformers_version="4.8.2", position_embedding_type="absolute", gradient_checkpointing=False)


if __name__ == "__main__":
    bert("base", transformers.BertModel)
    bert("activation", transformers.BertModel, hidden_act="gelu_new", num_attention_heads=5, layer_norm_eps=1e-3)
    bert("relu_three_types", transformers.BertModel, hidden_act="relu", type_vocab_size=3, num_hidden_layers=3)
    bert("masked_lm", transformers.BertForMaskedLM)
    bert("masked_lm_untied", transformers.BertForMaskedLM, tie_word_embeddings=False, vocab_size=127)
    bert("old_names", transformers.BertForMaskedLM, tensors_edit=old_names, config_edit=old_config)
    bert("sequence_classification", transformers.BertForSequenceClassification, num_labels=3, id2label=LABELS)
    bert("token_classification", transformers.BertForTokenClassification, num_labels=3, id2label=LABELS)
    bert("question_answering", transformers.BertForQuestionAnswering)
    bert("multiple_choice", transformers.BertForMultipleChoice, passes=choices)
    decoder = dict(passes=decoder_passes, **DECODER)
    bert("causal_lm", transformers.BertLMHeadModel, **decoder)
    odd = dict(hidden_act="relu", layer_norm_eps=0.02, tie_word_embeddings=False, num_attention_heads=2, type_vocab_size=3)
    bert("causal_lm_untied", transformers.BertLMHeadModel, **{**decoder, **odd})
    bert("bf16", transformers.BertModel, dtype=torch.bfloat16)
