"""Tiny random DistilBERT checkpoints and their goldens: tests/data/models/distilbert/*."""

import torch
import transformers

import bert
from common import PAD, ids, padded_batch, write_case

SIZES = dict(vocab_size=97, dim=40, n_layers=3, n_heads=5, hidden_dim=52, max_position_embeddings=37, pad_token_id=PAD)


def passes(rng, config):
    vocab = config.vocab_size
    return {
        "one_token": {"input_ids": ids(rng, vocab, 1, 1)},
        "batch": {"input_ids": ids(rng, vocab, 3, 7)},
        "right_padded": padded_batch(rng, vocab, [9, 4, 7], "right"),
        "left_padded": padded_batch(rng, vocab, [5, 9, 2], "left"),
        "given_positions": {"input_ids": ids(rng, vocab, 1, 6), "position_ids": torch.arange(20, 26)[None]},
        "long": {"input_ids": ids(rng, vocab, 1, config.max_position_embeddings)},
    }


def choices(rng, config):
    config.type_vocab_size = 1
    return {name: inputs for name, inputs in bert.choices(rng, config).items() if name != "token_types"}


def case(name, architecture, passes=passes, **fields):
    config = transformers.DistilBertConfig(**{**SIZES, **fields})
    write_case("distilbert", name, lambda: architecture(config), passes)


if __name__ == "__main__":
    t = transformers
    labels = dict(num_labels=3, id2label=bert.LABELS)
    case("base", t.DistilBertModel)
    case("masked_lm", t.DistilBertForMaskedLM, activation="relu")
    case("masked_lm_untied", t.DistilBertForMaskedLM, tie_word_embeddings=False, sinusoidal_pos_embds=True)
    case("sequence_classification", t.DistilBertForSequenceClassification, **labels)
    case("token_classification", t.DistilBertForTokenClassification, **labels)
    case("question_answering", t.DistilBertForQuestionAnswering)
    case("multiple_choice", t.DistilBertForMultipleChoice, passes=choices)
