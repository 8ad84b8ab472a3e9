"""Writes tests/data/tokenizers/trainers/golden.json: what the tokenizers library trains from small corpora, and what
Transformers' train_new_from_iterator makes of the tokenizers in tests/data/tokenizers.

  python tests/oracle/tokenizer_trainers.py tests/data/tokenizers/trainers

The library visits words in the random order of a hash table. What depends on it (ids of characters with a prefix or suffix,
scores of characters that Unigram lost) is left out of the golden: every case is trained several times, and "ids" says
whether the ids were the same each time. A vocabulary that is not even the same set of tokens is made smaller until it is; how
small that is may differ from one run of this script to the next.
"""
import json
import pathlib
import sys
import tempfile

sys.path = [p for p in sys.path if not p.endswith("oracle")]
import tokenizers
import transformers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
RUNS = 24

CORPORA = {
    "scripts": [
        "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and "
        "should act towards one another in a spirit of brotherhood.",
        "Everyone has the right to life, liberty and security of person; nobody shall be held in slavery or servitude.",
        "Everyone is entitled to all the rights and freedoms set forth here, without distinction of any kind, in 1948 or 2024.",
        "It's what we'll say, and they've said it: don't, can't, won't!\r\n\tTabs, \u00a0spaces and   runs of them.  ",
        "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen "
        "einander im Geist der Brüderlichkeit begegnen.",
        "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience "
        "et doivent agir les uns envers les autres dans un esprit de fraternité.",
        "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны "
        "поступать в отношении друг друга в духе братства.",
        "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。人人有权享有生命、自由和人身安全。",
        "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا بروح الإخاء.",
        "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
        "👩‍👩‍👧 family, 🇫🇷🇩🇪 flags, e\u0301 and é, ﬁne ﬂow, ｆｕｌｌ ｗｉｄｔｈ, İstanbul ıI, ΑΣΑΣ",
        "for (int i = 0; i < n; ++i) { sum += values[i] * values[i]; }  // n * n",
    ],
    "runs": ["aaaa aaaa aaa aa a", "abababab abab ab", "aabbaabb bbaabbaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "ab ba ab ba"],
    # Tokens come about in two ways here, so pairs get new places after they were merged.
    "paths": ["abcd abc bcd ab bc cd", "xabc xbc xab abcx bcdx", "abcabc bcabca cabcab", "dabc dbca abcd abcd bcda"],
    "ties": ["ab cd ef gh", "ba dc fe hg", "ac bd ce df"],
    # No two pairs are equally frequent for long: what goes by ids elsewhere is decided by counts here.
    "counts": [
        " ".join([word] * n)
        for word, n in [("hug", 101), ("pug", 53), ("pun", 127), ("bun", 47), ("hugs", 59), ("unhuggable", 7), ("lowest", 211),
                        ("lower", 307), ("newest", 401), ("widest", 503), ("knower", 13), ("slowly", 29), ("gun", 17), ("yes", 37), ("nest", 11), ("stow", 5), ("ide", 3), ("able", 31)]
    ],
    "empty": [],
    "blank": ["", " ", "\n"],
    "one_word": ["banana"],
    "one_character": ["a"],
    "special": ["<s> hello </s> world <s>s</s>", "[UNK] a [UNK] b a", "<s> <s> <s>"],
}


def byte_level(prefix=False, regex=True):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)


WHITESPACE = pre_tokenizers.Whitespace()
BYTES = "BYTES"  # stands for ByteLevel.alphabet()
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
bpe, wordpiece, wordlevel, unigram = models.BPE, models.WordPiece, models.WordLevel, models.Unigram

