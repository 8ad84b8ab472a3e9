"""Small GGUF files and their goldens: tests/data/gguf/*.

Models carry names, metadata and the order of query and key rows as llama.cpp's convert_hf_to_gguf.py writes them. The
goldens NAME.golden.safetensors hold input_ids and the f32 logits of Transformers with exactly the dequantised weights.
"""

import importlib.metadata
import json
import logging
import math

import gguf
import numpy as np
import torch
import transformers

import seeded
from common import BOS, DATA, EOS, PAD, generator, ids, load, save

FOLDER = DATA / "gguf"
Kind = gguf.GGMLQuantizationType
logging.getLogger("gguf").setLevel(logging.ERROR)  # "NAME.gguf: n_tensors = ..."


def permute(weights, heads):
    """LlamaModel.permute of the converter: rotated halves become interleaved pairs."""
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def unpermute(weights, heads):
    return weights.reshape(heads, weights.shape[0] // heads // 2, 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def heads_of(name, config):
    """How many heads a tensor's rows are permuted in; None where they are not."""
    if "q_proj" in name:
        return config.num_attention_heads
    return config.num_key_value_heads if "k_proj" in name else None


def add_metadata(writer, config, file_type):
    writer.add_name("tiny llama")
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    rope = config.rope_parameters
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])


def add_tokenizer(writer, vocab_size):
    """A byte-level vocabulary with one merge: the special tokens, printable ASCII, space and newline."""
    tokens = ["<unk>", "<s>", "</s>", *map(chr, range(33, 126)), "Ġ", "Ċ", "!!"]
    tokens += [f"<|extra_{n}|>" for n in range(vocab_size - len(tokens))]
    types = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    types += [gguf.TokenType.USER_DEFINED if t.startswith("<|") else gguf.TokenType.NORMAL for t in tokens[3:]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([int(kind) for kind in types])
    writer.add_token_merges(["! !"])
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_pad_token_id(PAD)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)


def rope_factors(config):
    """llama3 scaling as the converter stores it: what each base frequency is divided by (rope_freqs.weight)."""
    rope, dim = config.rope_parameters, config.head_dim
    low, high = (rope["original_max_position_embeddings"] / rope[f"{end}_freq_factor"] for end in ("low", "high"))
    factors = []
    for frequency in 1.0 / rope["rope_theta"] ** (np.arange(0, dim, 2) / dim):
        length = 2 * math.pi / frequency
        if length < high:
            factors.append(1.0)
        elif length > low:
            factors.append(rope["factor"])
        else:
            smooth = (rope["original_max_position_embeddings"] / length - rope["low_freq_factor"]) / (
                rope["high_freq_factor"] - rope["low_freq_factor"]
            )
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, np.float32)


