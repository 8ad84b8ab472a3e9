"""How llama.cpp's converter writes tiny checkpoints as GGUF: tests/data/gguf/converted/ARCH_CASE.{json,gguf}.

    python gguf_conversions.py LLAMA_CPP [ARCH ...]    LLAMA_CPP: its source, which has convert_hf_to_gguf.py

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
from safetensors.torch import load_file, save_file

from common import DATA

FOLDER = DATA / "gguf" / "converted"
CASES = {
    **{arch: ["base"] for arch in ("arcee", "cohere2", "ernie4_5", "exaone4", "gemma", "gemma2", "gemma3_text", "glm", "glm4")},
    **{arch: ["base"] for arch in ("gpt_oss", "granite", "granitemoe", "hunyuan_v1_dense", "mistral", "nemotron", "olmo")},
    **{arch: ["base"] for arch in ("olmo2", "olmoe", "phi3", "qwen2", "qwen3", "seed_oss", "smollm3", "stablelm")},
    **{arch: ["base"] for arch in ("starcoder2", "cohere", "bloom", "gpt2", "gpt_bigcode", "mpt", "phi", "mixtral")},
    **{arch: ["base"] for arch in ("mamba", "falcon_mamba", "mamba2", "deepseek_v3", "lfm2", "llama4_text", "apertus")},
    **{arch: ["base"] for arch in ("qwen3_5_moe_text", "olmo3", "ernie4_5_moe", "bert", "distilbert")},
    **{arch: ["base"] for arch in ("xlm-roberta", "nomic_bert", "modernbert", "eurobert", "umt5")},
    "gpt_neox": ["base"],
    "falcon": ["new_decoder", "one_norm", "base"],
    "qwen2_moe": ["every_layer"],
    "qwen3_moe": ["every_layer"],
    "qwen3_next": ["ungrouped"],
    "jamba": ["base", "attention_first"],
    "deepseek_v2": ["base", "groups"],
    "qwen3_5_text": ["base", "grouped"],
    "t5": ["base", "gated"],
    "roberta": ["base", "sequence_classification"],
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
    **{arch: {"relative_attention_max_distance": 128} for arch in ("t5", "umt5")},
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
    "falcon/base": {"num_kv_heads": 1},
    "nomic_bert": {
        **{"n_positions": 8192, "max_trained_positions": 2048, "activation_function": "swiglu", "causal": False},
        **{"qkv_proj_bias": False, "mlp_fc1_bias": False, "mlp_fc2_bias": False, "prenorm": False},
        **{"rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False, "rotary_emb_scale_base": None},
    },
}
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
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = ModelBase.load_hparams(folder, False) | extra  # today's configs may have dropped them
    cls = get_model_class(config["architectures"][0])
    cls.no_mtp = True

    def set_vocab(model):  # tokenizers are tested elsewhere
        if arch in TOKENIZERS:
            model.gguf_writer.add_tokenizer_model(TOKENIZERS[arch])
            model.gguf_writer.add_pad_token_id(config["pad_token_id"])

    with torch.inference_mode():
        model = cls(folder, ftype or gguf.LlamaFileType.ALL_F32, out, dry_run=False, hparams=config)
        type(model).set_vocab = set_vocab
        model.write()
    return model


def convert(llama_cpp, checkpoint):
    sys.path[:0] = [str(llama_cpp / "gguf-py"), str(llama_cpp)]
    import gguf

    source = DATA / "models" / checkpoint
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
        name = checkpoint.replace("/", "_")
        recipes = {t.name: recipe(t.data.reshape([int(n) for n in reversed(t.shape)]), total) for t in reader.tensors}
        writer = gguf.GGUFWriter(FOLDER / f"{name}.gguf", model.gguf_writer.arch)
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
        arch = source.parent.name
        taken = TAKEN.get(arch, {}) | TAKEN.get(checkpoint, {})
        lines = ",\n".join(f"  {json.dumps(n)}: {json.dumps(r)}" for n, r in sorted(recipes.items()))
        (FOLDER / f"{name}.json").write_text(
            f'{{"checkpoint": {json.dumps(checkpoint)}, "config": {json.dumps(taken)}, '
            + (f'"without": {json.dumps(NOT_SAID[checkpoint])}, ' if checkpoint in NOT_SAID else "")
            + (f'"arrays": {json.dumps(arrays)}, ' if arrays else "")
            + f'"tensors": {{\n{lines}\n}}}}\n'
        )
        size = sum((FOLDER / f"{name}.{end}").stat().st_size for end in ("json", "gguf"))
        computed = [n for n, r in recipes.items() if "values" in r]
        print(f"{name}: {len(recipes)} tensors, {size / 1024:.1f} KiB {computed or ''}", flush=True)


def main():
    llama_cpp = pathlib.Path(sys.argv[1]).resolve()
    FOLDER.mkdir(exist_ok=True)
    for arch in sys.argv[2:] or CASES:
        arch, _, case = arch.partition("/")
        for case in [case] if case else CASES[arch]:
            convert(llama_cpp, f"{arch}/{case}")


if __name__ == "__main__":
    main()
