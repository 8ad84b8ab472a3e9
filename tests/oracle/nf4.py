"""Weights in NF4 by bitsandbytes: tests/data/quantization/nf4.safetensors with values `x`, their codes `q`, scales
`absmax`, and what they come back as, `dequantized`.
"""

import bitsandbytes
import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit

from common import DATA, generator, save


def main():
    x = torch.randn(64 * 40, generator=generator("nf4")) * 0.1
    x[64:128] = 0
    x[128:192] *= 1e-30
    x[200] = 7.5
    q, state = quantize_4bit(x, quant_type="nf4", blocksize=64)
    tensors = {"x": x, "q": q.flatten(), "absmax": state.absmax, "dequantized": dequantize_4bit(q, state).float()}
    save(DATA / "quantization" / "nf4.safetensors", tensors, bitsandbytes=bitsandbytes.__version__)


if __name__ == "__main__":
    main()
