#!/usr/bin/env python3
"""Goldens of tests/train/{optimizers,schedules}.cpp: parameters after ten steps of each optimizer, and learning rates of
each schedule, from torch, transformers and bitsandbytes.

    python tests/oracle/optimizers.py        writes tests/data/train/{optimizers.safetensors,schedules.json}
"""
import json
import math
import pathlib

import bitsandbytes as bnb
import bitsandbytes.backends.cpu.ops as bnb_cpu
import torch
import transformers
from safetensors.torch import save_file
from transformers.optimization import Adafactor, get_scheduler

OUT = pathlib.Path(__file__).parent.parent / "data" / "train"
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__, "bitsandbytes": bnb.__version__}
STEPS = 10


def quantize_nearest(values, code, absmax_out, codes_out, blocksize):
    """What the CUDA kernels do. The CPU's C library takes other codes than the nearest for small numbers."""
    blocks = torch.nn.functional.pad(values.flatten(), (0, -values.numel() % blocksize)).view(-1, blocksize)
    absmax = blocks.abs().amax(1)
    scaled = (blocks * torch.where(absmax > 0, 1 / absmax, 0)[:, None]).flatten()[: values.numel()]
    codes_out.copy_((scaled[:, None] - code).abs().argmin(1).to(torch.uint8).view_as(codes_out))
    absmax_out.copy_(absmax)


bnb_cpu._quant_blockwise_fp32_direct = quantize_nearest


def numbers(shape, seed):
    """Numbers in [-1, 1) that the test computes, too, bit for bit."""
    n, out = seed * 7919 + 1, []
    for _ in range(math.prod(shape)):
        n = (n * 1664525 + 1013904223) % 2**32
        out.append((n >> 8) / 2**23 - 1)
    return torch.tensor(out, dtype=torch.float32).reshape(shape)


SMALL = {"linear.weight": (24, 20), "linear.bias": (24,), "norm.weight": (37,), "conv.weight": (3, 5, 4)}
LARGE = {"linear.weight": (64, 75), "embed_tokens.weight": (70, 64), "linear.bias": (64,)}
DECAY = {"linear.weight", "conv.weight", "embed_tokens.weight"}


def run(shapes, make):
    values = {k: torch.nn.Parameter(numbers(s, 100 + i)) for i, (k, s) in enumerate(shapes.items())}
    groups = [
        {"params": [p for k, p in values.items() if k in DECAY], "weight_decay": 0.1},
        {"params": [p for k, p in values.items() if k not in DECAY], "weight_decay": 0.0},
    ]
    if "embed_tokens.weight" in values:  # as the Trainer does for bitsandbytes
        manager = bnb.optim.GlobalOptimManager.get_instance()
        manager.register_parameters([values["embed_tokens.weight"]])
        manager.override_config(values["embed_tokens.weight"], "optim_bits", 32)
    optimizer = make(groups)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * (1 - step / 20)
        for i, (k, p) in enumerate(values.items()):
            p.grad = numbers(shapes[k], 1000 * (step + 1) + i)
            if k == "norm.weight" and step == 0:
                p.grad = None  # its first gradient comes a step later
        optimizer.step()
    return {k: p.detach() for k, p in values.items()}


torch.manual_seed(0)
T = torch.optim
OPTIMIZERS = {
    "adamw_torch": (SMALL, lambda g: T.AdamW(g, betas=(0.9, 0.999), eps=1e-8)),
    # A second moment that forgets, so that its maximum differs from it.
    "adamw_torch amsgrad=True": (SMALL, lambda g: T.AdamW(g, betas=(0.9, 0.5), eps=1e-8, amsgrad=True)),
    "adafactor": (SMALL, lambda g: Adafactor(g, lr=1e-3, scale_parameter=False, relative_step=False)),
    "sgd": (SMALL, lambda g: T.SGD(g)),
    "sgd momentum=0.9,dampening=0.2": (SMALL, lambda g: T.SGD(g, momentum=0.9, dampening=0.2)),
    "sgd momentum=0.9,nesterov=true": (SMALL, lambda g: T.SGD(g, momentum=0.9, nesterov=True)),
    "adagrad": (SMALL, lambda g: T.Adagrad(g)),
    "adagrad lr_decay=0.1,eps=1e-6": (SMALL, lambda g: T.Adagrad(g, lr_decay=0.1, eps=1e-6)),
    "rmsprop": (SMALL, lambda g: T.RMSprop(g)),
    "rmsprop momentum=0.8,centered=true,alpha=0.9": (
        SMALL,
        lambda g: T.RMSprop(g, momentum=0.8, centered=True, alpha=0.9),
    ),
    "lion_32bit": (SMALL, lambda g: bnb.optim.Lion(g, betas=(0.9, 0.999), optim_bits=32)),
    "paged_adamw_32bit": (SMALL, lambda g: bnb.optim.AdamW(g, betas=(0.9, 0.999), optim_bits=32)),
    "adamw_8bit": (LARGE, lambda g: bnb.optim.AdamW(g, betas=(0.9, 0.999), optim_bits=8)),
    "lion_8bit": (LARGE, lambda g: bnb.optim.Lion(g, betas=(0.9, 0.999), optim_bits=8)),
    "rmsprop_bnb_8bit": (LARGE, lambda g: bnb.optim.RMSprop(g, optim_bits=8)),
}

