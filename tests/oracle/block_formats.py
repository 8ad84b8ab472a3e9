"""Goldens of the block formats, by gguf-py: tests/data/quantization/block_formats.safetensors.

For each format F: F.blocks (N, bytes) and F.values (N, weights), what arbitrary blocks mean; where gguf-py quantises too,
F.rows (R, C), F.quantized (R, bytes) and F.dequantized (R, C).
"""

import importlib.metadata

import gguf
import numpy as np
import torch

from common import DATA, save

# Where in a block its f16 numbers stand: everything else may be any byte.
FORMATS = {
    "Q4_0": (0,),
    "Q4_1": (0, 2),
    "Q5_0": (0,),
    "Q5_1": (0, 2),
    "Q8_0": (0,),
    "Q4_K": (0, 2),
    "Q5_K": (0, 2),
    "Q6_K": (208,),
}
QUANTISED_BY_GGUF = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
# Among scales: zero, a subnormal, the largest below overflow of the products, ordinary ones of either sign.
SPECIAL_SCALES = np.array([0.0, -0.0, 6e-8, -3e-5, 1.0, -0.5, 12.0, 0.0333], np.float16)


def random_blocks(name, count, rng):
    _, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in FORMATS[name]:
        scales = (0.05 * rng.standard_normal(count)).astype(np.float16)
        scales[: len(SPECIAL_SCALES)] = rng.permutation(SPECIAL_SCALES)
        blocks[:, at : at + 2] = scales.view(np.uint8).reshape(count, 2)
    # the extreme quants: all bits clear, all bits set
    for row, byte in ((count - 2, 0x00), (count - 1, 0xFF)):
        scales = {at: blocks[row, at : at + 2].copy() for at in FORMATS[name]}
        blocks[row] = byte
        for at, scale in scales.items():
            blocks[row, at : at + 2] = scale
    return blocks


def rows_to_quantise(rng, columns=96):
    gaussian = rng.standard_normal((10, columns)) * np.geomspace(1e-4, 30, 10)[:, None]
    special = [
        np.zeros(columns),
        np.full(columns, -1.5),
        np.full(columns, 0.7),
        np.eye(columns)[5] * 3.0,
        np.eye(columns)[70] * -3.0,
        np.arange(columns) - 40.0,  # whole numbers: halves to be rounded
        (np.arange(columns) % 32 - 16) / 16.0,
        np.where(np.arange(columns) % 2, 2.0, -2.0),  # largest of both signs
        rng.standard_normal(columns) * 1e-9,  # the scale vanishes in f16
        np.abs(rng.standard_normal(columns)) + 5.0,
    ]
    return np.concatenate([gaussian, special]).astype(np.float32)


if __name__ == "__main__":
    rng = np.random.default_rng(20)
    tensors = {}
    for name in FORMATS:
        kind = gguf.GGMLQuantizationType[name]
        weights, _ = gguf.GGML_QUANT_SIZES[kind]
        blocks = random_blocks(name, 64 if weights == 32 else 24, rng)
        values = gguf.dequantize(blocks, kind)
        assert np.isfinite(values).all()
        tensors[f"{name}.blocks"], tensors[f"{name}.values"] = blocks, values
        if name in QUANTISED_BY_GGUF:
            rows = rows_to_quantise(rng)
            quantized = gguf.quantize(rows, kind)
            tensors[f"{name}.rows"], tensors[f"{name}.quantized"] = rows, quantized
            tensors[f"{name}.dequantized"] = gguf.dequantize(quantized, kind)
            error = np.abs(tensors[f"{name}.dequantized"] - rows)[:10].max(1) / np.abs(rows)[:10].max(1)
            print(name, "largest error of the gaussian rows, relative:", error.max())
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in tensors.items()}
    save(DATA / "quantization" / "block_formats.safetensors", tensors, gguf=importlib.metadata.version("gguf"))
