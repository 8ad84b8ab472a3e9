"""Checkpoints saved in odd ways, and what Transformers' from_pretrained makes of them: tests/data/checkpoints.

    python tests/oracle/odd_checkpoints.py tests/data/checkpoints

Each case is a folder and golden.safetensors: `input_ids` and the outputs of the class that config.json names, in
float32. expected.json says for each case what of the model was missing and which tensors were unexpected; cases whose
missing tensors would be random have no golden, and are refused.
"""

import json
import pathlib
import random
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file

import common  # noqa: F401  (determinism, and silence)
import seeded
import transformers

OUT = pathlib.Path(sys.argv[1])
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 0


def tiny(arch, **more):
    torch.manual_seed(SEED + 1)
    shared = {"vocab_size": 24, "initializer_range": 0.4, **more}
    if arch == "llama":
        return transformers.LlamaConfig(
            hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
            max_position_embeddings=16, bos_token_id=1, eos_token_id=2, **shared)
    if arch == "gpt2":
        return transformers.GPT2Config(n_embd=8, n_layer=2, n_head=2, n_positions=16, bos_token_id=1, eos_token_id=2, **shared)
    return transformers.BertConfig(
        hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=16, **shared)


class Case:
    """A model's folder while it is changed."""

    def __init__(self, name, cls, arch, **config):
        self.name, self.cls, self.folder = name, getattr(transformers, cls), OUT / name
        shutil.rmtree(self.folder, ignore_errors=True)
        model = self.cls(tiny(arch, **config)).eval()
        with torch.no_grad():
            for p in model.parameters():  # norms and biases too, or a mistake in them would not be seen
                p.add_(torch.randn_like(p) * 0.1)
        model.save_pretrained(self.folder)
        (self.folder / "generation_config.json").unlink(missing_ok=True)
        self.weights = load_file(self.folder / "model.safetensors")

    def rename(self, f):
        self.weights = {f(k): v for k, v in self.weights.items()}
        return self

    def drop(self, *parts):
        self.weights = {k: v for k, v in self.weights.items() if not any(p in k for p in parts)}
        return self

    def add(self, **tensors):
        self.weights.update({k.replace("__", "."): v for k, v in tensors.items()})
        return self

    def config(self, text=None, **fields):
        path = self.folder / "config.json"
        c = {**json.loads(path.read_text()), **fields}
        path.write_text(json.dumps(c, indent=2, sort_keys=True) + "\n")
        return self

    def shard(self, place, more_names=(), metadata=True):
        """place(name) is the tensor's file; names that no file has go into the index all the same."""
        (self.folder / "model.safetensors").unlink(missing_ok=True)
        files = {}
        for k, v in self.weights.items():
            for f in [place(k)] if isinstance(place(k), str) else place(k):
                files.setdefault(f, {})[k] = v
        for f, tensors in files.items():
            (self.folder / f).parent.mkdir(parents=True, exist_ok=True)
            save_file({k: v.clone() for k, v in tensors.items()}, self.folder / f)
        index = {"metadata": {}, "weight_map": {k: f for f, ts in files.items() for k in ts}}
        for k in more_names:
            index["weight_map"][k] = sorted(files)[0]
        (self.folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
        self.weights = None
        return self

    def done(self, format=True):
        if self.weights is not None:
            save_file({k: v.contiguous().clone() for k, v in self.weights.items()}, self.folder / "model.safetensors",
                      {"format": "pt"} if format else None)
        seeded.replace_weights(self.folder, SEED)
        cls = getattr(transformers, json.loads((self.folder / "config.json").read_text())["architectures"][0])
        model, info = cls.from_pretrained(seeded.checkpoint(self.folder), dtype=torch.float32, output_loading_info=True)
        missing = sorted(info["missing_keys"])
        entry = {"missing": missing, "unexpected": sorted(info["unexpected_keys"])}
        if not missing or (cls is transformers.BertModel and missing == ["pooler.dense.bias", "pooler.dense.weight"]):
            ids = torch.tensor([[3, 1, 4, 1, 5, 9, 2], [2, 7, 1, 8, 2, 8, 1]])
            with torch.no_grad():
                y = model.eval()(input_ids=ids)
            names = ["logits", "last_hidden_state"] + ([] if missing else ["pooler_output"])
            common.save(self.folder / "golden.safetensors",
                        {"input_ids": ids, **{n: y[n] for n in names if n in y and y[n] is not None}})
        else:
            entry["refused"] = True
        expected[self.name] = entry


expected = {}
randn = torch.randn
strip = lambda prefix: lambda k: k.removeprefix(prefix)
HEADED = {"llama": ("LlamaForCausalLM", "LlamaModel", "model."), "gpt2": ("GPT2LMHeadModel", "GPT2Model", "transformer."),
          "bert": ("BertForMaskedLM", "BertModel", "bert.")}

for arch, (headed, base, prefix) in HEADED.items():
    for tie in [True, False]:
        t = "tied" if tie else "untied"
        Case(f"{arch}_{t}_without_prefix", headed, arch, tie_word_embeddings=tie).rename(strip(prefix)).done()
        Case(f"{arch}_{t}_some_without_prefix", headed, arch, tie_word_embeddings=tie).rename(
            lambda k: k.removeprefix(prefix) if ".1." in k else k).done()
    Case(f"{arch}_base_of_headed", headed, arch, tie_word_embeddings=False).config(architectures=[base]).done()
    Case(f"{arch}_base_with_prefix", base, arch).rename(lambda k: prefix + k).done()
    Case(f"{arch}_headed_of_base_tied", base, arch, tie_word_embeddings=True).config(architectures=[headed]).done()
    Case(f"{arch}_headed_of_base_untied", base, arch, tie_word_embeddings=False).config(architectures=[headed]).done()
    Case(f"{arch}_extra", headed, arch).add(v_head__weight=randn(1, 8), v_head__bias=randn(1), steps=torch.tensor(7)).done()
    Case(f"{arch}_missing_layer", headed, arch).drop(".1.").done()
    if arch != "llama":  # the rest is of files, whatever the model
        continue
    Case(f"{arch}_extra_fp8", headed, arch).add(scale=randn(4).to(torch.float8_e4m3fn)).done()
    Case(f"{arch}_no_metadata", headed, arch).done(format=False)
    c = Case(f"{arch}_mixed_dtypes", headed, arch).config(dtype="float32")
    c.weights = {k: v.to([torch.float32, torch.float16, torch.bfloat16][i % 3]) for i, (k, v) in enumerate(c.weights.items())}
    c.done()
    c = Case(f"{arch}_double", headed, arch).config(dtype="float64")
    c.weights = {k: v.double() for k, v in c.weights.items()}
    c.done()

    # Shards.
    by_layer = lambda k: "a.safetensors" if ".0." in k else "b.safetensors"
    Case(f"{arch}_index_names_more", headed, arch).shard(by_layer, ["gone.weight", "v_head.weight"]).done()
    Case(f"{arch}_shards_in_folders", headed, arch).shard(lambda k: "x/y/a.safetensors" if ".0." in k else "b.safetensors").done()
    c = Case(f"{arch}_index_names_less", headed, arch).shard(by_layer)
    path = c.folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    first = [k for k in index["weight_map"] if ".0." in k]
    for k in first[1:]:
        del index["weight_map"][k]
    path.write_text(json.dumps(index, indent=1) + "\n")
    c.done()
    c = Case(f"{arch}_twice_in_shards", headed, arch)
    name = next(k for k in c.weights if ".0." in k and k.endswith("weight"))
    right = c.weights[name].clone()
    c.shard(lambda k: "b.safetensors")
    save_file({name: right * 2, "more": randn(2)}, c.folder / "c.safetensors")
    index = json.loads((c.folder / "model.safetensors.index.json").read_text())
    index["weight_map"]["more"] = "c.safetensors"
    (c.folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
    c.done()

# Two names of one parameter: the first in order counts.
c = Case("llama_both_names", "LlamaForCausalLM", "llama")
c.add(norm__weight=c.weights["model.norm.weight"] * 3).done()
c = Case("llama_base_both_names", "LlamaModel", "llama")
c.weights["model.norm.weight"] = c.weights["norm.weight"] * 3
c.done()

# Tied weights: stored twice and equal, twice and different, only as the copy, and in another dtype.
for arch, (headed, _, prefix) in HEADED.items():
    source = {"llama": "model.embed_tokens.weight", "gpt2": "transformer.wte.weight", "bert": "bert.embeddings.word_embeddings.weight"}[arch]
    copy = {"llama": "lm_head.weight", "gpt2": "lm_head.weight", "bert": "cls.predictions.decoder.weight"}[arch]
    c = Case(f"{arch}_tied_twice", headed, arch, tie_word_embeddings=True)
    c.weights[copy] = c.weights[source].clone()
    c.done()
    c = Case(f"{arch}_tied_differently", headed, arch, tie_word_embeddings=True)
    c.weights[copy] = c.weights[source] * 1.5
    c.done()
    c = Case(f"{arch}_tied_as_the_copy", headed, arch, tie_word_embeddings=True)
    c.weights[copy] = c.weights.pop(source)
    c.done()
    c = Case(f"{arch}_tied_twice_without_prefix", headed, arch, tie_word_embeddings=True)
    c.weights[copy] = c.weights[source].clone()
    c.rename(strip(prefix)).done()
    c = Case(f"{arch}_tied_in_two_dtypes", headed, arch, tie_word_embeddings=True).config(dtype="float32")
    c.weights[source] = c.weights[source].to(torch.bfloat16)
    c.weights[copy] = c.weights[source].float()
    c.done()

# Buffers of old versions.
Case("llama_buffers", "LlamaForCausalLM", "llama").add(
    **{f"model__layers__{i}__self_attn__rotary_emb__inv_freq": randn(2) for i in range(2)},
    model__rotary_emb__inv_freq=randn(2)).done()
Case("gpt2_buffers", "GPT2LMHeadModel", "gpt2").add(
    **{f"transformer__h__{i}__attn__bias": torch.ones(1, 1, 16, 16, dtype=torch.uint8) for i in range(2)},
    **{f"transformer__h__{i}__attn__masked_bias": torch.tensor(-1e4) for i in range(2)}).done()
Case("bert_buffers", "BertForMaskedLM", "bert").add(
    bert__embeddings__position_ids=torch.arange(16)[None], bert__embeddings__token_type_ids=torch.zeros(1, 16).long()).done()

# BERT's pooler, and the names of LayerNorm that TensorFlow gave.
Case("bert_without_pooler", "BertModel", "bert").drop("pooler").done()
Case("bert_half_a_pooler", "BertModel", "bert").drop("pooler.dense.bias").done()
Case("bert_classifier_without_pooler", "BertForSequenceClassification", "bert").drop("pooler").done()
Case("bert_pooler_left", "BertModel", "bert").rename(lambda k: "bert." + k).config(architectures=["BertForTokenClassification"]).add(
    classifier__weight=randn(2, 8), classifier__bias=randn(2)).done()
Case("bert_gamma_beta", "BertForMaskedLM", "bert").rename(
    lambda k: k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")).done()
Case("bert_gamma_beta_without_prefix", "BertForMaskedLM", "bert").rename(
    lambda k: k.removeprefix("bert.").replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")).done()
Case("bert_base_of_classifier", "BertForSequenceClassification", "bert").config(architectures=["BertModel"]).done()

# Numbers that JSON has not, as Python writes them and as Transformers does.
c = Case("llama_infinity", "LlamaForCausalLM", "llama").config(limits=[0.0, float("inf")], floor=float("-inf"), more={"x": float("nan")})
c.config(beyond=[{"__float__": "Infinity"}]).done()

(OUT / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")
print(len(expected), "cases,", sum("refused" in e for e in expected.values()), "refused")
