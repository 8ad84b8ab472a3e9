"""Losses and gradients of the tiny checkpoints of tests/data/models, by PyTorch: tests/data/gradients/NAME.safetensors.

Each file has the inputs of one padded batch with labels, `loss`, and `grad.NAME` of every parameter that the checkpoint
stores, in its layout; `checkpoint` in the metadata names the folder. Where a case lists names, it has these alone.

gradients.py [NAME...]    all without a name
"""

import inspect
import pathlib
import sys
import tempfile

import safetensors.torch
import torch

import common
import encoders
from vit import NAMES_IN_MEMORY as VIT
from common import DATA, MIN_MARGIN, Routing, generator, load, padded_batch, save
from encoder_decoders import ARCHS as ENCODER_DECODERS, source_size, target_size

# Of BART and its like
BART = (
    "encoder.layers.1.self_attn.q",
    "decoder.layers.0.encoder_attn.k",
    "decoder.layers.1.self_attn.v",
    "norm",
    "shared",
)

# name: folder, config overrides, kind of labels, parameters kept (all if empty)
CASES = {
    "llama": ("llama/gqa_odd", {}, "next", ()),
    "llama_tied": ("llama/tied", {}, "next", ()),
    "llama_biases": ("llama/biases", {}, "next", ("bias", "layernorm")),
    "llama_yarn": ("llama/rope_yarn", {}, "next", ("q_proj", "k_proj")),
    "llama_sequence": ("llama/sequence_classification", {}, "class", ("score", "layers.1", "norm")),
    "llama_answers": ("llama/question_answering", {}, "span", ("qa_outputs", "layers.0.self_attn", "norm")),
    "qwen2": ("qwen2/layer_types", {}, "next", ()),
    "qwen2_token": ("qwen2/token_classification", {}, "tags", ("score", "layers.1", "bias")),
    "mamba": ("mamba/base", {}, "next", ()),
    "mamba_biases": ("mamba/biases", {}, "next", ("mixer",)),
    "gpt2": ("gpt2/base", {}, "next", ()),
    "gpt2_untied": ("gpt2/gelu_untied", {}, "next", ("lm_head", "ln", "attn")),
    "gpt2_scaled": ("gpt2/scaled_by_layer", {}, "next", ("c_attn", "ln")),
    "gpt2_sequence": ("gpt2/sequence_classification", {}, "class", ("score", "h.1", "ln_")),
    "gpt2_double_heads": ("gpt2/double_heads", {}, "heads", ("wte", "multiple_choice", "h.1", "ln_f")),
    "gpt2_judged": ("gpt2/double_heads_tanh", {}, "judged", ("multiple_choice", "h.0.attn", "ln_")),
    "gpt2_answers": ("gpt2/question_answering", {}, "span", ("qa_outputs", "h.0.attn", "ln_")),
    "bert_masked_lm": ("bert/masked_lm", {}, "same", ()),
    "bert_masked_lm_untied": ("bert/masked_lm_untied", {}, "same", ("cls", "layer.1.output")),
    "bert_sequence": ("bert/sequence_classification", {}, "class", ()),
    "bert_regression": (
        "bert/sequence_classification",
        {"problem_type": "regression"},
        "values",
        ("classifier", "pooler", "LayerNorm"),
    ),
    "bert_multi_label": (
        "bert/sequence_classification",
        {"problem_type": "multi_label_classification"},
        "flags",
        ("classifier", "pooler", "LayerNorm"),
    ),
    "t5": ("t5/base", {}, "answers", ()),
    "t5_gated": ("t5/gated", {}, "answers", ("lm_head", "shared", "relative", "DenseReluDense", "layer_norm")),
    "vit": ("vit/base", {}, "class", ()),
    "vit_masked_image": ("vit/masked_image", {}, "masked", ("embeddings", "decoder", "layernorm", "layer.0.attention")),
    "vit_resized": ("vit/resized", {}, "class", ("embeddings", "classifier")),
    "vit_rectangles": ("vit/rectangles", {}, "class", ("embeddings", "classifier", "layer.1")),
    "bert_question": ("bert/question_answering", {}, "span", ("qa_outputs.weight", "layer.0", "embeddings")),
    "bert_choice": ("bert/multiple_choice", {}, "choice", ("classifier", "pooler", "layer.0", "embeddings")),
    "roberta_sequence": ("roberta/sequence_classification", {}, "class", ()),
    "roberta_causal": ("roberta/causal_lm_untied", {}, "next", ("lm_head", "layer.0.attention.self", "position")),
    "roberta_masked_lm": ("roberta/masked_lm", {}, "same", ("lm_head", "embeddings")),
    "distilbert_sequence": ("distilbert/sequence_classification", {}, "class", ("classifier", "layer.1", "embeddings")),
    "distilbert_masked_lm": ("distilbert/masked_lm_untied", {}, "same", ("vocab", "embeddings")),
    "bert_causal": ("bert/causal_lm", {}, "next", ("cls", "layer.1.output", "word_embeddings")),
    "bert_token": ("bert/token_classification", {}, "tags", ("classifier", "layer.1", "embeddings")),
    # of decoders.py
    "gpt_neox": ("gpt_neox/base", {}, "next", ("layers.0", "norm")),
    "gpt_neox_sequential": ("gpt_neox/sequential", {}, "next", ("norm", "query_key_value", "embed_in")),
    "phi": ("phi/base", {}, "next", ("layers.0.self_attn", "layers.0.mlp.fc1", "norm", "lm_head.bias")),
    "phi_grouped": ("phi/grouped", {}, "next", ("norm", "k_proj", "embed_tokens", "lm_head")),
    "opt": ("opt/base", {}, "next", ("layers.0", "norm")),
    "opt_post_norm": ("opt/post_norm", {}, "next", ("norm", "project", "embed")),
    "gptj": ("gptj/base", {}, "next", ("h.0.attn", "h.0.ln", "ln_f", "fc_out.bias", "wte", "lm_head.bias")),
    "gptj_tied": ("gptj/tied", {}, "next", ("h.0.mlp", "ln", "wte", "lm_head")),
    "bloom": ("bloom/base", {}, "next", ("h.0.self_attention", "norm", "h_to_4h.bias", "word_embeddings")),
    "bloom_twelve_heads": ("bloom/twelve_heads", {}, "next", ("norm", "h.1.mlp.dense_4h_to_h.weight", "bias")),
    "gemma": ("gemma/base", {}, "next", ("layers.0", "norm", "embed_tokens")),
    "gemma_biases": ("gemma/biases", {}, "next", ("norm", "bias", "v_proj")),
    "gemma2": ("gemma2/base", {}, "next", ("layers.0", "norm")),
    "gemma2_uncapped": ("gemma2/uncapped", {}, "next", ("norm", "bias", "q_proj")),
    "gemma3_text": ("gemma3_text/base", {}, "next", ("layers.1", "norm")),
    "gemma3_text_scaled": ("gemma3_text/scaled", {}, "next", ("norm", "bias", "q_proj")),
    "cohere": ("cohere/base", {}, "next", ("layers.0", "norm", "embed_tokens")),
    "cohere_qk_norm": ("cohere/qk_norm", {}, "next", ("norm", "bias", "lm_head")),
    "cohere2": ("cohere2/base", {}, "next", ("layers.2", "norm", "embed_tokens")),
    "olmo": ("olmo/base", {}, "next", ("layers.0", "embed_tokens")),
    "olmo_clipped": ("olmo/clipped", {}, "next", ("self_attn", "embed_tokens")),
    "olmo2": ("olmo2/base", {}, "next", ("layers.0", "norm")),
    "stablelm": ("stablelm/base", {}, "next", ("layers.0", "norm")),
    "stablelm_parallel": ("stablelm/parallel", {}, "next", ("norm", "bias", "k_proj", "embed_tokens")),
    "phi3": ("phi3/base", {}, "next", ("layers.0", "norm")),
    "phi3_longrope": ("phi3/partial_longrope", {}, "next", ("norm", "qkv_proj", "embed_tokens")),
    "starcoder2": ("starcoder2/base", {}, "next", ("layers.0", "norm", "embed_tokens")),
    "falcon": ("falcon/base", {}, "next", ("h.0.self_attention", "norm", "ln_f", "word_embeddings")),
    "falcon_new_decoder": ("falcon/new_decoder", {}, "next", ("query_key_value", "ln_", "bias", "lm_head")),
    "falcon_alibi": ("falcon/alibi", {}, "next", ("h.0.self_attention", "norm", "bias")),
    "codegen": ("codegen/base", {}, "next", ("h.0.attn", "ln_", "bias")),
    "gpt_neo": ("gpt_neo/base", {}, "next", ("h.1.attn", "ln_", "wpe", "bias")),
    "mpt": ("mpt/base", {}, "next", ("blocks.0.attn", "norm", "wte")),
    "mpt_clipped": ("mpt/clipped", {}, "next", ("Wqkv", "norm")),
    "gpt_bigcode": ("gpt_bigcode/base", {}, "next", ("attn", "ln_", "wpe", "bias")),
    "gpt_bigcode_multi_head": ("gpt_bigcode/multi_head", {}, "next", ("h.0", "ln_")),
    "smollm3": ("smollm3/base", {}, "next", ("layers.1", "norm", "embed_tokens")),
    "nemotron": ("nemotron/base", {}, "next", ("layers.0", "norm")),
    "nemotron_biases": ("nemotron/biases", {}, "next", ("norm", "bias", "embed_tokens")),
    "glm": ("glm/base", {}, "next", ("layers.0", "norm")),
    "glm4": ("glm4/base", {}, "next", ("layers.0", "norm")),
    "ernie4_5": ("ernie4_5/base", {}, "next", ("layers.0", "norm", "embed_tokens")),
    "xglm": ("xglm/base", {}, "next", ("layers.0", "norm", "embed_tokens")),
    "biogpt": ("biogpt/base", {}, "next", ("layers.0", "norm")),
    "biogpt_unscaled": ("biogpt/unscaled", {}, "next", ("norm", "embed", "output_projection")),
    "helium": ("helium/base", {}, "next", ("layers.0", "norm")),
    "exaone4": ("exaone4/base", {}, "next", ("layers.1", "norm")),
    "seed_oss": ("seed_oss/base", {}, "next", ("layers.0.self_attn", "norm", "down_proj")),
    "apertus": ("apertus/base", {}, "next", ("layers.0", "norm", "act_fn")),
    "arcee": ("arcee/base", {}, "next", ("layers.0", "norm")),
    "hunyuan_v1_dense": ("hunyuan_v1_dense/base", {}, "next", ("layers.0", "norm")),
    "olmo3": ("olmo3/base", {}, "next", ("layers.1", "norm")),
    "mixtral": ("mixtral/base", {}, "next", ("layers.0.block_sparse_moe.experts.2", "gate.weight", "norm")),
    "mixtral_aux": ("mixtral/top_1", {}, "next", ("layers.0.block_sparse_moe.experts", "gate.weight", "norm")),
    "qwen3_moe": ("qwen3_moe/base", {}, "next", ("layers.2.mlp.experts.3", "mlp.gate.weight", "norm")),
    "qwen3_moe_aux": ("qwen3_moe/top_1", {}, "next", ("layers.1.mlp", "norm")),
    "qwen3_next": ("qwen3_next/base", {}, "next", ("layers.0.linear_attn", "layers.1.self_attn", "norm")),
    "qwen3_next_aux": ("qwen3_next/top_1", {}, "next", ("layers.1.linear_attn", "gate.weight", "q_proj", "norm")),
    "qwen3_5_text": ("qwen3_5_text/base", {}, "next", ("layers.0.linear_attn", "layers.1.self_attn", "norm")),
    "qwen3_5_moe_text": ("qwen3_5_moe_text/top_1", {}, "next", ("layers.1.linear_attn", "gate.weight", "norm")),
    "qwen2_moe": ("qwen2_moe/base", {}, "next", ("layers.1.mlp.experts.3", "gate.weight", "mlp.shared", "norm")),
    "qwen2_moe_aux": ("qwen2_moe/normalized", {}, "next", ("experts.0", "mlp.shared", "gate.weight", "norm")),
    "olmoe": ("olmoe/base", {}, "next", ("layers.1.mlp.experts.3", "gate.weight", "norm")),
    "olmoe_aux": ("olmoe/clipped", {}, "next", ("layers.0.mlp.experts.1", "layers.0.self_attn", "gate.weight", "norm")),
    "bitnet": ("bitnet/base", {}, "next", ("layers.0", "norm")),
    "bitnet_biases": ("bitnet/biases", {}, "next", ("norm", "bias", "v_proj")),
    "lfm2": ("lfm2/base", {}, "next", ("layers.0.conv", "layers.1.self_attn", "layers.2.feed_forward", "norm")),
    "lfm2_biases": ("lfm2/biases", {}, "next", ("layers.2.conv", "bias", "norm", "layers.1.self_attn.q_proj")),
    "llama4_text": ("llama4_text/base", {}, "next", ("layers.1.feed_forward.experts", "layers.3.self_attn", "router", "norm")),
    "llama4_text_interleaved": ("llama4_text/interleaved", {}, "next", ("router", "norm", "bias", "layers.2.self_attn", "layers.1.feed_forward.shared")),
    "deepseek_v2": ("deepseek_v2/base", {}, "next", ("layers.1.self_attn", "layers.1.mlp.experts.3", "gate.weight", "norm")),
    "deepseek_v2_groups": ("deepseek_v2/groups", {}, "next", ("layers.0.self_attn", "gate.weight", "norm", "bias")),
    "deepseek_v3": ("deepseek_v3/base", {}, "next", ("layers.1.self_attn", "layers.1.mlp.experts.3", "gate.weight", "norm")),
    "deepseek_v3_one_group": ("deepseek_v3/one_group", {}, "next", ("layers.0.self_attn", "gate.weight", "norm", "bias")),
    "falcon_mamba": ("falcon_mamba/base", {}, "next", ("layers.0", "norm", "embeddings")),
    "falcon_mamba_biases": ("falcon_mamba/biases", {}, "next", ("bias", "A_log", ".D", "x_proj", "norm")),
    "mamba2": ("mamba2/base", {}, "next", ("layers.0", "norm", "embeddings")),
    "mamba2_limits": ("mamba2/limits", {}, "next", ("layers.1.mixer", "norm")),
    "jamba": ("jamba/base", {}, "next", ("layers.0.mamba", "layers.1.self_attn", "feed_forward.router", "experts.1", "norm")),
    "jamba_aux": ("jamba/attention_first", {}, "next", ("layers.1.mamba", "router", "norm", "embed_tokens")),
    "recurrent_gemma": ("recurrent_gemma/base", {}, "next", ("layers.1.temporal", "layers.2.temporal_block", "norm")),
    "recurrent_gemma_recurrent": ("recurrent_gemma/recurrent", {}, "next", ("layers.0", "embed_tokens")),
    "rwkv": ("rwkv/unscaled", {}, "next", ("blocks.0", "ln", "time", "head")),
    # of encoders.py
    "electra": ("electra/masked_lm", {}, "same", ("embeddings", "generator", "attention", "LayerNorm")),
    "electra_replaced": ("electra/pre_training", {}, "replaced", ("discriminator", "embeddings", "attention.output")),
    "albert": ("albert/masked_lm", {}, "same", ("predictions", "embedding", "attention", "norm", "ffn.bias")),
    "mpnet": ("mpnet/masked_lm", {}, "same", ("relative", "lm_head", "embeddings", "layer.0.attention")),
    "mpnet_sequence": ("mpnet/sequence_classification", {}, "class", ("relative", "classifier", "attn.q", "LayerNorm")),
    "deberta_v2": ("deberta-v2/masked_lm", {}, "same", ("self.pos_key", "rel_", "cls", "self.query", "embeddings")),
    "deberta_v2_own_head": ("deberta-v2/masked_lm_own_head", {}, "same", ("self", "rel_", "lm_pred", "embeddings")),
    "deberta_v2_shared": ("deberta-v2/sequence_classification", {}, "class", ("self", "rel_", "pooler", "classifier")),
    "deberta_v2_convolution": ("deberta-v2/sequence_classification_tanh", {}, "class", ("conv", "rel_", "encoder.LayerNorm", "0.attention.self.pos")),
    # Answers are looked for in padding, too, so that what it sees has a gradient.
    "deberta_v2_answers": ("deberta-v2/question_answering", {}, "span", ("self", "rel_", "qa_outputs")),
    "deberta_answers": ("deberta/question_answering", {}, "span", ("self", "rel_", "qa_outputs")),
    "deberta": ("deberta/masked_lm", {}, "same", ("self", "rel_", "cls", "embeddings")),
    "deberta_talking_heads": ("deberta/sequence_classification", {}, "class", ("head_", "rel_", "pos_", "v_bias", "pooler")),
    "modernbert": ("modernbert/masked_lm", {}, "same", ("layers.1.attn", "norm", "head", "embeddings", "decoder")),
    "modernbert_mean": ("modernbert/sequence_classification_mean", {}, "class", ("attn", "mlp", "head", "classifier")),
    "nomic_bert": ("nomic_bert/masked_lm", {}, "same", ("attn", "norm", "cls", "embeddings", "emb_ln")),
    "ernie": ("ernie/masked_lm", {}, "same", ("embeddings", "cls", "self.query", "LayerNorm")),
    "esm": ("esm/masked_lm", {}, "same", ("embeddings", "lm_head", "attention", "LayerNorm", "norm")),
    "esm_absolute": ("esm/sequence_classification", {}, "class", ("embeddings", "classifier", "self.key", "norm")),
    "data2vec_text": ("data2vec-text/masked_lm", {}, "same", ("embeddings", "lm_head", "self.query", "LayerNorm")),
    "roformer": ("roformer/masked_lm", {}, "same", ("embeddings", "cls", "attention", "LayerNorm")),
    "roformer_values": ("roformer/token_classification", {}, "tags", ("embeddings", "self", "classifier")),
    "xlnet_lm": ("xlnet/lm", {}, "same", ("lm_loss", "mask_emb", "layer.1.rel_attn", "word_embedding")),
    "xlnet_sequence": ("xlnet/sequence_classification", {}, "class", ("seg_embed", "bias", "summary", "proj", ".r")),
    "funnel": ("funnel/masked_lm", {}, "same", ("blocks.1.0.attention", "decoder.layers.0.attention.r", "seg", "lm_head")),
    "funnel_sequence": ("funnel/sequence_classification", {}, "class", ("embeddings", "classifier", "bias", "seg")),
    "convbert": ("convbert/masked_lm", {}, "same", ("self", "embeddings", "generator")),
    "convbert_groups": ("convbert/token_classification", {}, "tags", ("intermediate", "0.output", "conv", "classifier")),
    "squeezebert": ("squeezebert/masked_lm", {}, "same", ("attention", "conv1d", "layernorm", "cls", "embeddings")),
    "mobilebert": ("mobilebert/masked_lm", {}, "same", ("bottleneck.input", "bottleneck.attention", "self", "cls", "embeddings.word", "attention.output")),
    "mobilebert_untied": ("mobilebert/masked_lm_untied", {}, "same", ("cls", "embeddings", "LayerNorm")),
    "fnet": ("fnet/masked_lm", {}, "same", ("embeddings", "fourier", "cls", "intermediate")),
    "longformer": ("longformer/masked_lm", {}, "same", ("self", "embeddings", "lm_head.bias")),
    "big_bird": ("big_bird/masked_lm", {}, "same", ("self", "embeddings", "cls.predictions.bias")),
    "luke": ("luke/masked_lm", {}, "same", ("entity", "self", "decoder.bias")),
    "eurobert": ("eurobert/sequence_classification", {}, "class", ("attn", "norm", "dense", "classifier", "embed")),
    "gte": ("gte/masked_lm", {}, "same", ("attn", "norm", "lm_head", "embeddings", "mlp.up")),
    "jina_embeddings_v3": ("jina_embeddings_v3/masked_lm", {}, "same", ("mixer", "norm", "lm_head", "emb")),
    # of encoder_decoders.py
    "bart": ("bart/base", {}, "answers", (*BART, "embed_positions")),
    "bart_causal_lm": ("bart/causal_lm", {}, "next", ("self_attn", "embed", "norm")),
    "mbart": ("mbart/base", {}, "answers", (*BART, "embed_positions")),
    "marian": ("marian/base", {}, "answers", BART),
    "marian_two_vocabularies": ("marian/two_vocabularies", {}, "answers", ("embed_tokens", "norm")),
    "pegasus": ("pegasus/base", {}, "answers", BART),
    "m2m_100": ("m2m_100/base", {}, "answers", BART),
    "blenderbot": ("blenderbot/base", {}, "answers", (*BART, "embed_positions")),
    "blenderbot_small": ("blenderbot-small/base", {}, "answers", (*BART, "embed_positions")),
    "mt5": ("mt5/base", {}, "answers", ("relative", "shared", "norm", "layer.0.SelfAttention.q")),
    "umt5": ("umt5/base", {}, "answers", ("relative", "shared", "norm", "layer.0.SelfAttention.q")),
    "led": ("led/base", {}, "answers", ("layers.0.self_attn.longformer", "norm", "shared", "embed_positions")),
    "longt5": ("longt5/local", {}, "answers", ("relative", "shared", "norm", "LocalSelfAttention")),
    "longt5_transient_global": (
        "longt5/transient_global",
        {},
        "answers",
        ("relative", "shared", "norm", "GlobalSelfAttention"),
    ),
    "switch_transformers": ("switch_transformers/base", {}, "answers", ("relative", "shared", "norm", "mlp")),
    "prophetnet": ("prophetnet/base", {}, "answers", ("decoder.layers.0.self_attn", "norm", "_embeddings")),
    "prophetnet_three_streams": ("prophetnet/three_streams", {}, "answers", ("norm", "ngram", "relative")),
    "prophetnet_causal_lm": ("prophetnet/causal_lm", {}, "next", ("ngram", "norm", "relative", "word_embeddings")),
    "bert_gpt2": ("encoder-decoder/bert_gpt2", {}, "answers", ("h.0.crossattention", "enc_to_dec", "ln_", "wpe")),
    "roberta_roberta": ("encoder-decoder/roberta_roberta", {}, "answers", ("layer.1.crossattention", "lm_head", "position", "LayerNorm.bias")),
    "electra_bart": ("encoder-decoder/electra_bart", {}, "answers", ("embeddings_project", "layers.1.encoder_attn", "enc_to_dec", "norm")),
    "roberta_roformer": ("encoder-decoder/roberta_roformer", {}, "answers", ("0.attention.self", "crossattention", "cls", "embeddings")),
    "distilbert_prophetnet": ("encoder-decoder/distilbert_prophetnet", {}, "answers", ("layers.0.self_attn", "cross_attn", "enc_to_dec", "ngram")),
    "bert_untied": ("encoder-decoder/distilbert_bert_untied", {}, "answers", ("crossattention", "cls", "word_embeddings")),
    "two_berts": ("encoder-decoder/two_berts", {}, "answers", ("crossattention", "cls", "position_embeddings")),
}


