"""Tiny random checkpoints of many encoder-decoder architectures and their goldens: tests/data/models/MODEL_TYPE/*.

encoder_decoders.py [MODEL_TYPE...]    all without a name

As in decoders.py an architecture is an entry of ARCHS: what its classes are called, sizes, and cases: name, class (what
follows the prefix, or in full), fields of the config over the sizes, and arguments of `interval` where those of
seeded.py do not suit. `generation` among the fields goes into generation_config.json. Classes that generate of a source
differ in as much as they can; other classes are there for their names and shapes: one small layer and few passes.
"""

import copy
import sys

import torch
import transformers

from common import ids, lengths_mask, write_case

# Pad, begin and end as BART has them
SIZES = dict(
    vocab_size=41,
    d_model=32,
    encoder_layers=2,
    decoder_layers=2,
    encoder_ffn_dim=44,
    decoder_ffn_dim=36,
    encoder_attention_heads=4,
    decoder_attention_heads=2,
    max_position_embeddings=12,
    pad_token_id=1,
    bos_token_id=0,
    eos_token_id=2,
    decoder_start_token_id=2,
)

# What a class that is there for its names has
SMALL = dict(
    vocab_size=23,
    d_model=8,
    encoder_layers=1,
    decoder_layers=1,
    encoder_ffn_dim=10,
    decoder_ffn_dim=9,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    d_kv=3,
    d_ff=10,
    num_layers=1,
    num_decoder_layers=1,
    num_heads=2,
    num_sparse_encoder_layers=1,
    num_sparse_decoder_layers=1,
    num_experts=2,
    hidden_size=8,
    num_encoder_layers=1,
    num_encoder_attention_heads=2,
    num_decoder_attention_heads=2,
)

MODEL = ("model", "Model", {})
SEQUENCE = ("sequence_classification", "ForSequenceClassification", dict(num_labels=3))
QUESTION = ("question_answering", "ForQuestionAnswering", {})
TOKEN = ("token_classification", "ForTokenClassification", dict(num_labels=5))
CAUSAL = ("causal_lm", "ForCausalLM", dict(max_position_embeddings=20))

# Embeddings so small that a norm of them sees its eps
FAINT_EMBEDDINGS = [(r"(embed_(tokens|positions)|_embeddings)\.weight$", 0.0, 0.004)]
FAINT = dict(special=FAINT_EMBEDDINGS)

# So the second norm of a layer
FAINT_NORM = dict(
    special=[
        (r"encoder\.layers\.0\.self_attn_layer_norm\.weight$", 0.003, 0.002),
        (r"encoder\.layers\.0\.(self_attn_layer_norm|fc2)\.bias$", 0.0, 0.003),
        (r"encoder\.layers\.0\.fc2\.weight$", 0.0, 0.001),
    ]
)

# Scaled up and tied embeddings that no norm follows would say each token again
SCALED = dict(embedding=0.25, gain=2.0)

T5 = dict(
    vocab_size=41,
    d_model=20,
    d_kv=6,
    d_ff=27,
    num_layers=2,  # no more in the decoder: Transformers 5.24 could not cache them
    num_decoder_layers=2,
    num_heads=3,
    relative_attention_num_buckets=8,
    relative_attention_max_distance=12,
    pad_token_id=0,
    eos_token_id=2,
    decoder_start_token_id=0,
)

# Scores are not scaled: without this a query would see one key.
Q = dict(special=[(r"\.q\.weight$", 0.0, 0.2)])

# A matrix in spite of its name
RELATIVE = dict(special=[(r"relative_pos_embeddings\.weight$", 0.0, 0.25)])

# Halves of the framework that puts two models together
BERT = dict(
    model_type="bert",
    vocab_size=41,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=28,
    max_position_embeddings=20,
    layer_norm_eps=0.02,
)
DECODES = dict(is_decoder=True, add_cross_attention=True)
GPT2 = dict(
    model_type="gpt2",
    vocab_size=37,
    n_embd=32,
    n_layer=2,
    n_head=4,
    n_positions=20,
    bos_token_id=1,
    eos_token_id=2,
    **DECODES,
)