# name, corpus, model, normalizer, pre-tokenizer, options of the trainer
CASES = [
    ("bpe", "scripts", bpe(), None, WHITESPACE, dict(vocab_size=400)),
    ("bpe_all_merges", "scripts", bpe(), None, WHITESPACE, dict()),
    ("bpe_min_frequency", "scripts", bpe(), None, WHITESPACE, dict(min_frequency=3)),
    ("bpe_special", "scripts", bpe(unk_token="<unk>", fuse_unk=True), None, WHITESPACE, dict(vocab_size=300, special_tokens=["<unk>", "<s>", "e", "th"])),
    ("bpe_no_words", "scripts", bpe(), None, None, dict(vocab_size=350)),
    ("bpe_byte_level", "scripts", bpe(), None, byte_level(), dict(vocab_size=400, initial_alphabet=BYTES, special_tokens=["<|end|>"])),
    ("bpe_byte_level_prefix", "scripts", bpe(), normalizers.NFC(), byte_level(prefix=True), dict(vocab_size=350, initial_alphabet=BYTES)),
    ("bpe_llama3", "scripts", bpe(ignore_merges=True), None, pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), byte_level(regex=False)]), dict(vocab_size=400, initial_alphabet=BYTES)),
    ("bpe_digits", "scripts", bpe(), None, pre_tokenizers.Sequence([pre_tokenizers.Digits(True), byte_level()]), dict(vocab_size=350, initial_alphabet=BYTES, max_token_length=5)),
    ("bpe_metaspace", "scripts", bpe(byte_fallback=True, unk_token="<unk>"), normalizers.NFKC(), pre_tokenizers.Metaspace(), dict(vocab_size=350, special_tokens=["<unk>"])),
    ("bpe_metaspace_first", "scripts", bpe(), normalizers.Lowercase(), pre_tokenizers.Sequence([pre_tokenizers.Punctuation(), pre_tokenizers.Metaspace(prepend_scheme="first")]), dict(vocab_size=350)),
    ("bpe_prepend", "scripts", bpe(), normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁"), normalizers.Lowercase()]), None, dict(vocab_size=350)),
    ("bpe_limit_alphabet", "scripts", bpe(), None, WHITESPACE, dict(vocab_size=200, limit_alphabet=26)),
    ("bpe_initial_alphabet", "runs", bpe(), None, WHITESPACE, dict(vocab_size=30, initial_alphabet=["z", "é", "👍", "xyz", "a"])),
    ("bpe_vocab_below_alphabet", "scripts", bpe(), None, WHITESPACE, dict(vocab_size=5, special_tokens=["<s>"])),
    ("bpe_max_token_length_2", "scripts", bpe(), None, WHITESPACE, dict(vocab_size=400, max_token_length=2)),
    ("bpe_max_token_length_4", "scripts", bpe(), None, WHITESPACE, dict(vocab_size=500, max_token_length=4)),
    ("bpe_runs", "runs", bpe(), None, WHITESPACE, dict()),
    ("bpe_runs_length", "runs", bpe(), None, WHITESPACE, dict(max_token_length=6)),
    ("bpe_paths", "paths", bpe(), None, WHITESPACE, dict()),
    ("bpe_ties", "ties", bpe(), None, WHITESPACE, dict()),
    ("bpe_special_in_text", "special", bpe(), None, WHITESPACE, dict(special_tokens=["<s>", "</s>", "h", "hello"])),
    ("bpe_prefix", "scripts", bpe(), None, WHITESPACE, dict(vocab_size=400, continuing_subword_prefix="##")),
    ("bpe_suffix", "scripts", bpe(), None, WHITESPACE, dict(vocab_size=400, end_of_word_suffix="</w>")),
    ("bpe_prefix_and_suffix", "scripts", bpe(), None, WHITESPACE, dict(vocab_size=500, continuing_subword_prefix="@@", end_of_word_suffix="$")),
    ("bpe_counts", "counts", bpe(), None, WHITESPACE, dict()),
    ("bpe_counts_prefix", "counts", bpe(), None, WHITESPACE, dict(continuing_subword_prefix="##", min_frequency=20)),
    ("bpe_counts_suffix", "counts", bpe(), None, WHITESPACE, dict(end_of_word_suffix="</w>", vocab_size=60)),
    ("bpe_prefix_one_word", "one_word", bpe(), None, WHITESPACE, dict(continuing_subword_prefix="##", end_of_word_suffix="</w>")),
    ("bpe_empty_prefix", "one_word", bpe(), None, WHITESPACE, dict(continuing_subword_prefix="", end_of_word_suffix="")),
    ("bpe_empty", "empty", bpe(), None, WHITESPACE, dict(special_tokens=["<s>"], initial_alphabet=["a"])),
    ("bpe_blank", "blank", bpe(), None, WHITESPACE, dict()),
    ("bpe_one_character", "one_character", bpe(), None, WHITESPACE, dict(end_of_word_suffix="</w>")),
    ("wordpiece", "scripts", wordpiece(unk_token="[UNK]"), normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), dict(vocab_size=400, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])),
    ("wordpiece_cased", "scripts", wordpiece(unk_token="[UNK]", max_input_chars_per_word=20), normalizers.BertNormalizer(lowercase=False), pre_tokenizers.BertPreTokenizer(), dict(vocab_size=450, min_frequency=2, special_tokens=["[UNK]"], continuing_subword_prefix="@")),
    ("wordpiece_counts", "counts", wordpiece(unk_token="[UNK]"), None, WHITESPACE, dict(vocab_size=80, special_tokens=["[UNK]"])),
    ("wordpiece_one_word", "one_word", wordpiece(), None, WHITESPACE, dict()),
    ("wordpiece_empty", "empty", wordpiece(), None, WHITESPACE, dict(special_tokens=["[UNK]"])),
    ("wordlevel", "scripts", wordlevel(unk_token="[UNK]"), normalizers.Lowercase(), WHITESPACE, dict(vocab_size=60, special_tokens=["[UNK]", "[PAD]"])),
    ("wordlevel_min_frequency", "scripts", wordlevel(unk_token="[UNK]"), None, WHITESPACE, dict(min_frequency=2, special_tokens=["[UNK]"])),
    ("wordlevel_special_in_text", "special", wordlevel(unk_token="[UNK]"), None, pre_tokenizers.WhitespaceSplit(), dict(special_tokens=["[UNK]", "<s>"])),
    ("wordlevel_tiny", "ties", wordlevel(unk_token="[UNK]"), None, WHITESPACE, dict(vocab_size=1, special_tokens=["[UNK]", "[PAD]"])),
    ("wordlevel_empty", "empty", wordlevel(unk_token="[UNK]"), None, WHITESPACE, dict(special_tokens=["[UNK]"])),
    ("unigram", "scripts", unigram(), normalizers.NFKC(), pre_tokenizers.Metaspace(), dict(vocab_size=320, special_tokens=["<s>", "<unk>"], unk_token="<unk>")),
    ("unigram_add_unk", "scripts", unigram(), None, pre_tokenizers.Metaspace(), dict(vocab_size=330, special_tokens=["<s>"], unk_token="<?>")),
    ("unigram_no_unk", "scripts", unigram(), None, WHITESPACE, dict(vocab_size=360)),
    ("unigram_options", "scripts", unigram(), None, WHITESPACE, dict(vocab_size=310, shrinking_factor=0.5, n_sub_iterations=4, max_piece_length=4, seed_size=600, initial_alphabet=["z", "ß", "q"])),
    ("unigram_no_words", "scripts", unigram(), None, None, dict(vocab_size=300)),
    ("unigram_runs", "runs", unigram(), None, WHITESPACE, dict(vocab_size=12, unk_token="<unk>")),
    ("unigram_counts", "counts", unigram(), None, WHITESPACE, dict(vocab_size=24, unk_token="<unk>")),
    ("unigram_paths", "paths", unigram(), None, WHITESPACE, dict(vocab_size=9)),
    ("unigram_one_word", "one_word", unigram(), None, WHITESPACE, dict()),
    ("unigram_empty", "empty", unigram(), None, WHITESPACE, dict(special_tokens=["<unk>"], unk_token="<unk>")),
]
TRAINERS = {"BPE": "BpeTrainer", "WordPiece": "WordPieceTrainer", "WordLevel": "WordLevelTrainer", "Unigram": "UnigramTrainer"}


