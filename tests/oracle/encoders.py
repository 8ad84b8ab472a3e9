"""Tiny random checkpoints of many encoders and their goldens: tests/data/models/MODEL_TYPE/*.

encoders.py [MODEL_TYPE...]    all without a name

A new architecture is an entry of ARCHS: what its classes are called, sizes under the names that its config uses, and its
cases: name, class (what follows the prefix), fields of the config over the sizes, and arguments of `write_case` where they
are not the usual ones. Cases of the base model differ in as much as they can, so that two or three go through every
branch; an eps is large in one, or it would not be seen. Other classes are there for their names and shapes: they have one
layer and one pass, and among them the smaller choices of a config, too.
"""

import copy
import inspect
import sys

import torch
import transformers

from common import BOS, EOS, PAD, causal_generations, ids, padded_batch, write_case

SIZES = dict(vocab_size=41, pad_token_id=PAD, bos_token_id=BOS, eos_token_id=EOS)

# As most configs call them
BERT = dict(
    SIZES,
    hidden_size=32,
    intermediate_size=44,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=20,
    type_vocab_size=2,
)

# Positions count what is not padding, from the pad id on
ROBERTA = dict(BERT, pad_token_id=1, bos_token_id=0, type_vocab_size=1, max_position_embeddings=22)

# Unlike in all that can be
ODD = dict(hidden_size=30, intermediate_size=37, num_attention_heads=5, layer_norm_eps=0.02, hidden_act="relu")

MODELS = ("Model", "BaseModel")
GENERATES = ("ForCausalLM", "LMHeadModel")
COUNTING = ("mpnet", "esm", "data2vec-text", "longformer", "luke")

LABELS = dict(num_labels=3)
DECODER = dict(is_decoder=True)


def head(name, class_name, options=None, **fields):
    return (name, class_name, fields, options or {})


def base(name, options=None, **fields):
    return (name, "Model", fields, options or {})


def masked(name="masked_lm", options=None, **fields):
    return head(name, "ForMaskedLM", options, **fields)


def causal(name="causal_lm", options=None, **fields):
    return head(name, "ForCausalLM", options, **{**DECODER, **fields})


def sequence(name="sequence_classification", options=None, **fields):
    return head(name, "ForSequenceClassification", options, **{**LABELS, **fields})


def token(name="token_classification", options=None, **fields):
    return head(name, "ForTokenClassification", options, num_labels=5, **fields)


def question(name="question_answering", options=None, **fields):
    return head(name, "ForQuestionAnswering", options, **fields)


def choice(name="multiple_choice", options=None, **fields):
    return head(name, "ForMultipleChoice", options, **fields)


def rope(theta, kind="default", **fields):
    return dict(rope_parameters=dict(rope_theta=theta, rope_type=kind, **fields))


SLIDES = dict(layer_types=["sliding_attention", "full_attention", "sliding_attention"], num_hidden_layers=3)


def thetas(full, sliding, **fields):
    """RoPE of ModernBERT, by kinds of layers."""
    kinds = dict(full_attention=full, sliding_attention=sliding)
    return dict(
        rope_parameters={kind: dict(rope_type="default", rope_theta=theta, **fields) for kind, theta in kinds.items()}
    )


# Three kinds of tokens, whatever the config; no table of positions
XLNET = dict(
    kinds=3, long=20, weights=dict(special=[(r"mask_emb$", 0.0, 1.2), (r"lm_loss\.weight$", 0.0, 0.77)])
)
# Spelled as checkpoints of the Hub
HUB = dict(tensors_edit=lambda tensors: as_on_the_hub(tensors))

# Matrices that are stored by groups, by the fan-in of one
GROUPED = dict(weights=dict(special=[(r"layer\.\d\.(intermediate|output)\.dense\.weight$", 0.0, 0.55)]))

# A pass less, where there are many tensors
SMALL = dict(drop=("batch",))

FUNNEL = dict(kinds=3, long=13)

DEBERTA = dict(
    BERT, type_vocab_size=0, relative_attention=True, position_biased_input=False, pos_att_type="p2c|c2p"
)

