"""Random tokenizers beyond tokenizer_components.py: models whose merges and scores no trainer gives, the pipelines that
have fast paths, files as older versions and hands write them, and every form of input.

  python tests/oracle/tokenizer_sweep.py golden tests/data/tokenizers/sweep.json   the golden that is kept
  python tests/oracle/tokenizer_sweep.py sweep SEED COUNT out.jsonl                many more, to compare by hand

An element is one tokenizer: {"name", "source": its tokenizer.json as text, "str": what the library writes of it, "vocab",
"size": [with added tokens, without, special tokens added to one input, to a pair], "split": special tokens are text,
"encode": [{"in": [[a] or [a, b], ...] with texts or lists of words, "batch", "special", "out": all columns | "error"}],
"decode": [{"ids", "skip", "text", "pieces": what a DecodeStream gives, "ERR" where it fails}]}. The golden has "digest"s
(FNV-1a) in place of "str", "vocab" and "out". Run it with PYTHONHASHSEED=0. What the library leaves to chance is left out.
"""
import importlib.util
import os
import pathlib
import re
import sys

_spec = importlib.util.spec_from_file_location("components", pathlib.Path(__file__).parent / "tokenizer_components.py")
_components = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_components)
globals().update({k: v for k, v in vars(_components).items() if not k.startswith("__") and k != "main"})
from tokenizers.decoders import DecodeStream

def rchar():
    r = random.random()
    if r < 0.35: return chr(random.randrange(0x20, 0x7f))
    if r < 0.5: return chr(random.randrange(0, 0x600))
    if r < 0.6: return random.choice("\u0300\u0301\u0323\u0327\u0345\u093f\u094d\u200d\u200c\ufe0f\u20e3\u1112\u1161\u11ab\u0e33\u0f71\u0f72\U0001f3fb\U0001f1e6")
    if r < 0.75: return chr(random.choice([random.randrange(0x600, 0x3000), random.randrange(0x3000, 0xD800), random.randrange(0xE000, 0x10000)]))
    if r < 0.9: return random.choice(" \t\n\r\u00a0\u3000.,!?'-_▁Ġ##0123aeistHW")
    return chr(random.choice([random.randrange(0x10000, 0x20000), random.randrange(0x1f000, 0x1fb00), random.randrange(0x20000, 0x110000)]))
def hostile():
    r = random.random()
    if r < 0.45: return random_text()
    if r < 0.6: return "".join(rchar() for _ in range(random.randrange(1, 40)))
    if r < 0.7: return random.choice(["a", " ", "é", "日", "😀", "\u0301", "ab", "\r\n", "▁", "it's ", "\u1100\u1161"]) * random.randrange(1, 60)
    if r < 0.8: return " ".join(random.choice(CORPUS) for _ in range(random.randrange(1, 4)))
    if r < 0.9:
        ws = re.findall(r"\S+\s*", " ".join(CORPUS)); return "".join(random.choice(ws) for _ in range(random.randrange(1, 30)))
    return random.choice(HARD)