def like_bert(model_type, pad=1, **fields):
    """A half of BERT's family."""
    sizes = dict(vocab_size=37, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=28)
    return dict(sizes, model_type=model_type, pad_token_id=pad, max_position_embeddings=20, layer_norm_eps=0.02, **fields)


def like_bart(model_type, **fields):
    """A decoder of BART's family; what it says of an encoder nobody reads but the cache, the layers."""
    sizes = dict(vocab_size=41, d_model=32, decoder_layers=2, decoder_attention_heads=4, decoder_ffn_dim=36)
    unread = dict(encoder_layers=2, encoder_attention_heads=1, encoder_ffn_dim=4)
    tokens = dict(pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=0)
    return dict(sizes, **unread, **tokens, model_type=model_type, max_position_embeddings=20, **fields)


PROPHETNET = dict(
    model_type="prophetnet",
    vocab_size=27,
    hidden_size=24,
    num_encoder_layers=2,  # read by the cache alone
    num_decoder_layers=2,
    num_encoder_attention_heads=1,
    encoder_ffn_dim=4,
    num_decoder_attention_heads=2,
    decoder_ffn_dim=36,
    max_position_embeddings=15,
    num_buckets=6,
    relative_max_distance=9,
    pad_token_id=0,  # else Transformers 5.23 could not generate with its cache
    bos_token_id=1,
    eos_token_id=2,
)
DISTILBERT = dict(
    model_type="distilbert",
    vocab_size=37,
    dim=32,
    n_layers=1,
    n_heads=4,
    hidden_dim=36,
    max_position_embeddings=20,
    pad_token_id=1,
)
XGLM = dict(
    model_type="xglm",
    vocab_size=41,
    d_model=32,
    num_layers=2,
    attention_heads=4,
    ffn_dim=36,
    pad_token_id=1,
    bos_token_id=0,
    eos_token_id=2,
    add_cross_attention=True,
)


def own_head(tensors):
    """T5 1.1 and what followed have a head of their own; a model of Transformers 5 gets one by loading it."""
    return {**tensors, "lm_head.weight": torch.zeros_like(tensors["shared.weight"])}


def without_positions(tensors):
    """Checkpoints of before Transformers 5 lack what is computed."""
    return {name: tensor for name, tensor in tensors.items() if "embed_positions" not in name}


ALBERT = like_bert("albert", embedding_size=16, inner_group_num=2)


def pair(name, encoder, decoder, **weights):
    """Halves of other kinds, whose padding is 1 and whose decoder begins with 0."""
    fields = dict(encoder=encoder, decoder=decoder, pad_token_id=1, decoder_start_token_id=0)
    return (name, "Model", fields, weights or None)


def main_case(name, weights=None, cls="ForConditionalGeneration", **fields):
    return (name, cls, fields, weights)


