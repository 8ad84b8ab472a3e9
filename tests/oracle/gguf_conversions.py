"""How llama.cpp's converter writes tiny checkpoints as GGUF: tests/data/gguf/converted/ARCH_CASE.{json,gguf}.

    python gguf_conversions.py LLAMA_CPP [ARCH ...]    LLAMA_CPP: its source, which has convert_hf_to_gguf.py
    python gguf_conversions.py LLAMA_CPP wide [ARCH ...]   tests/data/gguf/wide/ARCH{/,.json,.gguf}: of rows of 256, as
                                                       K-quants want them; checkpoints without goldens

A checkpoint is converted with weights that are numbers of places, so that the file tells where each of its values comes
from. The .gguf has the metadata, and no tensor; the .json how to put the tensors together from the checkpoint:

    {"checkpoint": "qwen3/base", "tensors": {NAME: {"shape": [..], "runs": [[from, step, count, outer step, times]..]}}}

"config" is what the file does not say, of the checkpoint's config as llama.cpp takes it. `from` counts the elements of
all tensors of the checkpoint by name; "plus": 1 is added to every value; "minus_exp": it is -exp of every value;
"values" stand for what else the converter computes. "arrays" are those of the metadata that are parameters; passes "without" are not compared.
"""

import json
import math
import pathlib
import re
import shutil
import sys
import tempfile
import unittest.mock

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

import decoders
import seeded
from common import DATA, edit_tensors