# Stored in another layout than they have in memory
CONVERTED = ("nomic_bert", "gte", "jina_embeddings_v3")


def labels_of(kind, rng, model, batch):
    classes = model.config.num_labels
    if kind == "choice":
        return torch.randint(0, batch["input_ids"].shape[1], (len(batch["input_ids"]),), generator=rng)
    if kind == "class":
        return torch.randint(0, classes, (len(next(iter(batch.values()))),), generator=rng)
    rows, columns = batch["input_ids"].shape
    if kind == "answers":  # of a decoder, as long as they like
        labels = torch.randint(3, target_size(model.config), (rows, 5), generator=rng)
        labels[1, 3:] = -100
        return labels
    if kind == "values":
        return torch.randn((rows, classes), generator=rng)
    if kind == "flags":
        return torch.randint(0, 2, (rows, classes), generator=rng).float()
    if "target_mapping" in batch:  # of places that are asked for
        return torch.randint(3, model.config.vocab_size, batch["target_mapping"].shape[:2], generator=rng)
    labels = batch["input_ids"].clone()
    if kind == "replaced":  # which tokens are not those of the text
        return torch.randint(0, 2, (rows, columns), generator=rng)
    if kind == "tags":
        labels = torch.randint(0, classes, (rows, columns), generator=rng)
    elif kind == "same":  # a masked language model predicts some positions only
        labels = torch.randint(3, model.config.vocab_size, (rows, columns), generator=rng)
        labels[torch.rand(labels.shape, generator=rng) < 0.5] = -100
    labels[batch["attention_mask"] == 0] = -100
    labels[0, :3] = -100  # a prompt, which does not count
    return labels


