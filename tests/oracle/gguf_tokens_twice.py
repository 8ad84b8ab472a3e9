"""GGUF vocabularies in which a text is there twice, and one of empty texts: tests/data/tokenizer_files/twice.

    python tests/oracle/gguf_tokens_twice.py tests/data/tokenizer_files/twice

KIND.gguf, and golden.json: `texts` and, for each file, the ids that Transformers gives for them.
"""

import json
import pathlib
import random
import sys

import gguf
import numpy
import transformers
from transformers import AutoTokenizer

transformers.logging.set_verbosity_error()
out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
random.seed(1)

NORMAL, CONTROL, BYTE = 1, 3, 6
LETTERS = list("abcde")
BYTES = [f"<0x{i:02X}>" for i in range(256)]
MORE = ["ab", "bc", "{}a", "abc", "de", "cd", "ca", "bcd"]
# ARCHITECTURE, model, what a space is, merges
KINDS = {
    "gpt2": ("llama", "gpt2", "Ġ", ["a b", "b c", "Ġ a", "ab c", "d e", "c d", "c a", "b cd"]),
    "llama": ("llama", "llama", "▁", None),
    "gemma": ("gemma3", "llama", "▁", None),
    "t5": ("t5", "t5", "▁", None),
}
TEXTS = ["".join(random.choice("abcde  ") for _ in range(random.randint(1, 14))) for _ in range(40)]
TEXTS += ["", " ", "abcde", "de de", "<x>a<x>", "<s>ab</s>"]

golden = {"texts": TEXTS, "versions": {"transformers": transformers.__version__}, "ids": {}}
for kind, (architecture, model, space, merges) in KINDS.items():
    tokens = ["<unk>", "<s>", "</s>"] + (BYTES if kind in ("llama", "gemma") else [])
    tokens += LETTERS + [space, "<x>"] + [t.format(space) for t in MORE]
    tokens += ["de", "", "c", "<x>", "", "ab", "de"]
    types = [CONTROL if t in ("<s>", "</s>", "<x>") else BYTE if t.startswith("<0x") else NORMAL for t in tokens]
    w = gguf.GGUFWriter(out / f"{kind}.gguf", architecture)
    w.add_context_length(64), w.add_embedding_length(32), w.add_block_count(1), w.add_feed_forward_length(64)
    w.add_head_count(4), w.add_layer_norm_rms_eps(1e-5)
    w.add_tokenizer_model(model), w.add_token_list(tokens), w.add_token_types(types)
    if merges:
        w.add_token_merges(merges)
    else:
        w.add_token_scores([0.0] * 3 + [round(-10 * random.random(), 3) for _ in tokens[3:]])
    w.add_unk_token_id(0), w.add_bos_token_id(1), w.add_eos_token_id(2)
    w.add_tensor("token_embd.weight", numpy.zeros((1, 32), numpy.float32))
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()
    t = AutoTokenizer.from_pretrained(out, gguf_file=f"{kind}.gguf")
    golden["ids"][kind] = [t(text)["input_ids"] for text in TEXTS]
(out / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", "utf8")