golden = {}
for name, (shapes, make) in OPTIMIZERS.items():
    for key, value in run(shapes, make).items():
        # Every seventh element of the large ones shows as much, and takes less room.
        golden[f"{name}:{key}"] = value.flatten()[::7].clone() if shapes is LARGE else value
OUT.mkdir(parents=True, exist_ok=True)
save_file(golden, OUT / "optimizers.safetensors", metadata={k: str(v) for k, v in VERSIONS.items()})

# ---- schedules: name, arguments, learning rates of 200 steps
metrics = [math.cos(i / 9) + 2 / (1 + i) for i in range(200)]
metrics[50:120] = [0.5] * 70
CASES = [
    ("linear", {}, 20, 150),
    ("linear", {}, 0, 200),
    ("cosine", {}, 20, 150),
    ("cosine", {"num_cycles": 1.5}, 13, 200),
    ("cosine_with_restarts", {"num_cycles": 3}, 20, 150),
    ("polynomial", {}, 20, 150),
    ("polynomial", {"lr_end": 1e-5, "power": 2.0}, 7, 180),
    ("constant", {}, 20, 150),
    ("constant_with_warmup", {}, 20, 150),
    ("inverse_sqrt", {}, 20, 150),
    ("inverse_sqrt", {"timescale": 55}, 10, 150),
    ("inverse_sqrt", {}, 0, 150),
    ("reduce_lr_on_plateau", {}, 0, 0),
    ("reduce_lr_on_plateau", {"mode": "max", "factor": 0.5, "patience": 3, "cooldown": 2, "min_lr": 1e-6}, 0, 0),
    ("reduce_lr_on_plateau", {"threshold_mode": "abs", "threshold": 0.01, "patience": 1, "eps": 1e-6}, 0, 0),
    ("cosine_with_min_lr", {"min_lr": 1e-5}, 20, 150),
    ("cosine_with_min_lr", {"min_lr_rate": 0.3, "num_cycles": 0.7}, 20, 150),
    ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1}, 20, 150),
    ("cosine_warmup_with_min_lr", {"min_lr": 1e-5, "warmup_lr_rate": 0.2}, 20, 150),
    ("warmup_stable_decay", {"num_decay_steps": 50}, 20, 150),
    ("warmup_stable_decay", {"num_decay_steps": 30, "num_stable_steps": 60, "warmup_type": "cosine",
                             "decay_type": "linear", "min_lr_ratio": 0.1}, 20, 150),
    ("warmup_stable_decay", {"num_decay_steps": 50, "warmup_type": "1-sqrt", "decay_type": "1-sqrt"}, 20, 150),
    ("greedy", {"min_lr": 1e-6, "max_lr": 1e-2, "patience": 2}, 0, 0),
    ("greedy", {"min_lr": 3e-5, "max_lr": 1e-2, "patience": 1, "smooth": True, "window_size": 5, "cooldown": 1,
                "warmup": 2, "factor": 0.8, "reset_start": 3}, 0, 0),
    ("greedy", {"mode": "max", "threshold_mode": "rel", "threshold": 1e-3, "min_lr": 1e-6, "patience": 0}, 0, 0),
]
cases = []
for name, kwargs, warmup, total in CASES:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=5e-5)
    scheduler = get_scheduler(name, optimizer, warmup, total, dict(kwargs))
    lrs = []
    for metric in metrics:
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(metric) if name in ("reduce_lr_on_plateau", "greedy") else scheduler.step()
    cases.append({"name": name, "kwargs": kwargs, "num_warmup_steps": warmup, "num_training_steps": total, "lr": lrs})
(OUT / "schedules.json").write_text(
    json.dumps({"versions": {k: str(v) for k, v in VERSIONS.items()}, "lr": 5e-5, "metrics": metrics, "cases": cases},
               separators=(",", ":")) + "\n")
