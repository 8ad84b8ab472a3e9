"""Writes tests/data/tokenizer_files: tiny vocabularies in the files of every kind, folders of them with
configurations, and what Transformers makes of texts with each folder (golden.json).

  python tests/oracle/tokenizer_files.py tests/data/tokenizer_files

Needs sentencepiece for the models and gguf for the GGUF files.
"""
import io
import json
import pathlib
import shutil
import sys
import tempfile

sys.path = [p for p in sys.path if not p.endswith("oracle")]
import gguf
import numpy
import sentencepiece
import tokenizers
import transformers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer

transformers.logging.set_verbosity_error()
out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)

CORPUS = [
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience.",
    "Everyone has the right to life, liberty and security of person; it's what we'll say, and they've said it in 1948.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft begabt.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах. 人人生而自由",
    "In 2024, 1234 men ran 56.78 km; $9,000 or 10% more. It's 3,141.59! def f(x):\n\treturn x + 1",
    "ＡＢＣ ﬁne ½ Å café naïve",
]
TEXTS = [
    "Hello, world! It's 1,234.5 café 10, ",
    "  a  b\n\nc\t d ",
    "naïve ＡＢＣ ﬁne ½ e\u0301 İı 👩‍👧 日本人 Würde",
    "``quoted'' <mask> x[MASK]y <s> </s>z <unk> [CLS] <pad>",
    "don't WE'LL свободными равны",
    "▁x ▁▁ y\u00a0\u3000z <extra_id_1>en_XX <|endoftext|>[UNK]<0x41>\x00",
    "",
]

# A few rules keep the double array of a model's normalizer small.
RULES = {"ﬁ": "fi", "½": "1/2", "Ａ": "A", "Ｂ": "B", "Ｃ": "C", "\u00a0": " ", "\u3000": " ", "\t": " ", "\n": " ", "\u212b": "Å"}


def sentencepiece_model(name, rules=True, **options):
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf8") as tsv:
        for a, b in RULES.items():
            codes = lambda s: " ".join(f"{ord(c):X}" for c in s)
            tsv.write(f"{codes(a)}\t{codes(b)}\n")
        tsv.flush()
        if rules:
            options["normalization_rule_tsv"] = tsv.name
        else:
            options["normalization_rule_name"] = "identity"
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS), model_writer=model, minloglevel=2, hard_vocab_limit=False,
            character_coverage=1.0, num_threads=1, **options)
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    proto.trainer_spec.model_prefix = proto.normalizer_spec.normalization_rule_tsv = ""
    (out / f"{name}.model").write_bytes(proto.SerializeToString())


uni = dict(model_type="unigram", vocab_size=300)
bpe = dict(model_type="bpe", vocab_size=560, byte_fallback=True, split_digits=True, allow_whitespace_only_pieces=True,
           remove_extra_whitespaces=False)
sentencepiece_model("unigram", **uni)
sentencepiece_model("albert", pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"], **uni)
sentencepiece_model("t5", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, **uni)
sentencepiece_model("xlnet", control_symbols=["<cls>", "<sep>", "<pad>", "<mask>", "<eod>"],
                    user_defined_symbols=["<eop>", ".", "(", ")"], **uni)
sentencepiece_model("identity", rules=False, **{**uni, "vocab_size": 500}, pad_id=0, eos_id=1, bos_id=2, unk_id=3,
                    user_defined_symbols=["<u>", "[x]"], byte_fallback=True, remove_extra_whitespaces=False,
                    add_dummy_prefix=False)
sentencepiece_model("bpe", model_type="bpe", vocab_size=330)
sentencepiece_model("llama", rules=False, **bpe)
sentencepiece_model("gemma", rules=False, **bpe, add_dummy_prefix=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3,
                    user_defined_symbols=["<mask>", "<start_of_turn>", "\n", "\n\n", "▁▁", "▁▁▁"])


def save_bpe(name, tokenizer, trainer):
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    (out / f"{name}.vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False, separators=(",", ":")), "utf8")
    merges = "".join(" ".join(m) + "\n" for m in model["merges"])
    (out / f"{name}.merges.txt").write_text("#version: 0.2\n" + merges, "utf8")


def byte_level(name, special, size=330, **options):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    save_bpe(name, t, trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=alphabet,
                                          show_progress=False, **options))


roberta_special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
byte_level("roberta", roberta_special)
byte_level("gpt2", ["<|endoftext|>"])
byte_level("clip", ["<|startoftext|>", "<|endoftext|>"], 600, end_of_word_suffix="</w>")
words = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
words.normalizer = normalizers.BertNormalizer(lowercase=False)
words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
save_bpe("words", words, trainers.BpeTrainer(vocab_size=300, special_tokens=roberta_special, show_progress=False,
                                             end_of_word_suffix="</w>"))


def wordpiece(name, special, unk):
    t = Tokenizer(models.WordPiece(unk_token=unk))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=260, special_tokens=special, show_progress=False))
    vocab = t.get_vocab(False)
    # The trainer numbers pieces of equal count at random.
    pieces = special + sorted(set(vocab) - set(special))
    (out / f"{name}.vocab.txt").write_text("\n".join(pieces) + "\n", "utf8")


