"""Weights that need not be committed: a function of a tensor's name, an element's index and a seed.

A checkpoint's folder has weights.json instead of its *.safetensors: of each file the metadata and the tensors, in order,
with name, dtype, shape and the interval that the values lie in, `centre` +- `scale`. tests/seeded_checkpoint.hpp reads it
and makes the same bytes. So a case costs a few KB, and a new one is made of any class of Transformers in a second.

The function is splitmix64 (Steele, Lea and Flood 2014) started at the name's FNV-1a hash and the seed, its upper 24 bits
taken as a number in [-1, 1). That number, the scale as an f32 and the product of the two are exact in f64, so there is one
rounding of centre + scale * number to f64 and one to f32, and nothing that compilers, libraries or fused instructions do
otherwise. What a file stores in bf16, f16 or f64 is made of that f32.
"""

import atexit
import json
import math
import pathlib
import re
import shutil
import tempfile

import numpy
import safetensors.torch
import torch

GAMMA = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
# Tensors of other dtypes are stored by value, one number an element: those of F8 are bytes.
INTEGERS = {"I64": torch.int64, "U8": torch.uint8, "F8_E4M3": torch.float8_e4m3fn}


def mixed(z):
    """The output function of splitmix64, of a numpy array of uint64."""
    with numpy.errstate(over="ignore"):
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return z ^ (z >> numpy.uint64(31))


def fnv1a(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & MASK
    return h


def values(name, count, seed, centre=0.0, scale=1.0):
    """The first `count` elements of the tensor `name`, f32."""
    key = mixed(numpy.array([(fnv1a(name) + seed * GAMMA) & MASK], numpy.uint64))
    with numpy.errstate(over="ignore"):
        bits = mixed(key + (numpy.arange(count, dtype=numpy.uint64) + numpy.uint64(1)) * numpy.uint64(GAMMA))
    unit = (bits >> numpy.uint64(40)).astype(numpy.float64) / 2**23 - 1
    return (centre + numpy.float64(numpy.float32(scale)) * unit).astype(numpy.float32)


def interval(name, shape, gain=1.3, embedding=0.7, head=2.5, special=()):
    """(centre, scale) of a tensor: such that every value matters (no bias zero, no norm one), that activations keep
    their size from layer to layer, and that logits are a few units wide. `special` lists (regular expression of names,
    centre, scale) for parameters that are neither; gain, embedding and head are standard deviations."""

    def uniform(std):  # of a uniform distribution with that deviation; three digits, as the file says it
        return float(f"{math.sqrt(3) * std:.3g}")

    for pattern, centre, scale in special:
        if re.search(pattern, name):
            return centre, scale
    if name.endswith(("bias", "beta")):
        return 0.0, uniform(0.2)
    if len(shape) < 2:
        return 1.0, uniform(0.25)
    if re.search(r"embed|\b(wte|wpe|shared)\b", name) and len(shape) == 2:
        return 0.0, uniform(embedding)
    # GPT-2's Conv1D stores (in, out), Linear (out, in), convolutions (out, in, ...)
    fan_in = shape[0] if re.search(r"\b(c_attn|c_fc|c_proj|q_attn)\b(?!.*lora)", name) else math.prod(shape[1:])
    wide = re.search(r"\b(lm_head|score|classifier|decoder)\.weight$", name)
    return 0.0, uniform((head if wide else gain) / fan_in**0.5)


def randomize(model, seed=0, **rules):
    """Gives every parameter of a model its values, for a case that is stored in another format than safetensors."""
    for name, parameter in model.named_parameters():
        drawn = values(name, parameter.numel(), seed, *interval(name, parameter.shape, **rules))
        parameter.data.copy_(torch.from_numpy(drawn).reshape(parameter.shape))


def header(path):
    content = path.read_bytes()
    return json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])


def weight_files(folder):
    """The files of weights in a folder and the folders in it, goldens aside."""
    return sorted(path for path in folder.rglob("*.safetensors") if "golden" not in path.name)