ARCHS = {
    "bart": (
        "Bart",
        SIZES,
        [
            main_case("base"),
            main_case(
                "scaled",
                FAINT,
                scale_embedding=True,
                tie_word_embeddings=False,
                activation_function="relu",
                encoder_layers=1,
                decoder_start_token_id=3,
                forced_eos_token_id=None,
                generation=dict(forced_bos_token_id=0),
            ),
            MODEL,
            SEQUENCE,
            QUESTION,
            CAUSAL,
        ],
    ),
    "mbart": (
        "MBart",
        SIZES,
        [
            main_case("base", scale_embedding=True, decoder_start_token_id=7, activation_function="relu"),
            main_case(
                "untied",
                FAINT,
                tie_word_embeddings=False,
                activation_function="gelu_new",
                encoder_layers=1,
                generation=dict(forced_bos_token_id=5),
            ),
            MODEL,
            SEQUENCE,
            QUESTION,
            CAUSAL,
        ],
    ),
    "marian": (
        "Marian",
        dict(
            SIZES, pad_token_id=40, decoder_start_token_id=40, bos_token_id=None, eos_token_id=0, forced_eos_token_id=0
        ),
        [
            main_case(
                "base",
                cls="MTModel",
                scale_embedding=True,
                activation_function="swish",
                generation=dict(bad_words_ids=[[40]]),
            ),
            main_case(
                "two_vocabularies",
                cls="MTModel",
                share_encoder_decoder_embeddings=False,
                decoder_vocab_size=31,
                pad_token_id=30,
                decoder_start_token_id=30,
                d_model=33,
                encoder_attention_heads=3,
                decoder_attention_heads=11,
                encoder_layers=1,
            ),
            main_case(
                "untied",
                FAINT_NORM,
                cls="MTModel",
                share_encoder_decoder_embeddings=False,
                tie_word_embeddings=False,
                encoder_layers=1,
                decoder_layers=1,
            ),
            ("model", "Model", dict(pad_token_id=22, decoder_start_token_id=22)),
            ("causal_lm", "ForCausalLM", dict(max_position_embeddings=20, pad_token_id=22, decoder_start_token_id=22)),
        ],
    ),
    "pegasus": (
        "Pegasus",
        dict(SIZES, pad_token_id=0, decoder_start_token_id=0, bos_token_id=None, eos_token_id=1, forced_eos_token_id=1),
        [
            main_case("base", SCALED, scale_embedding=True, activation_function="relu"),
            main_case(
                "computed_positions",
                d_model=33,
                encoder_attention_heads=3,
                decoder_attention_heads=11,
                encoder_layers=1,
                tie_word_embeddings=False,
                tensors_edit=without_positions,
            ),
            ("model", "Model", {}, dict(special=[(r"shared\.weight$", 0.0, 0.004), *FAINT_EMBEDDINGS])),
            CAUSAL,
        ],
    ),
    "m2m_100": (
        "M2M100",
        SIZES,
        [
            main_case("base", SCALED, d_model=33, encoder_attention_heads=3, decoder_attention_heads=11),
            main_case(
                "untied",
                scale_embedding=False,
                tie_word_embeddings=False,
                activation_function="gelu",
                encoder_layers=1,
                pad_token_id=5,
                generation=dict(forced_bos_token_id=9),
            ),
            MODEL,
        ],
    ),
    "blenderbot": (
        "Blenderbot",
        dict(SIZES, pad_token_id=0, bos_token_id=1, decoder_start_token_id=1, max_position_embeddings=14),
        [
            main_case("base", SCALED, scale_embedding=True),
            main_case(
                "untied",
                FAINT,
                tie_word_embeddings=False,
                activation_function="relu",
                encoder_layers=1,
                encoder_no_repeat_ngram_size=0,
            ),
            MODEL,
            CAUSAL,
        ],
    ),
    "blenderbot-small": (
        "BlenderbotSmall",
        dict(SIZES, pad_token_id=0, bos_token_id=1, decoder_start_token_id=1, max_position_embeddings=14),
        [
            main_case("base", scale_embedding=True),
            main_case(
                "untied",
                FAINT,
                scale_embedding=True,  # of the encoder alone, which here is seen
                tie_word_embeddings=False,
                activation_function="relu",
                encoder_layers=1,
            ),
            MODEL,
            CAUSAL,
        ],
    ),
    "mt5": (
        "MT5",
        T5,
        [
            main_case("base", Q, num_layers=3),
            main_case(
                "own_head",
                Q,
                feed_forward_proj="relu",
                tie_word_embeddings=False,
                tensors_edit=own_head,
                layer_norm_epsilon=0.02,
                num_decoder_layers=None,
                d_kv=7,
                decoder_start_token_id=5,
            ),
            (*MODEL, Q),
            ("encoder", "EncoderModel", {}, Q),
            (*SEQUENCE, Q),
            (*TOKEN, Q),
            (*QUESTION, Q),
        ],
    ),
    "umt5": (
        "UMT5",
        T5,
        [
            main_case("base", Q, num_layers=3),
            main_case(
                "own_head",
                Q,
                feed_forward_proj="gated-silu",
                tie_word_embeddings=False,
                tensors_edit=own_head,
                layer_norm_epsilon=0.02,
                num_decoder_layers=None,
                d_kv=7,
            ),
            (*MODEL, Q),
            ("encoder", "EncoderModel", {}, Q),
            (*SEQUENCE, Q),
            (*TOKEN, Q),
            (*QUESTION, Q),
        ],
    ),
    "led": (
        "LED",
        dict(
            {name: size for name, size in SIZES.items() if name != "max_position_embeddings"},
            max_encoder_position_embeddings=16,
            max_decoder_position_embeddings=14,
            attention_window=4,
        ),
        [
            main_case("base", attention_window=[4, 8], decoder_layers=1),
            main_case("untied", FAINT, tie_word_embeddings=False, activation_function="relu", encoder_layers=1),
            MODEL,
            QUESTION,
        ],
    ),
    "longt5": (
        "LongT5",
        dict(T5, local_radius=2, global_block_size=4),
        [
            main_case("local", Q),
            main_case(
                "transient_global",
                Q,
                encoder_attention_type="transient-global",
                local_radius=1,
                feed_forward_proj="gated-gelu",
                tie_word_embeddings=False,
                tensors_edit=own_head,
                layer_norm_epsilon=0.02,
            ),
            (*MODEL, Q),
            ("encoder", "EncoderModel", dict(encoder_attention_type="transient-global", global_block_size=2), Q),
        ],
    ),
    "switch_transformers": (
        "SwitchTransformers",
        dict(T5, num_sparse_encoder_layers=1, num_sparse_decoder_layers=1, num_experts=3, expert_capacity=2),
        [
            main_case("base", Q),
            main_case(
                "all_sparse",
                Q,
                num_sparse_encoder_layers=2,
                num_sparse_decoder_layers=0,
                num_experts=2,
                expert_capacity=64,
                router_bias=True,
                dense_act_fn="gelu_new",
                tie_word_embeddings=False,
                layer_norm_epsilon=0.02,
            ),
            (*MODEL, Q),
            ("encoder", "EncoderModel", {}, Q),
        ],
    ),
    "prophetnet": (
        "ProphetNet",
        dict(
            vocab_size=27,
            hidden_size=24,
            encoder_ffn_dim=44,
            decoder_ffn_dim=36,
            num_encoder_layers=2,  # no less than of the decoder: as T5's
            num_decoder_layers=2,
            num_encoder_attention_heads=4,
            num_decoder_attention_heads=2,
            max_position_embeddings=15,
            num_buckets=6,
            relative_max_distance=9,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=0,
        ),
        [
            main_case("base", dict(RELATIVE, gain=2.0)),
            main_case(
                "three_streams",
                dict(special=RELATIVE["special"] + FAINT_EMBEDDINGS),
                ngram=3,
                num_encoder_layers=1,
                num_decoder_layers=1,
                num_decoder_attention_heads=4,
                activation_function="relu",
                tie_word_embeddings=False,
                eps=0.1,
            ),
            (*MODEL, RELATIVE),
            ("causal_lm", "ForCausalLM", dict(max_position_embeddings=20, disable_ngram_loss=True), RELATIVE),
        ],
    ),
    "encoder-decoder": (
        "EncoderDecoder",
        dict(pad_token_id=0, decoder_start_token_id=1, generation=dict(eos_token_id=2)),
        [
            ("bert_gpt2", "Model", dict(encoder=BERT, decoder=GPT2)),
            (
                "two_berts",
                "Model",
                dict(encoder=dict(BERT, num_hidden_layers=1), decoder=dict(BERT, vocab_size=31, **DECODES)),
            ),
            pair("roberta_roberta", like_bert("roberta"), like_bert("roberta", type_vocab_size=1, hidden_act="relu", **DECODES)),
            pair("roberta_gpt2", like_bert("xlm-roberta"), dict(GPT2, tie_word_embeddings=False)),
            pair("electra_bart", like_bert("electra", embedding_size=12), like_bart("bart", scale_embedding=True)),
            pair("albert_electra", ALBERT, like_bert("electra", embedding_size=20, **DECODES)),
            pair("distilbert_xglm", DISTILBERT, XGLM, embedding=0.25, gain=2.0),
            pair("mpnet_marian", like_bert("mpnet"), like_bart("marian", tie_word_embeddings=False)),
            # BigBird's own decoder fails in generate() of Transformers 5.23, over the kind of its cache
            pair("big_bird_ernie", like_bert("big_bird", block_size=2), like_bert("ernie", **DECODES)),
            pair("ernie_blenderbot", like_bert("ernie", use_task_id=True), like_bart("blenderbot")),
            pair("data2vec_mbart", like_bert("data2vec-text"), like_bart("mbart")),
            pair("camembert_pegasus", like_bert("camembert"), like_bart("pegasus")),
            pair(
                "roberta_roformer",
                like_bert("roberta", num_hidden_layers=1),
                like_bert("roformer", embedding_size=20, rotary_value=True, **DECODES),
            ),
            ("distilbert_prophetnet", "Model", dict(encoder=DISTILBERT, decoder=PROPHETNET), dict(RELATIVE, gain=2.0)),
            pair("distilbert_bert_untied", DISTILBERT, like_bert("bert", tie_word_embeddings=False, **DECODES)),
            pair(
                "bert_electra_untied",
                BERT,
                like_bert("electra", embedding_size=20, tie_word_embeddings=False, **DECODES),
            ),
        ],
    ),
}