def train(untrained, kind, options, texts):
    options = {k: pre_tokenizers.ByteLevel.alphabet() if v == BYTES else v for k, v in options.items()}
    t = Tokenizer.from_str(untrained)
    t.train_from_iterator(texts, getattr(trainers, kind)(show_progress=False, **options))
    return json.loads(t.to_str())


def tokens_of(model):
    return [t for t, _ in model["vocab"]] if model["type"] == "Unigram" else list(model["vocab"])


def golden(name, corpus, model, normalizer, pre_tokenizer, options):
    t = Tokenizer(model)
    if normalizer:
        t.normalizer = normalizer
    if pre_tokenizer:
        t.pre_tokenizer = pre_tokenizer
    untrained = t.to_str()
    kind = TRAINERS[json.loads(untrained)["model"]["type"]]
    options = dict(options)
    for _ in range(300):
        runs = [train(untrained, kind, options, CORPORA[corpus]) for _ in range(RUNS)]
        found = [r["model"] for r in runs]
        if all(set(tokens_of(m)) == set(tokens_of(found[0])) and m.get("merges") == found[0].get("merges") for m in found):
            break
        options["vocab_size"] = len(tokens_of(found[0])) - 1
    else:
        raise RuntimeError(f"{name}: no vocabulary is always the same")
    case = {"name": name, "corpus": corpus, "tokenizer": json.loads(untrained), "trainer": kind, "options": options}
    case["model"] = dict(found[0])
    if kind == "UnigramTrainer":
        scores = [dict(m["vocab"]) for m in found]
        same = lambda t: max(s[t] for s in scores) - min(s[t] for s in scores) < 1e-9
        case["model"]["vocab"] = [[t, round(scores[0][t], 9) if same(t) else None] for t in sorted(scores[0])]
    else:
        case["ids"] = all(m["vocab"] == found[0]["vocab"] for m in found)
        if not case["ids"]:
            case["model"]["vocab"] = sorted(found[0]["vocab"])
    if case["model"].get("merges"):
        case["model"]["merges"] = [" ".join(m) for m in case["model"]["merges"]]
    case["added_tokens"] = runs[0]["added_tokens"]
    print(f"{name}: {len(tokens_of(found[0]))} tokens, options {options}, ids {case.get('ids')}", flush=True)
    return case