def globals_too(rng, config):
    """Tokens that see all and are seen by all, as many in a row as it likes."""
    batch = padded(rng, config, [11, 6], "right")
    marks = torch.zeros_like(batch["input_ids"])
    marks[[0, 0, 0, 1], [0, 3, 10, 2]] = 1
    left = padded(rng, config, [7, 9], "left")
    return {
        "global_tokens": {**batch, "global_attention_mask": marks},
        "global_left_padded": {**left, "global_attention_mask": (torch.arange(9) == 3).long().repeat(2, 1)},
    }


def with_global(rng, config):
    marks = torch.tensor([[1, 0, 0, 0, 0], [0, 1, 0, 0, 0]])
    return {"right_padded": {**padded(rng, config, [5, 3], "right"), "global_attention_mask": marks}}


def separated(rng, config):
    """Questions and answers with the three separators that Longformer looks for: what comes before the first sees all."""
    batch = padded(rng, config, [9, 8], "right")
    batch["input_ids"][0, [3, 4, 8]] = config.sep_token_id
    batch["input_ids"][1, [2, 3, 7]] = config.sep_token_id
    return {"right_padded": batch}


def separated_choices(rng, config):
    two = torch.stack([separated(rng, config)["right_padded"]["input_ids"] for _ in range(2)])
    mask = torch.tensor([[1] * 9, [1] * 8 + [0]]).repeat(2, 1, 1)
    return {"right_padded": {"input_ids": two, "attention_mask": mask}}


def blocks(rng, config):
    """Beyond (5 + 2 * num_random_blocks) blocks attention is sparse."""
    bound = (5 + 2 * config.num_random_blocks) * config.block_size
    return {
        "at_bound": {"input_ids": ids(rng, config.vocab_size, 1, bound)},
        "past_bound": {"input_ids": ids(rng, config.vocab_size, 1, bound + 1)},
        "sparse_right_padded": padded(rng, config, [bound + 2, bound - 1], "right"),
        "sparse_left_padded": padded(rng, config, [bound - 3, bound + 1], "left"),
    }


def block_sparse(rng, config):
    return {"past_bound": {"input_ids": ids(rng, config.vocab_size, 1, 15)}}


def asked(rng, config):
    """Of questions that end with a separator."""
    batch = padded(rng, config, [9, 7], "right")
    batch["input_ids"].masked_fill_(batch["input_ids"] == config.sep_token_id, 7)
    batch["input_ids"][0, 3] = batch["input_ids"][1, 2] = config.sep_token_id
    lengths = {"question_lengths": torch.tensor([[2], [4]])}
    # Of one without a separator all can be answers; else a million is taken off, and hides the rest
    plain = padded(rng, config, [6, 5], "right")
    plain["input_ids"].masked_fill_(plain["input_ids"] == config.sep_token_id, 7)
    return {"right_padded": batch, "given_lengths": {**batch, **lengths}, "no_question": plain}


def of_entities(rng, config, rows, count):
    """Ids, and where each is named: as many words as it likes, filled up with -1."""
    positions = torch.randint(0, 6, (rows, count, 3), generator=rng)
    positions[:, 0, 2] = -1
    positions[-1, -1, 1:] = -1
    return {"entity_ids": torch.randint(1, config.entity_vocab_size, (rows, count), generator=rng), "entity_position_ids": positions}


def entities(rng, config):
    named = of_entities(rng, config, 2, 3)
    more = of_entities(rng, config, 3, 4)
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]])
    more["entity_ids"].masked_fill_(mask == 0, 0)
    more["entity_position_ids"].masked_fill_(mask[:, :, None] == 0, -1)
    types = torch.randint(0, config.type_vocab_size, (3, 4), generator=rng)
    return {
        "entities": {"input_ids": ids(rng, config.vocab_size, 2, 6), **named},
        "entities_padded": {
            **padded(rng, config, [6, 4, 5], "right"),
            **more,
            "entity_attention_mask": mask,
            "entity_token_type_ids": types,
        },
    }


def one_of_entities(rng, config):
    return {"right_padded": {**padded(rng, config, [5, 4], "right"), **of_entities(rng, config, 2, 2)}}


