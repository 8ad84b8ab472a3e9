"""Tiny random checkpoints of RoBERTa and its like, and their goldens: tests/data/models/{roberta,xlm-roberta,camembert}/*."""

import torch
import transformers

import bert
from common import ids, padded_batch, write_case

SIZES = {**bert.SIZES, "type_vocab_size": 1, "pad_token_id": 1, "max_position_embeddings": 41}


def repad(inputs, pad):
    """Padding under this id, which positions are counted without, whatever the mask says."""
    if "attention_mask" in inputs:
        inputs["input_ids"] = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, pad)
    return inputs


def passes(rng, config):
    vocab, pad = config.vocab_size, config.pad_token_id
    padded = repad(padded_batch(rng, vocab, [9, 4, 7], "right"), pad)
    return {
        "one_token": {"input_ids": ids(rng, vocab, 1, 1)},
        "batch": {"input_ids": ids(rng, vocab, 3, 7)},
        "right_padded": padded,
        "no_mask": {"input_ids": padded["input_ids"]},
        "left_padded": repad(padded_batch(rng, vocab, [5, 9, 2], "left"), pad),
        "given_positions": {"input_ids": ids(rng, vocab, 1, 6), "position_ids": torch.arange(20, 26)[None]},
        "long": {"input_ids": ids(rng, vocab, 1, config.max_position_embeddings - pad - 1)},
    }


def choices(rng, config):
    return {name: repad(inputs, config.pad_token_id) for name, inputs in bert.choices(rng, config).items()}


def case(arch, name, config_class, architecture, passes=passes, **fields):
    config = config_class(**{**SIZES, **fields})
    decodes = dict(generations=bert.decoder_generations, weights=bert.SPREAD) if config.is_decoder else {}
    write_case(arch, name, lambda: architecture(config), passes, **decodes)


if __name__ == "__main__":
    t = transformers
    labels = dict(num_labels=3, id2label=bert.LABELS)
    case("roberta", "base", t.RobertaConfig, t.RobertaModel)
    case("roberta", "masked_lm", t.RobertaConfig, t.RobertaForMaskedLM, hidden_act="relu")
    case("roberta", "sequence_classification", t.RobertaConfig, t.RobertaForSequenceClassification, **labels)
    case("roberta", "token_classification", t.RobertaConfig, t.RobertaForTokenClassification, **labels)
    case("roberta", "question_answering", t.RobertaConfig, t.RobertaForQuestionAnswering)
    case("roberta", "multiple_choice", t.RobertaConfig, t.RobertaForMultipleChoice, passes=choices)
    decoder = dict(passes=bert.decoder_passes, **bert.DECODER)
    case("roberta", "causal_lm", t.RobertaConfig, t.RobertaForCausalLM, **decoder)
    odd = dict(hidden_act="relu", layer_norm_eps=0.02, tie_word_embeddings=False, num_attention_heads=2)
    case("roberta", "causal_lm_untied", t.RobertaConfig, t.RobertaForCausalLM, **{**decoder, **odd})
    case("xlm-roberta", "base", t.XLMRobertaConfig, t.XLMRobertaModel)
    case("xlm-roberta", "sequence_classification", t.XLMRobertaConfig, t.XLMRobertaForSequenceClassification, **labels)
    case("xlm-roberta", "causal_lm", t.XLMRobertaConfig, t.XLMRobertaForCausalLM, **decoder)
    case("camembert", "masked_lm", t.CamembertConfig, t.CamembertForMaskedLM, tie_word_embeddings=False)
    case("camembert", "token_classification", t.CamembertConfig, t.CamembertForTokenClassification, **labels)
    case("camembert", "causal_lm", t.CamembertConfig, t.CamembertForCausalLM, **decoder)
