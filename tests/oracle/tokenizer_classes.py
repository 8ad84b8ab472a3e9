"""Writes tests/data/tokenizers/class_folders.json: folders of a tokenizer.json whose stages are not those of the class that
tokenizer_config.json or config.json names, for every class of Transformers over the tokenizers library, and what
AutoTokenizer makes of them.

  python tests/oracle/tokenizer_classes.py golden tests/data/tokenizers/class_folders.json
  python tests/oracle/tokenizer_classes.py sweep SEED COUNT out.jsonl    many more

A folder is one of tokenizer_folders.py's, with "stages": what the tokenizer writes of them, and of its model but for the
vocabulary.
"""
import inspect
import json
import os
import pathlib
import random
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, TokenizersBackend
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name

transformers.logging.set_verbosity_error()

# Without a converter here, or made of files that are no vocabulary; RemBert's post-processor goes where the file has none.
LEFT_OUT = {"EsmcTokenizer", "LasrTokenizer", "LukeTokenizer", "MLukeTokenizer", "MarkupLMTokenizer", "NougatTokenizer",
            "ParakeetTokenizer", "RemBertTokenizer", "RoFormerTokenizer", "Siglip2Tokenizer", "Tipsv2Tokenizer", "TokenizersBackend"}
ALIASES = ["Bart", "Electra", "LED", "LayoutLM", "Longformer", "Lxmert", "MobileBert", "Mvp", "Phi3", "SqueezeBert",
           "DPRReader", "DPRContextEncoder", "DPRQuestionEncoder", "DistilBert", "Llama", "CodeGen"]
TEXTS = ["Hello world", " hello  world ", "</s>hello</s> world", "Héllo WÖRLD naïve", "ab中文cd 日本", "don't stop.",
         "<s> a [MASK] b <mask>", "x\n\ny\tz", "``quoted'' 12345", "[CLS] hello [SEP]", "▁under  score", "ﬁne Å", ""]
FLAGS = {"do_lower_case": [True, False], "strip_accents": [True, False, None], "tokenize_chinese_chars": [True, False],
         "clean_text": [True, False], "add_prefix_space": [True, False], "legacy": [True, False],
         "trim_offsets": [True, False], "keep_accents": [True, False], "split_by_punct": [True, False],
         "add_bos_token": [True, False], "add_eos_token": [True, False], "unk_id": [0, 1, 2],
         "predict_timestamps": [True, False], "legacy_behaviour": [True, False],
         "clean_up_tokenization_spaces": [True, False], "padding_side": ["left", "right"]}


def chance(p):
    return random.random() < p


def classes():
    names = {n for n in TOKENIZER_MAPPING_NAMES.values() if n} | {a + "Tokenizer" for a in ALIASES}
    out = []
    for name in sorted(names):
        kind = tokenizer_class_from_name(name)
        if kind is not None and issubclass(kind, TokenizersBackend) and kind.__name__ not in LEFT_OUT:
            out.append((name, kind))
    return out


def tokens_of(kind):
    out = {}
    for c in kind.__mro__:
        if "__init__" in c.__dict__:
            for name, p in inspect.signature(c.__init__).parameters.items():
                if name.endswith("_token") and isinstance(p.default, str):
                    out.setdefault(name, p.default)
    return out


def build(kind):
    """A tokenizer of the class's model, whose other stages are any."""
    named = list(dict.fromkeys(tokens_of(kind).values()))
    other = [t for t in ("<unk>", "<s>", "</s>", "<pad>", "[UNK]") if t not in named]
    first = named + other + ["en_XX", "eng_Latn", "__eng__"] * (kind.__name__ in ("MBartTokenizer", "MBart50Tokenizer", "NllbTokenizer", "SeamlessM4TTokenizer"))
    model = kind.model.__name__ if kind.model else "Unigram"
    if model != "Unigram" and chance(0.05):
        model = random.choice(["BPE", "WordPiece", "WordLevel", "Unigram"])
    words = [w for t in TEXTS for w in t.replace("▁", " ").split()] * 2
    byte_level = chance(0.4)
    if model == "Unigram":
        pieces = [(t, 0.0) for t in first] + [("▁", -2.0), ("▁hello", -3.0), ("▁world", -3.5), ("ell", -4.0), ("▁w", -4.2)]
        pieces += [(c, -5.0 - i / 8) for i, c in enumerate("abcdehlorwtxyzHW.'12é")]
        if chance(0.3):
            random.shuffle(pieces)
        t = Tokenizer(models.Unigram(pieces, unk_id=random.randrange(4), byte_fallback=False))
    else:
        t = Tokenizer({"BPE": models.BPE, "WordPiece": models.WordPiece, "WordLevel": models.WordLevel}[model](unk_token=first[0]))
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False) if byte_level else pre_tokenizers.Metaspace() if chance(0.5) else pre_tokenizers.BertPreTokenizer()
        make = {"BPE": trainers.BpeTrainer, "WordPiece": trainers.WordPieceTrainer, "WordLevel": trainers.WordLevelTrainer}[model]
        more = {"initial_alphabet": random.sample(sorted(pre_tokenizers.ByteLevel.alphabet()), 20)} if model == "BPE" and byte_level else {}
        t.train_from_iterator([" ".join(words)], make(vocab_size=110, special_tokens=first, show_progress=False, **more))
        o = json.loads(t.to_str())
        if model == "BPE":
            o["model"].update(unk_token=random.choice([None, first[0]]), fuse_unk=chance(0.5), byte_fallback=chance(0.3), ignore_merges=chance(0.3))
        o["added_tokens"] = []
        t = Tokenizer.from_str(json.dumps(o))
    for token in first:
        if chance(0.8):
            t.add_special_tokens([AddedToken(token, lstrip=chance(0.1), normalized=False)])
    if chance(0.3):
        t.add_tokens([AddedToken("ell", normalized=chance(0.5)), AddedToken("newword", single_word=chance(0.3))])
    t.normalizer = random.choice([None, normalizers.NFC(), normalizers.Lowercase(), normalizers.BertNormalizer(),
                                  normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])])
    t.pre_tokenizer = random.choice([None, pre_tokenizers.Whitespace(), pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
                                     pre_tokenizers.BertPreTokenizer(), pre_tokenizers.ByteLevel(add_prefix_space=chance(0.5))])
    t.decoder = random.choice([None, decoders.WordPiece(), decoders.Metaspace(), decoders.ByteLevel(), decoders.Fuse()])
    if chance(0.6):
        token = random.choice(first)
        at = t.token_to_id(token)
        if at is not None:
            t.post_processor = processors.TemplateProcessing(single=[token, "$A"], pair=[token, "$A", "$B:1"], special_tokens=[(token, at)])
    if chance(0.1):
        t.enable_truncation(9)
    if chance(0.1):
        t.enable_padding(pad_id=1, pad_token=first[1], length=random.choice([None, 12]))
    return t


