"""Writes tests/data/tokenizers/batch_encoding.golden.json: what calls of Transformers' tokenizers return, every column
and every way between characters, words and tokens; and decode_stream.golden.json: what streams give out.

  python tests/oracle/batch_encoding.py tests/data/tokenizers

The tokenizers are those of tests/oracle/tokenizer.py, which must have been run.
"""
import json
import pathlib
import random
import sys

sys.path = [p for p in sys.path if not p.endswith("oracle")]
import tokenizers
import transformers
from tokenizers.decoders import DecodeStream
from transformers import PreTrainedTokenizerFast

transformers.logging.set_verbosity_error()
out = pathlib.Path(sys.argv[1])
versions = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}

# The tokenizer_config.json of each tokenizer.
CONFIGS = {
    "bert": {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]", "model_max_length": 24},
    "roberta": {"pad_token": "<pad>", "model_input_names": ["input_ids", "attention_mask"]},
    "llama3": {"pad_token": "<|y|>", "padding_side": "left", "truncation_side": "left"},
    "llama2": {"pad_token": "<unk>", "bos_token": "<s>"},
    "smollm": {"pad_token": "<|x|>"},
    "metaspace": {"pad_token": "<unk>"},
}
A, B, C = "All human beings are born free", "Würde und Rechten, 1948!", "naïve 日本 x"
WORDS, MORE = ["Everyone", "has", "", "the right", "Würde"], ["in", "1948", "!"]
everything = dict(return_offsets_mapping=True, return_special_tokens_mask=True, return_length=True)
CALLS = [
    ((A,), {}),
    ((C,), dict(**everything)),
    ((A, B), dict(**everything)),
    ((A, ""), {}),
    (([A, B, C],), dict(padding=True, **everything)),
    (([A, "", C],), dict(padding="longest", pad_to_multiple_of=8)),
    (([A, C],), dict(padding="max_length", max_length=20)),
    (([A, C],), dict(padding="max_length", max_length=4)),
    (([A, B],), dict(padding=True, padding_side="left", return_special_tokens_mask=True)),
    (([A, B],), dict(padding=True, padding_side="right", add_special_tokens=False)),
    (([A, B], [C, A]), dict(padding=True, **everything)),
    (([A, B], [C, A]), dict(truncation=True, max_length=13, padding="max_length")),
    ((A, B), dict(truncation="only_first", max_length=40)),
    ((A, C), dict(truncation="only_second", max_length=22, stride=2, return_overflowing_tokens=True, **everything)),
    ((C, A), dict(truncation="only_second", max_length=18, stride=1, return_overflowing_tokens=True, padding="max_length")),
    (([A, B, C],), dict(truncation=True, max_length=9, stride=3, return_overflowing_tokens=True, padding=True, **everything)),
    (([A, B],), dict(max_length=7)),
    (([A, B],), dict(max_length=7, return_token_type_ids=False, return_attention_mask=False)),
    (([A, B],), dict(return_token_type_ids=True, return_attention_mask=True)),
    ((WORDS,), dict(is_split_into_words=True, **everything)),
    ((WORDS, MORE), dict(is_split_into_words=True, **everything)),
    (([WORDS, MORE],), dict(is_split_into_words=True, padding=True, **everything)),
    (([WORDS, MORE], [MORE, WORDS]), dict(is_split_into_words=True, padding=True, truncation=True, max_length=16)),
    ((A,), dict(text_target=B)),
    (([A, C],), dict(text_target=[B, A], max_length=8, truncation=True)),
    (("x <s> y [MASK] <|x|> z",), dict(split_special_tokens=True)),
    (("x <s> y [MASK] <|x|> z",), {}),
    (([A, C],), dict(truncation=True, padding=True, max_length=10, pad_to_multiple_of=8)),
    (([A, B],), dict(padding="max_length", truncation=True)),
]


