"""Goldens of tests/train/parquet.cpp: a Parquet file of several row groups and column types, and its rows as JSON.

    python tests/oracle/parquet.py
"""
import json, os

import pyarrow, pyarrow.parquet

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "train")
rows = [{
    "text": None if i == 3 else f"row {i} \u00e9", "label": i % 3, "score": i / 4, "kept": i % 2 == 0, "input_ids": list(range(i)),
    "messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": f"a{i}"}], "kind": ["x", "y"][i % 2], "pair": [i, -i],
} for i in range(11)]
p = pyarrow
schema = p.schema([("text", p.string()), ("label", p.int32()), ("score", p.float64()), ("kept", p.bool_()), ("input_ids", p.list_(p.int64())),
    ("messages", p.large_list(p.struct([("role", p.string()), ("content", p.large_string())]))), ("kind", p.dictionary(p.int8(), p.string())),
    ("pair", p.list_(p.int16(), 2))])
table = p.Table.from_pylist(rows, schema=schema)
pyarrow.parquet.write_table(table, os.path.join(HERE, "rows.parquet"), row_group_size=4)
with open(os.path.join(HERE, "rows.json"), "w") as f:
    json.dump({"versions": {"pyarrow": p.__version__}, "rows": table.to_pylist()}, f, separators=(",", ":"))
    f.write("\n")
