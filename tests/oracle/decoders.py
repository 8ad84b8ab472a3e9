"""Tiny random checkpoints of many decoder-only architectures and their goldens: tests/data/models/MODEL_TYPE/*.

decoders.py [MODEL_TYPE...]    all without a name

A new architecture is an entry of ARCHS: what its classes are called, sizes under the names that its config uses, and
its cases: name, class (what follows the prefix, or in full), fields of the config over the sizes, and, where the
intervals of seeded.py do not suit, arguments of `interval`. Cases of ForCausalLM differ in as much as they can, so that
two or three go through every branch; an eps is large in one, or it would not be seen. Other classes are there for their
names and shapes: they have one layer and few passes.
"""

import copy
import inspect
import re
import sys

import transformers

from common import BOS, DECAYS, EOS, PAD, causal_generations, causal_passes, ids, padded_batch, positions_of, write_case
from qwen2 import SIZES as FORMER_SIZES

SIZES = dict(vocab_size=41, pad_token_id=PAD, bos_token_id=BOS, eos_token_id=EOS)

# As most configs call them. Rotary positions go beyond what the config says; where there is a table, `long` fills it.
LLAMA = dict(
    SIZES,
    hidden_size=32,
    intermediate_size=44,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=16,
)
GPT2 = dict(SIZES, n_embd=32, n_layer=2, n_head=4, n_positions=20)

LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")

MODEL = ("model", "Model", {})
SEQUENCE = ("sequence_classification", "ForSequenceClassification", dict(num_labels=3))
TOKEN = ("token_classification", "ForTokenClassification", dict(num_labels=5))
QUESTION = ("question_answering", "ForQuestionAnswering", {})

# Norms whose weight is used as 1 + weight
AROUND_ONE = dict(special=[(r"norm\.weight$", 0.0, 0.433)])

# So too where embeddings are scaled up: tied ones would say each token again
GEMMA = dict(AROUND_ONE, embedding=0.25, gain=2.0)
SCALED = dict(embedding=0.25, gain=2.0)

# Decays of RG-LRU as they begin, between 0.9 and 0.999, and beyond; the weights of its gates by their own fan-in
GRIFFIN = dict(GEMMA, special=[*AROUND_ONE["special"], (r"recurrent_param$", -3.0, 2.0), (r"gate_weight$", 0.0, 0.4)])

# RWKV's decays begin between e^-5 and e^3, its shares of the token before between 0 and 1
RWKV = dict(
    special=[
        (r"time_decay$", -1.0, 3.0),
        (r"time_first$", 0.5, 1.0),
        (r"time_mix", 0.6, 0.5),
        (r"^head\.weight$", 0.0, 0.97),
    ]
)

# Experts that are stored in one tensor, by their own fan-in
STACKED = [
    (r"(input_linear\.weight|gate_up_proj)$", 0.0, 0.398),
    (r"(output_linear\.weight|experts\.down_proj)$", 0.0, 0.503),
]

# Routers with no score near zero, where the next would be near, too
FLAT = dict(special=[(r"mlp\.gate\.weight$", 0.0, 0.25)])

# Norms around one but that of the gated delta rule, whose states keep some tokens and forget others
DELTA = dict(
    special=[
        (r"linear_attn\.norm\.weight$", 1.0, 0.433),
        *AROUND_ONE["special"],
        (r"A_log$", -1.2, 1.5),
        (r"dt_bias$", 0.3, 0.8),
    ]
)

# Buffers of an activation that a checkpoint has
XIELU = dict(special=[(r"act_fn\.beta$", 0.5, 0.1), (r"act_fn\.eps$", -1e-6, 0.0)])


def causal(name, weights=None, **fields):
    return (name, "ForCausalLM", fields, weights)


def aux(coefficient=0.4):
    """Settings by which a loss has that of unbalanced routers, too."""
    return dict(output_router_logits=True, router_aux_loss_coef=coefficient)


def rope(theta=10000.0, kind="default", **fields):
    return dict(rope_parameters=dict(rope_theta=theta, rope_type=kind, **fields))


KINDS = {
    "s": "sliding_attention",
    "f": "full_attention",
    "l": "linear_attention",
    "c": "chunked_attention",
    "v": "conv",
}


def layers(*kinds):
    """Layer types by a letter each."""
    return dict(layer_types=[KINDS[kind] for kind in kinds])


GLOBAL = dict(attention_types=[[["global"], 1]])

# Decays are exp(-exp(A_log) * step): around those that a trained model has.
STATES = dict(special=[(r"A_log$", 0.5, 1.0), (r"\.D$", 1.0, 0.5), (r"\.dt(_proj\.|_)bias$", -2.0, 1.0)])
FALCON_MAMBA = dict(SIZES, hidden_size=20, state_size=5, num_hidden_layers=2, time_step_rank=3)
JAMBA = dict(
    SIZES,
    vocab_size=33,
    hidden_size=20,
    intermediate_size=20,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    num_experts=3,
    attn_layer_period=3,
    attn_layer_offset=1,
    mamba_d_state=5,
    mamba_dt_rank=3,
)
MAMBA2 = dict(SIZES, hidden_size=20, state_size=5, num_hidden_layers=2, num_heads=4, head_dim=10, n_groups=2)

# Few tokens, as there are many tensors
MOE = dict(LLAMA, vocab_size=33, num_key_value_heads=2)
MIXTRAL = dict(MOE, intermediate_size=20, num_local_experts=3)
QWEN_MOE = dict(MOE, intermediate_size=28, moe_intermediate_size=20, num_experts=3, num_experts_per_tok=2)
DEEPSEEK = dict(
    MOE,
    num_key_value_heads=4,
    intermediate_size=28,
    moe_intermediate_size=20,
    n_routed_experts=6,
    num_experts_per_tok=2,
    n_shared_experts=1,
    first_k_dense_replace=0,
    q_lora_rank=12,
    kv_lora_rank=10,
    qk_nope_head_dim=6,
    qk_rope_head_dim=4,
    v_head_dim=8,
)
DELTA_HEADS = dict(
    head_dim=16, linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=6, linear_value_head_dim=5
)
YARN = rope(kind="yarn", factor=4.0, original_max_position_embeddings=8, mscale=0.8, mscale_all_dim=1.2)

