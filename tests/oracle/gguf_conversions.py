"""How llama.cpp's converter writes tiny checkpoints as GGUF: tests/data/gguf/converted/ARCH_CASE.{json,gguf}.

    python gguf_conversions.py LLAMA_CPP [ARCH ...]    LLAMA_CPP: its source, which has convert_hf_to_gguf.py

A checkpoint is converted with weights that are numbers of places, so that the file tells where each of its values comes
from. The .gguf has the metadata, and no tensor; the .json how to put the tensors together from the checkpoint:

    {"checkpoint": "qwen3/base", "tensors": {NAME: {"shape": [..], "runs": [[from, step, count, outer step, times]..]}}}

"config" is what the file does not say, of the checkpoint's config as llama.cpp takes it. `from` counts the elements of all tensors of the checkpoint by name; "plus": 1 is added to every value; "values" stand for
what the converter computes.
"""

import json
import math
import pathlib
import shutil
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import save_file

from common import DATA

FOLDER = DATA / "gguf" / "converted"
CASES = {
    **{arch: ["base"] for arch in ("arcee", "cohere2", "ernie4_5", "exaone4", "gemma", "gemma2", "gemma3_text", "glm", "glm4")},
    **{arch: ["base"] for arch in ("gpt_oss", "granite", "granitemoe", "hunyuan_v1_dense", "mistral", "nemotron", "olmo")},
    **{arch: ["base"] for arch in ("olmo2", "olmoe", "phi3", "qwen2", "qwen3", "seed_oss", "smollm3", "stablelm")},
    **{arch: ["base"] for arch in ("starcoder2", "cohere")},
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
}
EXTRA = {"cohere2": {"rotary_pct": 1.0}}  # fields of older configs that the converter asks for
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
    return {"shape": shape, "values": [float(v) for v in flat]}


def convert(llama_cpp, checkpoint):
    sys.path[:0] = [str(llama_cpp / "gguf-py"), str(llama_cpp)]
    import gguf
    from conversion import ModelBase, get_model_class

    source = DATA / "models" / checkpoint
    files = json.loads((source / "weights.json").read_text())["files"].values()
    weights = {tensor["name"]: tensor["shape"] for file in files for tensor in file["tensors"]}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for file in source.glob("*.json"):
            if file.name != "weights.json":
                shutil.copy(file, folder)
        config = {**json.loads((folder / "config.json").read_text()), **EXTRA.get(source.parent.name, {})}
        (folder / "config.json").write_text(json.dumps(config))
        words = {str(n): n for n in range(config["vocab_size"])}  # some look at the size of the vocabulary
        (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": words}, "added_tokens": []}))
        tensors = tagged(weights)
        total = sum(t.numel() for t in tensors.values())
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        config = ModelBase.load_hparams(folder, False)
        cls = get_model_class(config["architectures"][0])
        out = folder / "model.gguf"
        with torch.inference_mode():
            model = cls(folder, gguf.LlamaFileType.ALL_F32, out, dry_run=False)
            type(model).set_vocab = lambda self: None  # tokenizers are tested elsewhere
            model.write()
        reader = gguf.GGUFReader(out)
        name = checkpoint.replace("/", "_")
        recipes = {t.name: recipe(t.data.reshape([int(n) for n in reversed(t.shape)]), total) for t in reader.tensors}
        writer = gguf.GGUFWriter(FOLDER / f"{name}.gguf", model.gguf_writer.arch)
        for key, field in reader.fields.items():
            if key.startswith("GGUF.") or key == "general.architecture" or key.startswith("general.") and "type" not in key:
                continue
            kind = field.types[0]
            value = field.contents()
            writer.add_key_value(key, value, kind, field.types[1] if len(field.types) > 1 else None)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        lines = ",\n".join(f"  {json.dumps(n)}: {json.dumps(r)}" for n, r in sorted(recipes.items()))
        (FOLDER / f"{name}.json").write_text(
            f'{{"checkpoint": {json.dumps(checkpoint)}, "config": {json.dumps(TAKEN.get(source.parent.name, {}))}, '
            f'"tensors": {{\n{lines}\n}}}}\n'
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
