"""Small valid safetensors files (tests/data/safetensors/) and what they hold (expected.json).

expected.json: file -> metadata (null where the header has none) and tensors: name -> dtype, shape, values row by row
(floats as the shortest decimal that reads back, infinities and NaN as strings).
"""

import json
import math

import torch
import safetensors.torch

from common import DATA, sort_metadata

FOLDER = DATA / "safetensors"
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def sample(dtype):
    """Six values (2, 3) with the extremes of the type among them."""
    if dtype is torch.bool:
        values = [True, False, False, True, True, False]
    elif dtype.is_floating_point:
        info = torch.finfo(dtype)
        values = [0.1, -2.5, info.max, info.tiny, -0.0, math.inf]
    else:
        info = torch.iinfo(dtype)
        values = [0, 1, info.max, info.min, 7, 100]
    return torch.tensor(values, dtype=dtype).reshape(2, 3)


def plain(value):
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def files():
    ramp = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    for name, dtype in DTYPES.items():
        yield name.lower(), {"x": sample(dtype)}, None
    # by alignment, widest first, as the package sorts them
    yield "all_dtypes", {name.lower(): sample(dtype) for name, dtype in DTYPES.items()}, {"format": "pt"}
    yield "metadata", {"x": ramp}, {"format": "pt", "": "empty key", "text": 'quotes " and \\ and é and \n', "empty": ""}
    yield "scalar", {"scalar": torch.tensor(2.5), "one": torch.tensor([2.5])}, None
    yield "empty_tensor", {"empty": torch.zeros(0), "hole": torch.zeros(2, 0, 3, dtype=torch.int32), "x": ramp}, None
    yield "only_empty_tensor", {"empty": torch.zeros(0)}, None
    yield "no_tensors", {}, None
    yield "no_tensors_metadata", {}, {"format": "pt"}
    yield "names", {"a.b.c": ramp, "ключ": ramp + 1, 'quote"': ramp + 2, "": ramp + 3, "new\nline": ramp + 4}, None
    yield "many_dimensions", {"x": ramp.reshape(1, 2, 1, 3, 1, 1)}, None


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, tensors, metadata in files():
        path = FOLDER / f"{name}.safetensors"
        safetensors.torch.save_file(tensors, path, metadata)
        if metadata:
            sort_metadata(path)
        assert safetensors.torch.load_file(path).keys() == tensors.keys()
        expected[path.name] = {
            "metadata": metadata,
            "tensors": {
                key: {
                    "dtype": NAMES[tensor.dtype],
                    "shape": list(tensor.shape),
                    "values": [plain(value) for value in tensor.flatten().tolist()],
                }
                for key, tensor in tensors.items()
            },
        }
    entries = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in expected.items())
    (FOLDER / "expected.json").write_text(f"{{\n{entries}\n}}\n")
    print(*expected, sep="\n")
