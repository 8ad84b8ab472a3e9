"""Checkpoints that Transformers quantised with bitsandbytes: tests/data/quantization/CASE/ as save_pretrained writes
them, and golden.safetensors with `weight.NAME`, what bitsandbytes dequantises each weight of the first layer to, and
`input_ids` and `logits` of the model.
"""

import copy
import shutil

import bitsandbytes
import torch
from bitsandbytes.functional import dequantize_4bit
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from common import DATA, generator, save, sort_metadata
from seeded import checkpoint

CASES = {
    "llama_nf4_double": ("llama/base", "nf4", True),
    "gpt2_nf4": ("gpt2/base", "nf4", False),
    "llama_fp4_double": ("llama/gqa_odd", "fp4", True),
}


def main():
    for case, (base, kind, double) in CASES.items():
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=kind,
            bnb_4bit_use_double_quant=double,
            bnb_4bit_compute_dtype=torch.float32,
        )
        model = AutoModelForCausalLM.from_pretrained(
            checkpoint(DATA / "models" / base), quantization_config=config, dtype=torch.float32
        ).eval()
        out = DATA / "quantization" / case
        shutil.rmtree(out, ignore_errors=True)
        model.save_pretrained(out)
        (out / "generation_config.json").unlink(missing_ok=True)
        sort_metadata(out / "model.safetensors")
        rng = generator(case)
        tensors = {"input_ids": torch.randint(3, model.config.vocab_size, (2, 7), generator=rng)}
        # The logits are those of the same weights in float32: on a CPU, bitsandbytes' own product wants other shapes.
        plain = AutoModelForCausalLM.from_pretrained(checkpoint(DATA / "models" / base), dtype=torch.float32).eval()
        for name, module in model.named_modules():
            if not isinstance(module, bitsandbytes.nn.Linear4bit):
                continue
            # Flat: the kernel of bitsandbytes 0.50 for CPUs takes every row of a matrix for whole blocks.
            state = copy.copy(module.weight.quant_state)
            state.shape = torch.Size([module.out_features * module.in_features])
            weight = dequantize_4bit(module.weight.data, state).float()
            weight = weight.reshape(module.out_features, module.in_features)
            if ".0." in name and name.split(".")[-1] in ("q_proj", "down_proj", "c_attn", "c_proj"):
                tensors[f"weight.{name}.weight"] = weight
            target = plain.get_submodule(name).weight
            target.data = weight if isinstance(plain.get_submodule(name), torch.nn.Linear) else weight.T.contiguous()
        with torch.no_grad():
            tensors["logits"] = plain(tensors["input_ids"]).logits
        save(out / "golden.safetensors", tensors, bitsandbytes=bitsandbytes.__version__)


if __name__ == "__main__":
    main()