def source_size(config):
    return config.encoder.vocab_size if config.model_type == "encoder-decoder" else config.vocab_size


def target_size(config):
    if config.model_type == "encoder-decoder":
        return config.decoder.vocab_size
    return getattr(config, "decoder_vocab_size", None) or config.vocab_size


def padded_batch(rng, size, config, lengths, side, prefix=""):
    """Padding under the id of the config, which some models count positions by."""
    mask = lengths_mask(lengths, side)
    drawn = ids(rng, size, *mask.shape).masked_fill(mask == 0, config.pad_token_id)
    return {prefix + "input_ids": drawn, prefix + "attention_mask": mask}


def sources(rng, config, lengths, side):
    return padded_batch(rng, source_size(config), config, lengths, side)


def targets(rng, config, *shape):
    return {"decoder_input_ids": ids(rng, target_size(config), *shape)}


def attends_globally(inputs, *places):
    """Longformer's mask of those that all attend to, and that attend to all."""
    mask = torch.zeros_like(inputs["input_ids"])
    for row, column in places:
        mask[row, column] = 1
    return {**inputs, "global_attention_mask": mask}


def main_passes(rng, config):
    V = source_size(config)
    passes = {
        "short_source": {"input_ids": ids(rng, V, 1, 3), **targets(rng, config, 1, 5)},
        "padded": {
            **sources(rng, config, [6, 4], "right"),
            **padded_batch(rng, target_size(config), config, [2, 4], "right", "decoder_"),
        },
        "padded_source": {**sources(rng, config, [2, 5], "left"), **targets(rng, config, 2, 2)},
        "long": {"input_ids": ids(rng, V, 1, 12), **targets(rng, config, 1, 12)},
    }
    if config.model_type == "led":
        passes["long"] = attends_globally(passes["long"], (0, 0), (0, 7))
        passes["padded"] = attends_globally(passes["padded"], (0, 2))
    if config.model_type == "prophetnet":  # has many logits
        del passes["short_source"]
        passes["long"] = {name: given[:, :9] for name, given in passes["long"].items()}
    return passes