# name, the tokenizer (a file of tests/data/tokenizers, or a case above), tokenizer_config.json, vocab_size, what else is asked
NEW = [
    ("gpt2", "gpt2", dict(bos_token="<|endoftext|>", eos_token="<|endoftext|>"), 320, {}),
    ("gpt2_new_special", "gpt2", dict(eos_token="<|endoftext|>"), 330, dict(new_special_tokens=["<one>", "<two>"])),
    ("gpt2_renamed", "gpt2", dict(eos_token="<|endoftext|>"), 330, dict(special_tokens_map={"<|endoftext|>": "</s>"})),
    ("roberta", "roberta", dict(bos_token="<s>", mask_token="<mask>", pad_token="<pad>"), 400, {}),
    ("roberta_renamed", "roberta", dict(bos_token="<s>", mask_token="<mask>"), 400, dict(special_tokens_map={"<s>": "[CLS]", "<mask>": "[M]"})),
    ("llama2", "llama2", dict(bos_token="<s>", unk_token="<unk>"), 300, {}),
    ("bert", "bert", dict(cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"), 250, {}),
    ("bert_renamed", "bert", dict(cls_token="[CLS]", unk_token="[UNK]"), 250, dict(special_tokens_map={"[UNK]": "<?>", "[CLS]": "<c>"})),
    ("wordlevel", "wordlevel", dict(unk_token="[UNK]"), 60, dict(min_frequency=2)),
    ("unigram", "case:unigram_counts", dict(unk_token="<unk>"), 330, dict(new_special_tokens=["<pad>"])),
]


def train_new(name, base, config, vocab_size, options):
    if base.startswith("case:"):
        _, corpus, model, _, pre_tokenizer, trainer = next(c for c in CASES if c[0] == base[5:])
        t = Tokenizer(model)
        t.pre_tokenizer = pre_tokenizer
        content = json.dumps(train(t.to_str(), TRAINERS[type(model).__name__], trainer, CORPORA[corpus]))
    else:
        content = (out.parent / f"{base}.json").read_text(encoding="utf-8")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **config}
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "tokenizer.json").write_text(content, encoding="utf-8")
        (pathlib.Path(folder) / "tokenizer_config.json").write_text(json.dumps(config))
        old = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    new = old.train_new_from_iterator(CORPORA["scripts"], vocab_size, **options, show_progress=False)
    result = json.loads(new.backend_tokenizer.to_str())
    model = result["model"]
    model["tokens"] = sorted(tokens_of(model))
    ids = model["type"] != "Unigram" and name[:4] != "bert"  # what is not left to chance
    if not ids:
        del model["vocab"]
    elif "merges" in model:
        model["merges"] = [" ".join(m) for m in model["merges"]]
        del model["tokens"]
    print(f"{name}: {len(new)} tokens", flush=True)
    if base.startswith("case:"):
        base = json.loads(content)
    return {"name": name, "tokenizer": base, "config": config, "vocab_size": vocab_size, "options": options, "model": model,
            "added_tokens": result["added_tokens"], "post_processor": result["post_processor"],
            "special_tokens_map": {k: v for k, v in new.special_tokens_map.items() if isinstance(v, str)}}


transformers.logging.set_verbosity_error()
document = {
    "versions": {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__, "script": "tests/oracle/tokenizer_trainers.py"},
    "corpora": CORPORA,
    "cases": [golden(*c) for c in CASES],
    "train_new": [train_new(*c) for c in NEW],
}
text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
(out / "golden.json").write_text(text + "\n", encoding="utf-8")
print(len(text.encode()) // 1024, "KiB")
