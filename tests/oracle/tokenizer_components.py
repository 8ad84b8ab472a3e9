"""Builds tokenizers of random components and writes what the tokenizers library makes of texts that hurt.

  python tests/oracle/tokenizer_components.py golden tests/data/tokenizers/components.json   the golden that is kept
  python tests/oracle/tokenizer_components.py sweep SEED COUNT out.jsonl                     many more, to compare by hand

A line of a sweep and an element of the golden are one tokenizer: {"name", "tokenizer": its tokenizer.json, "encode":
[{"input": a text, or a pair, or with "batch" several texts; "special"; "encoding": all columns (sweep), or "ids",
"offsets" and "digest" (golden) | "error"}], "decode": [{"ids", "skip", "text"}]}. The digest is FNV-1a over all columns.
"""
import json
import random
import struct
import sys

sys.path = [p for p in sys.path if not p.endswith("oracle")]
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HARD = [
    "", " ", "   ", "\n", "\r\n", "\t \u00a0\u2003\u3000", "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Hello, World! It's we'll I'VE DON'T 'ſ",
    "cafe\u0301 e\u0323\u0301 \u0301x A\u030a Å Å ñ ǅ İıß ẞ ﬁ ﬃ Ω ½ ² Ⅷ ٣", "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab \u1100\uac00\uac01\u11a8 ㄱ ﾊﾝｶｸ ＡＢＣ１２３",
    "日本語のテキスト。カタカナ、漢字ー々〆", "👩\u200d👩\u200d👧\u200d👦🏳️\u200d🌈 😀😀 🇩🇪🇫🇷 👍🏽 ©\u200d©", "\x00\x01\x07\x0b\x0c\x1c\x1f\x7f\x85\xad\u200b\u200c\u200e\u2028\u2029\u180e\ufeff\ufffd",
    "עִבְרִית العَرَبِيَّة \u202eabc\u202c", "हिन्दी क्षत्रिय বাংলা ไทย ខ្មែរ မြန်မာ", "\U0001d400\U0001d7d8\U00020000\U0002ebf1\U000323b0\U000e0041\U0010fffd\U00016d63",
    "foo_bar __init__ x=y+z; {a: [1, 2]} <b>$5</b> ^_^ `q` ~|~ \\n", "1 12 123 1234 3.14159 1,000,000", "Ġ ▁ <0x41> <0xE2> ## ##ing </w> Ċ <unk> [UNK] <pad> |", "▁a▁▁b ▁ c",
    "a-b--c---d", "The quick brown Fox Jumps over THE lazy dog. Mixed日本ΕλληνικάРусский", "ab\r\ncd\n\nef\r", "  leading and trailing  ", "x" * 40 + "y", "don’t “quote” — dash… «x»",
]
CORPUS = [
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience 1948.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren; café, naïve, Ångström, ﬁne.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах.", "人人生而自由,在尊严和权利上一律平等。カタカナ ひらがな 한국어",
    "def main(argc, argv):\n    return foo_bar(x=1, y=[2, 3])\n", "😀 👩\u200d👧 a-b--c it's we'll",
] + HARD
PATTERNS = [
    r"\s+", r"\w+|[^\w\s]+", r"[^\S\r\n]+", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r" ?[^(\s|[.,!?…。，、।۔،])]+", r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}&&[^\p{Han}]]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+", r"[一-龥぀-ゟ゠-ヿ]+", r"\d{1,3}(?=(?:\d{3})*\b)", r" {2,}", r"^\s+|\s+$", r"(?m).", r"\b", "",
    r"(?<=\p{Ll})(?=\p{Lu})", r"[\W\d]", r"a{,2}|b{2}?", r"\h+|\H", r"[^[a-f]\s]+", r"(\p{P})\1*",
]
LITERALS = [" ", "a", "  ", "é", "\u0301", "▁", "-", "\n", "", "ll", "😀", ".*"]
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
CHARSMAPS = [
    {"ﬁ": "fi", "ﬃ": "ffi", "Å": "Å", "A\u030a": "Å", "e\u0301": "é", "\u3000": " ", "\n": " ", "\r": " ", "\t": " ", "½": "1/2", "\u200b": "", "\x01": "", "Ａ": "A", "Ⅷ": "VIII", "ß": "ss", "가": "ga"},
    {"a": "b", "b": "", "\r\n": "N", "x": "xyz", "é": "e", "日": "Nichi", "😀": ":)", "\u0301": "", " ": "▁"},
]