ascii_letters = "abcdefgh ABC012.,'-\n"
def random_bpe():
    """A BPE whose merges come in an order no trainer gives."""
    alpha = random.sample(list("abcdeé日 ▁Ġ.0😀") , random.randrange(3, 9))
    byte_level = random.random() < 0.3
    if byte_level: alpha = sorted(pre_tokenizers.ByteLevel.alphabet())
    prefix = random.choice([None, None, None, "##", "", "é"]) if not byte_level else None
    suffix = random.choice([None, None, None, "</w>", "e", ""]) if not byte_level else None
    vocab = list(alpha)
    p, s = prefix or "", suffix or ""
    for a in alpha:
        for v in {p + a, a + s, p + a + s}:
            if v not in vocab and chance(0.8): vocab.append(v)
    merges = []
    pool = list(vocab) if not byte_level else [c for c in vocab if c in "abcdehilnorstw'ĠĊ.0123Ã©"]
    for _ in range(random.randrange(0, 60)):
        a, b = random.choice(pool), random.choice(pool)
        if p:
            if chance(0.85) and not b.startswith(p): continue
        if s and a.endswith(s) and chance(0.9): continue
        m = a + b[len(p):] if len(b.encode()) >= len(p.encode()) else None
        try:
            m = a + b.encode()[len(p.encode()):].decode()
        except Exception: continue
        if m not in vocab: vocab.append(m); pool.append(m)
        merges.append((a, b))
    random.shuffle(merges)
    if merges and chance(0.2): merges += random.choices(merges, k=3)
    for w in ["abc", "日é", "aa", "a b", "ab</w>", "<unk>", "dead", "bead", "hello", "Ġthe"]:
        if chance(0.2) and w not in vocab: vocab.append(w)
    fallback = chance(0.3)
    if fallback:
        for b in BYTES:
            if b not in vocab and (chance(0.98) or 1): vocab.append(b)
        if chance(0.2): vocab.remove(random.choice(BYTES))
    ids = list(range(len(vocab)))
    if chance(0.3): random.shuffle(ids)
    if chance(0.2): ids = random.sample(range(len(vocab) * 3), len(vocab))
    opts = dict(unk_token=random.choice([None, "<unk>", "<unk>", "a"]), fuse_unk=chance(0.5), byte_fallback=fallback, ignore_merges=chance(0.3))
    if opts["unk_token"] == "<unk>" and "<unk>" not in vocab: vocab.append("<unk>"); ids.append(max(ids) + 1)
    if opts["unk_token"] and opts["unk_token"] not in vocab: opts["unk_token"] = None
    if prefix is not None: opts["continuing_subword_prefix"] = prefix
    if suffix is not None: opts["end_of_word_suffix"] = suffix
    return models.BPE(dict(zip(vocab, ids)), merges, **opts)
def rand_pieces(n, alphabet):
    out = []
    for _ in range(n):
        w = "".join(random.choice(alphabet) for _ in range(random.choice([1, 1, 2, 2, 3, 4, 6])))
        if w not in out: out.append(w)
    return out
def random_model():
    r = random.random()
    alphabet = random.choice([list("ab"), list("abc de"), list("aé日😀\u0301 ▁"), list("the ▁ao.'"), ["a", "b", "##", "ab"]])
    if r < 0.45: return "rBPE", random_bpe()
    if r < 0.7:
        pieces = rand_pieces(random.randrange(1, 60), alphabet)
        v = [("<unk>", 0.0)] + [(p, random.choice([-1.0, -2.0, -2.5, round(-random.random() * 10, random.randrange(1, 16)), 0.0, 1.0])) for p in pieces]
        if chance(0.3): v += [(b, random.choice([-5.0, 0.0])) for b in BYTES]
        if chance(0.3): random.shuffle(v)
        unk = random.choice([None, 0, random.randrange(len(v)), [i for i, x in enumerate(v) if x[0] == "<unk>"][0]])
        return "rUnigram", models.Unigram(v, unk, chance(0.5))
    prefix = random.choice(["##", "", "a", "é"])
    if r < 0.9:
        ps = rand_pieces(random.randrange(1, 60), alphabet); ps = list(dict.fromkeys(ps + [prefix + p for p in ps if chance(0.7)] + ["<unk>"]))
        ids = list(range(len(ps)))
        if chance(0.3): ids = random.sample(range(len(ps) * 3), len(ps))
        return "rWordPiece", models.WordPiece(dict(zip(ps, ids)), unk_token=random.choice(["<unk>", "<unk>", "<unk>", "zz"]), max_input_chars_per_word=random.choice([100, 3, 8]), continuing_subword_prefix=prefix)
    ps = list(dict.fromkeys(rand_pieces(30, alphabet) + ["<unk>"] + re.findall(r"\w+", " ".join(CORPUS))[:40]))
    return "rWordLevel", models.WordLevel(dict(zip(ps, random.sample(range(len(ps) * 2), len(ps)))), unk_token=random.choice(["<unk>", "<unk>", "zz"]))
