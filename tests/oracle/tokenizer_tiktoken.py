"""Writes tests/data/tokenizer_files/tiktoken.{model,json}: a tiktoken vocabulary, folders of it with configurations, and
what Transformers makes of texts with each.

  python tests/oracle/tokenizer_tiktoken.py tests/data/tokenizer_files

Needs tiktoken.
"""
import base64
import json
import pathlib
import shutil
import sys
import tempfile

sys.path = [p for p in sys.path if not p.endswith("oracle")]
import tiktoken
import tokenizers
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

transformers.logging.set_verbosity_error()
out = pathlib.Path(sys.argv[1])

CORPUS = [
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience.",
    "Everyone has the right to life, liberty and security of person; it's what we'll say, and they've said it in 1948.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Все люди рождаются свободными и равными 人人生而自由",
    "In 2024, 1234 men ran 56.78 km; $9,000 or 10% more. It's 3,141.59! def f(x):\n\treturn x + 1\n",
]
TEXTS = [
    "Hello, world! It's 1,234.5 café 10, ",
    "  a  b\n\nc\t d ",
    "naïve ＡＢＣ ﬁne ½ e\u0301 İı 👩‍👧 日本人 Würde",
    "they've DON'T <s>the</s> <|begin_of_text|>All human <|eot_id|>rights<|reserved_token_302|>\x00",
    "",
]

# The ranks of a trained vocabulary: bytes first, then merges in their order.
t = Tokenizer(models.BPE())
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
from transformers.convert_slow_tokenizer import bytes_to_unicode
byte = {c: b for b, c in bytes_to_unicode().items()}
vocab = sorted(t.get_vocab().items(), key=lambda p: p[1])
lines = [base64.b64encode(bytes(byte[c] for c in token)).decode() + f" {rank}" for token, rank in vocab]
(out / "tiktoken.model").write_text("\n".join(lines) + "\n")


def token(content, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True, **flags}


n = len(vocab)
FOLDERS = [
    {},
    {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "add_bos_token": True},
    {"tokenizer_class": "TokenizersBackend", "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True, "add_eos_token": True},
    {"tokenizer_class": "LlamaTokenizer"},
    {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "bos_token": "<|begin_of_text|>", "unk_token": None},
    {"tokenizer_class": "TokenizersBackend", "added_tokens_decoder": {str(n): token("<|begin_of_text|>"), str(n + 4): token("<|eot_id|>"), "5": token("&")},
     "bos_token": "<|begin_of_text|>", "extra_special_tokens": ["<s>", "<|eot_id|>"]},
    {"tokenizer_class": "TokenizersBackend", "added_tokens_decoder": {str(n + 1): token("<|eot_id|>", special=False, lstrip=True)}, "pad_token": "<|eot_id|>"},
    {"tokenizer_class": "TokenizersBackend", "extra_special_tokens": {"image_token": "<s>"}},
]


def encoding(t, text):
    e = t.backend_tokenizer.encode(text)
    row = [e.ids, [x for o in e.offsets for x in o], t.decode(e.ids)]
    if t.convert_ids_to_tokens(e.ids) != e.tokens:
        row.append(e.tokens)
    return row


cases = []
for config in FOLDERS:
    for file in ("tokenizer.model",) if config else ("tokenizer.model", "tiktoken.model"):
        path = pathlib.Path(tempfile.mkdtemp())
        shutil.copy(out / "tiktoken.model", path / file)
        (path / "tokenizer_config.json").write_text(json.dumps(config))
        try:
            t = AutoTokenizer.from_pretrained(path)
        except Exception as error:
            print(file, config, "cannot be loaded:", repr(error)[:300])
            continue
        cases.append({"file": file, "config": config, "special": {k: str(v) for k, v in t.special_tokens_map.items()}, "size": len(t),
                      "encode": [encoding(t, s) for s in TEXTS], "pair": t(TEXTS[0], TEXTS[1])["input_ids"],
                      "added": {str(i): a.content for i, a in t.added_tokens_decoder.items()}})
        shutil.rmtree(path)
golden = {"versions": {m.__name__: m.__version__ for m in (transformers, tokenizers, tiktoken)}, "texts": TEXTS, "folders": cases}
(out / "tiktoken.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", "utf8")