wordpiece("bert", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[QUESTION]"], "[UNK]")
wordpiece("funnel", ["<pad>", "<unk>", "<cls>", "<sep>", "<mask>", "<s>", "</s>"], "<unk>")
wordpiece("mpnet", ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"], "[UNK]")

WORDPIECE = {"vocab.txt": "bert.vocab.txt"}
files_of_bpe = lambda name: {"vocab.json": f"{name}.vocab.json", "merges.txt": f"{name}.merges.txt"}
model_as = lambda name, file: {file: f"{name}.model"}
SPIECE, FAIRSEQ, PLAIN = "spiece.model", "sentencepiece.bpe.model", "tokenizer.model"
files = {
    **dict.fromkeys("Bert ConvBert DistilBert DPRReader DPRQuestionEncoder DPRContextEncoder Electra LayoutLM LayoutLMv2 "
                    "Lxmert MobileBert SqueezeBert Splinter".split(), WORDPIECE),
    "Funnel": {"vocab.txt": "funnel.vocab.txt"},
    "MPNet": {"vocab.txt": "mpnet.vocab.txt"},
    **dict.fromkeys("Bart Blenderbot LayoutLMv3 Longformer LED Mvp Roberta MarkupLM".split(), files_of_bpe("roberta")),
    **dict.fromkeys("GPT2 CodeGen Qwen2 Whisper GPTNeoX Cohere Deberta".split(), files_of_bpe("gpt2")),
    "CLIP": files_of_bpe("clip"),
    "Herbert": files_of_bpe("words"),
    "OpenAIGPT": files_of_bpe("words"),
    **dict.fromkeys("Albert FNet BigBird".split(), model_as("albert", SPIECE)),
    "RemBert": model_as("albert", "sentencepiece.model"),
    "DebertaV2": model_as("albert", "spm.model"),
    **dict.fromkeys("Barthez Camembert LayoutXLM MBart MBart50 XLMRoberta".split(), model_as("unigram", FAIRSEQ)),
    **dict.fromkeys("Nllb SeamlessM4T".split(), model_as("bpe", FAIRSEQ)),
    **dict.fromkeys("Pegasus T5 Udop VideoPrism".split(), model_as("t5", SPIECE)),
    "XLNet": model_as("xlnet", SPIECE),
    "XGLM": model_as("unigram", PLAIN),
    "Reformer": model_as("bpe", SPIECE),
    **dict.fromkeys("Llama CodeLlama Phi3".split(), model_as("llama", PLAIN)),
    "Gemma": model_as("gemma", PLAIN),
}


def token(content, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, **flags}


def added(content, **flags):
    return {"__type": "AddedToken", **token(content, **flags)}


cases = []


def case(kind, of=None, config=None, special_tokens_map=None, added_tokens=None, model=None, **options):
    folder = {"tokenizer_config.json": {**options}}
    if kind:
        folder["tokenizer_config.json"]["tokenizer_class"] = kind + "Tokenizer"
    for name, content in (("special_tokens_map.json", special_tokens_map), ("added_tokens.json", added_tokens), ("config.json", model)):
        if content is not None:
            folder[name] = content
    cases.append({"files": of or files[kind], "json": folder})


for kind in files:
    case(kind, **({"tags_dict": {}} if kind == "MarkupLM" else {}))
spm = {name: model_as(name, PLAIN) for name in ("identity", "llama", "gemma", "t5", "albert", "unigram")}
case("Bert", do_lower_case=False, tokenize_chinese_chars=False, strip_accents=True, model_max_length=512)
case("Bert", sep_token="<sep>", cls_token=added("<c>", lstrip=True), additional_special_tokens=["<x>", "[x]", "foo"])
case("Bert", added_tokens_decoder={"0": token("[PAD]", special=True), "300": token("human", special=False, normalized=True),
                                   "9": token("zz", lstrip=True, special=True)}, pad_token="[PAD]", mask_token=None)
case("Bert", special_tokens_map={"unk_token": "[UNK]", "mask_token": token("[MASK]", lstrip=True), "additional_special_tokens": ["<a>"]},
     added_tokens={"<foo>": 400, "Bar": 401}, mask_token="[MASK]", clean_up_tokenization_spaces=True)
case("Roberta", add_prefix_space=True, trim_offsets=False, mask_token=added("<mask>", lstrip=True))
case("GPT2", add_bos_token=True, add_eos_token=True, add_prefix_space=True, pad_token="<pad>")
case("GPT2", extra_special_tokens={"image_token": "<image>"}, audio_token="<audio>", clean_up_tokenization_spaces=True)
case("CodeGen", add_bos_token=True)
case("Qwen2", added_tokens_decoder={"331": token("<|im_end|>", special=True), "332": token("<tool>", special=False)},
     additional_special_tokens=["<|im_end|>"], eos_token="<|im_end|>", bos_token=None)
case("Whisper", predict_timestamps=True)
case("CLIP", bos_token=added("<|startoftext|>", normalized=True), pad_token="!")
case("Albert", do_lower_case=False, keep_accents=True, add_prefix_space=False, add_bos_token=True)
case("XLNet", do_lower_case=True, keep_accents=True)
case("RemBert", keep_accents=False, do_lower_case=True)
case("DebertaV2", do_lower_case=True, split_by_punct=True, add_prefix_space=False, unk_token="<unk>", pad_token="<pad>")
case("Llama", add_bos_token=True, legacy=None, added_tokens_decoder={str(i): token(t, special=True) for i, t in enumerate(("<unk>", "<s>", "</s>"))},
     bos_token=added("<s>"), pad_token=None)
case("Llama", add_bos_token=True, add_eos_token=True, legacy=True, added_tokens={"<pad>": 560}, special_tokens_map={"pad_token": "<pad>"})
case("Llama", add_prefix_space=False, of=spm["gemma"])
case("CodeLlama", add_bos_token=False, add_prefix_space=False)
case("T5", extra_ids=10)
case("T5", of=spm["identity"], additional_special_tokens=[f"<extra_id_{i}>" for i in range(100)])
case("MBart", src_lang="fr_XX")
case("Nllb", src_lang="fra_Latn", additional_special_tokens=["eng_Latn", "fra_Latn"])
case("Nllb", of=spm["llama"], legacy_behaviour=True)
case("SeamlessM4T", src_lang="deu", additional_special_tokens=["__deu__"])
case("Camembert", add_prefix_space=False)
case("Barthez", add_bos_token=True)
case("Gemma", add_bos_token=True, bos_token="<s>", eos_token="</s>")
case("Pegasus", of=spm["identity"], offset=10)
case("Splinter", padding_side="left")
case("Funnel", do_lower_case=False, clean_text=False)
case("Unknown", of=spm["identity"], add_bos_token=True)
case("Unknown", of=spm["llama"], add_bos_token=True, add_eos_token=True)
case("Unknown", of=spm["t5"])
case("FNet", of=spm["identity"])
case("BigBird", of=spm["identity"])
case("SeamlessM4T", of=spm["llama"])
case(None, of=WORDPIECE, model={"model_type": "distilbert"})
case(None, of=files["XLMRoberta"], model={"model_type": "xlm-roberta"})
case(None, of=files["GPT2"], model={"model_type": "opt"})
case("Llama", model={"model_type": "mistral"})
case("GPT2", model={"model_type": "qwen2"})


def encoding(t, *texts):
    e = t.backend_tokenizer.encode(*texts)
    flat = [x for o in e.offsets for x in o]
    row = [e.ids, flat, t.decode(e.ids)]
    if t.convert_ids_to_tokens(e.ids) != e.tokens:
        row.append(e.tokens)
    return row


def describe(t):
    if hasattr(t, "_switch_to_input_mode"):
        t._switch_to_input_mode()
    return {
        "special": {k: str(v) for k, v in t.special_tokens_map.items()},
        "side": t.padding_side,
        "size": len(t),
        "encode": [encoding(t, s) for s in TEXTS],
        "pair": [t.backend_tokenizer.encode(*TEXTS[:2]).ids, t.backend_tokenizer.encode(*TEXTS[:2]).type_ids],
    }


def folder(c):
    path = pathlib.Path(tempfile.mkdtemp())
    for to, source in c["files"].items():
        shutil.copy(out / source, path / to)
    for name, content in c["json"].items():
        (path / name).write_text(json.dumps(content))
    return path


seen = []
for c in cases:
    path = folder(c)
    result = describe(AutoTokenizer.from_pretrained(path))
    shutil.rmtree(path)
    if result in seen:
        c["same_as"] = seen.index(result)
        seen.append(None)
    else:
        c.update(result)
        seen.append(result)


# The tokenizers of GGUF files. Transformers reads llama's and gemma's; the others are compared with the tokenizer they
# came from.
def gguf_file(name, model, tokens, scores, types, ids, architecture="llama", **more):
    w = gguf.GGUFWriter(out / f"{name}.gguf", architecture)
    w.add_context_length(64), w.add_embedding_length(32), w.add_block_count(1), w.add_feed_forward_length(64)
    w.add_head_count(4), w.add_layer_norm_rms_eps(1e-5)
    w.add_tokenizer_model(model)
    w.add_token_list(tokens), w.add_token_scores(scores), w.add_token_types(types)
    for key, value in {**ids, **more}.items():
        getattr(w, "add_" + key)(value)
    w.add_tensor("token_embd.weight", numpy.zeros((1, 32), numpy.float32))
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


def gguf_of_model(name, source, model, architecture="llama", spell=lambda t: t, blanks=0, **more):
    m = sentencepiece_model_pb2.ModelProto.FromString((out / f"{source}.model").read_bytes())
    spec = m.trainer_spec
    ids = {"bos_token_id": spec.bos_id, "eos_token_id": spec.eos_id, "unk_token_id": spec.unk_id, "pad_token_id": spec.pad_id}
    if m.normalizer_spec.precompiled_charsmap:
        more["precompiled_charsmap"] = m.normalizer_spec.precompiled_charsmap
    n = len(m.pieces)
    gguf_file(name, model, [spell(p.piece) for p in m.pieces] + [f"[PAD{n + i}]" for i in range(blanks)],
              [p.score for p in m.pieces] + [-1000.0] * blanks, [int(p.type) for p in m.pieces] + [5] * blanks,
              {k: v for k, v in ids.items() if v >= 0}, architecture, **more)


ggufs = []


def gguf_case(name, t, **more):
    ggufs.append({"file": f"{name}.gguf", **more, "encode": [encoding(t, s) for s in TEXTS]})


gguf_of_model("llama", "llama", "llama")
gguf_case("llama", AutoTokenizer.from_pretrained(out, gguf_file="llama.gguf"))
gguf_of_model("phi3", "llama", "llama", "phi3")
gguf_case("phi3", AutoTokenizer.from_pretrained(out, gguf_file="phi3.gguf"))
gguf_of_model("gemma", "gemma", "llama", "gemma3", lambda t: t.replace("▁", " ") if set(t) == {"▁"} and len(t) > 1 else t)
gguf_case("gemma", AutoTokenizer.from_pretrained(out, gguf_file="gemma.gguf"))
index = lambda kind: next(i for i, c in enumerate(cases) if c["json"]["tokenizer_config.json"].get("tokenizer_class") == kind)
gguf_of_model("t5", "t5", "t5", "t5", blanks=128)
path = folder(cases[index("T5Tokenizer")])
gguf_case("t5", AutoTokenizer.from_pretrained(path))
pieces = (out / "bert.vocab.txt").read_text("utf8").split("\n")[:-1]
special = lambda t: t.startswith("[") and t.endswith("]")
gguf_file("bert", "bert", [t if special(t) else t[2:] if t.startswith("##") else "▁" + t for t in pieces], [-1000.0] * len(pieces),
          [3 if special(t) and t != "[QUESTION]" else 1 for t in pieces],
          {"unk_token_id": 1, "sep_token_id": 3, "pad_token_id": 0, "bos_token_id": 2, "mask_token_id": 4}, "bert")
path = folder(cases[index("BertTokenizer")])
gguf_case("bert", AutoTokenizer.from_pretrained(path))

golden = {
    "versions": {m.__name__: m.__version__ for m in (transformers, tokenizers, sentencepiece)},
    "texts": TEXTS,
    "folders": cases,
    "gguf": ggufs,
}
(out / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", "utf8")
print(sum(f.stat().st_size for f in out.iterdir()), "bytes,", (out / "golden.json").stat().st_size, "of them the golden;", len(cases), "folders")
