"""Tiny folders of sentence-transformers and the vectors that the package makes with them: tests/data/sentence_transformers/*.

Each has its modules, prompts and settings as the package saves them, weights.json for all weights (seeded.py), and
golden.json: calls of encode with their options, and what came out.
"""

import json
import pathlib
import shutil
import tempfile

import sentence_transformers
import sentence_transformers.sentence_transformer.modules as modules
import torch
import transformers
from sentence_transformers.base.modules import Dense, Normalize, Transformer

import seeded
from common import DATA, edit_json

WORDS = "the a cat dog sat on mat where is who runs fast query passage : ? . , ##s ##ing ##ed run jump Cat THE".split()
TEXTS = [
    "the cat sat on the mat.",
    "Where is the dog?",
    "a dog runs fast, a cat jumped on the dog, the dog jumps.",
    "who",
    "THE Cat",
    "",
]


def encoder(folder, lower=True, **fields):
    """A BERT of two layers with a tokenizer of a few words."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = transformers.BertTokenizer(vocab={word: i for i, word in enumerate(vocabulary)}, do_lower_case=lower)
    (folder / "vocab.txt").unlink()
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=24,
        max_position_embeddings=24,
        **fields,
    )
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write(name, calls, make, lower=True, edit=None, **settings):
    """Saves make(encoder) under a name, gives it weights, reads it back and computes `calls`, options of encode."""
    target = DATA / "sentence_transformers" / name
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place:
        encoder(pathlib.Path(place), lower)
        parts = make(place)
    # The folder of the encoder is no longer there: the modules are in memory.
    sentence_transformers.SentenceTransformer(modules=parts, device="cpu", **settings).save(
        str(target), create_model_card=False
    )
    if edit:
        edit(target)
    seeded.replace_weights(target)
    model = sentence_transformers.SentenceTransformer(str(seeded.checkpoint(target)), device="cpu")
    golden = {"texts": TEXTS, "versions": {"sentence-transformers": sentence_transformers.__version__}, "calls": []}
    for options in calls:
        method = options.pop("method", "encode")
        vectors = torch.tensor(getattr(model, method)(TEXTS, **options))
        assert vectors.isfinite().all()
        similarity = model.similarity(vectors, vectors[:2])
        golden["calls"].append(
            {
                "method": method,
                "options": options,
                "embeddings": [[round(v, 7) for v in row] for row in vectors.tolist()],
                "similarity": [[round(v, 6) for v in row] for row in similarity.tolist()],
            }
        )
    (target / "golden.json").write_text(json.dumps(golden, indent=0))
    print(name, [tuple(torch.tensor(call["embeddings"]).shape) for call in golden["calls"]])


def older_pooling(target):
    """Pooling as folders before version 5.4 say it."""

    def edit(config):
        names = {
            "cls": "cls_token",
            "max": "max_tokens",
            "mean": "mean_tokens",
            "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
            "weightedmean": "weightedmean_tokens",
            "lasttoken": "lasttoken",
        }
        modes = config.pop("pooling_mode")
        config["word_embedding_dimension"] = config.pop("embedding_dimension")
        for mode, older in names.items():
            config[f"pooling_mode_{older}"] = mode in ([modes] if isinstance(modes, str) else modes)

    edit_json(next(target.glob("*_Pooling")) / "config.json", edit)


def older_settings(target):
    older_pooling(target)
    (target / "sentence_bert_config.json").write_text('{"max_seq_length": 9, "do_lower_case": true}')


def main():
    write(
        "all_modes",
        [{}, {"prompt": "passage : "}, {"prompt_name": "query", "normalize_embeddings": True}, {"method": "encode_query"}],
        lambda place: [
            Transformer(place),
            modules.Pooling(16, ("lasttoken", "mean", "cls", "weightedmean", "max", "mean_sqrt_len_tokens")),
        ],
        prompts={"query": "query : ", "other": "who "},
        default_prompt_name="other",
        similarity_fn_name="dot",
    )
    write(
        "dense_norm",
        [{}, {"truncate_dim": 5, "normalize_embeddings": True}, {"prompt": "where is "}, {"method": "encode_document"}],
        lambda place: [
            Transformer(place),
            modules.Pooling(16, ("cls", "mean", "weightedmean"), include_prompt=False),
            Dense(48, 10, bias=False, activation_function=torch.nn.GELU(), use_residual=True),
            modules.LayerNorm(10),
            modules.Dropout(0.2),
            Dense(10, 10, use_residual=True),
            Normalize(),
        ],
        lower=False,
        edit=older_settings,
        prompts={"query": "who ", "passage": "passage : a "},
        similarity_fn_name="manhattan",
        truncate_dim=7,
    )
    write(
        "dense_tokens",
        [{"batch_size": 2}, {"method": "encode_query"}],
        lambda place: [
            Transformer(place),
            Dense(16, 6, activation_function=torch.nn.Identity(), module_input_name="token_embeddings"),
            Normalize(module_input_name="token_embeddings"),
            modules.Pooling(6, "lasttoken"),
        ],
        similarity_fn_name="euclidean",
    )
    write(
        "cosine",
        [{}],
        lambda place: [Transformer(place), modules.Pooling(16, "mean"), Normalize()],
        edit=older_pooling,
    )


if __name__ == "__main__":
    main()