FOLDER, WIDE_FOLDER = DATA / "gguf" / "converted", DATA / "gguf" / "wide"
CASES = {
    **{arch: ["base"] for arch in ("arcee", "llama", "cohere2", "ernie4_5", "exaone4", "gemma", "gemma2", "glm", "glm4")},
    **{arch: ["base"] for arch in ("gpt_oss", "granite", "granitemoe", "hunyuan_v1_dense", "mistral", "nemotron", "olmo")},
    **{arch: ["base"] for arch in ("olmo2", "olmoe", "phi3", "qwen2", "qwen3", "seed_oss", "smollm3", "stablelm")},
    **{arch: ["base"] for arch in ("starcoder2", "cohere", "bloom", "gpt2", "mpt", "phi", "mixtral")},
    **{arch: ["base"] for arch in ("mamba", "falcon_mamba", "mamba2", "deepseek_v3", "lfm2", "llama4_text", "apertus")},
    **{arch: ["base"] for arch in ("qwen3_5_moe_text", "olmo3", "ernie4_5_moe", "bert", "distilbert")},
    **{arch: ["base"] for arch in ("xlm-roberta", "nomic_bert", "eurobert")},
    "gpt_neox": ["base"],
    "falcon": ["new_decoder", "one_norm", "base"],
    "qwen2_moe": ["every_layer"],
    "qwen3_moe": ["every_layer"],
    "qwen3_next": ["ungrouped"],
    "jamba": ["base", "attention_first"],
    "deepseek_v2": ["base", "groups"],
    "qwen3_5_text": ["base", "grouped"],
    "t5": ["base", "gated", "encoder"],
    "mt5": ["own_head"],
    "umt5": ["base", "encoder"],
    "roberta": ["base", "sequence_classification"],
    "modernbert": ["base", "sequence_classification", "sequence_classification_mean"],
    "gemma3_text": ["base", "bidirectional"],
    "jina_embeddings_v3": ["base"],
    "gpt_bigcode": ["base", "multi_head"],
    "bitnet": ["biases"],
    "minimax": ["base"],
}
WIDTHS = dict(hidden_size=256, intermediate_size=256, num_hidden_layers=1)
EXPERTS = dict(WIDTHS, num_local_experts=3)
DELTA_WIDTHS = dict(
    **{"head_dim": 64, "linear_num_key_heads": 2, "linear_num_value_heads": 4},
    **{"linear_key_head_dim": 32, "linear_value_head_dim": 64},
)
# Of each architecture one whose matrices llama.cpp has in another order, joined or split, by a case that it is like.
WIDE = {
    "bloom": ("base", dict(hidden_size=256, n_layer=1)),
    "falcon": ("new_decoder", dict(hidden_size=256, num_hidden_layers=1, ffn_hidden_size=256)),
    "gpt_neox": ("base", WIDTHS),
    "llama": ("base", dict(WIDTHS, head_dim=64)),
    "phi3": ("base", WIDTHS),
    "mixtral": ("base", EXPERTS),
    "granitemoe": ("base", EXPERTS),
    "gpt_oss": ("base", dict(EXPERTS, head_dim=64, layer_types=["full_attention"])),
    "llama4_text": (
        "base",
        dict(EXPERTS, head_dim=64, intermediate_size_mlp=256, layer_types=None, no_rope_layers=[1], moe_layers=[0]),
    ),
    "deepseek_v2": (
        "base",
        dict(
            **dict(WIDTHS, num_hidden_layers=2, kv_lora_rank=256, q_lora_rank=256, moe_intermediate_size=256),
            **{"n_routed_experts": 3, "qk_nope_head_dim": 32, "qk_rope_head_dim": 32, "head_dim": 32, "v_head_dim": 64},
        ),
    ),
    "qwen3_next": (
        "ungrouped",
        dict(
            WIDTHS, num_hidden_layers=2, moe_intermediate_size=256, shared_expert_intermediate_size=256, num_experts=3,
            **DELTA_WIDTHS,
        ),
    ),
    "qwen3_5_text": ("grouped", dict(WIDTHS, num_hidden_layers=2, **DELTA_WIDTHS)),
    "mamba2": ("base", dict(hidden_size=256, num_hidden_layers=1, head_dim=64, num_heads=8, state_size=16)),
    "jamba": ("base", dict(WIDTHS, num_hidden_layers=2, num_experts=3, mamba_dt_rank=32, mamba_d_state=16)),
    "minimax": ("base", dict(EXPERTS, num_hidden_layers=2)),
    "t5": ("gated", dict(d_model=256, d_ff=256, d_kv=64, num_heads=4, num_layers=1, num_decoder_layers=1)),
}
# What llama.cpp computes, whatever the config says.
TAKEN = {
    "gemma2": {"query_pre_attn_scalar": 10},
    "gemma3_text": {"query_pre_attn_scalar": 10, "layer_types": None},
    "gpt_oss": {"swiglu_limit": 7.0},
    "smollm3": {"no_rope_layers": None, "no_rope_layer_interval": 4},
    "cohere2": {"layer_types": None},
    "glm": {"rms_norm_eps": 1e-5},
    "nemotron": {"rope_parameters": {"partial_rotary_factor": 0.3, "rope_theta": 10000.0, "rope_type": "default"}},
    "starcoder2": {"sliding_window": None},
    "falcon": {"bias": False},
    "qwen3_next": {"norm_topk_prob": True},
    "qwen3_5_text": {"hidden_act": "silu"},
    "jamba": {"hidden_act": "silu"},
    "llama4_text": {"attention_chunk_size": 8192, "floor_scale": 8192, "attn_scale": 0.1},
    "deepseek_v2/groups": {
        "rope_parameters": {
            **{"factor": 4.0, "mscale": 1.2, "mscale_all_dim": 1.2, "original_max_position_embeddings": 8},
            **{"rope_theta": 10000.0, "rope_type": "yarn"},
        }
    },
    "modernbert/sequence_classification": {"classifier_activation": "gelu"},
    "gpt_bigcode/multi_head": {"activation_function": "gelu_pytorch_tanh", "scale_attn_weights": True},
    "minimax": {f"{kind}_beta_factor": 1.0 for kind in ("full_attn", "linear_attn", "mlp")}
    | {f"{kind}_alpha_factor": 1.2 for kind in ("full_attn", "linear_attn", "mlp")},
    **{arch: {"relative_attention_max_distance": 128} for arch in ("t5", "mt5", "umt5")},
}
# Passes whose tokens see those of padding, for whose position the file has no row.
NOT_SAID = {
    **{checkpoint: ["no_mask"] for checkpoint in ("roberta/base", "xlm-roberta/base")},
    "roberta/sequence_classification": ["no_mask", "left_padded"],
}
# Fields of older configs that the converter asks for, and what it does without.
EXTRA = {
    "cohere2": {"rotary_pct": 1.0},
    "gpt_neox": {"rotary_pct": 0.25},
    "gpt2": {"n_ctx": 41},
    "mpt": {"architectures": ["MPTForCausalLM"]},
    "eurobert": {"classifier_pooling": "mean"},
    "falcon": {"bias": False},
    "umt5/encoder": {"architectures": ["T5EncoderModel"]},
    # The names of the classes that it had before Transformers did.
    "jina_embeddings_v3": {"architectures": ["XLMRobertaModel"], "lora_adaptations": ["retrieval.query"]},
    "minimax": {
        **{"architectures": ["MiniMaxText01ForCausalLM"], "rotary_dim": 8},
        **{f"layernorm_{kind}_alpha": 1.2 for kind in ("full_attention", "linear_attention", "mlp")},
        **{f"layernorm_{kind}_beta": 1.0 for kind in ("full_attention", "linear_attention", "mlp")},
    },
    "minimax/wide": {"rotary_dim": 64},
    "falcon/base": {"num_kv_heads": 1},
    "nomic_bert": {
        **{"n_positions": 8192, "max_trained_positions": 2048, "activation_function": "swiglu", "causal": False},
        **{"qkv_proj_bias": False, "mlp_fc1_bias": False, "mlp_fc2_bias": False, "prenorm": False},
        **{"rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False, "rotary_emb_scale_base": None},
    },
}
# Names that it has not learned yet.
OLD_NAMES = {"bitnet": {"self_attn.attn_sub_norm": "self_attn.inner_attn_ln", "mlp.ffn_sub_norm": "mlp.ffn_layernorm"}}
LEFT_OUT = {"falcon": r"(query_key_value|dense\w*)\.bias$"}  # tensors that it has no names for
TOKENIZERS = {"bert": "bert", "distilbert": "bert", "roberta": "gpt2", "xlm-roberta": "t5"}  # which tell BERT's kinds apart
SPACING = 4  # between the numbers of neighbouring places: what is added to one shows


def tagged(weights):
    """Tensors whose values are their places among all elements."""
    tensors, start = {}, 0
    for name in sorted(weights):
        shape = weights[name]
        count = math.prod(shape)
        tensors[name] = (torch.arange(start, start + count, dtype=torch.float64) * SPACING).float().reshape(shape)
        start += count
    assert start * SPACING < 2**24, "places beyond what f32 counts"
    return tensors


def runs_of(places):
    """[from, step, count, outer step, times]: a few of these are all places in order."""
    rows, i = [], 0
    while i < len(places):
        step = int(places[i + 1] - places[i]) if i + 1 < len(places) else 1
        j = i + 1
        while j < len(places) and places[j] - places[j - 1] == step:
            j += 1
        rows.append([int(places[i]), step, j - i])
        i = j
    runs = []
    for start, step, count in rows:
        last = runs[-1] if runs else None
        if last and last[1:3] == [step, count]:
            expected = last[0] + last[3] * last[4]
            if last[4] == 1:
                last[3:] = [start - last[0], 2]
                continue
            if start == expected:
                last[4] += 1
                continue
        runs.append([start, step, count, 0, 1])
    return runs


def recipe(values, total):
    shape = list(values.shape)
    flat = values.astype(np.float64).reshape(-1)
    for plus in (0, 1):
        places = (flat - plus) / SPACING
        if np.all(places == np.round(places)) and places.min(initial=0) >= 0 and places.max(initial=0) < total:
            return {"shape": shape, **({"plus": plus} if plus else {}), "runs": runs_of(np.round(places).astype(np.int64))}
    if np.all(flat <= 0):
        return {"minus_exp": True, **recipe(-values, total)}
    return {"shape": shape, "values": [float(v) for v in flat]}


def converted(source, arch, case, folder, out, tensors=None, ftype=None):
    """Writes the GGUF file of the checkpoint in `source`, of these tensors or its own; `folder` is made, for what the
    converter reads."""
    import gguf
    from conversion import ModelBase, get_model_class

    folder.mkdir()
    for file in source.glob("*.json"):
        if file.name != "weights.json":
            shutil.copy(file, folder)
    config = json.loads((folder / "config.json").read_text())
    extra = {**EXTRA.get(arch, {}), **EXTRA.get(f"{arch}/{case}", {})}
    (folder / "config.json").write_text(json.dumps(config | extra))
    words = {str(n): n for n in range(config["vocab_size"])}  # some look at the size of the vocabulary
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "WordPiece", "vocab": words}, "added_tokens": []}))
    tensors = load_file(source / "model.safetensors") if tensors is None else tensors
    left_out = LEFT_OUT.get(arch, "^$")
    tensors = {name: t for name, t in tensors.items() if not re.search(left_out, name)}
    for now, old in OLD_NAMES.get(arch, {}).items():
        tensors = {name.replace(now, old): t for name, t in tensors.items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = ModelBase.load_hparams(folder, False) | extra  # today's configs may have dropped them
    cls = get_model_class(config["architectures"][0])
    cls.no_mtp = True
    cls._lora_files = {}  # of the file before
    if arch == "bitnet":  # of weights that are ternary already it changes none
        cls.weight_quant = lambda model, weight: weight
    if arch == "minimax":  # looks into a tokenizer
        cls._get_suppress_tokens = lambda model: []

    def set_vocab(model):  # tokenizers are tested elsewhere
        if arch in TOKENIZERS:
            model.gguf_writer.add_tokenizer_model(TOKENIZERS[arch])
            model.gguf_writer.add_pad_token_id(config["pad_token_id"])

    with torch.inference_mode():
        model = cls(folder, ftype or gguf.LlamaFileType.ALL_F32, out, dry_run=False, hparams=config)
        type(model).set_vocab = set_vocab
        model.write()
    return model


def write_wide(arch, folder):
    """A checkpoint without a golden."""
    case, widths = WIDE[arch]
    like = DATA / "models" / arch / case
    config = transformers.AutoConfig.from_pretrained(like, **widths)
    model = getattr(transformers, config.architectures[0])(config)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if arch == "minimax":
        edit_tensors(folder / "model.safetensors", decoders.without_decays)
    cases = decoders.ARCHS[arch][2] if arch in decoders.ARCHS else []
    rules = [rest[0] for name, _, _, *rest in cases if name == case and rest and rest[0]]
    seeded.replace_weights(folder, **(rules[0] if rules else {}))


def convert(llama_cpp, checkpoint, source=None, to=None):
    """Of a checkpoint ARCH/CASE of tests/data/models, or in the folder `source`, the files `to` with two endings."""
    sys.path[:0] = [str(llama_cpp / "gguf-py"), str(llama_cpp)]
    import gguf

    called = f"../{source.relative_to(DATA)}" if source else checkpoint
    source = source or DATA / "models" / checkpoint
    to = to or FOLDER / checkpoint.replace("/", "_")
    files = json.loads((source / "weights.json").read_text())["files"].values()
    weights = {tensor["name"]: tensor["shape"] for file in files for tensor in file["tensors"]}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        tensors = tagged(weights)
        total = sum(t.numel() for t in tensors.values())
        out = folder / "model.gguf"
        with unittest.mock.patch("torch.exp", lambda values: values):  # so that -exp(A_log) is -A_log
            model = converted(source, *checkpoint.split("/"), folder / "checkpoint", out, tensors)
        reader = gguf.GGUFReader(out)
        recipes = {t.name: recipe(t.data.reshape([int(n) for n in reversed(t.shape)]), total) for t in reader.tensors}
        writer = gguf.GGUFWriter(to.with_suffix(".gguf"), model.gguf_writer.arch)
        arrays = {}
        for key, field in reader.fields.items():
            if key.startswith("GGUF.") or key == "general.architecture" or key.startswith("general.") and "type" not in key:
                continue
            kind = field.types[0]
            value = field.contents()
            if key.startswith("xielu."):
                arrays[key] = recipe(np.array(value), total)
                continue
            writer.add_key_value(key, value, kind, field.types[1] if len(field.types) > 1 else None)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        arch = checkpoint.split("/")[0]
        taken = TAKEN.get(arch, {}) | TAKEN.get(checkpoint, {})
        lines = ",\n".join(f"  {json.dumps(n)}: {json.dumps(r)}" for n, r in sorted(recipes.items()))
        to.with_suffix(".json").write_text(
            f'{{"checkpoint": {json.dumps(called)}, "config": {json.dumps(taken)}, '
            + (f'"without": {json.dumps(NOT_SAID[checkpoint])}, ' if checkpoint in NOT_SAID else "")
            + (f'"arrays": {json.dumps(arrays)}, ' if arrays else "")
            + f'"tensors": {{\n{lines}\n}}}}\n'
        )
        size = sum(to.with_suffix(end).stat().st_size for end in (".json", ".gguf"))
        computed = [n for n, r in recipes.items() if "values" in r]
        print(f"{to.name}: {len(recipes)} tensors, {size / 1024:.1f} KiB {computed or ''}", flush=True)


def main():
    llama_cpp = pathlib.Path(sys.argv[1]).resolve()
    FOLDER.mkdir(exist_ok=True)
    if sys.argv[2:3] == ["wide"]:
        for arch in sys.argv[3:] or WIDE:
            write_wide(arch, WIDE_FOLDER / arch)
            convert(llama_cpp, f"{arch}/wide", WIDE_FOLDER / arch, WIDE_FOLDER / arch)
        return
    for arch in sys.argv[2:] or CASES:
        arch, _, case = arch.partition("/")
        for case in [case] if case else CASES[arch]:
            convert(llama_cpp, f"{arch}/{case}")


if __name__ == "__main__":
    main()