KNOWN = [
    (None, lambda: pre_tokenizers.ByteLevel(add_prefix_space=chance(0.3), use_regex=True)),
    (None, lambda: pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(random.choice(PATTERNS[3:10])), random.choice(["isolated", "removed"]), chance(0.3)), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])),
    (None, lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(chance(0.5)), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])),
    (lambda: normalizers.BertNormalizer(clean_text=chance(0.8), lowercase=chance(0.6), strip_accents=random.choice([None, True, False]), handle_chinese_chars=chance(0.8)), lambda: pre_tokenizers.BertPreTokenizer()),
    (lambda: normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None),
    (None, lambda: pre_tokenizers.Metaspace(prepend_scheme=random.choice(["always", "first", "never"]), split=chance(0.5))),
    (lambda: normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]), lambda: pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])),
    (lambda: normalizers.Replace(" ", "▁"), None),
    (lambda: normalizers.Replace(" ", "▁"), lambda: pre_tokenizers.Split(" ", "merged_with_previous")),
    (lambda: normalizers.NFC(), lambda: pre_tokenizers.ByteLevel(add_prefix_space=False)),
    (lambda: normalizers.NFC(), lambda: pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(random.choice(PATTERNS[3:10])), "isolated", False), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])),
    (lambda: normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]), lambda: pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", True), pre_tokenizers.ByteLevel(add_prefix_space=False)])),
]
DEC = [lambda: decoders.ByteLevel(), lambda: decoders.WordPiece(cleanup=chance(0.5)), lambda: decoders.Metaspace(), lambda: decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]), lambda: decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]), lambda: decoders.BPEDecoder()]
MOREADDED = ADDED + ["<s>", "a", "b", "ab", "abc", "bc", ".", " ", "##", "the the", "\u0301", "😀", "👩\u200d👩", "\r", "\x00", "ß", "SS", "ǅ", "TOKEN", "token", "Token", "<unk>", "<pad>", "the ", " the", "日", "日本語", "\u200d", "aa"]
def build2():
    mode = random.random()
    t = Tokenizer(models.BPE())
    known = chance(0.5)
    if known:
        n, p = random.choice(KNOWN)
        if n: t.normalizer = n()
        if p: t.pre_tokenizer = p()
        if chance(0.8): t.decoder = random.choice(DEC)()
    else:
        if chance(0.6): t.normalizer = normalizer()
        if chance(0.6): t.pre_tokenizer = pre_tokenizer()
        if chance(0.7): t.decoder = decoder()
    if mode < 0.5:
        kind = random.choice(["BPE", "BPE", "WordPiece", "WordLevel", "Unigram"])
        fill(t, kind)
    else:
        kind, t.model = random_model()
    if chance(0.6):
        for content in random.sample(MOREADDED, random.randrange(1, 8)):
            token = AddedToken(content, single_word=chance(0.25), lstrip=chance(0.25), rstrip=chance(0.25), normalized=chance(0.5), special=chance(0.4))
            (t.add_special_tokens if token.special else t.add_tokens)([token])
    if chance(0.6):
        t.add_special_tokens(["<s>", "</s>"])
        s, e = ("<s>", t.token_to_id("<s>")), ("</s>", t.token_to_id("</s>"))
        def processor(depth=0):
            sid = random.choice([s, s, ("<s>", 7)])
            return random.choice([
                lambda: processors.ByteLevel(trim_offsets=chance(0.5), add_prefix_space=chance(0.5)), lambda: processors.BertProcessing(e, s),
                lambda: processors.RobertaProcessing(e, s, trim_offsets=chance(0.5), add_prefix_space=chance(0.5)),
                lambda: processors.TemplateProcessing(*random.choice([("<s> $A", "<s> $A </s> $B:1"), ("<s>:1 $A:2 </s>", "$B:1 <s> $A:3 </s>:2"), ("$A", "$A $B"), ("<s> </s>", "$A <s>"), ("$0", "$B $A"), ("<s> $A <s> $A", "$A $B $A"), ("m $A m:3", "m $A m $B:1 m:1")]), special_tokens=[sid, e, {"id": "m", "ids": [sid[1], e[1], 5], "tokens": ["<s>", "</s>", "x"]}]),
                lambda: processors.Sequence([processor(1) for _ in range(random.randrange(4))]) if depth == 0 else processors.ByteLevel(),
            ])()
        t.post_processor = processor()
    if chance(0.35):
        t.enable_truncation(random.choice([0, 1, 2, 3, 4, 5, 6, 8, 12, 20]), stride=random.choice([0, 0, 1, 2, 4]), strategy=random.choice(["longest_first", "only_first", "only_second"]), direction=random.choice(["left", "right"]))
    if chance(0.3):
        t.enable_padding(direction=random.choice(["left", "right"]), pad_id=random.randrange(4), pad_type_id=random.randrange(4), pad_token=random.choice(["<pad>", "[PAD]", ""]), length=random.choice([None, None, 7, 30, 0]), pad_to_multiple_of=random.choice([None, None, 0, 1, 3, 8]))
    return kind, t