def charsmap(replacements):
    """A precompiled_charsmap: a double array, placed greedily, and the replacements."""
    text, starts = b"", {}
    for value in replacements.values():
        if value not in starts:
            starts[value] = len(text)
            text += value.encode() + b"\0"
    trie = {}
    for key, value in replacements.items():
        node = trie
        for byte in key.encode(): node = node.setdefault(byte, {})
        node[0] = starts[value]
    units, used = [0] * 65536, {0}
    def place(node, position):
        base = next(b for b in range(1, 65536) if all(b ^ c not in used for c in node) and b not in used | set())
        offset = position ^ base
        units[position] |= offset << 10 | (0 in node) << 8
        for c in node: used.add(base ^ c)
        for c, child in node.items():
            if c == 0: units[base] = 1 << 31 | child
            else:
                units[base ^ c] = c
                place(child, base ^ c)
    place(trie, 0)
    n = (max(used) | 255) + 1
    return struct.pack("<I", n * 4) + struct.pack(f"<{n}I", *units[:n]) + text

MAPS = [charsmap(m) for m in CHARSMAPS]
chance = lambda p: random.random() < p

def pattern():
    return Regex(random.choice(PATTERNS)) if chance(0.6) else random.choice(LITERALS)

def normalizer(depth=0):
    n = normalizers
    return random.choice([
        n.NFC, n.NFD, n.NFKC, n.NFKD, n.Lowercase, n.StripAccents, n.ByteLevel, n.Nmt,
        lambda: n.BertNormalizer(chance(0.5), chance(0.5), random.choice([None, True, False]), chance(0.5)),
        lambda: n.Strip(chance(0.5), chance(0.5)), lambda: n.Replace(pattern(), random.choice(["", " ", "▁", "xy", "é"])),
        lambda: n.Prepend(random.choice(["▁", " ", "ab", "é"])), lambda: n.Precompiled(random.choice(MAPS)),
        lambda: n.Sequence([normalizer(depth + 1) for _ in range(random.randrange(4))]) if depth < 2 else n.NFC(),
    ])()

def pre_tokenizer(depth=0):
    p = pre_tokenizers
    return random.choice([
        p.BertPreTokenizer, p.Whitespace, p.WhitespaceSplit, p.UnicodeScripts, lambda: p.ByteLevel(chance(0.5), use_regex=chance(0.5)),
        lambda: p.CharDelimiterSplit(random.choice(" a-é日")), lambda: p.Digits(chance(0.5)), lambda: p.FixedLength(random.randrange(1, 8)),
        lambda: p.Metaspace(random.choice("▁_"), random.choice(["always", "first", "never"]), chance(0.6)), lambda: p.Punctuation(random.choice(BEHAVIORS)),
        lambda: p.Split(pattern(), random.choice(BEHAVIORS), chance(0.3)), lambda: p.Split(pattern(), random.choice(BEHAVIORS), chance(0.3)),
        lambda: p.Sequence([pre_tokenizer(depth + 1) for _ in range(random.randrange(4))]) if depth < 2 else p.Whitespace(),
    ])()

def decoder(depth=0):
    d = decoders
    return random.choice([
        lambda: d.BPEDecoder(random.choice(["</w>", "", "a"])), d.ByteLevel, lambda: d.CTC(random.choice(["<pad>", "a", ""]), random.choice(["|", "▁", ""]), chance(0.5)),
        d.Fuse, d.ByteFallback, lambda: d.Metaspace(random.choice("▁_"), random.choice(["always", "first", "never"]), chance(0.5)),
        lambda: d.Replace(pattern(), random.choice(["", " ", "xy"])), lambda: d.Strip(random.choice(" a▁"), random.randrange(3), random.randrange(2)),
        lambda: d.WordPiece(random.choice(["##", "", "a"]), chance(0.5)),
        lambda: d.Sequence([decoder(depth + 1) for _ in range(random.randrange(4))]) if depth < 2 else d.Fuse(),
    ])()

BYTES = [f"<0x{b:02X}>" for b in range(256)]