def stored_name(path, model_type):
    """What a checkpoint calls a parameter that Transformers 5 has another name for in memory."""
    if path.startswith("vit.layers"):
        for stored, here in VIT:
            path = path.replace(here, stored)
    if path == "lm_head.weight" and model_type == "gpt_neox":
        return "embed_out.weight"
    if path == "lm_head.bias" and model_type == "luke":
        return "lm_head.decoder.bias"
    return path


def gradients_of(model):
    """By the names and in the shapes that a checkpoint has."""
    kind = model.config.model_type
    if kind not in CONVERTED and not any(".experts." in path for path, _ in model.named_parameters()):
        return {stored_name(path, kind): p.grad for path, p in model.named_parameters() if p.grad is not None}
    with torch.no_grad(), tempfile.TemporaryDirectory() as place:  # experts are stored one by one, q, k and v as one
        for tensor in [*model.parameters(), *model.buffers()]:
            gradient = getattr(tensor, "grad", None)
            if gradient is not None:
                tensor.copy_(gradient)
            elif tensor.is_floating_point():
                tensor.fill_(float("nan"))
        model.save_pretrained(place)
        stored = safetensors.torch.load_file(pathlib.Path(place) / "model.safetensors")
    return {path: tensor for path, tensor in stored.items() if not tensor.isnan().any()}