ARCHS = {
    "gpt_neox": (
        "GPTNeoX",
        LLAMA,
        [
            causal("base", hidden_size=36, **rope(partial_rotary_factor=0.25)),
            ("odd_share", "Model", dict(hidden_size=48, **rope(100.0, partial_rotary_factor=0.25))),  # 3 of 12 elements
            causal(
                "sequential",
                layer_norm_eps=0.02,
                use_parallel_residual=False,
                attention_bias=False,
                tie_word_embeddings=True,
                hidden_act="gelu_fast",
                **rope(500.0, partial_rotary_factor=1.0),
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
            QUESTION,
        ],
    ),
    "phi": (
        "Phi",
        LLAMA,
        [
            causal("base", hidden_size=40, **rope(partial_rotary_factor=0.4)),
            causal(
                "grouped",
                layer_norm_eps=0.02,
                num_key_value_heads=2,
                qk_layernorm=True,
                hidden_act="gelu",
                tie_word_embeddings=True,
                **rope(500.0, partial_rotary_factor=0.5),
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
        ],
    ),
    "opt": (
        "OPT",
        dict(SIZES, hidden_size=36, ffn_dim=44, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=20),
        [
            causal("base"),
            causal("post_norm", do_layer_norm_before=False, word_embed_proj_dim=20, hidden_size=32),
            causal(
                "plain",
                enable_bias=False,
                layer_norm_elementwise_affine=False,
                _remove_final_layer_norm=True,
                tie_word_embeddings=False,
                activation_function="gelu",
            ),
            MODEL,
            ("sequence_classification", "ForSequenceClassification", dict(num_labels=3, word_embed_proj_dim=20)),
            QUESTION,
        ],
    ),
    "gptj": (
        "GPTJ",
        GPT2,
        [
            causal("base", n_embd=36, rotary_dim=4),
            causal(
                "tied",
                layer_norm_epsilon=0.02,
                rotary_dim=8,
                n_inner=40,
                activation_function="relu",
                tie_word_embeddings=True,
            ),
            ("model", "Model", dict(rotary_dim=4)),
            ("sequence_classification", "ForSequenceClassification", dict(num_labels=3, rotary_dim=4)),
            ("question_answering", "ForQuestionAnswering", dict(rotary_dim=4)),
        ],
    ),
    "bloom": (
        "Bloom",
        dict(SIZES, hidden_size=32, n_layer=2, n_head=4),
        [
            causal("base"),
            causal(
                "twelve_heads",
                layer_norm_epsilon=0.02,
                hidden_size=36,
                n_head=12,
                apply_residual_connection_post_layernorm=True,
                tie_word_embeddings=False,
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
            QUESTION,
        ],
    ),
    "gemma": (
        "Gemma",
        dict(LLAMA, head_dim=6, num_key_value_heads=1),
        [
            causal("base", GEMMA),
            causal(
                "biases",
                GEMMA,
                rms_norm_eps=0.02,
                head_dim=10,
                num_key_value_heads=2,
                attention_bias=True,
                tie_word_embeddings=False,
                hidden_act="gelu",
                **rope(500.0),
            ),
            (*MODEL, GEMMA),
            (*SEQUENCE, GEMMA),
            (*TOKEN, GEMMA),
        ],
    ),
    "gemma2": (
        "Gemma2",
        dict(LLAMA, head_dim=10, num_key_value_heads=2, query_pre_attn_scalar=7, sliding_window=4),
        [
            causal("base", GEMMA, num_hidden_layers=3, attn_logit_softcapping=2.0, final_logit_softcapping=2.0),
            causal(
                "uncapped",
                GEMMA,
                rms_norm_eps=0.02,
                **layers("f", "s"),
                attn_logit_softcapping=None,
                final_logit_softcapping=None,
                num_key_value_heads=4,
                attention_bias=True,
                tie_word_embeddings=False,
                hidden_activation="silu",
            ),
            (*MODEL, GEMMA),
            (*SEQUENCE, GEMMA),
            (*TOKEN, GEMMA),
        ],
    ),
    "gemma3_text": (
        "Gemma3Text",
        dict(LLAMA, head_dim=10, num_key_value_heads=2, query_pre_attn_scalar=7, sliding_window=4),
        [
            ("base", "Gemma3ForCausalLM", dict(num_hidden_layers=3, **layers("s", "f", "s")), GEMMA),
            (
                "scaled",
                "Gemma3ForCausalLM",
                dict(
                    **layers("f", "s"),
                    rope_parameters=dict(
                        full_attention=dict(rope_type="linear", factor=3.0, rope_theta=2000.0),
                        sliding_attention=dict(rope_type="default", rope_theta=100.0),
                    ),
                    final_logit_softcapping=2.0,
                    rms_norm_eps=0.02,
                    attention_bias=True,
                    num_key_value_heads=1,
                    tie_word_embeddings=False,
                ),
                GEMMA,
            ),
            (*MODEL, GEMMA),
            (
                "bidirectional",
                "Model",
                dict(num_hidden_layers=2, **layers("s", "f"), use_bidirectional_attention=True, sliding_window=4),
                GEMMA,
            ),
            (*SEQUENCE, GEMMA),
        ],
    ),
    "cohere": (
        "Cohere",
        dict(LLAMA, num_key_value_heads=2),
        [
            causal("base", logit_scale=0.6),
            causal(
                "qk_norm",
                dict(special=[(r"[qk]_norm\.weight$", 1.0, 0.433)]),  # a matrix: heads, dims
                layer_norm_eps=0.02,
                hidden_size=40,
                use_qk_norm=True,
                attention_bias=True,
                tie_word_embeddings=False,
                logit_scale=0.8,
                **rope(100.0),
            ),
            MODEL,
        ],
    ),
    "cohere2": (
        "Cohere2",
        dict(LLAMA, num_key_value_heads=2, sliding_window=4),
        [
            causal("base", num_hidden_layers=3, sliding_window_pattern=3, logit_scale=0.6),
            causal(
                "biases",
                layer_norm_eps=0.02,
                **layers("f", "s"),
                hidden_size=40,
                attention_bias=True,
                tie_word_embeddings=False,
                logit_scale=0.8,
                **rope(100.0),
            ),
            MODEL,
        ],
    ),
    "olmo": (
        "Olmo",
        LLAMA,
        [
            causal("base"),
            causal("clipped", num_key_value_heads=2, clip_qkv=1.2, attention_bias=True, tie_word_embeddings=True),
            MODEL,
            SEQUENCE,
        ],
    ),
    "olmo2": (
        "Olmo2",
        LLAMA,
        [
            causal("base", num_key_value_heads=2),
            causal("biases", rms_norm_eps=0.02, attention_bias=True, tie_word_embeddings=True, **rope(100.0)),
            MODEL,
            SEQUENCE,
        ],
    ),
    "stablelm": (
        "StableLm",
        dict(LLAMA, num_key_value_heads=4),
        [
            causal("base", hidden_size=36, num_key_value_heads=2, **rope(partial_rotary_factor=0.5)),
            causal(
                "parallel",
                layer_norm_eps=0.02,
                use_parallel_residual=True,
                qk_layernorm=True,
                use_qkv_bias=True,
                num_key_value_heads=2,
                tie_word_embeddings=True,
                **rope(100.0, partial_rotary_factor=0.25),
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
        ],
    ),
    "phi3": (
        "Phi3",
        dict(LLAMA, original_max_position_embeddings=16),
        [
            causal("base", num_key_value_heads=2, sliding_window=5),
            causal(
                "longrope",
                rms_norm_eps=0.02,
                max_position_embeddings=48,
                original_max_position_embeddings=12,
                **rope(
                    kind="longrope",
                    short_factor=[1.0, 1.1, 1.3, 1.6],
                    long_factor=[1.2, 2.0, 3.0, 4.5],
                ),
            ),
            causal(
                "partial_longrope",
                max_position_embeddings=48,
                original_max_position_embeddings=12,
                num_key_value_heads=2,
                tie_word_embeddings=True,
                **rope(
                    kind="longrope",
                    partial_rotary_factor=0.75,
                    short_factor=[1.0, 1.2, 1.5],
                    long_factor=[1.5, 2.5, 4.0],
                ),
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
        ],
    ),
    "starcoder2": (
        "Starcoder2",
        dict(LLAMA, num_key_value_heads=2),
        [
            causal("base", sliding_window=4),
            causal(
                "plain",
                norm_epsilon=0.02,
                use_bias=False,
                num_key_value_heads=4,
                tie_word_embeddings=False,
                hidden_size=40,
                **rope(100.0),
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
        ],
    ),
    "falcon": (
        "Falcon",
        dict(SIZES, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=16),
        [
            causal("base"),
            causal(
                "new_decoder",
                layer_norm_epsilon=0.02,
                new_decoder_architecture=True,
                num_kv_heads=2,
                bias=True,
                tie_word_embeddings=False,
            ),
            causal(
                "one_norm",
                new_decoder_architecture=True,
                num_kv_heads=2,
                num_ln_in_parallel_attn=1,
                hidden_size=40,
            ),
            causal(
                "alibi",
                alibi=True,
                multi_query=False,
                parallel_attn=False,
                bias=True,
                hidden_size=36,
                num_attention_heads=12,
            ),
            causal(
                "sequential",
                parallel_attn=False,
                multi_query=False,
                hidden_size=40,
                ffn_hidden_size=44,
                activation="gelu_new",
                **rope(100.0),
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
            QUESTION,
        ],
    ),
    "codegen": (
        "CodeGen",
        GPT2,
        [
            causal("base", n_embd=40, n_head=8, rotary_dim=4),
            causal(
                "tied",
                layer_norm_epsilon=0.02,
                rotary_dim=8,
                n_inner=44,
                activation_function="relu",
                tie_word_embeddings=True,
            ),
            ("model", "Model", dict(rotary_dim=4)),
        ],
    ),
    "gpt_neo": (
        "GPTNeo",
        dict(SIZES, hidden_size=36, num_layers=2, num_heads=4, max_position_embeddings=20, window_size=4),
        [
            causal("base", attention_types=[[["global", "local"], 1]]),
            causal(
                "local",
                layer_norm_epsilon=0.02,
                attention_types=[[["local"], 2]],
                window_size=3,
                intermediate_size=44,
                activation_function="relu",
                tie_word_embeddings=False,
            ),
            ("model", "Model", dict(attention_types=[[["local"], 1]], hidden_size=32)),
            ("sequence_classification", "ForSequenceClassification", dict(num_labels=3, **GLOBAL)),
            ("token_classification", "ForTokenClassification", dict(num_labels=5, **GLOBAL)),
            ("question_answering", "ForQuestionAnswering", dict(attention_types=[[["local"], 1]])),
        ],
    ),
    "mpt": (
        "Mpt",
        dict(SIZES, d_model=32, n_heads=4, n_layers=2, max_seq_len=20),
        [
            causal("base"),
            causal(
                "clipped",
                layer_norm_epsilon=0.02,
                d_model=36,
                n_heads=6,
                attn_config=dict(clip_qkv=1.2, softmax_scale=0.5),
                tie_word_embeddings=False,
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
            QUESTION,
        ],
    ),
    "gpt_bigcode": (
        "GPTBigCode",
        GPT2,
        [
            causal("base", n_embd=36),
            causal(
                "multi_head",
                layer_norm_epsilon=0.02,
                multi_query=False,
                scale_attn_weights=False,
                n_inner=44,
                activation_function="gelu",
                tie_word_embeddings=False,
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
        ],
    ),
    "smollm3": (
        "SmolLM3",
        dict(LLAMA, num_key_value_heads=2),
        [
            causal("base", num_hidden_layers=3, no_rope_layer_interval=2),
            causal(
                "slides",
                rms_norm_eps=0.02,
                num_hidden_layers=3,
                no_rope_layers=[0, 1, 0],
                use_sliding_window=True,
                sliding_window=4,
                num_key_value_heads=4,
                attention_bias=True,
                mlp_bias=True,
                tie_word_embeddings=False,
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
            QUESTION,
        ],
    ),
    "nemotron": (
        "Nemotron",
        dict(LLAMA, num_key_value_heads=4),
        [
            causal("base", AROUND_ONE, head_dim=10, num_key_value_heads=2, **rope(partial_rotary_factor=0.4)),
            causal(
                "biases",
                AROUND_ONE,
                norm_eps=0.02,
                attention_bias=True,
                mlp_bias=True,
                hidden_act="gelu",
                tie_word_embeddings=True,
                **rope(100.0, partial_rotary_factor=1.0),
            ),
            (*MODEL, AROUND_ONE),
            (*SEQUENCE, AROUND_ONE),
            (*TOKEN, AROUND_ONE),
            (*QUESTION, AROUND_ONE),
        ],
    ),
    "glm": (
        "Glm",
        dict(LLAMA, head_dim=8, num_key_value_heads=2),
        [
            causal("base"),
            causal(
                "plain",
                rms_norm_eps=0.02,
                attention_bias=False,
                head_dim=10,
                num_key_value_heads=1,
                tie_word_embeddings=True,
                **rope(100.0, partial_rotary_factor=1.0),
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
        ],
    ),
    "glm4": (
        "Glm4",
        dict(LLAMA, head_dim=8, num_key_value_heads=2),
        [
            causal("base"),
            causal(
                "plain",
                rms_norm_eps=0.02,
                attention_bias=False,
                head_dim=10,
                num_key_value_heads=1,
                tie_word_embeddings=True,
                **rope(100.0, partial_rotary_factor=1.0),
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
        ],
    ),
    "ernie4_5": (
        "Ernie4_5",
        dict(LLAMA, head_dim=8, num_key_value_heads=2),
        [
            causal("base"),
            causal(
                "biases",
                rms_norm_eps=0.02,
                use_bias=True,
                head_dim=10,
                num_key_value_heads=1,
                tie_word_embeddings=False,
                **rope(100.0),
            ),
            MODEL,
        ],
    ),
    "xglm": (
        "XGLM",
        dict(SIZES, d_model=32, ffn_dim=44, num_layers=2, attention_heads=4, max_position_embeddings=20),
        [
            causal("base", SCALED),
            causal(
                "unscaled",
                d_model=33,
                attention_heads=3,
                scale_embedding=False,
                activation_function="relu",
                tie_word_embeddings=False,
            ),
            MODEL,
        ],
    ),
    "biogpt": (
        "BioGpt",
        dict(LLAMA, max_position_embeddings=20),
        [
            causal("base", SCALED),
            causal(
                "unscaled",
                dict(special=[(r"^output_projection\.weight$", 0.0, 0.765)]),
                hidden_size=36,
                scale_embedding=False,
                hidden_act="relu",
                tie_word_embeddings=False,
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
        ],
    ),
    "helium": (
        "Helium",
        dict(LLAMA, num_key_value_heads=4, head_dim=8),
        [
            causal("base", num_key_value_heads=2),
            causal(
                "biases",
                rms_norm_eps=0.02,
                hidden_size=40,
                head_dim=10,
                attention_bias=True,
                mlp_bias=True,
                tie_word_embeddings=True,
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
        ],
    ),
    "exaone4": (
        "Exaone4",
        dict(LLAMA, num_key_value_heads=2, sliding_window=4),
        [
            causal("base", num_hidden_layers=3, sliding_window_pattern=2),
            causal(
                "full",
                rms_norm_eps=0.02,
                **layers("f", "f"),
                sliding_window=None,
                num_key_value_heads=4,
                tie_word_embeddings=True,
                **rope(100.0),
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
            QUESTION,
        ],
    ),
    "seed_oss": (
        "SeedOss",
        dict(LLAMA, num_key_value_heads=2, head_dim=10),
        [
            causal("base"),
            causal(
                "output_biases",
                rms_norm_eps=0.02,
                attention_bias=False,
                attention_out_bias=True,
                mlp_bias=True,
                num_key_value_heads=4,
                tie_word_embeddings=True,
                **rope(100.0),
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
            QUESTION,
        ],
    ),
    "apertus": (
        "Apertus",
        dict(LLAMA, num_key_value_heads=2),
        [
            causal(
                "base",
                XIELU,
                **rope(
                    kind="llama3",
                    factor=8.0,
                    low_freq_factor=1.0,
                    high_freq_factor=4.0,
                    original_max_position_embeddings=8,
                ),
            ),
            causal(
                "biases",
                XIELU,
                rms_norm_eps=0.02,
                hidden_size=40,
                num_key_value_heads=4,
                attention_bias=True,
                tie_word_embeddings=True,
                **rope(100.0),
            ),
            (*MODEL, XIELU),
            (*TOKEN, XIELU),
        ],
    ),
    "arcee": (
        "Arcee",
        dict(LLAMA, num_key_value_heads=2),
        [
            causal("base"),
            causal(
                "biases",
                rms_norm_eps=0.02,
                attention_bias=True,
                mlp_bias=True,
                head_dim=10,
                num_key_value_heads=4,
                tie_word_embeddings=True,
                **rope(kind="yarn", factor=4.0, original_max_position_embeddings=8),
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
            QUESTION,
        ],
    ),
    "hunyuan_v1_dense": (
        "HunYuanDenseV1",
        dict(LLAMA, num_key_value_heads=2, head_dim=8),
        [
            causal("base"),
            causal(
                "alpha",
                rms_norm_eps=0.02,
                head_dim=10,
                num_key_value_heads=4,
                attention_bias=True,
                tie_word_embeddings=True,
                **rope(kind="dynamic", alpha=50.0, factor=1.0),
            ),
            MODEL,
            SEQUENCE,
        ],
    ),
    "olmo3": (
        "Olmo3",
        dict(LLAMA, num_key_value_heads=2, sliding_window=4),
        [
            causal(
                "base",
                num_hidden_layers=3,
                **layers("s", "f", "s"),
                rope_parameters=dict(
                    full_attention=dict(
                        rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=8
                    ),
                    sliding_attention=dict(rope_type="default", rope_theta=10000.0),
                ),
            ),
            causal(
                "biases",
                rms_norm_eps=0.02,
                num_hidden_layers=4,
                attention_bias=True,
                num_key_value_heads=4,
                tie_word_embeddings=True,
            ),
            MODEL,
            SEQUENCE,
        ],
    ),
    "mixtral": (
        "Mixtral",
        MIXTRAL,
        [
            causal("base", num_local_experts=5),
            causal(
                "top_1",
                rms_norm_eps=0.02,
                num_experts_per_tok=1,
                sliding_window=4,
                head_dim=10,
                hidden_act="gelu",
                tie_word_embeddings=True,
                **aux(),
                **rope(100.0),
            ),
            ("model", "Model", dict(sliding_window=3)),
            SEQUENCE,
            TOKEN,
            QUESTION,
        ],
    ),
    "qwen3_moe": (
        "Qwen3Moe",
        QWEN_MOE,
        [
            causal("base", num_experts=5, mlp_only_layers=[0], norm_topk_prob=True, head_dim=12),
            causal("every_layer", norm_topk_prob=True),
            causal(
                "top_1",
                rms_norm_eps=0.02,
                decoder_sparse_step=2,
                num_experts_per_tok=1,
                attention_bias=True,
                use_sliding_window=True,
                sliding_window=4,
                num_key_value_heads=4,
                tie_word_embeddings=True,
                **aux(),
                **rope(100.0),
            ),
            MODEL,
            SEQUENCE,
            TOKEN,
            QUESTION,
        ],
    ),
    "qwen3_next": (
        "Qwen3Next",
        dict(QWEN_MOE, **DELTA_HEADS, shared_expert_intermediate_size=24),
        [
            causal("base", DELTA, num_hidden_layers=3, **layers("l", "f", "l"), num_experts=5, mlp_only_layers=[0]),
            causal(
                "top_1",
                DELTA,
                rms_norm_eps=0.02,
                **layers("f", "l"),
                linear_num_key_heads=1,
                linear_value_head_dim=9,
                linear_conv_kernel_dim=2,
                decoder_sparse_step=2,
                num_experts_per_tok=1,
                attention_bias=True,
                head_dim=8,
                num_key_value_heads=4,
                hidden_act="gelu",
                tie_word_embeddings=True,
                **aux(),
                **rope(100.0, partial_rotary_factor=0.5),
            ),
            causal(
                "ungrouped",
                DELTA,
                full_attention_interval=2,
                linear_num_key_heads=3,
                linear_num_value_heads=3,
                norm_topk_prob=False,
                num_experts=4,
                num_experts_per_tok=3,
                num_key_value_heads=1,
            ),
            (*MODEL[:2], dict(num_hidden_layers=2, **layers("l", "f")), DELTA),
            (*SEQUENCE, DELTA),
            (*TOKEN, DELTA),
            (*QUESTION, DELTA),
        ],
    ),
    "qwen3_5_text": (
        "Qwen3_5Text",
        dict(LLAMA, **DELTA_HEADS, vocab_size=37, num_key_value_heads=2),
        [
            ("base", "Qwen3_5ForCausalLM", dict(num_hidden_layers=3, **layers("l", "f", "l")), DELTA),
            (
                "grouped",
                "Qwen3_5ForCausalLM",
                dict(
                    rms_norm_eps=0.02,
                    **layers("f", "l"),
                    linear_num_key_heads=1,
                    linear_value_head_dim=9,
                    linear_conv_kernel_dim=2,
                    attention_bias=True,
                    head_dim=8,
                    num_key_value_heads=4,
                    hidden_act="gelu",
                    tie_word_embeddings=True,
                    **rope(100.0, partial_rotary_factor=0.5),
                ),
                DELTA,
            ),
            (
                "sections",
                "Qwen3_5ForCausalLM",
                dict(
                    full_attention_interval=2,
                    linear_num_key_heads=3,
                    linear_num_value_heads=3,
                    num_key_value_heads=1,
                    **rope(500.0, mrope_section=[2, 1, 1], mrope_interleaved=True, partial_rotary_factor=0.5),
                ),
                DELTA,
            ),
            (*MODEL[:2], dict(num_hidden_layers=2, **layers("l", "f")), DELTA),
            (*SEQUENCE, DELTA),
        ],
    ),
    "qwen3_5_moe_text": (
        "Qwen3_5MoeText",
        dict(QWEN_MOE, **DELTA_HEADS, shared_expert_intermediate_size=24),
        [
            ("base", "Qwen3_5MoeForCausalLM", dict(num_experts=5, **layers("l", "f")), DELTA),
            (
                "top_1",
                "Qwen3_5MoeForCausalLM",
                dict(
                    rms_norm_eps=0.02,
                    **layers("f", "l"),
                    linear_num_key_heads=1,
                    linear_conv_kernel_dim=3,
                    num_experts_per_tok=1,
                    attention_bias=True,
                    hidden_act="gelu",
                    tie_word_embeddings=True,
                    **aux(),
                    **rope(100.0, partial_rotary_factor=0.5),
                ),
                DELTA,
            ),
            (*MODEL[:2], dict(num_hidden_layers=2, **layers("l", "f")), DELTA),
        ],
    ),
    "qwen2_moe": (
        "Qwen2Moe",
        dict(QWEN_MOE, shared_expert_intermediate_size=24),
        [
            causal("base", num_experts=5, mlp_only_layers=[0]),
            causal("every_layer"),
            causal(
                "normalized",
                rms_norm_eps=0.02,
                decoder_sparse_step=2,
                norm_topk_prob=True,
                num_experts=4,
                num_experts_per_tok=3,
                qkv_bias=False,
                use_sliding_window=True,
                sliding_window=4,
                max_window_layers=1,
                num_key_value_heads=4,
                tie_word_embeddings=True,
                **aux(),
                **rope(100.0),
            ),
            ("model", "Model", dict(num_experts_per_tok=1)),
            SEQUENCE,
            TOKEN,
            QUESTION,
        ],
    ),
    "olmoe": (
        "Olmoe",
        dict(MIXTRAL, num_key_value_heads=4, num_experts_per_tok=2),
        [
            causal("base", num_local_experts=5),
            causal(
                "clipped",
                FLAT,
                rms_norm_eps=0.02,
                clip_qkv=1.2,
                num_key_value_heads=2,
                norm_topk_prob=True,
                num_local_experts=4,
                num_experts_per_tok=3,
                attention_bias=True,
                tie_word_embeddings=True,
                **aux(),
                **rope(100.0),
            ),
            ("model", "Model", dict(num_experts_per_tok=1)),
        ],
    ),
    "granitemoe": (
        "GraniteMoe",
        dict(
            MIXTRAL,
            embedding_multiplier=3.5,
            residual_multiplier=0.4,
            attention_multiplier=0.2,
            logits_scaling=0.7,
        ),
        [
            causal("base", dict(special=STACKED), num_local_experts=5),
            causal(
                "top_1",
                dict(special=STACKED, embedding=0.25, gain=2.0),
                rms_norm_eps=0.02,
                num_experts_per_tok=1,
                attention_bias=True,
                num_key_value_heads=4,
                hidden_act="gelu",
                tie_word_embeddings=True,
                embedding_multiplier=1.5,
                logits_scaling=1.4,
                **aux(),
                **rope(100.0),
            ),
            (*MODEL, dict(special=STACKED)),
        ],
    ),
    "gpt_oss": (
        "GptOss",
        dict(MIXTRAL, num_experts_per_tok=2, head_dim=8, sliding_window=4, swiglu_limit=1.5),
        [
            causal("base", dict(special=STACKED), num_local_experts=5),
            causal(
                "top_1",
                dict(special=STACKED),
                rms_norm_eps=0.02,
                **layers("f", "s"),
                num_experts_per_tok=1,
                attention_bias=False,
                head_dim=10,
                num_key_value_heads=4,
                swiglu_alpha=1.2,
                swiglu_limit=0.7,
                tie_word_embeddings=True,
                **aux(),
                **rope(100.0),
            ),
            (*MODEL, dict(special=STACKED)),
            (*SEQUENCE, dict(special=STACKED)),
            (*TOKEN, dict(special=STACKED)),
        ],
    ),
    "ernie4_5_moe": (
        "Ernie4_5_Moe",
        dict(
            MOE,
            intermediate_size=28,
            moe_intermediate_size=12,
            moe_num_experts=3,
            moe_k=2,
            moe_layer_start_index=0,
        ),
        [
            causal("base", moe_num_experts=5, moe_layer_start_index=1, head_dim=10),
            causal(
                "top_1",
                rms_norm_eps=0.02,
                moe_layer_end_index=0,
                moe_num_shared_experts=0,
                moe_k=1,
                moe_norm_min=0.6,
                use_bias=True,
                num_key_value_heads=1,
                tie_word_embeddings=False,
                **aux(),
                **rope(100.0),
            ),
            ("model", "Model", dict(num_hidden_layers=4, moe_layer_interval=2, moe_layer_end_index=2)),
        ],
    ),
    "minimax": (
        "MiniMax",
        dict(
            MIXTRAL,
            block_size=4,
            full_attn_alpha_factor=1.2,
            full_attn_beta_factor=0.8,
            linear_attn_alpha_factor=0.9,
            linear_attn_beta_factor=1.3,
            mlp_alpha_factor=1.1,
            mlp_beta_factor=0.7,
        ),
        [
            causal("base", num_local_experts=5, **layers("l", "f")),
            causal(
                "top_1",
                rms_norm_eps=0.02,
                num_hidden_layers=3,
                **layers("l", "f", "l"),
                block_size=256,
                sliding_window=4,
                num_experts_per_tok=1,
                head_dim=10,
                num_key_value_heads=4,
                hidden_act="gelu",
                tie_word_embeddings=True,
                **aux(),
                **rope(100.0),
            ),
            ("model", "Model", dict(num_hidden_layers=2, **layers("l", "f"))),
            SEQUENCE,
            TOKEN,
            QUESTION,
        ],
    ),
    "deepseek_v2": (
        "DeepseekV2",
        DEEPSEEK,
        [
            causal(
                "base",
                n_routed_experts=5,
                n_shared_experts=2,
                moe_intermediate_size=12,
                first_k_dense_replace=1,
                routed_scaling_factor=1.5,
            ),
            causal(
                "groups",
                FLAT,
                rms_norm_eps=0.02,
                first_k_dense_replace=1,
                q_lora_rank=None,
                topk_method="group_limited_greedy",
                n_group=3,
                topk_group=2,
                attention_bias=True,
                mlp_bias=True,
                tie_word_embeddings=True,
                **YARN,
            ),
            ("model", "Model", dict(num_experts_per_tok=1)),
            SEQUENCE,
        ],
    ),
    "deepseek_v3": (
        "DeepseekV3",
        dict(DEEPSEEK, n_group=2, topk_group=1),
        [
            causal("base", first_k_dense_replace=1),
            causal(
                "one_group",
                rms_norm_eps=0.02,
                first_k_dense_replace=1,
                q_lora_rank=None,
                n_group=1,
                n_routed_experts=5,
                num_experts_per_tok=3,
                n_shared_experts=2,
                moe_intermediate_size=12,
                norm_topk_prob=False,
                routed_scaling_factor=0.8,
                rope_interleave=False,
                attention_bias=True,
                tie_word_embeddings=True,
                **YARN,
            ),
            ("model", "Model", dict(num_experts_per_tok=1)),
            SEQUENCE,
            TOKEN,
        ],
    ),
    "bitnet": (
        "BitNet",
        dict(LLAMA, num_key_value_heads=2),
        [
            causal("base"),
            causal(
                "biases",
                rms_norm_eps=0.02,
                hidden_size=40,
                num_key_value_heads=None,
                attention_bias=True,
                hidden_act="silu",
                tie_word_embeddings=True,
                **rope(100.0),
            ),
            causal("one_key", num_hidden_layers=1, num_key_value_heads=1, **rope(kind="linear", factor=3.0)),
            MODEL,
        ],
    ),
    "lfm2": (
        "Lfm2",
        dict(LLAMA, num_key_value_heads=2, block_multiple_of=8),
        [
            causal("base", num_hidden_layers=3, full_attn_idxs=[1]),
            causal(
                "biases",
                norm_eps=0.02,
                **layers("v", "f", "v"),
                num_hidden_layers=3,
                hidden_size=40,
                intermediate_size=36,
                num_key_value_heads=4,
                conv_bias=True,
                conv_L_cache=4,
                block_auto_adjust_ff_dim=False,
                tie_word_embeddings=False,
                **rope(100.0),
            ),
            causal("attention", conv_L_cache=2, block_ffn_dim_multiplier=1.7, num_key_value_heads=1),
            ("model", "Model", layers("v")),
        ],
    ),
    "llama4_text": (
        "Llama4Text",
        dict(
            MIXTRAL,
            intermediate_size_mlp=28,
            head_dim=8,
            attention_chunk_size=4,
            floor_scale=3,
            attn_scale=0.4,
        ),
        [
            (
                "base",
                "Llama4ForCausalLM",
                dict(
                    num_hidden_layers=4,
                    **rope(
                        kind="llama3",
                        factor=8.0,
                        low_freq_factor=1.0,
                        high_freq_factor=4.0,
                        original_max_position_embeddings=8,
                    ),
                ),
                dict(special=STACKED),
            ),
            (
                "interleaved",
                "Llama4ForCausalLM",
                dict(
                    rms_norm_eps=0.02,
                    num_hidden_layers=3,
                    interleave_moe_layer_step=2,
                    no_rope_layers=[0, 1, 1],
                    num_local_experts=4,
                    num_experts_per_tok=2,
                    use_qk_norm=False,
                    attn_temperature_tuning=False,
                    attention_chunk_size=5,
                    attention_bias=True,
                    head_dim=10,
                    num_key_value_heads=4,
                    hidden_act="gelu",
                    tie_word_embeddings=True,
                    **rope(100.0),
                ),
                dict(special=STACKED),
            ),
            (
                "types",
                "Llama4ForCausalLM",
                dict(
                    **layers("f", "c"),
                    no_rope_layers=[1, 0],
                    moe_layers=[1],
                    num_experts_per_tok=3,
                    num_key_value_heads=1,
                    attention_chunk_size=3,
                ),
                dict(special=STACKED),
            ),
            ("model", "Model", dict(attention_chunk_size=2), dict(special=STACKED)),
        ],
    ),
    "falcon_mamba": (
        "FalconMamba",
        FALCON_MAMBA,
        [
            causal("base", STATES),
            causal(
                "untied", STATES, tie_word_embeddings=False, num_hidden_layers=3, mixer_rms_eps=0.05, layer_norm_epsilon=0.02
            ),
            causal("biases", STATES, use_bias=True, use_conv_bias=False, conv_kernel=2, expand=3),
            causal(
                "auto_rank", STATES, time_step_rank="auto", hidden_size=36, hidden_act="gelu", residual_in_fp32=False
            ),
            ("model", "Model", {}, STATES),
        ],
    ),
    "mamba2": (
        "Mamba2",
        MAMBA2,
        [
            causal("base", STATES, chunk_size=4),
            causal("one_group", STATES, n_groups=1, tie_word_embeddings=True, num_hidden_layers=3, layer_norm_epsilon=0.02),
            causal(
                "biases",
                STATES,
                use_bias=True,
                use_conv_bias=False,
                conv_kernel=2,
                expand=3,
                num_heads=6,
                n_groups=6,
                hidden_act="gelu",
                residual_in_fp32=False,
            ),
            causal("limits", STATES, time_step_limit=(0.08, 0.3), state_size=8, head_dim=8, num_heads=5, n_groups=5, chunk_size=7),
            ("model", "Model", {}, STATES),
        ],
    ),
    "jamba": (
        "Jamba",
        JAMBA,
        [
            causal("base", STATES),
            causal(
                "attention_first",
                STATES,
                num_hidden_layers=4,
                attn_layer_period=2,
                attn_layer_offset=0,
                expert_layer_period=3,
                expert_layer_offset=2,
                num_experts_per_tok=1,
                num_key_value_heads=4,
                mamba_d_conv=2,
                mamba_expand=3,
                mamba_conv_bias=False,
                mamba_proj_bias=True,
                mamba_dt_rank="auto",
                hidden_act="gelu",
                rms_norm_eps=0.02,
                tie_word_embeddings=True,
                **aux(),
            ),
            causal("dense", STATES, num_hidden_layers=2, num_experts=1, attn_layer_period=1, attn_layer_offset=0),
            ("model", "Model", {}, STATES),
            ("sequence_classification", "ForSequenceClassification", dict(num_labels=3), STATES),
        ],
    ),
    "recurrent_gemma": (
        "RecurrentGemma",
        dict(
            SIZES,
            hidden_size=20,
            intermediate_size=36,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=1,
            attention_window_size=5,
        ),
        [
            causal("base", GRIFFIN, lru_width=24),
            causal(
                "attention_first",
                GRIFFIN,
                rms_norm_eps=0.02,
                block_types=["attention", "recurrent"],
                num_hidden_layers=4,
                num_key_value_heads=None,
                attention_window_size=3,
                attention_bias=True,
                intermediate_size=33,
                conv1d_width=2,
                logits_soft_cap=4.0,
                hidden_activation="gelu",
                tie_word_embeddings=False,
                **rope(100.0, partial_rotary_factor=1.0),
            ),
            causal(
                "recurrent",  # of which Transformers' cache does not know the length
                GRIFFIN,
                block_types=["recurrent"],
                num_hidden_layers=2,
                num_attention_heads=5,
                conv1d_width=1,
                use_cache=False,
            ),
            ("model", "Model", dict(num_hidden_layers=3), GRIFFIN),
        ],
    ),
    "rwkv": (
        "Rwkv",
        dict(SIZES, hidden_size=20, num_hidden_layers=3, intermediate_size=28, rescale_every=2),
        [
            causal("base", RWKV),
            causal(
                "wide",
                RWKV,
                layer_norm_epsilon=0.02,
                num_hidden_layers=4,
                attention_hidden_size=28,
                intermediate_size=None,
                hidden_size=12,
                rescale_every=1,
                tie_word_embeddings=True,
            ),
            causal("unscaled", RWKV, num_hidden_layers=2, rescale_every=0, use_cache=False),  # for its gradients
            ("model", "Model", dict(num_hidden_layers=2, rescale_every=1), RWKV),
        ],
    ),
}


# Those whose cases have the passes that llama.py's have, of every class.
FORMER = {
    "mistral": (
        "Mistral",
        FORMER_SIZES,
        [
            causal("base", sliding_window=None),
            causal("window", sliding_window=5, head_dim=12),
            ("model", "Model", dict(sliding_window=3)),
            SEQUENCE,
            TOKEN,
            ("question_answering", "ForQuestionAnswering", dict(sliding_window=4)),
        ],
    ),
    "qwen3": (
        "Qwen3",
        FORMER_SIZES,
        [
            causal("base", head_dim=12),
            causal("biases", head_dim=8, attention_bias=True, tie_word_embeddings=True),
            causal("slides", head_dim=10, use_sliding_window=True, sliding_window=4, max_window_layers=1),
            ("model", "Model", dict(head_dim=12)),
            ("token_classification", "ForTokenClassification", dict(head_dim=12, num_labels=5)),
            ("sequence_classification", "ForSequenceClassification", dict(head_dim=8, num_labels=3)),
            ("question_answering", "ForQuestionAnswering", dict(head_dim=10)),
        ],
    ),
    "granite": (
        "Granite",
        dict(
            FORMER_SIZES,
            embedding_multiplier=3.5,
            residual_multiplier=0.4,
            attention_multiplier=0.2,
            logits_scaling=0.7,
        ),
        [
            causal("base"),
            causal("biases", attention_bias=True, mlp_bias=True, logits_scaling=0.5),
            MODEL,
        ],
    ),
}


def passes_of(cls):
    """The passes of a class: few, as many cases have them."""
    takes_positions = "position_ids" in inspect.signature(cls.forward).parameters

    def few(rng, config):
        return {
            "batch": {"input_ids": ids(rng, config.vocab_size, 2, 5)},
            "right_padded": padded_batch(rng, config.vocab_size, [6, 3], "right"),
        }

    def passes(rng, config):
        left = padded_batch(rng, config.vocab_size, [6, 9, 2], "left")
        positions = {"left_padded_positions": {**left, "position_ids": positions_of(left["attention_mask"])}}
        return {
            "single": {"input_ids": ids(rng, config.vocab_size, 1, 11)},
            "batch": {"input_ids": ids(rng, config.vocab_size, 3, 7)},
            "left_padded": left,
            **(positions if takes_positions else {}),
            "long": {"input_ids": ids(rng, config.vocab_size, 1, 20)},
        }

    return passes if cls.__name__.endswith("ForCausalLM") else few


def generations(rng, config):
    inputs = causal_generations(rng, config.vocab_size)
    if getattr(config, "output_router_logits", False):  # Transformers' auxiliary loss fails where a cache is used
        inputs = {name: {**given, "options": dict(output_router_logits=False)} for name, given in inputs.items()}
    # MiniMax's state, once kept, has padding in it, and its full layers see no window; RWKV's, of several rows, becomes
    # one of each row with each
    if config.model_type in ("minimax", "rwkv"):
        for given in inputs.values():
            given["options"] = {**given.get("options", {}), "use_cache": False}
    limits = getattr(config, "time_step_limit", None)
    if limits and max(limits) < float("inf"):  # which Transformers forgets where it goes on from a cache
        for given in inputs.values():
            given["options"] = dict(use_cache=False)
    return inputs


def without_decays(tensors):
    """MiniMax stores what it computes of its config; it computes it, too, where a checkpoint has none."""
    return {name: tensor for name, tensor in tensors.items() if not re.search(DECAYS, name)}


def make(arch):
    prefix, sizes, cases = {**ARCHS, **FORMER}[arch]
    config_class = getattr(transformers, prefix + "Config")
    assert config_class.model_type == arch
    for case, head, fields, *rest in cases:
        cls = getattr(transformers, prefix + head, None) or getattr(transformers, head)
        generates = head.endswith("ForCausalLM")
        if arch in FORMER:
            passes = lambda rng, config: causal_passes(rng, config.vocab_size, 38)
        else:
            passes = passes_of(cls)
            if not generates:
                fields = {**{name: 1 for name in LAYERS if name in sizes}, **fields}
        fields = {**sizes, **fields}
        edit = without_decays if arch == "minimax" else None
        model = lambda: cls(config_class(**copy.deepcopy(fields)))  # a config keeps the dtype of what was saved
        weights = rest[0] if rest else None
        generated = generations if generates else None
        write_case(arch, case, model, passes, generated, weights=weights, tensors_edit=edit)


def main():
    for arch in sys.argv[1:] or {**ARCHS, **FORMER}:
        make(arch)


if __name__ == "__main__":
    main()
