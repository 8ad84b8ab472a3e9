"""Folders that hft saved with a BitsAndBytesConfig, as Transformers and bitsandbytes read them.

    python bitsandbytes_saved.py WRITE_BITSANDBYTES    build/tests/write_bitsandbytes, CMake's target of that name

Models of random weights, in f32 and bf16, are quantised by hft, loaded by from_pretrained, and run in f32 over what
bitsandbytes dequantises: the largest difference from what hft computes of the same folder is printed, as a share of the
largest value; for decoders in f32 also that of bitsandbytes' own product, which on CPUs rounds to bf16, and takes
whole blocks alone. So is the number of tensors that Transformers itself saves otherwise.
"""

import copy
import pathlib
import subprocess
import sys
import tempfile

import bitsandbytes
import safetensors.torch
import torch
import transformers
from transformers import BitsAndBytesConfig

import common  # noqa: F401: one thread, and no progress bars

SIZES = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 103}
MODELS = {
    "LlamaForCausalLM": SIZES | {"num_key_value_heads": 2},
    "Qwen2ForCausalLM": SIZES | {"num_key_value_heads": 2, "tie_word_embeddings": True},
    "GPT2LMHeadModel": {"n_embd": 64, "n_head": 4, "n_layer": 2, "vocab_size": 103, "n_positions": 64},
    "OPTForCausalLM": {"hidden_size": 64, "ffn_dim": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    | {"vocab_size": 103, "max_position_embeddings": 64, "word_embed_proj_dim": 128, "do_layer_norm_before": False},
    "OlmoForCausalLM": SIZES | {"num_key_value_heads": 4, "tie_word_embeddings": True},
    "MixtralForCausalLM": SIZES | {"num_key_value_heads": 2, "num_local_experts": 4},
    "BertForSequenceClassification": SIZES,
    "T5ForConditionalGeneration": {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4}
    | {"vocab_size": 103},
    "ViTForImageClassification": SIZES | {"image_size": 16, "patch_size": 4},
}


def main(program):
    for name, sizes in MODELS.items():
        for dtype, kind, double in ((torch.float32, "nf4", True), (torch.bfloat16, "fp4", False)):
            with tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                cls = getattr(transformers, name)
                torch.manual_seed(len(name))
                model = cls(cls.config_class(**sizes, **({} if "ViT" in name else {"pad_token_id": 0})))
                for parameter in model.parameters():
                    random = torch.randn_like(parameter)
                    parameter.data = random * 0.12 if parameter.dim() > 1 else 1 + random * 0.1
                model.to(dtype).save_pretrained(folder / "in")
                inputs = {"input_ids": torch.randint(3, 103, (2, 7))}
                if name.startswith("T5"):
                    inputs["decoder_input_ids"] = inputs["input_ids"].flip(1)
                if name.startswith("ViT"):
                    inputs = {"pixel_values": torch.randn(2, 3, 16, 16)}
                safetensors.torch.save_file(inputs, folder / "inputs.safetensors")
                call = [program, folder / "in", folder / "inputs.safetensors", folder / "out", kind]
                subprocess.run(call + ["double"] * double, check=True)
                ours = safetensors.torch.load_file(folder / "out" / "outputs.safetensors")["logits"]

                loaded = cls.from_pretrained(folder / "out").eval()
                layers = [m for m in loaded.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
                with torch.inference_mode():
                    whole = dtype == torch.float32 and "LM" in name  # two labels are no whole block of rows
                    own = copy.deepcopy(loaded)(**inputs).logits if whole else None
                for layer in layers:
                    layer.weight.quant_state.dtype = torch.float32
                loaded = loaded.dequantize(torch.float32).float()
                with torch.inference_mode():
                    runs = [loaded(**inputs).logits] + ([] if own is None else [own])
                shares = [f"{((found - ours).abs().max() / ours.abs().max()).item():.1e}" for found in runs]

                config = BitsAndBytesConfig(
                    load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_use_double_quant=double
                )
                theirs = cls.from_pretrained(folder / "in", quantization_config=config, dtype=dtype)
                theirs.save_pretrained(folder / "theirs")
                a, b = (safetensors.torch.load_file(folder / f / "model.safetensors") for f in ("out", "theirs"))
                other = [n for n in a.keys() | b.keys() if n not in a or n not in b or not torch.equal(a[n], b[n])]
                print(f"{name} {dtype} {kind}: {len(layers)} layers, {shares}, {len(other)} of {len(b)} tensors differ")
                if other:
                    print("   ", *sorted(other)[:4])


if __name__ == "__main__":
    main(sys.argv[1])
