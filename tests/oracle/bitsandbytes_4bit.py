"""Checkpoints that Transformers quantised with bitsandbytes: tests/data/quantization/CASE/ as save_pretrained writes
them, and golden.safetensors with `weight.NAME`, what bitsandbytes dequantises each weight of the first layer to, and
`input_ids` and `logits` of the model.

tests/data/quantization/bitsandbytes.safetensors: the tensors that bitsandbytes makes of weights of awkward sizes
(seeded.values of the case's name, rounded to bfloat16: sums of their scales are exact, and so the same in any order).
tests/data/quantization/bitsandbytes_modules.json: the layers that Transformers would quantise, numbers as *, of folders
of tests/data/models.
"""

import copy
import json
import re
import shutil

import bitsandbytes
import torch
import transformers
from bitsandbytes.functional import dequantize_4bit
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig
from transformers.initialization import no_tie_weights
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module

import seeded
from common import DATA, generator, save, sort_metadata
from seeded import checkpoint

CASES = {
    "llama_nf4_double": ("llama/base", "nf4", True),
    "gpt2_nf4": ("gpt2/base", "nf4", False),
    "llama_fp4_double": ("llama/gqa_odd", "fp4", True),
}

# shape, type, double quantisation, storage: an odd count; scales in two blocks, the second short; little that is not
# zero; codes that are called bfloat16
WEIGHTS = {
    "odd": ((13, 77), "nf4", True, torch.uint8),
    "many": ((130, 129), "fp4", True, torch.uint8),
    "faint": ((3, 67), "nf4", False, torch.uint8),
    "faint_fp4": ((3, 67), "fp4", True, torch.uint8),
    "even": ((20, 40), "nf4", True, torch.int8),
    "half": ((6, 36), "nf4", False, torch.bfloat16),
}

# Of these Transformers calls layers otherwise than files do.
RENAMED = ("gpt_neox", "gte", "jina_embeddings_v3", "nomic_bert", "vit", "granitemoe")


def weights():
    tensors = {}
    for name, (shape, kind, double, storage) in WEIGHTS.items():
        count = shape[0] * shape[1]
        value = torch.from_numpy(seeded.values(name, count, 7, 0.01, 0.3)).bfloat16()
        if name.startswith("faint"):  # a block of zeros, one below 1e-38, one as usual, and a short one of zeros
            value[:64] = 0
            value[64:128] *= 2.0**-130
            value[192:] = 0
        weight = bitsandbytes.nn.Params4bit(
            value.reshape(shape), requires_grad=False, compress_statistics=double, quant_type=kind, quant_storage=storage
        ).to("cpu")
        tensors[name] = weight.data
        for part, tensor in weight.quant_state.as_dict(packed=True).items():
            tensors[f"{name}.{part}"] = tensor
    save(DATA / "quantization" / "bitsandbytes.safetensors", tensors, bitsandbytes=bitsandbytes.__version__)


def modules():
    layers = {}
    for folder in sorted((DATA / "models").glob("*/*")):
        kind, case = folder.parts[-2:]
        if kind in RENAMED or case not in ("base", "sequence_classification"):
            continue
        config = AutoConfig.from_pretrained(folder)
        with torch.device("meta"), no_tie_weights():  # as from_pretrained makes it
            model = getattr(transformers, config.architectures[0])(config)
        kept = HfQuantizer.get_modules_to_not_convert(model, None, model._keep_in_fp32_modules)
        layers[f"{kind}/{case}"] = sorted(
            {
                re.sub(r"\b\d+\b", "*", name)
                for name, module in model.named_modules()
                if (isinstance(module, Conv1D) or type(module) is torch.nn.Linear) and should_convert_module(name, kept)
            }
        )
    groups = {}
    for folder, names in layers.items():
        groups.setdefault(tuple(names), []).append(folder)
    made = [{"folders": folders, "layers": names} for names, folders in groups.items()]
    text = json.dumps({"transformers": transformers.__version__, "models": made}, indent=0)
    (DATA / "quantization" / "bitsandbytes_modules.json").write_text(text + "\n")


def main():
    weights()
    modules()
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