def fill(t, kind):
    """Gives t a trained model of a kind with random options."""
    size, special = random.randrange(30, 260), ["<unk>"]
    if kind == "BPE":
        unk = random.choice([None, "<unk>"])
        options = dict(unk_token=unk, fuse_unk=chance(0.5), byte_fallback=chance(0.3), ignore_merges=chance(0.3), dropout=random.choice([None, None, None, 0.0, 1.0]))
        affixes = {}
        if chance(0.25): affixes["continuing_subword_prefix"] = random.choice(["##", "é", ""])
        if chance(0.25): affixes["end_of_word_suffix"] = random.choice(["</w>", "é", ""])
        t.model = models.BPE(**options, **affixes)
        if options["byte_fallback"]: special = special + (BYTES if chance(0.8) else BYTES[:200])
        alphabet = pre_tokenizers.ByteLevel.alphabet() if chance(0.4) else []
        trainer = trainers.BpeTrainer(vocab_size=size + len(special) + len(alphabet), special_tokens=special, initial_alphabet=alphabet, limit_alphabet=random.choice([1000, 40]), show_progress=False, **affixes)
    elif kind == "WordPiece":
        prefix = random.choice(["##", "##", "", "é"])
        t.model = models.WordPiece(unk_token="<unk>", continuing_subword_prefix=prefix, max_input_chars_per_word=random.choice([100, 5, 0, 1]))
        trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, continuing_subword_prefix=prefix, limit_alphabet=random.choice([1000, 40]), show_progress=False)
    elif kind == "WordLevel":
        t.model = models.WordLevel(unk_token="<unk>")
        trainer = trainers.WordLevelTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    else:
        t.model = models.Unigram()
        special = special + (BYTES if chance(0.2) else [])
        trainer = trainers.UnigramTrainer(vocab_size=size + len(special), special_tokens=special, unk_token="<unk>", max_piece_length=random.choice([16, 4]), show_progress=False)
    t.train_from_iterator(random.sample(CORPUS, 12), trainer)
    if kind == "Unigram":  # the trainer knows neither byte_fallback nor duplicates nor absent unknown tokens
        m = json.loads(t.to_str())["model"]
        vocab = [tuple(p) for p in m["vocab"]]
        if chance(0.2): vocab += random.sample(vocab, min(3, len(vocab)))
        if chance(0.3): vocab = [(p, round(s * random.choice([1, 1, -1]), 1)) for p, s in vocab]
        t.model = models.Unigram(vocab, random.choice([0, 0, 0, 0, len(vocab) - 1, None]), chance(0.5))

ADDED = ["word", "<mask>", " x", "é", "Ab", "\n", "▁a", "ing", "the", "日本", "  ", "E\u0301", "I", "İ", "<|x|>", "ﬁ", "'s", "\u3000", "Ġa"]

def build():
    kind = random.choice(["BPE", "BPE", "WordPiece", "WordLevel", "Unigram"])
    t = Tokenizer(models.BPE())
    if chance(0.7): t.normalizer = normalizer()
    if chance(0.8): t.pre_tokenizer = pre_tokenizer()
    if chance(0.7): t.decoder = decoder()
    fill(t, kind)
    if chance(0.5):
        for content in random.sample(ADDED, random.randrange(1, 6)):
            token = AddedToken(content, single_word=chance(0.3), lstrip=chance(0.3), rstrip=chance(0.3), normalized=chance(0.5), special=chance(0.4))
            (t.add_special_tokens if token.special else t.add_tokens)([token])
    if chance(0.6):
        t.add_special_tokens(["<s>", "</s>"])
        s, e = ("<s>", t.token_to_id("<s>")), ("</s>", t.token_to_id("</s>"))
        def processor(depth=0):
            return random.choice([
                lambda: processors.ByteLevel(trim_offsets=chance(0.5), add_prefix_space=chance(0.5)), lambda: processors.BertProcessing(e, s),
                lambda: processors.RobertaProcessing(e, s, trim_offsets=chance(0.5), add_prefix_space=chance(0.5)),
                lambda: processors.TemplateProcessing(*random.choice([("<s> $A", "<s> $A </s> $B:1"), ("<s>:1 $A:2 </s>", "$B:1 <s> $A:3 </s>:2"), ("$A", "$A $B"), ("<s> </s>", "$A <s>")]), special_tokens=[s, e]),
                lambda: processors.Sequence([processor(1) for _ in range(random.randrange(3))]) if depth == 0 else processors.ByteLevel(),
            ])()
        t.post_processor = processor()
    if chance(0.25):
        t.enable_truncation(random.choice([0, 1, 2, 3, 5, 8, 20]), stride=random.choice([0, 0, 1, 2, 4]), strategy=random.choice(["longest_first", "only_first", "only_second"]), direction=random.choice(["left", "right"]))
    if chance(0.25):
        t.enable_padding(direction=random.choice(["left", "right"]), pad_id=random.randrange(4), pad_type_id=random.randrange(2), pad_token="<pad>", length=random.choice([None, 7, 30]), pad_to_multiple_of=random.choice([None, 0, 1, 8]))
    return kind, Tokenizer.from_str(t.to_str())  # what a file says, not what the calls above left behind

