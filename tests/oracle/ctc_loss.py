"""Goldens of ctc_loss: torch.nn.functional.ctc_loss and its gradient with respect to the logits.

    python tests/oracle/ctc_loss.py
"""
import json, os

import torch
import torch.nn.functional as F

torch.manual_seed(0)
cases = []


def case(name, T, C, targets, input_lengths, blank=0):
    B, longest = len(targets), max(1, max(len(t) for t in targets))
    logits = torch.randn(T, B, C, dtype=torch.float64)
    other = (blank + 1) % C
    padded = torch.tensor([t + [other] * (longest - len(t)) for t in targets])
    for reduction in ("none", "mean", "sum"):
        for zero in (False, True):
            x = logits.clone().requires_grad_(True)
            loss = F.ctc_loss(x.log_softmax(-1), padded, torch.tensor(input_lengths), torch.tensor([len(t) for t in targets]),
                              blank=blank, reduction=reduction, zero_infinity=zero)
            weights = torch.arange(1, loss.numel() + 1, dtype=torch.float64).reshape(loss.shape)
            (loss * weights).sum().backward()
            cases.append({"name": name, "shape": [T, B, C], "logits": [round(v, 12) for v in logits.flatten().tolist()] if reduction == "none" and not zero else None,
                          "targets": padded.tolist(), "input_lengths": input_lengths, "target_lengths": [len(t) for t in targets], "blank": blank,
                          "reduction": reduction, "zero_infinity": zero, "loss": [str(v) for v in loss.reshape(-1).tolist()],
                          "gradient": [str(v) for v in x.grad.flatten().tolist()]})


case("one", 1, 2, [[1]], [1])
case("repeats and lengths", 9, 5, [[1, 1, 2], [3, 4, 3, 4], [2]], [9, 7, 4])
case("last is blank", 6, 4, [[0, 1, 0], [2, 2]], [6, 5], blank=3)
case("too short", 4, 4, [[1, 1, 2], [1, 2], [3, 3]], [3, 4, 2])
case("nothing to say", 5, 3, [[], [1]], [4, 5])
case("just long enough", 5, 3, [[1, 1, 2], [2, 1, 2, 1, 2]], [4, 5])
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "ops", "ctc_loss.json"), "w") as f:
    json.dump({"versions": {"torch": torch.__version__}, "cases": cases}, f, separators=(",", ":"))
    f.write("\n")