def words(): return [random.choice([random_text(), random.choice(["a", "the", " x", "", "it's", "日本", "é", "word", "<mask>", "ab", "\u0301"])]) for _ in range(random.randrange(0, 6))]
def inputs():
    out = []
    for _ in range(10): out.append((False, [[hostile()]]))
    for _ in range(3): out.append((False, [[hostile(), hostile()]]))
    for _ in range(2): out.append((False, [[words()]]))
    out.append((False, [[words(), words()]]))
    r = random.random()
    if r < 0.25: out.append((True, [[hostile()] for _ in range(3)]))
    elif r < 0.5: out.append((True, [[hostile(), hostile()] for _ in range(3)]))
    elif r < 0.75: out.append((True, [[words()] for _ in range(3)]))
    else: out.append((True, [[words(), words()] for _ in range(2)]))
    return out
def mutate(doc):
    """What other versions wrote, and what people edit: still one tokenizer."""
    m = doc["model"]
    if m["type"] == "BPE" and chance(0.4) and all(" " not in x for p in m["merges"] for x in p): m["merges"] = [" ".join(p) for p in m["merges"]]
    if chance(0.2): m.pop("type")
    if m.get("dropout", 1) is None and chance(0.3): m.pop("dropout")
    if chance(0.3):
        for k in ("fuse_unk", "byte_fallback", "ignore_merges", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"):
            if k in m and chance(0.3): m.pop(k)
    if doc["added_tokens"] and chance(0.2): random.shuffle(doc["added_tokens"])
    pass
    if doc["added_tokens"] and chance(0.1): doc["added_tokens"].append(dict(random.choice(doc["added_tokens"]), lstrip=chance(0.5)))
    p = doc.get("pre_tokenizer")
    if p and p["type"] == "Metaspace" and chance(0.5):
        p["add_prefix_space"] = p["prepend_scheme"] != "never"
        if chance(0.5): p["str_rep"] = p["replacement"]
    for k in ("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder", "version", "added_tokens"):
        if k in doc and not doc[k] and chance(0.2): doc.pop(k)
    return doc
def walk(x):
    if isinstance(x, dict):
        yield x
        for v in x.values(): yield from walk(v)
    elif isinstance(x, list):
        for v in x: yield from walk(v)
def same_form(t, doc):
    """Normalized added tokens of one form: which one is found is a matter of chance in the library."""
    n = t.normalizer; seen = set()
    for a in doc.get("added_tokens", []):
        if not a["normalized"]: continue
        f = n.normalize_str(a["content"]) if n else a["content"]
        if f in seen and not any(b["content"] == a["content"] and b is not a for b in doc["added_tokens"]): return True
        if f == "": return True
        seen.add(f)
    return False
def tcase(name, source, n_decode=8):
    try: t = Tokenizer.from_str(source)
    except BaseException as e:
        return {"name": name, "tokenizer": {}, "source": source, "load_error": str(e)[:200]}
    try:
        if same_form(t, json.loads(source)): return None
    except BaseException: return None
    out = {"name": name, "tokenizer": json.loads(source), "source": source, "encode": [], "decode": [], "str": t.to_str(), "vocab": t.get_vocab(True), "size": [t.get_vocab_size(True), t.get_vocab_size(False), t.num_special_tokens_to_add(False), t.num_special_tokens_to_add(True)]}
    if chance(0.15): t.encode_special_tokens = True; out["split"] = True
    seen = []
    for batch, rows in inputs():
        entry = {"in": rows}; special = chance(0.85)
        if batch: entry["batch"] = True
        if not special: entry["special"] = False
        pre = not isinstance(rows[0][0], str)
        try:
            if batch: e = t.encode_batch([r[0] if len(r) == 1 else tuple(r) for r in rows], is_pretokenized=pre, add_special_tokens=special)
            else: e = [t.encode(*rows[0], is_pretokenized=pre, add_special_tokens=special)]
        except BaseException as error:
            if "Panic" in type(error).__name__: continue
            entry["error"] = str(error)[:80]
        else:
            entry["out"] = [columns(x) for x in e]
            seen += [x.ids for x in e]
        out["encode"].append(entry)
    for _ in range(n_decode):
        ids = random.choice(seen or [[]])[:40] if chance(0.5) else [random.randrange(t.get_vocab_size() + 2) for _ in range(random.randrange(14))]
        skip = chance(0.5); d = {"ids": ids, "skip": skip}
        try: d["text"] = t.decode(ids, skip_special_tokens=skip)
        except BaseException: continue
        pieces, stream = [], DecodeStream(skip_special_tokens=skip)
        for i in ids:
            try: pieces.append(stream.step(t, i))
            except BaseException as e:
                if "Panic" in type(e).__name__: pieces = None; break
                pieces.append("ERR"); break
        if pieces is not None: d["pieces"] = pieces
        out["decode"].append(d)
    return out

def compact(c):
    """The same with digests."""
    if "load_error" in c: return {k: v for k, v in c.items() if k != "tokenizer"}
    c = {k: v for k, v in c.items() if k != "tokenizer"}
    c["str"] = fnv(c["str"])
    c["vocab"] = fnv("".join(f"{t},{i};" for t, i in sorted(c["vocab"].items(), key=lambda p: (p[1], p[0].encode()))))
    for e in c["encode"]:
        if "out" in e: e["digest"] = fnv("|".join(map(spelled, e.pop("out"))))
    return c

def cases(seed, count):
    random.seed(seed)
    for k in range(count):
        while True:
            try: kind, t = build2(); break
            except BaseException: continue
        c = tcase(f"{seed}/{k} {kind}", json.dumps(mutate(json.loads(t.to_str())), ensure_ascii=False))
        if c: yield c

def main():
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the library prints its panics
    if sys.argv[1] == "sweep":
        with open(sys.argv[4], "w", encoding="utf8") as out:
            for c in cases(int(sys.argv[2]), int(sys.argv[3])):
                out.write(json.dumps(c, ensure_ascii=False) + "\n")
                out.flush()
        return
    kept = []
    for c in cases(7, 400):
        text = json.dumps(compact(c), ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) < 9000: kept.append(text)
        if len(kept) == 48: break
    with open(sys.argv[2], "w", encoding="utf8") as out:
        out.write('{"tokenizers":"%s","cases":[\n' % tokenizers.__version__ + ",\n".join(kept) + "\n]}\n")

if __name__ == "__main__":
    main()