def replace_weights(folder, seed=0, known=None, **rules):
    """Replaces a folder's *.safetensors by weights.json: same names, dtypes and shapes, values of this module.

    Two tensors with the same values, unless these are all one number, keep that: `like` names the first, `rounded` the
    dtype that both have been rounded to; of tensors by name in `known`, which the same seed and rules gave. A name that a second
    file has with other values gets others. rules are those of interval().
    """
    files, names = {}, set()
    stored = [(path, *item) for path in weight_files(folder) for item in safetensors.torch.load_file(path).items()]
    known = [(None, *item) for item in (known or {}).items()]
    telling = [entry for entry in known + stored if entry[2].dtype in DTYPES.values() and entry[2].unique().numel() > 1]
    for path in weight_files(folder):
        described = header(path)
        metadata = described.pop("__metadata__", None)
        tensors = safetensors.torch.load_file(path)
        entries = []
        for name, fields in sorted(described.items(), key=lambda item: item[1]["data_offsets"]):
            tensor, kind = tensors[name], fields["dtype"]
            entry = {"name": name, "dtype": kind, "shape": fields["shape"]}
            if kind in INTEGERS:
                whole = tensor.view(torch.uint8) if kind == "F8_E4M3" else tensor
                entry["values"] = whole.flatten().tolist()
            else:
                alike = [(other, its) for _, other, its in telling if same(tensor, its)]
                source = alike[0][0] if alike else name if name not in names else f"{name} of {path.name}"
                if source != name:
                    entry["like"] = source
                narrow = min((its.dtype for _, its in alike), key=lambda dtype: dtype.itemsize, default=tensor.dtype)
                if narrow.itemsize < tensor.dtype.itemsize:
                    entry["rounded"] = next(kind for kind, dtype in DTYPES.items() if dtype == narrow)
                centre, scale = interval(source, fields["shape"], **rules)
                entry.update({"centre": centre} if centre else {}, scale=scale)
            names.add(name)
            entries.append(entry)
        files[path.relative_to(folder).as_posix()] = {"metadata": metadata, "tensors": entries}
    for path in weight_files(folder):
        path.unlink()
    for place in {path for path in folder.rglob("*") if path.is_dir() and not any(path.rglob("*.*"))}:
        shutil.rmtree(place, ignore_errors=True)
    (folder / "weights.json").write_text(text_of({"seed": seed, "files": files}))


def same(a, b):
    return a.shape == b.shape and bool((a.double() == b.double()).all())


def text_of(weights):
    """JSON with one tensor a line."""
    parts = []
    for name, file in weights["files"].items():
        tensors = ",\n".join("    " + json.dumps(tensor) for tensor in file["tensors"])
        parts.append(f'  {json.dumps(name)}: {{"metadata": {json.dumps(file["metadata"])}, "tensors": [\n{tensors}]}}')
    return f'{{"seed": {weights["seed"]}, "files": {{\n' + ",\n".join(parts) + "}}\n"


def tensor_of(entry, seed):
    shape, kind = entry["shape"], entry["dtype"]
    if "values" in entry:
        whole = torch.tensor(entry["values"], dtype=torch.uint8 if kind == "F8_E4M3" else INTEGERS[kind])
        return whole.view(INTEGERS[kind]).reshape(shape)
    name = entry.get("like", entry["name"])
    drawn = torch.from_numpy(values(name, math.prod(shape), seed, entry.get("centre", 0.0), entry["scale"]))
    return drawn.to(DTYPES[entry.get("rounded", kind)]).to(DTYPES[kind]).reshape(shape)


def checkpoint(folder):
    """The folder itself, or, where it has weights.json, a temporary copy of it with its weights."""
    folder = pathlib.Path(folder)
    if not (folder / "weights.json").exists():
        return folder
    place = pathlib.Path(tempfile.mkdtemp(prefix="hft_seeded_"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    shutil.copytree(folder, place, dirs_exist_ok=True)
    weights = json.loads((place / "weights.json").read_text())
    for name, file in weights["files"].items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        tensors = {entry["name"]: tensor_of(entry, weights["seed"]) for entry in file["tensors"]}
        safetensors.torch.save_file(tensors, place / name, file["metadata"])
    return place


def main():
    """Writes tests/data/seeded/values.json, which both languages are held to."""
    cases = [
        ("model.embed_tokens.weight", 0, 0.0, 1.0),
        ("model.embed_tokens.weight", 1, 0.0, 1.0),
        ("model.norm.weight", 0, 1.0, 0.433),
        ("lm_head.bias", 2**63 + 5, 0.0, 0.346),
        ("größe", 7, -3.5, 1e-3),
        ("", 0, 0.1, 1e20),
    ]
    golden = []
    for name, seed, centre, scale in cases:
        drawn = torch.from_numpy(values(name, 1000, seed, centre, scale))[[0, 1, 2, 3, 999]]
        bits = {kind: drawn.to(dtype).view(size).tolist() for kind, dtype, size in BITS}
        golden.append({"name": name, "seed": seed, "centre": centre, "scale": scale, "index": [0, 1, 2, 3, 999], **bits})
    path = pathlib.Path(__file__).resolve().parent.parent / "data" / "seeded" / "values.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join("  " + json.dumps(case) for case in golden) + "\n]\n")


BITS = [
    ("F32", torch.float32, torch.int32),
    ("F64", torch.float64, torch.int64),
    ("F16", torch.float16, torch.int16),
    ("BF16", torch.bfloat16, torch.int16),
]

if __name__ == "__main__":
    main()
