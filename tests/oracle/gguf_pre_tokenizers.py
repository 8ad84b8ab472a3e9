"""How texts are cut by what tokenizer.ggml.pre of a GGUF file names: tests/data/tokenizer_files/pre.

    python tests/oracle/gguf_pre_tokenizers.py tests/data/tokenizer_files/pre

vocabulary.gguf has byte-level tokens that go over all borders at which a model may cut; golden.json for each name the ids
that tokenizers gives, with the pre-tokenizer of such a model's own tokenizer.json.
"""

import json
import pathlib
import sys

import gguf
import numpy
import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def split(regex):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


def byte_level(use_regex=False):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def digits(individual=True):
    return {"type": "Digits", "individual_digits": individual}


LOWER = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA = LOWER + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = LLAMA.replace("{1,3}", "")
UPPER, SMALL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
WORDS = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{SMALL}+END|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{SMALL}*END"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CJK = "[一-龥ࠀ-一가-\ud7ff]+"
DEEPSEEK = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PRE = {
    "gpt-2": byte_level(True),
    "starcoder": sequence(digits(), byte_level(True)),
    "llama-bpe": sequence(split(LLAMA), byte_level()),
    "glm4": sequence(split(LLAMA), byte_level()),
    "stablelm2": sequence(split(QWEN), byte_level()),
    "tekken": sequence(split(WORDS.replace("END", "") + r"|\p{N}" + REST), byte_level()),
    "gpt-4o": sequence(split(WORDS.replace("END", LOWER + "?") + r"|\p{N}{1,3}" + REST), byte_level()),
    "llama4": sequence(split(WORDS.replace("END", LOWER + "?") + r"|\p{N}{1,3}" + REST), byte_level()),
    "deepseek-coder": sequence(
        split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(CJK), digits(), byte_level()
    ),
    "deepseek-v3": sequence(split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK), byte_level()),
    "falcon": sequence(
        {"type": "Punctuation", "behavior": "Contiguous"}, byte_level(True), digits(False), split("[0-9][0-9][0-9]")
    ),
    "bloom": sequence(split(r" ?[^(\s|[.,!?…。，、।۔،])]+"), byte_level()),
    "seed-coder": sequence(
        split(
            LOWER + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        byte_level(),
    ),
    "bailingmoe": sequence(
        split(
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
        ),
        byte_level(),
    ),
}
TEXTS = [
    "Hello, world! It's 1,234.5 café (10) years' worth; DON'T we'LL camelCase HTTPServer x_y",
    "  a  b\n\nc\t d \r\n\r\n  e   ",
    "naïve ＡＢＣ ﬁne ½ é İı 日本人が3人 한국어 中文字符，好。 свободными ЯЗЫКИ равны",
    "3 33 333 3333 33333 333333 3.3 3..3 a1b22c333",
    "if (x<=y) { return x+=1; } // #$%^&*~`|\\ path/to/file\n/next",
    "¡¿“quoted” — dashes… १२३ हिन्दी ประเทศไทย",
    "''''''```````\"\"\"\"......!!!!!!?????? 'RE you 'M sure 'D like We'Ve a'lL",
]

trainer = trainers.BpeTrainer(
    vocab_size=256 + 400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False, min_frequency=1
)
whole = Tokenizer(models.BPE())
whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
whole.train_from_iterator(TEXTS, trainer)
model = json.loads(whole.to_str())["model"]
tokens = sorted(model["vocab"], key=model["vocab"].get)

w = gguf.GGUFWriter(out / "vocabulary.gguf", "llama")
w.add_context_length(64), w.add_embedding_length(32), w.add_block_count(1), w.add_feed_forward_length(64)
w.add_head_count(4), w.add_layer_norm_rms_eps(1e-5)
w.add_tokenizer_model("gpt2"), w.add_tokenizer_pre("gpt-2"), w.add_token_list(tokens)
w.add_token_types([1] * len(tokens)), w.add_token_merges([" ".join(pair) for pair in model["merges"]])
w.add_add_bos_token(False)
w.add_tensor("token_embd.weight", numpy.zeros((1, 32), numpy.float32))
w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()

golden = {"versions": {"tokenizers": tokenizers.__version__}, "texts": TEXTS, "ids": {}}
for name, pre in PRE.items():
    described = json.loads(whole.to_str())
    described["pre_tokenizer"] = pre
    described["model"]["ignore_merges"] = name in ("llama-bpe", "glm4", "tekken")
    t = Tokenizer.from_str(json.dumps(described))
    golden["ids"][name] = [t.encode(text).ids for text in TEXTS]
(out / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", "utf8")
print({name: sum(map(len, ids)) for name, ids in golden["ids"].items()})