def spans(rng, config):
    inputs = one_of_entities(rng, config)["right_padded"]
    ends = {"entity_start_positions": torch.tensor([[1, 2], [0, 3]]), "entity_end_positions": torch.tensor([[3, 2], [1, 3]])}
    return {"right_padded": {**inputs, **ends}}


def choices_of_entities(rng, config):
    words = padded(rng, config, [4, 6, 2, 6], "right")
    return {"right_padded": {name: x.reshape(2, 2, *x.shape[1:]) for name, x in {**words, **of_entities(rng, config, 4, 2)}.items()}}


GLOBAL = dict(more=globals_too, drop=("batch", "left_padded"), long=9)
SPARSE = dict(more=blocks, drop=("batch", "right_padded", "left_padded", "long"))
ENTITIES = dict(more=entities, drop=("batch", "left_padded", "long"))

ARCHS = {
    "electra": (
        "Electra",
        dict(BERT, embedding_size=20),
        [
            base("base"),
            base("unprojected", **{**ODD, "embedding_size": 30, "type_vocab_size": 3}),
            head("pre_training", "ForPreTraining", hidden_act="gelu_new"),
            masked(hidden_act="relu"),
            masked("masked_lm_untied", tie_word_embeddings=False, embedding_size=32),
            causal(num_attention_heads=8),
            sequence(hidden_act="relu"),
            token(),
            question(),
            choice(),
            choice("choice_by_mean", summary_type="mean", summary_activation="tanh"),
            choice("choice_by_last", summary_type="last", summary_use_proj=False, summary_activation=""),
        ],
    ),
    "albert": (
        "Albert",
        dict(BERT, embedding_size=20, max_position_embeddings=14),
        [
            base("base", num_hidden_layers=3, num_hidden_groups=2),
            base("inner_layers", **{**ODD, "embedding_size": 30, "inner_group_num": 2, "type_vocab_size": 3}),
            head("pre_training", "ForPreTraining"),
            masked(hidden_act="gelu", num_hidden_layers=3),
            masked("masked_lm_untied", tie_word_embeddings=False, embedding_size=32),
            sequence(),
            token(),
            question(),
            choice(),
        ],
    ),
    "mpnet": (
        "MPNet",
        dict(ROBERTA, max_position_embeddings=36),
        [
            base("base", options=dict(long=33)),
            base("other_pad", **{**ODD, "pad_token_id": 2, "eos_token_id": 1, "relative_attention_num_buckets": 33}),
            masked(hidden_act="relu", num_hidden_layers=2),
            masked("masked_lm_untied", tie_word_embeddings=False),
            sequence(),
            token(),
            question(),
            choice(),
        ],
    ),
    "deberta-v2": (
        "DebertaV2",
        DEBERTA,
        [
            # Version 3
            base("base", share_att_key=True, position_buckets=6, norm_rel_ebd="layer_norm"),
            # Version 2
            base(
                "convolution",
                share_att_key=True,
                position_buckets=4,
                max_relative_positions=14,
                norm_rel_ebd="layer_norm",
                conv_kernel_size=3,
                conv_act="gelu",
                embedding_size=20,
                position_biased_input=True,
                type_vocab_size=3,
                layer_norm_eps=0.02,
            ),
            base(
                "unshared",
                **ODD,
                pos_att_type=["c2p", "p2c"],
                max_relative_positions=5,
                conv_kernel_size=5,
                conv_groups=3,
            ),
            base("absolute", relative_attention=False, pos_att_type=None, position_biased_input=True),
            masked(pos_att_type="c2p", position_buckets=4),
            masked("masked_lm_own_head", legacy=False, pos_att_type="p2c", position_buckets=4),
            sequence(share_att_key=True, max_relative_positions=4),
            sequence(
                "sequence_classification_tanh",
                pooler_hidden_act="tanh",
                position_buckets=3,
                norm_rel_ebd="layer_norm",
                conv_kernel_size=3,
                num_hidden_layers=2,
            ),
            token(relative_attention=False),
            question(position_buckets=4, share_att_key=True, pos_att_type="c2p"),
            choice(relative_attention=False, pos_att_type=None),
        ],
    ),
    "deberta": (
        "Deberta",
        DEBERTA,
        [
            base("base"),
            base(
                "talking_heads",
                pos_att_type="c2p",
                max_relative_positions=4,
                talking_head=True,
                embedding_size=20,
                position_biased_input=True,
                type_vocab_size=3,
                layer_norm_eps=0.02,
                hidden_act="relu",
            ),
            base("absolute", relative_attention=False, pos_att_type=None, position_biased_input=True),
            masked(pos_att_type="p2c"),
            masked("masked_lm_own_head", legacy=False, max_relative_positions=3),
            sequence(pooler_hidden_act="tanh", talking_head=True, pos_att_type="c2p", num_hidden_layers=2),
            token(max_relative_positions=3),
            question(relative_attention=False),
        ],
    ),
    "modernbert": (
        "ModernBert",
        {key: value for key, value in BERT.items() if key != "type_vocab_size"}
        | dict(num_hidden_layers=4, local_attention=6, cls_token_id=BOS, sep_token_id=EOS),
        [
            base("base"),
            base(
                "biases",
                norm_bias=True,
                attention_bias=True,
                mlp_bias=True,
                norm_eps=0.02,
                hidden_size=30,
                intermediate_size=37,
                num_attention_heads=5,
                hidden_activation="relu",
                local_attention=5,
                **SLIDES,
                **thetas(1000.0, 10.0),
            ),
            masked(num_hidden_layers=2),
            masked("masked_lm_untied", decoder_bias=False, classifier_bias=True, norm_bias=True, tie_word_embeddings=False),
            sequence(classifier_activation="relu"),
            sequence("sequence_classification_mean", classifier_pooling="mean", classifier_bias=True),
            token(),
            question(norm_bias=True),
            choice(),
            choice("choice_by_mean", classifier_pooling="mean"),
        ],
    ),
    "nomic_bert": (
        "NomicBert",
        BERT,
        [
            base("base"),
            base("odd", **{**ODD, "type_vocab_size": 3, "head_dim": 8}, **rope(10.0)),
            masked(hidden_act="gelu"),
            sequence(),
            token(),
        ],
    ),
    "ernie": (
        "Ernie",
        BERT,
        [
            base("base"),
            base("tasks", SMALL, **ODD, use_task_id=True, task_type_vocab_size=4),
            head("pre_training", "ForPreTraining", hidden_act="relu"),
            masked(use_task_id=True),
            causal(),
            head("next_sentence", "ForNextSentencePrediction"),
            sequence(),
            token(),
            question(),
            choice(),
        ],
    ),
    "esm": (
        "Esm",
        {key: value for key, value in ROBERTA.items() if key != "type_vocab_size"} | dict(mask_token_id=5),
        [
            base("base", HUB, emb_layer_norm_before=True),
            base(
                "rotary",
                HUB,
                position_embedding_type="rotary",
                token_dropout=True,
                emb_layer_norm_before=False,
                **{key: value for key, value in ODD.items() if key != "hidden_act"},
            ),
            masked(options=HUB, position_embedding_type="rotary", token_dropout=True),
            masked("masked_lm_untied", tie_word_embeddings=False),  # as Transformers saves it: gamma and beta
            sequence(options=HUB, token_dropout=True),
            token(options=HUB),
        ],
    ),
    "data2vec-text": (
        "Data2VecText",
        ROBERTA,
        [
            base("base"),
            base("other_pad", **{**ODD, "pad_token_id": 2, "eos_token_id": 1, "type_vocab_size": 3}),
            masked(),
            causal(),
            sequence(),
            token(),
            question(),
            choice(),
        ],
    ),
    "roformer": (
        "RoFormer",
        dict(BERT, embedding_size=20),
        [
            base("base", options=dict(tensors_edit=lambda tensors: without(tensors, "embed_positions"))),
            base("rotated_values", **{**ODD, "embedding_size": 30, "type_vocab_size": 3, "rotary_value": True}),
            masked(hidden_act="relu"),
            causal(num_attention_heads=8),
            sequence(),
            token(rotary_value=True),
            question(),
            choice(),
        ],
    ),
    "eurobert": (
        "EuroBert",
        {key: value for key, value in BERT.items() if key != "type_vocab_size"} | dict(mask_token_id=5),
        [
            base("base", num_key_value_heads=2),
            base(
                "biases",
                hidden_size=30,
                intermediate_size=37,
                num_attention_heads=5,
                head_dim=8,
                rms_norm_eps=0.02,
                attention_bias=True,
                mlp_bias=True,
                hidden_act="gelu",
                **rope(10.0),
            ),
            masked(),
            masked("masked_lm_tied", tie_word_embeddings=True, mlp_bias=True),
            sequence(),
            sequence("sequence_classification_bos", classifier_pooling="bos"),
            sequence("sequence_classification_mean", classifier_pooling="mean"),
            token(),
        ],
    ),
    "gte": (
        "Gte",
        dict(BERT, type_vocab_size=1),
        [
            base("base"),
            base("odd", **{**ODD, "type_vocab_size": 3}, **rope(10.0)),
            base("no_types", type_vocab_size=0, num_hidden_layers=1),
            masked(hidden_act="relu"),
            sequence(),
            token(),
        ],
    ),
    "jina_embeddings_v3": (
        "JinaEmbeddingsV3",
        dict(BERT, pad_token_id=1, bos_token_id=0, type_vocab_size=1),
        [
            base("base"),
            base("odd", **{**ODD, "type_vocab_size": 3}, **rope(10.0)),
            masked(),
            sequence(),
            token(),
            question(),
        ],
    ),
    "xlnet": (
        "XLNet",
        dict(SIZES, d_model=32, d_inner=44, n_layer=2, n_head=4, mem_len=16, start_n_top=3, end_n_top=2),
        [
            base("base", XLNET),
            base(
                "unidirectional",
                XLNET,
                d_model=30,
                d_inner=37,
                n_head=5,
                layer_norm_eps=0.02,
                ff_activation="relu",
                attn_type="uni",
                clamp_len=3,
            ),
            base("same_length", XLNET, n_layer=1, attn_type="uni", same_length=True),
            base("both_ways", XLNET, n_layer=1, bi_data=True, clamp_len=4),
            head("lm", "LMHeadModel", XLNET, mem_len=None, n_layer=2),
            head("lm_mems", "LMHeadModel", XLNET, mem_len=5, n_layer=2, clamp_len=4, ff_activation="relu"),
            head("lm_reused", "LMHeadModel", XLNET, mem_len=0, reuse_len=4, tie_word_embeddings=False, n_layer=2),
            head("lm_no_mems", "LMHeadModel", XLNET, use_mems_eval=False),
            head("lm_unidirectional", "LMHeadModel", XLNET, attn_type="uni", n_layer=2, layer_norm_eps=0.02),
            head("lm_same_length", "LMHeadModel", XLNET, attn_type="uni", same_length=True, mem_len=6, n_layer=2),
            sequence(options=XLNET),
            sequence("sequence_classification_first", XLNET, summary_type="first", summary_activation="gelu"),
            token(options=XLNET),
            question(options=XLNET),
            head("question_answering_simple", "ForQuestionAnsweringSimple", XLNET),
            choice(options=XLNET),
        ],
    ),
    "funnel": (
        "Funnel",
        # Without a pad id, as checkpoints are: Transformers 5.24 would set its embedding to zero on loading
        dict(vocab_size=41, d_model=32, n_head=4, d_head=8, d_inner=44, block_sizes=[1, 1, 1], num_decoder_layers=1),
        [
            base("base", dict(FUNNEL, **SMALL), block_sizes=[1, 2, 1], block_repeats=[1, 1, 2]),
            base(
                "factorized",
                FUNNEL,
                d_head=6,
                n_head=3,
                attention_type="factorized",
                pooling_type="max",
                truncate_seq=False,
                pool_q_only=False,
                layer_norm_eps=0.02,
                hidden_act="relu",
            ),
            base("pool_keys", FUNNEL, pool_q_only=False, pooling_type="max", block_sizes=[1, 1]),
            base("factorized_queries", FUNNEL, attention_type="factorized", block_sizes=[1, 1], num_decoder_layers=2),
            base("no_class_token", FUNNEL, separate_cls=False, block_sizes=[1, 1]),
            head("encoder", "BaseModel", FUNNEL, block_sizes=[1, 1]),
            head("pre_training", "ForPreTraining", block_sizes=[1], hidden_act="gelu"),
            masked(block_sizes=[1, 1]),
            sequence(block_sizes=[1, 1]),
            token(block_sizes=[1]),
            question(block_sizes=[1]),
            choice(block_sizes=[1, 1]),
        ],
    ),
    "convbert": (
        "ConvBert",
        dict(BERT, embedding_size=20, conv_kernel_size=3),
        [
            base("base"),
            base(
                "groups",
                dict(GROUPED, **SMALL),
                **{
                    **ODD,
                    "hidden_size": 36,
                    "embedding_size": 36,
                    "num_attention_heads": 6,
                    "intermediate_size": 40,
                    "num_groups": 2,
                    "conv_kernel_size": 5,
                    "type_vocab_size": 3,
                },
            ),
            masked(head_ratio=8),
            masked("masked_lm_untied", tie_word_embeddings=False, head_ratio=1),
            sequence(hidden_act="relu"),
            token(options=GROUPED, num_groups=4, conv_kernel_size=5),
            question(),
            choice(),
        ],
    ),
    "squeezebert": (
        "SqueezeBert",
        dict(BERT, embedding_size=32),
        [
            base("base"),
            base(
                "groups",
                **{
                    **ODD,
                    "embedding_size": 30,
                    "intermediate_size": 36,
                    "q_groups": 2,
                    "k_groups": 3,
                    "v_groups": 1,
                    "post_attention_groups": 5,
                    "intermediate_groups": 3,
                    "output_groups": 6,
                    "type_vocab_size": 3,
                },
            ),
            masked(hidden_act="relu"),
            sequence(),
            token(),
            question(),
            choice(),
        ],
    ),
    "mobilebert": (
        "MobileBert",
        dict(
            BERT,
            embedding_size=16,
            intermediate_size=24,
            intra_bottleneck_size=20,
            num_feedforward_networks=1,
            max_position_embeddings=16,
        ),
        [
            base("base", num_feedforward_networks=2, num_hidden_layers=1),
            base(
                "layer_norm",
                num_hidden_layers=1,
                normalization_type="layer_norm",
                layer_norm_eps=0.02,
                hidden_act="gelu",
                use_bottleneck_attention=True,
                trigram_input=False,
                type_vocab_size=3,
            ),
            base("two_layers", SMALL, key_query_shared_bottleneck=False, intra_bottleneck_size=32, classifier_activation=False),
            base(
                "no_bottleneck",
                use_bottleneck=False,
                trigram_input=False,
                embedding_size=32,
                normalization_type="layer_norm",
                layer_norm_eps=0.02,
                num_hidden_layers=1,
            ),
            head("pre_training", "ForPreTraining"),
            masked(),
            masked("masked_lm_untied", tie_word_embeddings=False, embedding_size=20),
            head("next_sentence", "ForNextSentencePrediction"),
            sequence(),
            token(),
            question(),
            choice(),
        ],
    ),
    "fnet": (
        "FNet",
        dict(
            {key: value for key, value in BERT.items() if key != "num_attention_heads"},
            type_vocab_size=4,
            tpu_short_seq_length=20,
        ),
        [
            base("base"),
            base("odd", hidden_size=30, intermediate_size=37, layer_norm_eps=0.02, hidden_act="relu"),
            head("pre_training", "ForPreTraining"),
            masked(),
            masked("masked_lm_untied", tie_word_embeddings=False),
            head("next_sentence", "ForNextSentencePrediction"),
            sequence(),
            token(),
            question(),
            choice(),
        ],
    ),
    "longformer": (
        "Longformer",
        dict(ROBERTA, type_vocab_size=2, attention_window=[8, 4], sep_token_id=2),
        [
            base("base", GLOBAL),
            base("odd", GLOBAL, **{**ODD, "attention_window": 6, "pad_token_id": 0, "bos_token_id": 1}),
            masked(attention_window=4, options=dict(instead=with_global)),
            sequence(attention_window=4),
            token(attention_window=4),
            question(attention_window=4, options=dict(instead=separated)),
            choice(attention_window=4, options=dict(instead=separated_choices)),
        ],
    ),
    "big_bird": (
        "BigBird",
        dict(
            BERT, max_position_embeddings=24, block_size=2, num_random_blocks=1, sep_token_id=6, attention_type="block_sparse"
        ),
        [
            base("base", SPARSE),
            base(
                "two_random",
                SPARSE,
                **ODD,
                num_hidden_layers=1,
                num_random_blocks=2,
                use_bias=False,
                rescale_embeddings=True,
                type_vocab_size=3,
            ),
            base("full", attention_type="original_full", num_hidden_layers=1),
            head("pre_training", "ForPreTraining"),
            masked(options=dict(instead=block_sparse)),
            causal(attention_type="original_full"),
            sequence(hidden_act="relu"),
            token(),
            question(options=dict(instead=asked)),
            choice(),
        ],
    ),
    "luke": (
        "Luke",
        dict(ROBERTA, entity_vocab_size=13, entity_emb_size=20, max_position_embeddings=20, type_vocab_size=2),
        [
            base("base", ENTITIES),
            base(
                "plain_attention",
                ENTITIES,
                **ODD,
                use_entity_aware_attention=False,
                entity_emb_size=30,
                num_hidden_layers=1,
            ),
            masked(options=dict(instead=one_of_entities)),
            head("entity_classification", "ForEntityClassification", dict(instead=one_of_entities), **LABELS),
            head("entity_pair_classification", "ForEntityPairClassification", dict(instead=one_of_entities), **LABELS),
            head("entity_span_classification", "ForEntitySpanClassification", dict(instead=spans), **LABELS),
            sequence(),
            token(),
            question(),
            choice(options=dict(instead=choices_of_entities)),
        ],
    ),
}