def folder_case(name, kind):
    t = build(kind)
    config = {"tokenizer_class": name + ("Fast" if chance(0.5) and not name.endswith("Fast") else "")}
    for flag, values in FLAGS.items():
        if chance(0.3):
            config[flag] = random.choice(values)
    for token, text in tokens_of(kind).items():
        if chance(0.25):
            config[token] = text
        elif chance(0.05):
            config[token] = random.choice(["<s>", "</s>", "<unk>"])
    if chance(0.25):
        config["added_tokens_decoder"] = {str(i): {"content": a.content, "lstrip": a.lstrip, "normalized": a.normalized, "rstrip": a.rstrip, "single_word": a.single_word, "special": a.special} for i, a in t.get_added_tokens_decoder().items()}
    if chance(0.15):
        config["extra_special_tokens"] = random.choice([["ell", "<e1>"], {"image_token": "<image>"}, ["world"]])
    files = {"tokenizer.json": json.loads(t.to_str()), "tokenizer_config.json": config}
    if chance(0.3):
        files["config.json"] = {"model_type": random.choice(sorted(TOKENIZER_MAPPING_NAMES))}
        if chance(0.3):
            del config["tokenizer_class"]
    with tempfile.TemporaryDirectory() as path:
        for file, content in files.items():
            (pathlib.Path(path) / file).write_text(json.dumps(content))
        try:
            t = AutoTokenizer.from_pretrained(path)
        except BaseException:
            return None  # Transformers has no tokenizer there
    if not isinstance(t, TokenizersBackend) or type(t).__name__ in LEFT_OUT - {"TokenizersBackend"}:
        return None
    written = json.loads(t.backend_tokenizer.to_str())
    written["model"] = {k: v for k, v in written["model"].items() if k not in ("vocab", "merges")}
    special = {"map": {n: str(v) for n, v in t.special_tokens_map.items() if isinstance(v, str)}, "ids": t.all_special_ids, "size": len(t),
               "padding_side": t.padding_side}
    case = {"files": files, "class": type(t).__name__, "added": written.pop("added_tokens"), "special": special, "calls": [], "decode": [],
            "stages": {k: written[k] for k in ("normalizer", "pre_tokenizer", "post_processor", "decoder", "model")}}
    if case["class"] in ("CodeLlamaTokenizer", "MBart50Tokenizer"):
        del special["ids"]  # in another order, or again
    if case["class"] == "SeamlessM4TTokenizer":
        del case["stages"]["post_processor"]  # each call sets its own
    if case["class"] == "NllbTokenizer" and "extra_special_tokens" not in config:
        return None  # adds its 202 languages
    for a in random.sample(TEXTS, 4):
        b = random.choice(TEXTS) if chance(0.3) else None
        o = {"add_special_tokens": False} if chance(0.4) else {}
        try:
            columns = dict(t(a, b, **o) if b is not None else t(a, **o))
        except BaseException:
            continue  # boxes are missing, say
        case["calls"].append({"kind": "text", "a": a, "b": b, "o": o, "out": columns})
        ids = columns["input_ids"]
        skip = chance(0.5)
        try:
            case["decode"].append({"ids": ids, "skip": skip, "text": t.decode(ids, skip_special_tokens=skip)})
        except BaseException:
            pass
    return case


def main():
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    line = lambda c: json.dumps(c, ensure_ascii=False, separators=(",", ":"))
    if sys.argv[1] == "sweep":
        random.seed(int(sys.argv[2]))
        known = classes()
        with open(sys.argv[4], "w", encoding="utf8") as out:
            for i in range(int(sys.argv[3])):
                if c := folder_case(*known[i % len(known)]):
                    out.write(line(c) + "\n")
                    out.flush()
        return
    random.seed(5)
    kept = []
    for name, kind in classes():
        while True:
            c = folder_case(name, kind)
            if c and len(line(c).encode()) < 10000 and c["class"] == kind.__name__:
                break
        kept.append(line(c))
    with open(sys.argv[2], "w", encoding="utf8") as out:
        out.write('{"folders":[\n' + ",\n".join(kept) + "\n]}\n")


main()
