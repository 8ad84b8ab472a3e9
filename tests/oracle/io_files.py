"""Makes the golden files of tests/io with the Python packages whose bytes hft reproduces: safetensors, gguf, transformers.

    python tests/oracle/io_files.py        writes tests/data/io and the seeds of the fuzz targets
"""

import json
import shutil
import struct
from importlib.metadata import version
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

TESTS = Path(__file__).resolve().parent.parent
OUT = TESTS / "data" / "io"
SEEDS = TESTS / "fuzz" / "seeds"


def ramp(shape, dtype):
    n = int(np.prod(shape))
    return torch.arange(1, n + 1).reshape(shape).to(dtype)


def safetensors_files():
    dtypes = {
        "b.bool": torch.bool, "b.u8": torch.uint8, "b.i8": torch.int8, "b.i16": torch.int16, "b.f16": torch.float16,
        "b.bf16": torch.bfloat16, "b.i32": torch.int32, "b.f32": torch.float32, "b.f64": torch.float64,
        "b.i64": torch.int64,
    }  # fmt: skip
    tensors = {name: ramp((2, 3), dtype) for name, dtype in dtypes.items()}
    tensors["a.f32"] = ramp((4,), torch.float32)
    tensors["a.i8"] = ramp((5,), torch.int8)
    tensors["scalar"] = torch.tensor(1.5)
    tensors["empty"] = torch.zeros((3, 0))
    tensors['escaped é "\\\n\t\x01\x7f\u2028😀'] = ramp((1,), torch.bfloat16)
    save_file(tensors, OUT / "dtypes.safetensors", metadata={"format": "pt"})
    save_file({}, OUT / "none.safetensors")
    # dtypes that the format has and hft has not
    save_file({"f8": torch.zeros(3).to(torch.float8_e4m3fn), "u16": torch.zeros(2, dtype=torch.uint16),
               "f32": ramp((2,), torch.float32)}, OUT / "other_dtypes.safetensors")  # fmt: skip
    save_file({"w": ramp((2, 2), torch.float32), "b": ramp((2,), torch.float16)}, SEEDS / "safetensors" / "two.safetensors",
              metadata={"format": "pt"})  # fmt: skip


def sharded_checkpoint():
    torch.manual_seed(0)
    config = LlamaConfig(hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
                         num_key_value_heads=1, vocab_size=24, tie_word_embeddings=False)  # fmt: skip
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    for name, limit in {"sharded": 700, "whole": "5GB"}.items():
        folder = OUT / name
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder, max_shard_size=limit)
    # Transformers splits in the order of the state dict, which the files do not keep.
    (OUT / "sharded" / "order.txt").write_text("".join(f"{name}\n" for name in model.state_dict()))


def gguf_files():
    w = gguf.GGUFWriter(OUT / "values.gguf", "llama")  # writes general.architecture
    w.add_uint8("v.u8", 200)
    w.add_int8("v.i8", -100)
    w.add_uint16("v.u16", 60000)
    w.add_int16("v.i16", -30000)
    w.add_uint32("v.u32", 4000000000)
    w.add_int32("v.i32", -2000000000)
    w.add_float32("v.f32", 1e-5)
    w.add_bool("v.bool", True)
    w.add_string("v.string", "Grüße\n😀")
    w.add_uint64("v.u64", 2**64 - 1)
    w.add_int64("v.i64", -(2**63))
    w.add_float64("v.f64", 0.1)
    w.add_array("a.i32", [1, -2, 3])
    w.add_array("a.f32", [0.5, -1.5])
    w.add_array("a.string", ["", "a", "ä", "<|endoftext|>"])
    w.add_array("a.bool", [True, False])
    w.add_key_value("a.u8", [1, 2, 255], gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.UINT8)
    w.add_custom_alignment(64)
    w.add_tensor("f32", np.arange(6, dtype=np.float32).reshape(2, 3))
    w.add_tensor("f16", np.arange(4, dtype=np.float16).reshape(1, 2, 1, 2))
    for name, kind in {"q8_0": gguf.GGMLQuantizationType.Q8_0, "q4_0": gguf.GGMLQuantizationType.Q4_0,
                       "bf16": gguf.GGMLQuantizationType.BF16}.items():  # fmt: skip
        data = gguf.quants.quantize(np.linspace(-1, 1, 128, dtype=np.float32).reshape(2, 64), kind)
        w.add_tensor(name, data, raw_dtype=kind)
    w.add_tensor("i32", np.array([7, 8, 9], dtype=np.int32))
    write(w)

    w = gguf.GGUFWriter(OUT / "unknown_type.gguf", "llama")
    w.add_tensor("known", np.ones(4, dtype=np.float32))
    w.add_tensor("iq4_nl", np.zeros((2, 18), dtype=np.uint8), raw_dtype=gguf.GGMLQuantizationType.IQ4_NL)
    write(w)

    w = gguf.GGUFWriter(SEEDS / "gguf" / "small.gguf", "llama")
    w.add_uint32("llama.block_count", 1)
    w.add_array("tokens", ["a", "b"])
    w.add_tensor("t", np.ones((2, 2), dtype=np.float32))
    write(w)


def write(w):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def json_files():
    rng = np.random.default_rng(0)
    floats = [0.0, -0.0, 1.0, 1e-5, 1e-4, 0.0001234, 10000.0, 500000.0, 1e15, 1e16, 123456789012345680.0, 1e22, 1e-300, 5e-324,
              1.7976931348623157e308, 0.1, 1 / 3, -2.5, 9.999999747378752e-06, 0.02, 1e100]  # fmt: skip
    floats += [struct.unpack("d", rng.bytes(8))[0] for _ in range(200)]
    floats = [x for x in floats if np.isfinite(x)]
    value = {
        "z": 1, "Z": {"b": [], "a": {}}, "é": "Grüße, 世界 😀 \u2028", "escapes": "\"\\/\b\f\n\r\t\x00\x1f\x7f", "none": None,
        "true": True, "integers": [0, -1, 2**63 - 1, -(2**63), 2**64 - 1], "floats": floats, "\U0001f600": 1, "\uffff": 2,
    }  # fmt: skip
    (OUT / "python.json").write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
    (OUT / "python_line.json").write_text(json.dumps(value))
    (OUT / "python_utf8.json").write_text(json.dumps(value, indent=4, ensure_ascii=False), encoding="utf-8")
    value["floats"] = floats[:12]
    (SEEDS / "json" / "python.json").write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
    (SEEDS / "json" / "nested.json").write_text('{"a": [[[[]]], {"b": {"c": [1, -2.5e-7, "\\u00e9\\ud83d\\ude00"]}}]}')


for folder in [OUT, *(SEEDS / name for name in ("json", "safetensors", "gguf"))]:
    folder.mkdir(parents=True, exist_ok=True)
safetensors_files()
sharded_checkpoint()
gguf_files()
json_files()
packages = {name: version(name) for name in ("safetensors", "gguf", "transformers", "torch", "numpy")}
(OUT / "versions.json").write_text(json.dumps(packages, indent=2) + "\n")