def maps(batch):
    rows = []
    for b, e in enumerate(batch.encodings):
        row = {"tokens": batch.tokens(b), "word_ids": batch.word_ids(b), "sequence_ids": batch.sequence_ids(b)}
        n = len(e.ids)
        span = lambda s: None if s is None else list(s)
        row["token_to_sequence"] = [e.token_to_sequence(i) for i in range(n)]
        row["token_to_word"] = [e.token_to_word(i) for i in range(n)]
        row["token_to_chars"] = [span(batch.token_to_chars(b, i)) for i in range(n)]
        row["sequences"] = []
        for s in range(e.n_sequences):
            words = max([-1] + [w for w, q in zip(e.word_ids, e.sequence_ids) if w is not None and q == s]) + 2
            chars = max([-1] + [o[1] for o, q in zip(e.offsets, e.sequence_ids) if q == s]) + 2
            row["sequences"].append({
                "char_to_token": [batch.char_to_token(b, c, s) for c in range(chars)],
                "char_to_word": [e.char_to_word(c, s) for c in range(chars)],
                "word_to_tokens": [span(batch.word_to_tokens(b, w, s)) for w in range(words)],
                "word_to_chars": [span(e.word_to_chars(w, s)) for w in range(words)],
            })
        rows.append(row)
    return rows


golden = {**versions, "tokenizers_used": CONFIGS, "calls": [], "pads": []}
for name, config in CONFIGS.items():
    for n, (texts, options) in enumerate(CALLS):
        if n % 3 and name not in ("bert", "llama3") and not options.get("is_split_into_words"): continue
        t = PreTrainedTokenizerFast(tokenizer_file=str(out / f"{name}.json"), **config)
        call = {"tokenizer": name, "texts": texts, "options": options}
        try:
            batch = t(*texts, **options)
        except BaseException as error:
            golden["calls"].append({**call, "error": type(error).__name__})
            continue
        batched = isinstance(texts[0], list) and (not options.get("is_split_into_words") or isinstance(texts[0][0], list))
        rows = lambda v: v if batched or options.get("return_overflowing_tokens") else [v]
        call["columns"] = {k: (rows(v) if k != "length" or not isinstance(v, list) else v) for k, v in batch.items()}
        if n % 2 == 0 or options.get("return_offsets_mapping"): call["maps"] = maps(batch)
        golden["calls"].append(call)
    t = PreTrainedTokenizerFast(tokenizer_file=str(out / f"{name}.json"), **config)
    for options in ({}, {"padding": "max_length", "max_length": 9}, {"pad_to_multiple_of": 6, "padding_side": "left"}, {"padding": "longest", "return_attention_mask": False}):
        columns = {k: v for k, v in t([A[:12], C, ""], return_special_tokens_mask=True).items()}
        padded = t.pad(columns, **options)
        golden["pads"].append({"tokenizer": name, "options": options, "before": t([A[:12], C, ""], return_special_tokens_mask=True).data, "after": padded.data})

text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
(out / "batch_encoding.golden.json").write_text(text + "\n", encoding="utf8")
print("batch_encoding.golden.json", len(text.encode()))

# Streams: ids in steps of one or several, after a prompt or not.
random.seed(11)
streams = {**versions, "streams": []}
for name in ["gpt2", "llama2", "metaspace", "bert", "clip", "prefix", "wordlevel", "cl100k"]:
    t = tokenizers.Tokenizer.from_file(str(out / f"{name}.json"))
    for i in range(24):
        text = random.choice([A, B, C, "日本語 😀👩‍👧 é", "a  b\n\n c's "])
        ids = t.encode(text).ids if i % 3 else [random.randrange(t.get_vocab_size() + 2) for _ in range(random.randrange(1, 20))]
        prompt = ids[: random.randrange(4)] if i % 4 == 0 else []
        rest, steps = ids[len(prompt):], []
        while rest:
            n = random.choice([1, 1, 1, 2, 3])
            steps.append(rest[:n])
            rest = rest[n:]
        skip = i % 2 == 0
        stream, pieces = DecodeStream(ids=prompt, skip_special_tokens=skip), []
        try:
            for s in steps: pieces.append(stream.step(t, s if len(s) > 1 else s[0]))
        except Exception:
            pieces.append("error")
        streams["streams"].append({"tokenizer": name, "prompt": prompt, "skip": skip, "steps": steps, "pieces": pieces})
text = json.dumps(streams, ensure_ascii=False, separators=(",", ":"))
(out / "decode_stream.golden.json").write_text(text + "\n", encoding="utf8")
print("decode_stream.golden.json", len(text.encode()))