def main():
    for name in sys.argv[1:] or CASES:
        for attempt in range(16):
            if write(name, generator("gradients", name, *[attempt][:attempt])):
                break
        else:
            raise RuntimeError(f"{name}: no batch gives clear choices of experts")


def more_inputs(batch, rng, model, kind):
    """What encoders read besides tokens."""
    config, shape = model.config, batch["input_ids"].shape
    batch["input_ids"].masked_fill_(batch["attention_mask"] == 0, config.pad_token_id or 0)
    kinds = 3 if config.model_type in ("xlnet", "funnel") else getattr(config, "type_vocab_size", 0)
    if kinds > 1:
        batch["token_type_ids"] = torch.randint(0, kinds, shape, generator=rng)
    if getattr(config, "use_task_id", False):
        batch["task_type_ids"] = torch.randint(0, config.task_type_vocab_size, shape, generator=rng)
    if config.model_type == "longformer":
        batch["global_attention_mask"] = torch.zeros(shape, dtype=torch.long)
        batch["global_attention_mask"][[0, 1, 1], [0, 0, 3]] = 1
    if type(model).__name__ == "XLNetLMHeadModel":  # what each may see, and which are predicted
        batch["perm_mask"] = torch.randint(0, 2, (*shape, shape[1]), generator=rng).float()
        batch["perm_mask"][:, :, 0] = 0  # who sees nothing is no case: a softmax over -1e30
        places = torch.randint(0, shape[1], (shape[0], 3), generator=rng)
        batch["target_mapping"] = torch.nn.functional.one_hot(places, shape[1]).float()
    if config.model_type == "esm":
        batch["input_ids"][0, 4] = config.mask_token_id
    if config.model_type == "luke":
        batch.update(encoders.of_entities(rng, config, shape[0], 2))
        if kind == "same":
            batch["entity_labels"] = torch.randint(0, config.entity_vocab_size, (shape[0], 2), generator=rng)