def model_passes(rng, config):
    return {
        "batch": {"input_ids": ids(rng, config.vocab_size, 2, 4), **targets(rng, config, 2, 3)},
        "right_padded": {**sources(rng, config, [2, 3], "right"), **targets(rng, config, 2, 2)},
    }


def encoder_passes(rng, config):
    return {
        "batch": {"input_ids": ids(rng, config.vocab_size, 2, 5)},
        "right_padded": sources(rng, config, [2, 3], "right"),
    }


def shifted_passes(rng, config):
    """Without targets: those are the source, shifted. Rows end in the id of the end, which classifiers read."""
    batch = {"input_ids": ids(rng, config.vocab_size, 2, 4)}
    padded = sources(rng, config, [3, 5], "right")
    for inputs in (batch, padded):
        lengths = (inputs["input_ids"] != config.pad_token_id).sum(-1)
        for row, length in zip(inputs["input_ids"], lengths):
            row[length - 1] = config.eos_token_id
    padded["input_ids"][:, 1] = config.eos_token_id  # the last one counts
    return {"batch": batch, "right_padded": padded}


def causal_passes(rng, config):
    return {
        "batch": {"input_ids": ids(rng, config.vocab_size, 2, 5)},
        "left_padded": sources(rng, config, [4, 2], "left"),
    }