def as_on_the_hub(tensors):
    """ESM's names as they were: Transformers 5.24 saves gamma and beta, and one inv_freq with an asterisk in its name."""
    layers = {name.split(".layer.")[1].split(".")[0] for name in tensors if ".layer." in name} - {"*"}
    named = {}
    for name, tensor in tensors.items():
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        named.update({name.replace("*", layer): tensor.clone() for layer in sorted(layers)} if "*" in name else {name: tensor})
    return named


def without(tensors, part):
    return {name: tensor for name, tensor in tensors.items() if part not in name}


def pair(inputs, kinds):
    """Token types as for a pair of texts."""
    rows, length = inputs["input_ids"].shape
    return {**inputs, "token_type_ids": (torch.arange(length) * kinds // length).repeat(rows, 1)}


def padded(rng, config, lengths, side):
    """A batch padded with the id that the config has, which some count positions without."""
    batch = padded_batch(rng, config.vocab_size, lengths, side)
    batch["input_ids"].masked_fill_(batch["attention_mask"] == 0, config.pad_token_id or 0)
    return batch


def passes_of(cls, class_name, long=None, kinds=None, more=None, instead=None, drop=()):
    """The passes of a class: those of heads are one or two, as there are many."""
    takes = inspect.signature(cls.forward).parameters

    def types(inputs, config):
        count = kinds or getattr(config, "type_vocab_size", 0) if "token_type_ids" in takes else 0
        return pair(inputs, count) if count > 1 else inputs

    def fitting(passes):
        """Without masks for what sees all."""
        return {
            name: {key: value for key, value in inputs.items() if key in takes} for name, inputs in passes.items()
        }

    def all_passes(rng, config):
        V = config.vocab_size
        table = getattr(config, "max_position_embeddings", 0)
        right = padded(rng, config, [9, 4, 7], "right")
        passes = {
            "batch": {"input_ids": ids(rng, V, 3, 7)},
            "right_padded": right,
            "left_padded": padded(rng, config, [5, 9, 2], "left"),
        }
        typed = types({"input_ids": ids(rng, V, 2, 6)}, config)
        passes.update({"token_types": typed} if len(typed) > 1 else {})
        if "task_type_ids" in takes and config.use_task_id:
            tasks = torch.randint(0, config.task_type_vocab_size, (2, 6), generator=rng)
            passes["tasks"] = {"input_ids": ids(rng, V, 2, 6), "task_type_ids": tasks}
        if "position_ids" in takes and table:
            positions = torch.randint(0, table, (2, 5), generator=rng)
            passes["given_positions"] = {"input_ids": ids(rng, V, 2, 5), "position_ids": positions}
        passes["long"] = {"input_ids": ids(rng, V, 1, long or (table - 3 if config.model_type in COUNTING else table))}
        if config.model_type == "esm":  # the embeddings are scaled by how many there are
            right["input_ids"][0, 3:6] = config.mask_token_id
            right["input_ids"][2, 1] = config.mask_token_id
        if "perm_mask" in takes:  # what each may see, and which are predicted
            hidden = torch.randint(0, 2, (2, 6, 6), generator=rng).float()
            targets = torch.nn.functional.one_hot(torch.tensor([[1, 4], [5, 0]]), 6).float()
            two = ids(rng, V, 2, 6)
            passes["two_streams"] = {"input_ids": two, "perm_mask": hidden, "target_mapping": targets}
            typed = {"input_ids": two, "token_type_ids": passes["token_types"]["token_type_ids"]}
            passes["typed_streams"] = {**typed, "perm_mask": hidden, "target_mapping": targets}
            if config.attn_type == "uni":  # where Transformers fails for a batch with a mask
                for name, inputs in passes.items():
                    if "attention_mask" in inputs or "perm_mask" in inputs:
                        passes[name] = {key: value[:1] for key, value in inputs.items()}
        passes.update(more(rng, config) if more else {})
        if getattr(config, "bi_data", False):  # one half of a batch reads forwards, the other backwards
            passes = {name: inputs for name, inputs in passes.items() if len(inputs["input_ids"]) == 2}
        return fitting({name: inputs for name, inputs in passes.items() if name not in drop})

    def few(rng, config):
        batch = padded(rng, config, [4, 2] if class_name.endswith(("LM", "PreTraining")) else [6, 3], "right")
        passes = {"right_padded": types(batch, config)}
        if class_name.endswith("SequenceClassification"):
            passes["batch"] = {"input_ids": ids(rng, config.vocab_size, 2, 5)}
        return fitting(passes)

    def choices(rng, config):
        batch = padded(rng, config, [4, 6, 2, 6, 5, 3], "right")
        batch = types(batch, config)
        return fitting({"right_padded": {name: x.reshape(2, 3, -1) for name, x in batch.items()}})

    def causal_passes(rng, config):
        if "perm_mask" in takes:
            made = all_passes(rng, config)
            return {name: made[name] for name in ("batch", "right_padded", "two_streams", "typed_streams")}
        return {"batch": {"input_ids": ids(rng, config.vocab_size, 2, 5)}}

    if instead:
        return instead
    if class_name.endswith("MultipleChoice"):
        return choices
    if class_name in GENERATES:
        return causal_passes
    return all_passes if class_name in MODELS else few


def generations(rng, config):
    return {
        name: {
            **inputs,
            "input_ids": inputs["input_ids"].masked_fill(
                inputs.get("attention_mask", torch.ones(1)) == 0, config.pad_token_id
            ),
            "options": dict(pad_token_id=config.pad_token_id),
        }
        for name, inputs in causal_generations(rng, config.vocab_size).items()
        if getattr(config, "attn_type", None) != "uni" or len(inputs["input_ids"]) == 1  # it fails for a batch
    }


def make(arch):
    prefix, sizes, cases = ARCHS[arch]
    config_class = getattr(transformers, prefix + "Config")
    assert config_class.model_type == arch
    for case, class_name, fields, options in cases:
        cls = getattr(transformers, prefix + class_name)
        if class_name not in MODELS:
            fields = {**{name: 1 for name in ("num_hidden_layers", "n_layer") if name in sizes}, **fields}
        fields = {**sizes, **fields}
        options = dict(options)
        own = {name: options.pop(name) for name in ("long", "kinds", "more", "instead", "drop") if name in options}
        passes = passes_of(cls, class_name, **own)
        model = lambda: cls(config_class(**copy.deepcopy(fields)))  # a config keeps the dtype of what was saved
        generated = generations if class_name in GENERATES else None
        write_case(arch, case, model, passes, generated, **options)


def main():
    for arch in sys.argv[1:] or ARCHS:
        make(arch)


if __name__ == "__main__":
    main()
