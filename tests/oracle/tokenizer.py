"""Writes tests/data/tokenizers: small tokenizers of every kind, and what the tokenizers library makes of texts with them.

  python tests/oracle/tokenizer.py tests/data/tokenizers
"""
import json
import pathlib
import random
import sys

sys.path = [p for p in sys.path if not p.endswith("oracle")]
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers.decoders import DecodeStream

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
random.seed(4)

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
CL100K = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"

# The six languages of the corpus the small vocabularies are trained on.
CORPUS = [
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.",
    "Everyone has the right to life, liberty and security of person. No one shall be held in slavery or servitude; it's what we'll say, and they've said it in 1948.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны поступать в отношении друг друга в духе братства.",
    "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。",
    "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا بروح الإخاء.",
]
TEXTS = [
    "", " ", "a", "  a  b   c    ", "Hello, world!", "It's we'll I'VE they'Re don'T 'S 'ſ 'tis x's'", "\n", "\r\n\r\n", " \n \n x\n\n\n  y\t\tz \r",
    "1 12 123 1234 12345 3.14159 1,000,000 ²³ Ⅷ ½ ٣٤٥ x1y22z333", "naïve café e\u0301a\u0327\u0301\u0334 \u0301x Å Å ñ ǅ İıß ẞ ﬁ ﬃ Ω",
    "한국어 각 각 힣 ㄱ", "日本語のテキスト。カタカナ、漢字", "👩‍👩‍👧‍👦🏳️‍🌈 😀😀 🇩🇪", "\u200b\u200d\ufeff\u00ad\u2028\u2029\u0085\u00a0\u3000\u180e\x00\x01\x0b\x0c\x1c\x7f\ufffd",
    "a" * 70 + " " * 20 + "-" * 40, "foo_bar __init__ x=y+z; {a: [1, 2]} <b>$5</b> ^_^ `q` ~|~", "Ġ ▁ <0x41> ## ##ing </w> Ċ", "\U0001d400\U0001f600\U0002a6d6\U000e0041\U0010fffd",
    "Σίσυφος ΣΑΣ עִבְרִית हिन्दी ไทย", "don’t “quote” — dash… «x»",
] + CORPUS
SPECIAL = "Hey <|x|> there<|x|><|x|>  <|y|>   z wordword word awordb  Word WORD <s> a</s>b  <mask>  c <MASK> MASK"

def save(name, tokenizer):
    text = json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"))
    (out / f"{name}.json").write_text(text + "\n", encoding="utf8")

def trained(model, trainer, normalizer=None, pre_tokenizer=None, post_processor=None, decoder=None, added=()):
    t = Tokenizer(model)
    if normalizer: t.normalizer = normalizer
    if pre_tokenizer: t.pre_tokenizer = pre_tokenizer
    t.train_from_iterator(CORPUS, trainer)
    if decoder: t.decoder = decoder
    t.add_tokens(list(added))
    if post_processor: t.post_processor = post_processor(t)
    return t

def bytes_bpe(size=340, **options):
    special = ["<|x|>", "<|y|>"]
    return trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False, **options)