def generations(rng, config):
    if not config.is_encoder_decoder:
        inputs = {"greedy_batch": sources(rng, config, [3, 5], "left")}
    else:
        inputs = {
            "greedy": {"input_ids": ids(rng, source_size(config), 1, 9)},
            "greedy_batch": sources(rng, config, [4, 7], "right"),
            "greedy_left": sources(rng, config, [7, 3], "left"),
        }
    if config.model_type == "led":
        inputs["greedy"] = attends_globally(inputs["greedy"], (0, 0))
    return {name: {**given, "options": dict(pad_token_id=config.pad_token_id)} for name, given in inputs.items()}


SHIFT = ("bart", "mbart", "led")  # their base models make targets of the source where there are none


def passes_of(arch, cls):
    if cls.endswith(("ForConditionalGeneration", "MTModel")) or arch == "encoder-decoder":
        return main_passes, generations
    if cls.endswith("ForCausalLM"):
        return causal_passes, generations
    if cls.endswith(("EncoderModel", "ForTokenClassification")):
        return encoder_passes, None
    shifts = arch in SHIFT or cls.endswith(("ForSequenceClassification", "ForQuestionAnswering"))
    return (shifted_passes if shifts else model_passes), None


def show_choices(router):
    """Lets common.Routing see what a router that takes the best only chooses between."""
    forward = router.forward

    def watched(self, hidden):
        chosen = forward(self, hidden)
        chosen[2].softmax(-1).topk(1)
        return chosen

    router.forward = watched


show_choices(transformers.SwitchTransformersTop1Router)


def make(arch):
    prefix, sizes, cases = ARCHS[arch]
    config_class = getattr(transformers, prefix + "Config")
    assert config_class.model_type == arch
    for case, head, fields, *rest in cases:
        cls = getattr(transformers, prefix + head)
        passes, generates = passes_of(arch, cls.__name__)
        small = {} if passes is main_passes else {name: size for name, size in SMALL.items() if name in sizes}
        fields = {**sizes, **small, **fields}
        generation, edit = fields.pop("generation", {}), fields.pop("tensors_edit", None)

        def model():
            built = cls(config_class(**copy.deepcopy(fields)))  # a config keeps the dtype of what was saved
            for name, value in generation.items():
                setattr(built.generation_config, name, value)
            return built

        write_case(arch, case, model, passes, generates, tensors_edit=edit, weights=rest[0] if rest else None)


def main():
    for arch in sys.argv[1:] or ARCHS:
        make(arch)


if __name__ == "__main__":
    main()
