"""Goldens of ops by PyTorch: tests/data/ops/*.safetensors.

Gradients are those of sum(y * dy). `selective_scan` and `causal_conv1d` are the formulas, step by step.
"""

import torch
import torch.nn.functional as F

from common import DATA, generator, save


def with_gradients(prefix, tensors, y, inputs, rng):
    """Adds y, dy, every input and its gradient under the prefix."""
    dy = torch.randn(y.shape, generator=rng)
    (y * dy).sum().backward()
    tensors |= {f"{prefix}.y": y.detach(), f"{prefix}.dy": dy}
    for name, x in inputs.items():
        tensors[f"{prefix}.{name}"] = x.detach()
        if x.grad is not None:
            tensors[f"{prefix}.grad.{name}"] = x.grad


def patches():
    tensors, rng = {}, generator("patches")
    for name, shape, patch in [("square", (2, 3, 8, 6), (2, 2)), ("odd", (2, 2, 11, 13), (3, 4)), ("one", (1, 1, 5, 5), (5, 5))]:
        image = torch.randn(shape, generator=rng).requires_grad_()
        weight = torch.randn((7, shape[1], *patch), generator=rng)
        y = F.conv2d(image, weight, stride=patch).flatten(2).transpose(1, 2)
        with_gradients(name, tensors, y, {"image": image, "weight": weight}, rng)
    save(DATA / "ops" / "patches.safetensors", tensors)


def causal_conv1d():
    tensors, rng = {}, generator("causal_conv1d")
    for name, B, T, C, K in [("four", 2, 9, 5, 4), ("short", 2, 2, 19, 4), ("one_tap", 1, 5, 3, 1), ("wide", 1, 40, 33, 3)]:
        x, weight, bias, state = (
            torch.randn(shape, generator=rng) for shape in [(B, T, C), (C, K), (C,), (B, K - 1, C)]
        )
        for given in (x, weight, bias):
            given.requires_grad_()
        whole = torch.cat([state, x], dim=1)
        y = F.conv1d(whole.transpose(1, 2), weight[:, None], bias, groups=C).transpose(1, 2)
        with_gradients(name, tensors, y, {"x": x, "weight": weight, "bias": bias, "state": state}, rng)
        tensors[f"{name}.last"] = whole[:, T:].detach()
    tensors = {name: x for name, x in tensors.items() if x.numel()}  # a kernel of one tap has no state
    save(DATA / "ops" / "causal_conv1d.safetensors", tensors)


def selective_scan():
    tensors, rng = {}, generator("selective_scan")
    for name, B, T, C, N in [("odd", 2, 7, 5, 3), ("one", 1, 1, 1, 1), ("chunks", 2, 131, 5, 3), ("wide", 1, 65, 37, 4)]:
        u, b, c = (torch.randn(shape, generator=rng) for shape in [(B, T, C), (B, T, N), (B, T, N)])
        delta = F.softplus(torch.randn((B, T, C), generator=rng) - 1)
        A = -torch.exp(0.5 * torch.randn((C, N), generator=rng))
        D, state = torch.randn(C, generator=rng), torch.randn((B, C, N), generator=rng)
        given = {"u": u, "delta": delta, "A": A, "B": b, "C": c, "D": D}
        for x in given.values():
            x.requires_grad_()
        h, steps = state, []
        for t in range(T):
            step = delta[:, t, :, None]
            h = torch.exp(step * A) * h + step * b[:, t, None] * u[:, t, :, None]
            steps.append((h * c[:, t, None]).sum(-1) + D * u[:, t])
        with_gradients(name, tensors, torch.stack(steps, 1), {**given, "state": state}, rng)
        tensors[f"{name}.last"] = h.detach()
    save(DATA / "ops" / "selective_scan.safetensors", tensors)


if __name__ == "__main__":
    patches()
    causal_conv1d()
    selective_scan()
