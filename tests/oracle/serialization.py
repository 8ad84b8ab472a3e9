"""Writes tests/data/tokenizers/serialization.golden.json: tokenizer.json files with every component as the tokenizers
library writes them, and what edits of a tokenizer make of it.

  python tests/oracle/serialization.py tests/data/tokenizers

Files that hft wrote are read back by the library and compared where they are given:

  python tests/oracle/serialization.py --check original.json written.json ...
"""
import json
import pathlib
import sys

sys.path = [p for p in sys.path if not p.endswith("oracle")]
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

if sys.argv[1] == "--check":
    for original, written in zip(sys.argv[2::2], sys.argv[3::2]):
        if Tokenizer.from_file(original).to_str() != Tokenizer.from_file(written).to_str():
            sys.exit(f"{written} is not {original}")
    sys.exit(0)

out = pathlib.Path(sys.argv[1])
N, P, D = normalizers, pre_tokenizers, decoders


def base(model=None):
    return Tokenizer(model or models.WordLevel({"a": 0, "b": 5, "[U]": 2, "\"\\\n\u0001\u007f\u2028é😀": 3}, unk_token="[U]"))


files = {}
t = files["normalizers"] = base()
t.normalizer = N.Sequence([N.BertNormalizer(), N.BertNormalizer(False, False, True, False), N.Strip(), N.Strip(True, False), N.StripAccents(), N.Prepend("▁"), N.Replace("a", "b"),
    N.Replace(Regex("a+"), "\t"), N.Nmt(), N.NFC(), N.NFD(), N.NFKC(), N.NFKD(), N.Lowercase(), N.ByteLevel(), N.Sequence([])])
t = files["pre_tokenizers"] = base()
t.pre_tokenizer = P.Sequence([P.ByteLevel(), P.ByteLevel(False, True, False), P.BertPreTokenizer(), P.CharDelimiterSplit("-"), P.Digits(), P.Digits(True), P.FixedLength(3), P.Metaspace(),
    P.Metaspace("_", "first", False), P.Metaspace(prepend_scheme="never"), P.Punctuation(), P.Punctuation("merged_with_previous"), P.Split("a", "isolated"), P.Split("a", "removed"),
    P.Split(Regex(r"\p{L}+"), "merged_with_next", True), P.Split(Regex(r"\s+"), "contiguous"), P.UnicodeScripts(), P.Whitespace(), P.WhitespaceSplit()])
t = files["processors"] = base()
t.post_processor = processors.Sequence([processors.ByteLevel(), processors.ByteLevel(False, False, False), processors.BertProcessing(("a", 1), ("b", 2)), processors.RobertaProcessing(("a", 1), ("b", 2), False, False),
    processors.TemplateProcessing(single="[C] $A:0 [S]", pair="$A [S] $B:1 [C]:1", special_tokens=[("[S]", 1), {"id": "[C]", "ids": [5, 6], "tokens": ["x", "y"]}, ("[A]", 9)])])
t = files["decoders"] = base()
t.decoder = D.Sequence([D.ByteLevel(), D.BPEDecoder(), D.BPEDecoder("x"), D.CTC(), D.CTC("[PAD]", "/", False), D.Fuse(), D.Metaspace(), D.Metaspace("_", "never", False), D.Replace("a", "b"), D.Replace(Regex("a+"), ""), D.Strip(" ", 1, 0), D.WordPiece(),
    D.WordPiece("@@", False), D.ByteFallback()])
t = files["added"] = base()
t.add_tokens(["b", AddedToken("zz", single_word=True), AddedToken("é", lstrip=True, rstrip=True, normalized=False)])
t.add_special_tokens(["q", AddedToken("b", normalized=True)])
t.enable_truncation(5, stride=2, strategy="only_second", direction="left")
t.enable_padding(direction="left", pad_id=7, pad_type_id=1, pad_token="q", length=9, pad_to_multiple_of=8)
t = files["truncated"] = base()
t.enable_truncation(7, strategy="only_first")
t.enable_padding()
files["bpe"] = base(models.BPE({"a": 0, "b": 1, "ab": 2, "aab": 3, "abb": 9}, [("ab", "b"), ("a", "ab"), ("a", "b")], unk_token="a", continuing_subword_prefix="", end_of_word_suffix="", fuse_unk=True, byte_fallback=True, ignore_merges=True))
files["bpe_prefix"] = base(models.BPE({"a": 0, "##b": 1, "ab": 2}, [("a", "##b")], continuing_subword_prefix="##", end_of_word_suffix="</w>"))
files["bpe_empty"] = base(models.BPE())
files["wordpiece"] = base(models.WordPiece({"[U]": 1, "a": 0}, unk_token="[U]", continuing_subword_prefix="@@", max_input_chars_per_word=12))
files["unigram"] = base(models.Unigram([("a", 0.0), ("b", -1.5e-9), ("c", -12.25), ("d", -1e20), ("e", 0.0000123), ("f", -0.1), ("g", 1e15), ("h", 1e16), ("i", -123456789012345680.0), ("j", 0.00001), ("k", -10.123456789012345), ("l", 5e-324), ("m", 1.7976931348623157e308)], 0, True))
files["unigram_plain"] = base(models.Unigram([("a", -1)]))
# Added tokens are numbered anew when a file is read: what is compared is what the library itself reads back.
files = {k: Tokenizer.from_str(v.to_str()) for k, v in files.items()}
golden = {"tokenizers": tokenizers.__version__, "files": [{"name": k, "compact": v.to_str(), "pretty": v.to_str(pretty=True)} for k, v in files.items()], "edits": []}

TEXT = "All human beings are  born free zz yy <s> [CLS]!"


def columns(e):
    return {
        "ids": e.ids, "tokens": e.tokens, "offsets": [list(o) for o in e.offsets], "type_ids": e.type_ids, "attention_mask": e.attention_mask,
        "special_tokens_mask": e.special_tokens_mask, "word_ids": e.word_ids, "sequence_ids": e.sequence_ids, "overflowing": [columns(o) for o in e.overflowing],
    }


t = Tokenizer.from_file(str(out / "bert_cased.json"))


def edit(count):
    golden["edits"].append({"count": count, "json": t.to_str().split('"model":{')[0], "vocab_size": t.get_vocab_size(), "model_vocab_size": t.get_vocab_size(False), "vocab": len(t.get_vocab()),
                            "special_pair": t.num_special_tokens_to_add(True), "encoding": columns(t.encode(TEXT)), "text": TEXT})


edit(0)
edit(t.add_tokens(["free", "zz", "zz", "", "human"]))
edit(t.add_tokens(["zz", "yy"]))
edit(t.add_tokens([AddedToken("born", single_word=True, lstrip=True)]))
edit(t.add_special_tokens(["<s>", "[CLS]", "[SEP]"]))
t.encode_special_tokens = True
edit(1)
t.encode_special_tokens = False
t.enable_truncation(6, stride=1, direction="left")
edit(0)
t.enable_padding(length=9, pad_to_multiple_of=4, pad_id=3, pad_token="[SEP]")
edit(0)
t.no_truncation()
t.no_padding()
t.normalizer = N.Lowercase()
edit(0)
t.post_processor = None
t.decoder = None
edit(0)
t.pre_tokenizer = P.Whitespace()
edit(0)
text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
(out / "serialization.golden.json").write_text(text + "\n", encoding="utf8")
print(len(text.encode()))
