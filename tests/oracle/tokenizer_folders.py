"""Writes tests/data/tokenizers/folders.json: folders of a tokenizer.json and random configurations, what Transformers'
AutoTokenizer makes of them, and of calls with random options.

  PYTHONHASHSEED=0 python tests/oracle/tokenizer_folders.py golden tests/data/tokenizers/folders.json
  PYTHONHASHSEED=0 python tests/oracle/tokenizer_folders.py sweep SEED COUNT out.jsonl    many more

A folder: {"files": {name: content}, "added": the added tokens as the tokenizer writes them, "special": what it says of
itself, "calls": [{"kind": "text" | "batch" | "words", "a", "b": its pair, "o": options, "out": columns | "error"}],
"decode": [{"ids", "skip", "text"}]}.
"""
import importlib.util
import os
import pathlib
import shutil
import sys
import tempfile

_spec = importlib.util.spec_from_file_location("sweep", pathlib.Path(__file__).parent / "tokenizer_sweep.py")
_sweep = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_sweep)
globals().update({k: v for k, v in vars(_sweep).items() if not k.startswith("__") and k not in ("main", "cases", "compact")})
import transformers
from transformers import AutoTokenizer
transformers.logging.set_verbosity_error()
NAMES = ["bos_token","eos_token","unk_token","sep_token","pad_token","cls_token","mask_token"]
def build_t():
    t = Tokenizer(models.BPE())
    n, p = random.choice(KNOWN)
    if chance(0.9):
        if n: t.normalizer = n()
        if p: t.pre_tokenizer = p()
        t.decoder = random.choice(DEC)()
    kind = random.choice(["BPE", "BPE", "WordPiece", "WordLevel", "Unigram"])
    fill(t, kind)
    for content in random.sample(MOREADDED, random.randrange(0, 5)):
        token = AddedToken(content, single_word=chance(0.15), lstrip=chance(0.25), rstrip=chance(0.15), normalized=chance(0.4), special=chance(0.5))
        (t.add_special_tokens if token.special else t.add_tokens)([token])
    if chance(0.6):
        t.add_special_tokens(["<s>", "</s>"]); s, e = ("<s>", t.token_to_id("<s>")), ("</s>", t.token_to_id("</s>"))
        t.post_processor = random.choice([lambda: processors.ByteLevel(trim_offsets=chance(0.5)), lambda: processors.BertProcessing(e, s), lambda: processors.RobertaProcessing(e, s, trim_offsets=chance(0.5)),
          lambda: processors.TemplateProcessing("<s> $A", "<s> $A </s> $B:1", [s, e]), lambda: processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> $B:1 </s>:1", [s, e])])()
    if chance(0.25): t.enable_truncation(random.choice([6, 12, 20]), stride=random.choice([0, 2]), strategy=random.choice(["longest_first", "only_first", "only_second"]), direction=random.choice(["left", "right"]))
    if chance(0.25): t.enable_padding(direction=random.choice(["left", "right"]), pad_id=random.randrange(4), pad_type_id=random.randrange(3), pad_token=random.choice(["<pad>", "<unk>", "[PAD]"]), length=random.choice([None, 7, 30]), pad_to_multiple_of=random.choice([None, 8]))
    return kind, t
def config(t):
    c = {}
    if chance(0.8): c["tokenizer_class"] = random.choice(["PreTrainedTokenizerFast", "TokenizersBackend"])
    pool = ["<s>", "</s>", "<unk>", "<pad>", "[PAD]", "<mask>", "[CLS]", "word", "<|x|>", "the", "brandnew"]
    for n in NAMES:
        if chance(0.45):
            w = random.choice(pool); r = random.random()
            c[n] = w if r < 0.6 else None if r < 0.65 else {"__type": "AddedToken", "content": w, "lstrip": chance(0.3), "normalized": chance(0.3), "rstrip": chance(0.2), "single_word": chance(0.1)} | ({"special": chance(0.7)} if chance(0.4) else {})
    if chance(0.75): c["pad_token"] = random.choice(["<pad>", "[PAD]", "<unk>"])
    if chance(0.3): c["add_bos_token"] = chance(0.5)
    if chance(0.3): c["add_eos_token"] = chance(0.5)
    if chance(0.3):
        c["added_tokens_decoder"] = {str(i): {"content": a.content, "lstrip": a.lstrip, "normalized": a.normalized, "rstrip": a.rstrip, "single_word": a.single_word, "special": a.special if chance(0.8) else not a.special} for i, a in t.get_added_tokens_decoder().items() if not a.content.startswith("<0x")}
        if chance(0.4): c["added_tokens_decoder"][str(t.get_vocab_size() + random.randrange(3))] = {"content": random.choice(["<new>", "the", "<s>", "zq"]), "lstrip": chance(0.3), "normalized": chance(0.3), "rstrip": False, "single_word": False, "special": chance(0.5)}
    if chance(0.25): c[random.choice(["additional_special_tokens", "extra_special_tokens"])] = random.sample(["<e1>", "<s>", "word", "<e2>"], random.randrange(3))
    if chance(0.1): c["extra_special_tokens"] = {"image_token": "<img>", "boi_token": "the"}
    if chance(0.4): c["model_max_length"] = random.choice([6, 12, 512, 1000000000000000019884624838656, 10])
    if chance(0.4): c["padding_side"] = random.choice(["left", "right"])
    if chance(0.3): c["truncation_side"] = random.choice(["left", "right"])
    if chance(0.4): c["clean_up_tokenization_spaces"] = chance(0.5)
    if chance(0.2): c["model_input_names"] = random.choice([["input_ids", "token_type_ids", "attention_mask"], ["input_ids"], ["input_ids", "attention_mask"]])
    if chance(0.1): c["split_special_tokens"] = True
    if chance(0.1): c["add_prefix_space"] = chance(0.5)
    if chance(0.1): c["errors"] = "replace"
    if chance(0.1): c["legacy"] = False
    if chance(0.1): c["pad_token_type_id"] = 3
    return c
def text(): return random.choice([random_text, hostile, lambda: random.choice(CORPUS)])()[:120]
def options():
    o = {}
    if chance(0.6): o["padding"] = random.choice([True, "max_length", "longest", False])
    if chance(0.6): o["truncation"] = random.choice([True, False, "only_first", "only_second", "longest_first"])
    if chance(0.5): o["max_length"] = random.choice([4, 6, 8, 16, 24])
    if chance(0.25): o["stride"] = random.choice([0, 1, 2])
    if chance(0.2): o["pad_to_multiple_of"] = random.choice([4, 8])
    if chance(0.2): o["padding_side"] = random.choice(["left", "right"])
    if chance(0.25): o["add_special_tokens"] = chance(0.3)
    for k in ["return_token_type_ids", "return_attention_mask"]:
        if chance(0.3): o[k] = chance(0.7)
    for k in ["return_overflowing_tokens", "return_special_tokens_mask", "return_offsets_mapping", "return_length"]:
        if chance(0.4): o[k] = chance(0.8)
    if chance(0.1): o["split_special_tokens"] = True
    return o
def call(t, kind, a, b, o):
    if kind == "words": return t(a, b, is_split_into_words=True, **o) if b is not None else t(a, is_split_into_words=True, **o)
    return t(a, b, **o) if b is not None else t(a, **o)

def folder_case(calls, decodes):
    while True:
        try: kind, b = build_t()
        except BaseException: continue
        if not same_form(b, json.loads(b.to_str())): break
    files = {"tokenizer.json": json.loads(b.to_str())}
    if chance(0.95): files["tokenizer_config.json"] = config(b)
    if chance(0.2): files["special_tokens_map.json"] = {n: random.choice(["<s>", "<unk>", "word", {"content": "<pad>", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False}]) for n in random.sample(NAMES, 2)} | ({"additional_special_tokens": ["<e3>", "<s>"]} if chance(0.3) else {})
    if chance(0.1): files["added_tokens.json"] = {"<at>": b.get_vocab_size(), "word2": b.get_vocab_size() + 1}
    named = [v["content"] if isinstance(v, dict) else v for f in ("tokenizer_config.json", "special_tokens_map.json") for k, v in files.get(f, {}).items() if k in NAMES and v]
    if len(set(named)) < len(named): return None  # one token of two names and several flags: the order of many steps
    with tempfile.TemporaryDirectory() as path:
        for name, content in files.items(): (pathlib.Path(path) / name).write_text(json.dumps(content))
        try: t = AutoTokenizer.from_pretrained(path)
        except BaseException: return None
    special = {"map": {n: str(v) for n, v in t.special_tokens_map.items() if isinstance(v, str)}, "all": t.all_special_tokens, "ids": t.all_special_ids, "size": len(t),
               "max": t.model_max_length if t.model_max_length < 1e18 else -1, "padding_side": t.padding_side, "truncation_side": t.truncation_side}
    out = {"files": files, "added": json.loads(t.backend_tokenizer.to_str())["added_tokens"], "special": special, "calls": [], "decode": []}
    seen = []
    for _ in range(calls):
        r = random.random(); o = options()
        if r < 0.35: kind, a, b = "text", text(), None
        elif r < 0.5: kind, a, b = "text", text(), text()
        elif r < 0.7: kind, a, b = "batch", [text() for _ in range(random.randrange(1, 4))], None
        elif r < 0.85: n = random.randrange(1, 4); kind, a, b = "batch", [text() for _ in range(n)], [text() for _ in range(n)]
        elif r < 0.93: kind, a, b = "words", words() or ["a"], None
        else: kind, a, b = "words", words() or ["a"], words() or ["b"]
        e = {"kind": kind, "a": a, "b": b, "o": o}
        try:
            e["out"] = dict(call(t, kind, a, b, o).items()); x = e["out"]["input_ids"]
            seen += x if x and isinstance(x[0], list) else [x]
        except BaseException as error:
            if "Panic" in type(error).__name__: continue
            e["error"] = type(error).__name__
        out["calls"].append(e)
    for _ in range(decodes):
        ids = random.choice(seen or [[]])[:40] if chance(0.6) else [random.randrange(len(t)) for _ in range(random.randrange(14))]
        skip = chance(0.5)
        try: out["decode"].append({"ids": ids, "skip": skip, "text": t.decode(ids, skip_special_tokens=skip)})
        except BaseException: pass
    return out

def main():
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if sys.argv[1] == "sweep":
        random.seed(int(sys.argv[2]))
        with open(sys.argv[4], "w", encoding="utf8") as out:
            for _ in range(int(sys.argv[3])):
                if c := folder_case(10, 8):
                    out.write(json.dumps(c, ensure_ascii=False) + "\n")
                    out.flush()
        return
    random.seed(11)
    kept = []
    while len(kept) < 36:
        c = folder_case(4, 3)
        text = json.dumps(c, ensure_ascii=False, separators=(",", ":"))
        if c and len(text.encode()) < 8000: kept.append(text)
    with open(sys.argv[2], "w", encoding="utf8") as out:
        out.write('{"transformers":"%s","tokenizers":"%s","folders":[\n' % (transformers.__version__, tokenizers.__version__) + ",\n".join(kept) + "\n]}\n")

if __name__ == "__main__":
    main()