split = lambda p, behavior="isolated", invert=False: pre_tokenizers.Split(Regex(p), behavior, invert)
byte_level = pre_tokenizers.ByteLevel
after_split = byte_level(add_prefix_space=False, use_regex=False)
sequence = pre_tokenizers.Sequence
flags = [
    AddedToken("word", single_word=True), AddedToken("<mask>", lstrip=True, special=True), AddedToken("<|y|>", rstrip=True, special=True),
    AddedToken("MASK", normalized=True), AddedToken("</s>", normalized=False, lstrip=True, rstrip=True),
]
template = lambda single, pair, *names: lambda t: processors.TemplateProcessing(single=single, pair=pair, special_tokens=[(n, t.token_to_id(n)) for n in names])
kinds = {
    "gpt2": trained(models.BPE(), bytes_bpe(), pre_tokenizer=byte_level(add_prefix_space=False), decoder=decoders.ByteLevel(), post_processor=lambda t: processors.ByteLevel(trim_offsets=False)),
    "roberta": trained(models.BPE(), bytes_bpe(), pre_tokenizer=byte_level(add_prefix_space=True), decoder=decoders.ByteLevel(), added=flags,
                       post_processor=lambda t: processors.RobertaProcessing(("<|y|>", t.token_to_id("<|y|>")), ("<|x|>", t.token_to_id("<|x|>")))),
    "llama3": trained(models.BPE(ignore_merges=True), bytes_bpe(), pre_tokenizer=sequence([split(LLAMA3), after_split]), decoder=decoders.ByteLevel(),
                      post_processor=lambda t: processors.Sequence([processors.ByteLevel(trim_offsets=False), template("<|x|> $A", "<|x|> $A <|x|>:1 $B:1", "<|x|>")(t)])),
    "qwen2": trained(models.BPE(), bytes_bpe(), normalizer=normalizers.NFC(), pre_tokenizer=sequence([split(QWEN2), after_split]), decoder=decoders.ByteLevel()),
    "cl100k": trained(models.BPE(), bytes_bpe(300), pre_tokenizer=sequence([split(CL100K, "removed", True), after_split]), decoder=decoders.ByteLevel()),
    "smollm": trained(models.BPE(), trainers.BpeTrainer(vocab_size=260, show_progress=False), pre_tokenizer=sequence([pre_tokenizers.Digits(True), byte_level(add_prefix_space=False)]), decoder=decoders.ByteLevel()),
    "regex": trained(models.BPE(), bytes_bpe(300), pre_tokenizer=sequence([split(r"[A-Z][a-z]+|(?<=\d)x|\d{1,2}(?=\w)|\s+$", "merged_with_previous"), split(r"\p{P}", "contiguous"), after_split]), decoder=decoders.ByteLevel()),
    "llama2": trained(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True),
                      trainers.BpeTrainer(vocab_size=420, special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)], show_progress=False),
                      normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
                      decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
                      post_processor=template("<s> $A", "<s> $A <s>:1 $B:1", "<s>")),
    "metaspace": trained(models.BPE(unk_token="<unk>", fuse_unk=False), trainers.BpeTrainer(vocab_size=220, special_tokens=["<unk>"], limit_alphabet=60, show_progress=False),
                         normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Strip()]), pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="first"), decoder=decoders.Metaspace(prepend_scheme="first"), added=flags),
    "clip": trained(models.BPE(unk_token="<|y|>", continuing_subword_prefix="", end_of_word_suffix="</w>"),
                    trainers.BpeTrainer(vocab_size=240, special_tokens=["<|x|>", "<|y|>"], end_of_word_suffix="</w>", show_progress=False),
                    normalizer=normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]),
                    pre_tokenizer=sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_next")]), decoder=decoders.BPEDecoder()),
    "prefix": trained(models.BPE(unk_token="<unk>", continuing_subword_prefix="##", fuse_unk=True),
                      trainers.BpeTrainer(vocab_size=240, special_tokens=["<unk>"], continuing_subword_prefix="##", limit_alphabet=50, show_progress=False),
                      normalizer=normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents()]), pre_tokenizer=pre_tokenizers.Whitespace(), decoder=decoders.WordPiece()),
    "bert": trained(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(vocab_size=320, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False),
                    normalizer=normalizers.BertNormalizer(), pre_tokenizer=pre_tokenizers.BertPreTokenizer(), decoder=decoders.WordPiece(),
                    post_processor=lambda t: processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))),
    "bert_cased": trained(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=12), trainers.WordPieceTrainer(vocab_size=320, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False),
                          normalizer=normalizers.BertNormalizer(lowercase=False, clean_text=False), pre_tokenizer=pre_tokenizers.BertPreTokenizer(), decoder=decoders.WordPiece(cleanup=False), added=flags[:3],
                          post_processor=template("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", "[CLS]", "[SEP]")),
    "wordlevel": trained(models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer(vocab_size=90, special_tokens=["[UNK]"], show_progress=False),
                         normalizer=normalizers.Sequence([normalizers.NFD(), normalizers.ByteLevel()]),
                         pre_tokenizer=sequence([split("Ġ", "removed"), pre_tokenizers.Digits(False), pre_tokenizers.Punctuation()])),
}
truncated = Tokenizer.from_str(kinds["bert"].to_str())
truncated.enable_truncation(12, stride=3, strategy="longest_first")
truncated.enable_padding(length=16, pad_id=0, pad_token="[PAD]", direction="left")
kinds["truncated"] = truncated
kinds["truncated_left"] = Tokenizer.from_str(kinds["llama3"].to_str())
kinds["truncated_left"].enable_truncation(9, stride=2, strategy="only_first", direction="left")
kinds["truncated_left"].enable_padding(pad_to_multiple_of=8, pad_id=1, pad_type_id=1, pad_token="<|y|>")

def columns(e):
    return {
        "ids": e.ids, "tokens": e.tokens, "offsets": [list(o) for o in e.offsets], "type_ids": e.type_ids, "attention_mask": e.attention_mask,
        "special_tokens_mask": e.special_tokens_mask, "word_ids": e.word_ids, "sequence_ids": e.sequence_ids, "overflowing": [columns(o) for o in e.overflowing],
    }

def random_text():
    parts = TEXTS[1:21] + [SPECIAL]
    pieces = []
    for _ in range(random.randrange(1, 6)):
        s = random.choice(parts)
        i = random.randrange(len(s) + 1)
        pieces.append(s[i : i + random.randrange(1, 9)])
    if random.random() < 0.5:
        pieces.append(chr(random.choice([random.randrange(0x20, 0x3000), random.randrange(0xE000, 0x1FFFF)])))
    return "".join(pieces)

for name, t in kinds.items():
    save(name, t)
    golden = {"tokenizers": tokenizers.__version__, "encode": [], "ids": [], "decode": []}
    texts = TEXTS[:21] + [SPECIAL] + [random_text() for _ in range(12)]
    inputs = texts[:16] if name.startswith("truncated") else texts
    if name.startswith("truncated"): inputs = [s for s in inputs if len(s) < 60]
    for s in inputs + [["a b", "c's"], ["", "x"], ["Hello, world! 123", "word  <mask> é"]]:
        try:
            e = t.encode(*s) if isinstance(s, list) else t.encode(s)
            golden["encode"].append({"input": s, "encoding": columns(e)})
        except BaseException as error:  # a truncation that cannot be done: an error here, an error there
            golden["encode"].append({"input": s, "error": type(error).__name__})
    for s in CORPUS:
        golden["ids"].append({"input": s, "ids": t.encode(s, add_special_tokens=False).ids})
    for _ in range(14):
        ids = t.encode(random.choice(texts)).ids[:30] if random.random() < 0.5 else [random.randrange(t.get_vocab_size() + 2) for _ in range(random.randrange(1, 14))]
        for skip in (True, False):
            stream, pieces = DecodeStream(skip_special_tokens=skip), []
            try:
                for i in ids: pieces.append(stream.step(t, i) or "")
            except Exception:
                pieces = None
            golden["decode"].append({"ids": ids, "skip": skip, "text": t.decode(ids, skip_special_tokens=skip), "pieces": pieces})
    (out / f"{name}.golden.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf8")