def columns(e):
    return {
        "ids": e.ids, "tokens": e.tokens, "offsets": [list(o) for o in e.offsets], "type_ids": e.type_ids, "attention_mask": e.attention_mask,
        "special_tokens_mask": e.special_tokens_mask, "word_ids": e.word_ids, "sequence_ids": e.sequence_ids, "overflowing": [columns(o) for o in e.overflowing],
    }

def spelled(c):
    """All columns as one text, the text of the digest."""
    number = lambda x: "-" if x is None else str(x)
    rows = zip(c["ids"], c["tokens"], c["offsets"], c["type_ids"], c["attention_mask"], c["special_tokens_mask"], c["word_ids"], c["sequence_ids"])
    return "".join(f"{i},{t},{o[0]},{o[1]},{y},{a},{s},{number(w)},{number(q)};" for i, t, o, y, a, s, w, q in rows) + "".join(f"[{spelled(o)}]" for o in c["overflowing"])

def fnv(text):
    h = 0xCBF29CE484222325
    for b in text.encode(): h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"

def random_text():
    parts = []
    for _ in range(random.choice([1, 2, 3, 5])):
        s = random.choice(HARD + ADDED + CORPUS)
        i = random.randrange(len(s) + 1)
        parts.append(s[i : i + random.choice([1, 2, 4, 9, 25])])
    if chance(0.4): parts.append(chr(random.choice([random.randrange(0x20, 0x3000), random.randrange(0xE000, 0x1FFFF), random.randrange(0x20000, 0x110000)])))
    random.shuffle(parts)
    return "".join(parts)

def case(name, t, inputs, decodes, compact):
    out = {"name": name, "tokenizer": json.loads(t.to_str()), "encode": [], "decode": []}
    seen = []
    for text in inputs:
        entry, special = {"input": text}, chance(0.85)
        if isinstance(text, tuple): entry["batch"] = True
        if not special: entry["special"] = False
        try:
            if isinstance(text, tuple): e = t.encode_batch(list(text), add_special_tokens=special)
            else: e = [t.encode(*text, add_special_tokens=special) if isinstance(text, list) else t.encode(text, add_special_tokens=special)]
        except BaseException as error:
            if "Panic" in type(error).__name__: continue  # a fault of the library, not a behaviour
            entry["error"] = str(error)[:60]
        else:
            c = [columns(x) for x in e]
            seen += [x.ids for x in e]
            if not compact: entry["encoding"] = c if isinstance(text, tuple) else c[0]
            else:
                if not isinstance(text, tuple): entry |= {"ids": c[0]["ids"], "offsets": sum(c[0]["offsets"], [])}
                entry["digest"] = fnv("|".join(map(spelled, c)))
        out["encode"].append(entry)
    for _ in range(decodes):
        ids = random.choice(seen or [[]])[:25] if chance(0.5) else [random.randrange(t.get_vocab_size() + 2) for _ in range(random.randrange(12))]
        skip = chance(0.5)
        try: out["decode"].append({"ids": ids, "skip": skip, "text": t.decode(ids, skip_special_tokens=skip)})
        except BaseException: continue
    return out

def random_case(k, texts, decodes, compact):
    while True:
        try: kind, t = build()
        except BaseException: continue  # a trainer that finds nothing to train on
        inputs = [random_text() if chance(0.6) else random.choice(HARD) for _ in range(texts)] + [[random_text(), random_text()]]
        if chance(0.3): inputs.append((random_text(), "", random_text()))
        return case(f"{k} {kind}", t, inputs, decodes, compact)

def main():
    if sys.argv[1] == "sweep":
        random.seed(int(sys.argv[2]))
        with open(sys.argv[4], "w", encoding="utf8") as out:
            for k in range(int(sys.argv[3])): out.write(json.dumps(random_case(k, 12, 6, False), ensure_ascii=False) + "\n")
    else:
        random.seed(23)
        cases = []
        while len(cases) < 130:
            c = random_case(len(cases), 3, 2, True)
            if len(json.dumps(c)) < 6000: cases.append(c)
        with open(sys.argv[2], "w", encoding="utf8") as out:
            out.write('{"tokenizers":"%s","cases":[\n' % tokenizers.__version__)
            out.write(",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases) + "\n]}\n")


if __name__ == "__main__":
    main()
