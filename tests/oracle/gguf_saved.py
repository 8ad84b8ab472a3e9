"""Files of save_gguf as other programs read them: gguf-py, Transformers, and llama.cpp where xllamacpp is installed.

    python gguf_saved.py WRITE_GGUF [ARCH ...]    WRITE_GGUF: build/tests/write_gguf, which CMake's target of that name builds

For each architecture the checkpoint tests/data/models/ARCH/base is written with a small byte-level tokenizer. Transformers'
model of the file and llama.cpp's give the logits, or the hidden states, of the checkpoint's own model in Transformers.
Each prints the largest difference, as a share of the largest value.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import gguf
import tokenizers
import torch
import transformers

import gguf_conversions
import seeded
from common import DATA

# Those that Transformers reads from GGUF files.
TRANSFORMERS = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "gpt2", "bloom", "starcoder2"]
TRANSFORMERS += ["stablelm", "phi3", "nemotron", "mamba", "cohere", "lfm2", "t5", "umt5", "gpt_oss"]
ENCODER_DECODERS = ["t5", "umt5"]


def checkpoint(arch, folder):
    """The checkpoint with its weights and a tokenizer of as many tokens, in a folder of its own."""
    source = pathlib.Path(seeded.checkpoint(DATA / "models" / arch / "base"))
    for file in source.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text()) | gguf_conversions.TAKEN.get(arch, {})
    (folder / "config.json").write_text(json.dumps(config))
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokens = {token: i for i, token in enumerate(alphabet[: config["vocab_size"]])}
    special = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), tokens))
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None}
    model |= {"end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": tokens, "merges": []}
    document = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None}
    document |= {"pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level, "model": model}
    (folder / "tokenizer.json").write_text(json.dumps(document))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"} | special))
    return config


def share(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


def outputs(model, ids):
    inputs = {"input_ids": ids} | ({"decoder_input_ids": ids} if model.config.is_encoder_decoder else {})
    with torch.inference_mode():
        y = model.eval()(**inputs)
    return y.logits if "logits" in y else y.last_hidden_state


def llama_cpp(file, ids):
    """The log probabilities of the token that follows, of all tokens."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx, params.n_parallel, params.warmup, params.n_gpu_layers = 64, 1, False, 0
    params.verbosity = 0
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(params)
    asked = {"prompt": ids, "max_tokens": 1, "n_probs": 512, "logprobs": 512, "temperature": 0, "cache_prompt": False}
    return server.handle_completions(asked)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]


def main():
    write = pathlib.Path(sys.argv[1]).resolve()
    for arch in sys.argv[2:] or TRANSFORMERS:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            config = checkpoint(arch, folder)
            cls = getattr(transformers, config["architectures"][0])
            file = folder / "saved.gguf"
            done = subprocess.run([str(write), str(folder), str(file)], capture_output=True, text=True)
            if done.returncode:
                print(f"{arch}: {done.stderr.strip()}", flush=True)
                continue
            reader = gguf.GGUFReader(file)
            print(f"{arch}: gguf-py {len(reader.tensors)} tensors, {len(reader.fields)} keys {done.stderr.strip()}", flush=True)
            ids = torch.arange(1, 8).remainder(config["vocab_size"])[None]
            expected = outputs(cls.from_pretrained(folder, dtype=torch.float32), ids)
            try:
                found = outputs(cls.from_pretrained(folder, gguf_file=file.name, dtype=torch.float32), ids)
                print(f"{arch}: transformers {share(found, expected):.2g}", flush=True)
            except Exception as e:
                print(f"{arch}: transformers {type(e).__name__}: {str(e)[:200]}", flush=True)
            if arch in ENCODER_DECODERS:  # whose answers xllamacpp does not ask for
                continue
            try:
                top = llama_cpp(file, ids[0].tolist())
            except ModuleNotFoundError:
                continue
            except Exception as e:
                print(f"{arch}: llama.cpp {type(e).__name__}: {str(e)[:200]}", flush=True)
                continue
            wanted = expected[0, -1].log_softmax(-1)
            worst = max(abs(wanted[t["id"]].item() - t["logprob"]) for t in top)
            print(f"{arch}: llama.cpp {worst:.2g} of {len(top)} log probabilities", flush=True)


if __name__ == "__main__":
    main()
