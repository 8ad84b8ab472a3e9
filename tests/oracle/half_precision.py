"""Goldens of half-precision training: losses under torch.autocast, and what torch.amp.GradScaler does.

    python tests/oracle/half_precision.py
"""
import json, os, random

import torch, transformers

HERE = os.path.dirname(os.path.abspath(__file__))
# With weights of its own, committed: those whose losses in half precision PyTorch's own rounding does not lead astray.
MODEL = os.path.join(HERE, "..", "data", "train", "half_precision")


def losses(dtype, ids, init_scale):
    model = transformers.LlamaForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=init_scale, growth_interval=3, enabled=dtype == torch.float16)
    out = []
    for step in range(12):
        with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            loss = model(input_ids=ids, labels=ids).loss
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        out.append({"loss": loss.item(), "scale": scaler.get_scale()})
    return out


def scaler_states():
    """GradScaler's state after each of these steps; True: a gradient was not finite."""
    random.seed(0)
    cases = []
    for options in ({}, {"init_scale": 8.0, "growth_interval": 2}, {"init_scale": 3.0, "growth_factor": 1.5, "backoff_factor": 0.25, "growth_interval": 1},
                    {"init_scale": 2.0**126, "growth_interval": 1}):
        weight = torch.nn.Parameter(torch.ones(1))
        optimizer = torch.optim.SGD([weight], lr=0.0)
        scaler = torch.amp.GradScaler("cpu", **options)
        steps = []
        for i in range(12):
            overflow = random.random() < 0.3 if options.get("init_scale", 0) < 2.0**100 else False
            scaler.scale(torch.zeros(()))  # what makes its tensors
            weight.grad = torch.tensor([float("inf") if overflow else 0.0])
            scaler.step(optimizer)
            scaler.update()
            steps.append({"overflow": overflow, "state": scaler.state_dict()})
        cases.append({"options": options, "steps": steps})
    return cases


ids = torch.tensor([[(5 + 7 * i * (r + 1) + i * i) % 90 + 5 for i in range(12)] for r in range(4)])
golden = {
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    "input_ids": ids.tolist(),
    "f32": losses(None, ids, 1.0),
    "bf16": losses(torch.bfloat16, ids, 1.0),
    "f16": losses(torch.float16, ids, 65536.0),
    "scaler": scaler_states(),
}
with open(os.path.join(HERE, "..", "data", "train", "half_precision.json"), "w") as f:
    json.dump(golden, f, separators=(",", ":"))
    f.write("\n")