def write(name, rng):
    """Writes the file of a case, its loss the sum of all that the model gives, unless experts were chosen by a hair's breadth."""
    folder, overrides, kind, kept = CASES[name]
    # Eager, as in training; Falcon adds its biases twice there.
    attention = "sdpa" if folder.startswith("falcon/") else "eager"
    model = load(DATA / "models" / folder, attn_implementation=attention)
    for key, value in overrides.items():
        setattr(model.config, key, value)
    model.eval()  # no dropout
    if folder.startswith("vit"):
        size = model.config.image_size
        shape = size if isinstance(size, list) else [size, size]
        shape = [16, 21] if name == "vit_resized" else shape
        batch = {"pixel_values": torch.randn((3, model.config.num_channels, *shape), generator=rng)}
        if name == "vit_resized":
            batch["interpolate_pos_encoding"] = torch.tensor([1])
        if kind == "masked":
            batch["bool_masked_pos"] = torch.rand((3, (shape[0] // model.config.patch_size) ** 2), generator=rng) < 0.5
    else:
        lengths = [18, 15, 4] if folder.startswith("big_bird") else [9, 6, 4]  # beyond which its attention is sparse
        batch = padded_batch(rng, source_size(model.config), lengths, "right")
    if folder.startswith("roberta") or folder.split("/")[0] in ENCODER_DECODERS:
        batch["input_ids"].masked_fill_(batch["attention_mask"] == 0, model.config.pad_token_id)
    if folder.startswith("bert"):
        batch["token_type_ids"] = torch.randint(
            0, model.config.type_vocab_size, batch["input_ids"].shape, generator=rng
        )
    if not folder.startswith(("t5", "vit")) and model.config.pad_token_id is not None:  # seen, and predicted, but no gradient from where it is looked up
        batch["input_ids"][1, 2] = model.config.pad_token_id
    encoder = folder.split("/")[0] in encoders.ARCHS
    if encoder:
        more_inputs(batch, rng, model, kind)
    if kind == "choice":
        batch = {name: x.reshape(1, 3, -1) for name, x in batch.items()}
    if kind in ("heads", "judged"):  # one choice between three texts
        batch = {name: x.reshape(1, 3, -1) for name, x in batch.items()}
        batch["mc_token_ids"] = torch.tensor([[8, 3, 2]])
        batch["mc_labels"] = torch.tensor([1])
        if kind == "heads":
            batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    elif kind == "span":  # of the last row the end lies outside, and does not count
        batch["start_positions"] = torch.tensor([2, 0, 1])
        batch["end_positions"] = torch.tensor([4, 3, 50])
    elif kind != "masked":  # whose image says it all
        batch["labels"] = labels_of(kind, rng, model, batch)
    if encoder:  # FNet knows no mask
        takes = inspect.signature(model.forward).parameters
        batch = {name: tensor for name, tensor in batch.items() if name in takes}
    with Routing() as routing:
        output = model(**batch)
    losses = [output[name] for name in ("loss", "mc_loss") if output.get(name) is not None]
    loss = sum(losses[1:], losses[0])
    if routing.gap < MIN_MARGIN:
        return False
    loss.backward()
    tensors = {**batch, "loss": loss.detach().reshape(1)}
    for path, gradient in gradients_of(model).items():
        if not kept or any(part in path for part in kept):
            tensors["grad." + path] = gradient
    save(DATA / "gradients" / f"{name}.safetensors", tensors, checkpoint=folder, **overrides)
    return True


if __name__ == "__main__":
    main()