def packed_k(kind, shape, rng, spread):
    """Random valid K-quant rows with weights around zero: gguf-py reads these formats but does not write them."""
    _, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (shape[0] * shape[1] // 256, size), dtype=np.uint8)

    def step(value):
        return np.full(len(blocks), value, np.float16).view(np.uint8).reshape(-1, 2)

    if kind == Kind.Q6_K:
        blocks[:, 192:208] = rng.integers(24, 64, (len(blocks), 16)).astype(np.int8).view(np.uint8)
        blocks[:, 208:210] = step(spread / (44 * 18.5))
    else:
        levels = 16 if kind == Kind.Q4_K else 32
        # eight 6-bit scales and the same eight as minima, in ggml's packing: d * s * q - (d * (levels - 1) / 2) * s
        scales = rng.integers(24, 64, (len(blocks), 8), dtype=np.uint8)
        low, high = scales[:, :4], scales[:, 4:]
        blocks[:, 4:8] = blocks[:, 8:12] = low | (high >> 4 << 6)
        blocks[:, 12:16] = (high & 15) | (high & 15) << 4
        unit = spread / (44 * levels / 3.46)
        blocks[:, 0:2], blocks[:, 2:4] = step(unit), step(unit * (levels - 1) / 2)
    return blocks.reshape(shape[0], -1)


def write_model(name, model, kinds, file_type, rng=None):
    """Writes NAME.gguf; kinds(tensor name, shape) chooses the format. Gives the model weights as the file has them."""
    config = model.config
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    writer = gguf.GGUFWriter(FOLDER / f"{name}.gguf", "llama")
    add_metadata(writer, config, file_type)
    add_tokenizer(writer, config.vocab_size)
    if config.rope_parameters["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", rope_factors(config))
    used = set()
    with torch.no_grad():
        for key, parameter in model.named_parameters():  # a tied head appears once, as the embedding
            stored = names.get_name(key, try_suffixes=(".weight", ".bias"))
            values, heads = parameter.float().numpy(), heads_of(key, config)
            if heads:
                values = permute(values, heads)
            kind = kinds(stored, values.shape) if values.ndim == 2 else Kind.F32
            used.add(kind.name)
            if kind in (Kind.Q4_K, Kind.Q5_K, Kind.Q6_K):
                data = packed_k(kind, values.shape, rng, values.std())
            else:
                data = gguf.quantize(np.ascontiguousarray(values), kind)
            writer.add_tensor(stored, data, raw_dtype=kind)
            read = gguf.dequantize(data, kind).reshape(values.shape)
            if heads:
                read = unpermute(read, heads)
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(read)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    rng = generator("gguf", name)
    inputs = {"single.input_ids": ids(rng, config.vocab_size, 1, 11), "long.input_ids": ids(rng, config.vocab_size, 1, 45)}
    golden = dict(inputs)
    with torch.no_grad():
        for key, tokens in inputs.items():
            golden[key.replace("input_ids", "logits")] = model(tokens, use_cache=False).logits
    save(FOLDER / f"{name}.golden.safetensors", golden, gguf=importlib.metadata.version("gguf"))
    size = (FOLDER / f"{name}.gguf").stat().st_size
    print(f"{name}: {size // 1024} KiB, {sorted(used)}, logits spread {golden['single.logits'].std().item():.2f}", flush=True)


def models():
    def case(name):
        return load(DATA / "models" / "llama" / name)

    def one(kind):
        return lambda name, shape: kind

    file_type = gguf.LlamaFileType
    write_model("llama_f32", case("base"), one(Kind.F32), file_type.ALL_F32)
    write_model("llama_f16", case("base"), one(Kind.F16), file_type.MOSTLY_F16)
    write_model("llama_bf16", case("base"), one(Kind.BF16), file_type.MOSTLY_BF16)
    for kind in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"):
        write_model(f"llama_{kind.lower()}", case("base"), one(Kind[kind]), file_type[f"MOSTLY_{kind}"])
    write_model("llama_tied", case("tied"), one(Kind.F32), file_type.ALL_F32)
    write_model("llama_biases", case("biases"), one(Kind.F32), file_type.ALL_F32)
    write_model("llama_head_dim", case("head_dim"), one(Kind.F32), file_type.ALL_F32)
    write_model("llama_rope_linear", case("rope_linear"), one(Kind.F32), file_type.ALL_F32)
    write_model("llama_rope_llama3", case("rope_llama3"), one(Kind.F32), file_type.ALL_F32)

    # Rows of 256 weights, so that every format has its tensor.
    config = transformers.LlamaConfig(
        vocab_size=99,
        hidden_size=256,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=64,
        rms_norm_eps=1e-5,
        pad_token_id=PAD,
    )
    formats = {
        "token_embd.weight": Kind.Q6_K,
        "output.weight": Kind.Q8_0,
        "blk.0.attn_q.weight": Kind.Q4_K,
        "blk.0.attn_k.weight": Kind.Q5_K,
        "blk.0.attn_v.weight": Kind.Q6_K,
        "blk.0.attn_output.weight": Kind.Q4_0,
        "blk.0.ffn_gate.weight": Kind.Q4_K,
        "blk.0.ffn_up.weight": Kind.Q5_K,
        "blk.0.ffn_down.weight": Kind.Q6_K,
        "blk.1.attn_q.weight": Kind.Q5_1,
        "blk.1.attn_k.weight": Kind.F16,
        "blk.1.attn_v.weight": Kind.BF16,
        "blk.1.attn_output.weight": Kind.Q5_0,
        "blk.1.ffn_gate.weight": Kind.Q4_1,
        "blk.1.ffn_up.weight": Kind.Q4_K,
        "blk.1.ffn_down.weight": Kind.Q5_K,
    }
    model = transformers.LlamaForCausalLM(config).eval()
    seeded.randomize(model)
    rng = np.random.default_rng(21)
    write_model("llama_mixed", model, lambda name, shape: formats[name], file_type.MOSTLY_Q4_K_M, rng)


METADATA = [
    # key, type, element type of an array
    ("u8", 250, "UINT8", None),
    ("i8", -120, "INT8", None),
    ("u16", 65000, "UINT16", None),
    ("i16", -32000, "INT16", None),
    ("u32", 4000000000, "UINT32", None),
    ("i32", -2000000000, "INT32", None),
    ("f32", 0.15625, "FLOAT32", None),
    ("bool.true", True, "BOOL", None),
    ("bool.false", False, "BOOL", None),
    ("string", "text, ключ, 文", "STRING", None),
    ("string.empty", "", "STRING", None),
    ("u64", 18446744073709551615, "UINT64", None),
    ("i64", -9223372036854775808, "INT64", None),
    ("f64", 0.1, "FLOAT64", None),
    ("array.u8", [0, 1, 255], "ARRAY", "UINT8"),
    ("array.i8", [-1, 1], "ARRAY", "INT8"),
    ("array.u16", [1, 65535], "ARRAY", "UINT16"),
    ("array.i16", [-32768, 3], "ARRAY", "INT16"),
    ("array.u32", [7], "ARRAY", "UINT32"),
    ("array.i32", [-7, 8], "ARRAY", "INT32"),
    ("array.f32", [0.5, -1.25], "ARRAY", "FLOAT32"),
    ("array.bool", [True, False, True], "ARRAY", "BOOL"),
    ("array.string", ["a", "", "üñ"], "ARRAY", "STRING"),
    ("array.u64", [1, 18446744073709551615], "ARRAY", "UINT64"),
    ("array.i64", [-1], "ARRAY", "INT64"),
    ("array.f64", [1e300, -0.1], "ARRAY", "FLOAT64"),
    ("array.array", [[1, 2, 3], [4]], "ARRAY", None),
]


def write_metadata(path, endianess=gguf.GGUFEndian.LITTLE, alignment=None):
    writer = gguf.GGUFWriter(path, "test", endianess=endianess)
    for key, value, kind, element in METADATA:
        kinds = gguf.GGUFValueType
        writer.add_key_value(f"test.{key}", value, kinds[kind], kinds[element] if element else None)
    if alignment:
        writer.add_custom_alignment(alignment)
    ramp = np.arange(6, dtype=np.float32).reshape(2, 3)
    writer.add_tensor("ramp", ramp)
    writer.add_tensor("vector", ramp.flatten()[:5] + 0.5)
    writer.add_tensor("half", ramp.astype(np.float16).reshape(3, 1, 2))
    writer.add_tensor("ints", np.arange(4, dtype=np.int32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def metadata():
    write_metadata(FOLDER / "metadata.gguf")
    write_metadata(FOLDER / "metadata_alignment_256.gguf", alignment=256)
    write_metadata(FOLDER / "metadata_big_endian.gguf", endianess=gguf.GGUFEndian.BIG)
    # Version 2 has the layout of version 3, which only added big-endian files.
    content = bytearray((FOLDER / "metadata.gguf").read_bytes())
    content[4:8] = (2).to_bytes(4, "little")
    (FOLDER / "metadata_v2.gguf").write_bytes(content)
    expected = {
        "metadata": [
            {"key": f"test.{key}", "type": kind, "element_type": element, "value": value}
            for key, value, kind, element in METADATA
        ],
        "tensors": [
            {"name": "ramp", "type": "F32", "shape": [2, 3], "values": [0, 1, 2, 3, 4, 5]},
            {"name": "vector", "type": "F32", "shape": [5], "values": [0.5, 1.5, 2.5, 3.5, 4.5]},
            {"name": "half", "type": "F16", "shape": [3, 1, 2], "values": [0, 1, 2, 3, 4, 5]},
            {"name": "ints", "type": "I32", "shape": [4], "values": [0, 1, 2, 3]},
        ],
    }
    for entry in expected["metadata"]:
        if entry["key"] == "test.array.array":
            entry["element_type"] = "ARRAY"
    lists = (f'  "{key}": [\n' + ",\n".join("    " + json.dumps(e) for e in rows) + "\n  ]" for key, rows in expected.items())
    (FOLDER / "metadata.json").write_text("{\n" + ",\n".join(lists) + "\n}\n")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    models()
    metadata()
