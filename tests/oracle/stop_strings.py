#!/usr/bin/env python3
"""Where Transformers' StopStringCriteria ends texts of random tokens: goldens of tests/generation/stopping_criteria.cpp.

    python tests/oracle/stop_strings.py        writes tests/data/generation/stop_strings.json
"""

import json
import random

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers
from transformers.convert_slow_tokenizer import bytes_to_unicode

from common import DATA

PIECES = ["a", "b", "c", "\n", " ", "é", "€"]


def random_texts(rng, n, longest):
    return sorted({"".join(rng.choices(PIECES, k=rng.randint(1, longest))) for _ in range(n)})


def byte_level(rng):
    """Tokens of bytes, which may cut characters."""
    letters = bytes_to_unicode()
    tokens = {bytes([b]) for piece in PIECES for b in piece.encode()} | {t.encode() for t in "abcdef"}
    for text in random_texts(rng, 40, 4):
        b = text.encode()
        start = rng.randint(0, len(b) - 1)
        tokens.add(b[start : rng.randint(start + 1, len(b))])
    vocab = {"".join(letters[b] for b in token): i for i, token in enumerate(sorted(tokens))}
    t = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=[]))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    return t


def byte_fallback(rng):
    """Tokens of characters, as SentencePiece has them, and of bytes."""
    tokens = {t.replace(" ", "\u2581") for t in random_texts(rng, 24, 4)} | set("abcdef")
    tokens = sorted(tokens) + [f"<0x{b:02X}>" for b in "a\né€".encode()]
    t = tokenizers.Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[], byte_fallback=True))
    t.normalizer = normalizers.Replace(" ", "\u2581")
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    return t


def word_pieces(rng):
    words = sorted({t.strip() for t in random_texts(rng, 24, 4)} - {""} | set("abcdef"))
    words = [w for w in words if " " not in w and "\n" not in w]
    tokens = ["[UNK]", "abcdef"] + words + ["##" + w for w in words]
    t = tokenizers.Tokenizer(models.WordPiece(vocab={token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.decoder = decoders.WordPiece(cleanup=False)
    return t


def main():
    rng = random.Random(11)
    out = {"versions": {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}, "tokenizers": []}
    for make in (byte_level, byte_fallback, word_pieces):
        t = make(rng)
        fast = transformers.PreTrainedTokenizerFast(tokenizer_object=t, clean_up_tokenization_spaces=False)
        size = t.get_vocab_size()
        cases = []
        counts = [0, 0]
        while len(cases) < 60:
            ids = [rng.randrange(size) for _ in range(rng.randint(2, 12))]
            text = t.decode(ids, skip_special_tokens=False).replace("\ufffd", "")
            stops = []
            for _ in range(rng.randint(1, 3)):
                end = len(text) - rng.choice([0, 0, 1, 1, 2, 4])
                start = end - rng.randint(1, 5)
                if 0 <= start < end:
                    stops.append(text[start:end])
            if not stops:
                continue
            try:
                criteria = transformers.StopStringCriteria(fast, stops)
            except ValueError:  # no token ends any of them
                continue
            ends = bool(criteria(torch.tensor([ids]), None)[0])
            if counts[ends] >= 35:
                continue
            counts[ends] += 1
            cases.append([stops, ids, ends])
        print(make.__name__, size, counts)
        out["tokenizers"].append({"name": make.__name__, "tokenizer": json.loads(t.to_str()), "cases": cases})
    lines = [json.dumps(entry, ensure_ascii=True) for entry in out["tokenizers"]]
    text = f'{{"versions": {json.dumps(out["versions"])},\n "tokenizers": [\n' + ",\n".join(lines) + "\n]}\n"
    (DATA / "generation" / "stop_strings.json").write_text(text)


if __name__ == "__main__":
    main()
