"""Tiny folders of sentence-transformers and what the package makes with them: tests/data/sentence_transformers/* the
vectors of texts, tests/data/cross_encoders/* the scores of pairs, tests/data/sparse_encoders/* weights of tokens.

Each has its modules, prompts and settings as the package saves them, weights.json for all weights (seeded.py), and
golden.json: calls of encode with their options, and what came out.
"""

import json
import pathlib
import shutil
import tempfile

import safetensors.torch
import sentence_transformers
import sentence_transformers.sentence_transformer.modules as modules
import sentence_transformers.sparse_encoder.modules
import tokenizers
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


PAIRS = [
    ("where is the cat?", "the cat sat on the mat."),
    ("where is the cat?", "who runs fast?"),
    ("who jumps", "a dog runs fast, a cat jumped on the dog, the dog jumps on the mat, the cat runs."),
    ("the dog", ""),
    ("", "a cat"),
]


def bert_tokenizer(lower=True, **settings):
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    return transformers.BertTokenizer(vocab=vocabulary, do_lower_case=lower, **settings)


def word_tokenizer(**settings):
    """Whole words, and an end behind them, as tokenizers of decoders and of T5 have it; no token types."""
    words = {word: i for i, word in enumerate(["<pad>", "<unk>", "</s>", *WORDS, "ing", "##x"])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", words["</s>"])]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="</s>", **settings
    )


def encoder(folder, lower=True, **fields):
    """A BERT of two layers with a tokenizer of a few words."""
    config = transformers.BertConfig(**SIZES, max_position_embeddings=24, **fields)
    transformers.BertModel(config).save_pretrained(folder)
    bert_tokenizer(lower).save_pretrained(folder)


VOCABULARY = len(WORDS) + 5
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
}


def of(model, config, tokenizer):
    """What makes the folder of another model."""

    def make(folder):
        model(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    return make


def rounded(rows, digits):
    return [[round(v, digits) for v in row] for row in rows]


def write(name, calls, make, lower=True, edit=None, encoder=encoder, alone=False, search=False, **settings):
    """Saves make(encoder) under a name, gives it weights, reads it back and computes `calls`, options of encode.

    alone: without modules.json, as a model of Transformers comes. search: what an index is made of, too.
    """
    target = DATA / "sentence_transformers" / name
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place:
        if encoder is globals()["encoder"]:
            encoder(pathlib.Path(place), lower)
        elif encoder:
            encoder(pathlib.Path(place))
        if alone:
            shutil.copytree(place, target)
        else:
            parts = make(place)
    # The folder of the encoder is no longer there: the modules are in memory.
    if not alone:
        sentence_transformers.SentenceTransformer(modules=parts, device="cpu", **settings).save(
            str(target), create_model_card=False
        )
    if edit:
        edit(target)
    seeded.replace_weights(target)
    model = sentence_transformers.SentenceTransformer(str(seeded.checkpoint(target)), device="cpu")
    length = model.max_seq_length
    golden = {
        "texts": TEXTS,
        "versions": {"sentence-transformers": sentence_transformers.__version__},
        "dimension": model.get_embedding_dimension(),
        "max_seq_length": length if length and length < 1000 else None,
        "calls": [],
    }
    for options in calls:
        method = options.pop("method", "encode")
        if method == "encode_tokens":
            tokens = model.encode(TEXTS, output_value="token_embeddings", **options)
            rows = [rounded(text.tolist(), 7) for text in tokens]
            golden["calls"].append({"method": method, "options": options, "embeddings": rows})
            continue
        vectors = torch.tensor(getattr(model, method)(TEXTS, **options))
        assert vectors.isfinite().all()
        similarity = model.similarity(vectors, vectors[:2])
        pairwise = model.similarity_pairwise(vectors[1:], vectors[:-1])
        golden["calls"].append(
            {
                "method": method,
                "options": options,
                "embeddings": rounded(vectors.tolist(), 7),
                "similarity": rounded(similarity.tolist(), 6),
                "pairwise": [round(v, 6) for v in pairwise.tolist()],
            }
        )
    if search:
        vectors = model.encode(TEXTS)
        golden["precisions"] = {
            precision: model.encode(TEXTS, precision=precision).tolist()
            for precision in ("int8", "uint8", "binary", "ubinary")
        }
        hits = sentence_transformers.util.semantic_search(vectors[:3], vectors, top_k=4)
        golden["hits"] = [[[hit["corpus_id"], round(hit["score"], 6)] for hit in query] for query in hits]
    (target / "golden.json").write_text(json.dumps(golden, indent=0))
    print(name, golden["dimension"], golden["max_seq_length"], len(golden["calls"]))


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
        [{}, {"method": "encode_tokens"}],
        lambda place: [Transformer(place), modules.Pooling(16, "mean"), Normalize()],
        edit=older_pooling,
        search=True,
    )
    architectures()
    words()
    routes()
    cross_encoders()
    sparse_encoders()


def words():
    """Modules that make vectors of words, and those that make other vectors of tokens."""
    numbers = torch.Generator().manual_seed(3)

    def static(place):
        return modules.StaticEmbedding(bert_tokenizer(), embedding_weights=torch.zeros(VOCABULARY, 14))

    def model2vec(target):
        """The weights as model2vec stores them: rows that tokens share, and a weight of each token."""
        rows, tokens = VOCABULARY - 4, torch.arange(VOCABULARY)
        safetensors.torch.save_file(
            {
                "embeddings": torch.rand(rows, 14, generator=numbers).half(),
                "mapping": (tokens * 7 % rows).to(torch.int64),
                "weights": torch.rand(VOCABULARY, generator=numbers),
            },
            target / "model.safetensors",
        )

    def word_embeddings(size, **settings):
        tokenizer = modules.tokenizer.WhitespaceTokenizer(["PAD", *WORDS, "(dog)", "ÄRGER", "ärger"], **settings)
        return modules.WordEmbeddings(tokenizer, torch.zeros(len(WORDS) + 4, size), max_seq_length=11)

    vocabulary = ["PAD", *WORDS, "(dog)", "ÄRGER", "ärger"]
    weights = {"the": 0.25, "dog": 2.5, "cat": 0.75, "jump": 3, "thE": 5}
    write("static", [{}, {"prompt": "who is "}], lambda place: [static(place), Normalize()], encoder=None)
    write("static_model2vec", [{}], lambda place: [static(place)], encoder=None, edit=model2vec)
    write(
        "word_weights",
        [{}, {"method": "encode_query"}],
        lambda place: [
            word_embeddings(10, stop_words=["a", "on"], do_lower_case=False),
            modules.WordWeights(vocabulary, weights, unknown_word_weight=0.5),
            modules.Pooling(10, ("mean", "weightedmean", "mean_sqrt_len_tokens")),
        ],
        encoder=None,
        prompts={"query": "(who), "},
    )
    write(
        "lstm",
        [{}],
        lambda place: [
            word_embeddings(9, stop_words=[], do_lower_case=True),
            modules.LSTM(9, 5, num_layers=2),
            modules.Pooling(10, ("mean", "lasttoken")),
        ],
        encoder=None,
    )
    write(
        "lstm_forward",
        [{}],
        lambda place: [
            word_embeddings(9, stop_words=[]),
            modules.LSTM(9, 7, bidirectional=False),
            modules.Pooling(7, "lasttoken"),
        ],
        encoder=None,
    )
    write(
        "cnn",
        [{}, {"batch_size": 2}],
        lambda place: [Transformer(place), modules.CNN(16, 5, [1, 3, 5]), modules.Pooling(15, ("mean", "max"))],
    )
    write(
        "cnn_stride",
        [{"batch_size": 1}],
        lambda place: [Transformer(place), modules.CNN(16, 6, [3, 1], [2, 2]), modules.Pooling(12, "mean")],
    )
    write(
        "bow",
        [{}],
        lambda place: [modules.BoW([*WORDS, "the"], weights, unknown_word_weight=0.5), Dense(len(WORDS), 7)],
        encoder=None,
    )
    write(
        "bow_once",
        [{"normalize_embeddings": True}],
        lambda place: [modules.BoW(WORDS[:9], weights, cumulative_term_frequency=False)],
        encoder=None,
    )
    write(
        "weighted_layers",
        [{}],
        lambda place: [
            Transformer(place),
            modules.WeightedLayerPooling(16, num_hidden_layers=2, layer_start=1),
            modules.Pooling(16, "mean"),
        ],
        encoder=lambda place: encoder(place, output_hidden_states=True),
    )


def routes():
    """Folders whose modules are others for questions and for what is searched."""

    def static(size):
        return modules.StaticEmbedding(bert_tokenizer(), embedding_weights=torch.zeros(VOCABULARY, size))

    both = [{"method": "encode_query"}, {"method": "encode_document"}]
    write(
        "router",
        [{}, *both],
        lambda place: [
            modules.Router.for_query_document([static(16)], [Transformer(place), modules.Pooling(16, "cls")]),
            Normalize(),
        ],
        prompts={"query": "who is ", "document": "passage : "},
    )
    write(
        "router_of_vectors",
        [{"task": "query"}, {}, *both],
        lambda place: [
            Transformer(place),
            modules.Pooling(16, "mean"),
            modules.Router(
                {"long": [Dense(16, 6), Normalize()], "short": [Dense(16, 6)]},
                default_route="short",
                route_mappings={("query", None): "long"},
            ),
        ],
    )


def cross_encoders():
    """Classifiers of pairs: the scores of PAIRS, and TEXTS ranked where there is one label."""

    def write_pairs(name, encoder, calls, saved=False, edit=None, **settings):
        target = DATA / "cross_encoders" / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        encoder(target)
        if saved:
            model = sentence_transformers.CrossEncoder(str(target), device="cpu", **settings)
            shutil.rmtree(target)
            model.save(str(target), create_model_card=False)
        if edit:
            edit(target)
        seeded.replace_weights(target)
        model = sentence_transformers.CrossEncoder(str(seeded.checkpoint(target)), device="cpu")
        golden = {
            "pairs": PAIRS,
            "texts": TEXTS,
            "versions": {"sentence-transformers": sentence_transformers.__version__},
            "max_length": model.max_length if model.max_length < 1000 else None,
            "calls": [],
        }
        for options in calls:
            arguments = {key: value for key, value in options.items() if key != "apply_activation"}
            if not options.get("apply_activation", True):
                arguments["activation_fn"] = torch.nn.Identity()
            scores = torch.tensor(model.predict(PAIRS, **arguments))
            scores = scores.reshape(len(PAIRS), -1)
            golden["calls"].append({"options": options, "scores": rounded(scores.tolist(), 7)})
        if model.num_labels == 1:
            ranked = model.rank("where is the cat?", TEXTS)
            golden["ranked"] = [[hit["corpus_id"], round(hit["score"], 7)] for hit in ranked]
        (target / "golden.json").write_text(json.dumps(golden, indent=0))
        print(name, golden["max_length"], golden.get("ranked"))

    def bert(labels, **fields):
        return of(
            transformers.BertForSequenceClassification,
            transformers.BertConfig(**SIZES, max_position_embeddings=24, num_labels=labels, **fields),
            bert_tokenizer(),
        )

    write_pairs("one_label", bert(1), [{}, {"apply_activation": False}, {"prompt": "who ", "batch_size": 2}])
    write_pairs("three_labels", bert(3), [{}, {"apply_softmax": True}])
    write_pairs(
        "saved",
        bert(1),
        [{}, {"prompt_name": "first"}],
        saved=True,
        activation_fn=torch.nn.Tanh(),
        max_length=11,
        prompts={"first": "query : ", "second": "passage : "},
        default_prompt_name="second",
    )
    write_pairs(
        "older_activation",
        bert(1, sbert_ce_default_activation_function="torch.nn.modules.linear.Identity"),
        [{}],
    )
    write_pairs(
        "xlm_roberta",
        of(
            transformers.XLMRobertaForSequenceClassification,
            transformers.XLMRobertaConfig(
                **SIZES, max_position_embeddings=30, type_vocab_size=1, pad_token_id=1, num_labels=1,
                sentence_transformers={"activation_fn": "torch.nn.modules.activation.Sigmoid", "version": "4.0.0"},
            ),
            word_tokenizer(model_max_length=28),
        ),
        [{}],
    )
    write_pairs(
        "modernbert",
        of(
            transformers.ModernBertForSequenceClassification,
            transformers.ModernBertConfig(
                **SIZES, max_position_embeddings=24, local_attention=4, global_attn_every_n_layers=2, pad_token_id=0,
                bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3, num_labels=1,
                classifier_pooling="mean",
            ),
            bert_tokenizer(),
        ),
        [{}],
    )

    def asked(name, score, calls, template=None, **settings):
        """A language model, whose next token says whether a pair fits; as a chat where there is a template."""

        def make(folder):
            with tempfile.TemporaryDirectory() as place:
                config = transformers.LlamaConfig(
                    **{**SIZES, "vocab_size": 30}, num_key_value_heads=2, max_position_embeddings=40, pad_token_id=0
                )
                tokenizer = word_tokenizer(model_max_length=settings.pop("length", 40))
                tokenizer.chat_template = template
                of(transformers.LlamaForCausalLM, config, tokenizer)(place)
                language = Transformer(place, transformer_task="text-generation")
                model = sentence_transformers.CrossEncoder(modules=[language, score], device="cpu", **settings)
                model.save(str(folder), create_model_card=False)

        write_pairs(name, make, calls)

    LogitScore = sentence_transformers.cross_encoder.modules.LogitScore
    asked("asked", LogitScore(9, 12), [{}, {"prompt": "who ", "batch_size": 2}, {"apply_activation": False}])
    asked(
        "asked_by_chat",
        LogitScore(7),
        [{}, {"prompt_name": "first"}, {"batch_size": 1}],
        CHAT,
        length=21,
        activation_fn=torch.nn.Identity(),
        prompts={"first": "where is"},
    )


# What stands behind the pair is cut off where it is long
CHAT = """{% for m in messages %}{{ {"system": "the", "query": "query :", "document": "passage :"}[m.role] }} {{ m.content }}
{% endfor %}who runs ?"""


def sparse_encoders():
    """Vectors over a vocabulary, by logits of a masked language model, weights of tokens, or latent features."""
    sparse = sentence_transformers.sparse_encoder.modules

    def masked(place):
        transformers.BertForMaskedLM(transformers.BertConfig(**SIZES, max_position_embeddings=24)).save_pretrained(place)
        bert_tokenizer().save_pretrained(place)

    def write_sparse(name, calls, make, encoder=masked, edit=None, **settings):
        target = DATA / "sparse_encoders" / name
        shutil.rmtree(target, ignore_errors=True)
        with tempfile.TemporaryDirectory() as place:
            encoder(pathlib.Path(place))
            if make:
                parts = make(place)
            else:
                shutil.copytree(place, target)
        if make:
            sentence_transformers.SparseEncoder(modules=parts, device="cpu", **settings).save(
                str(target), create_model_card=False
            )
        if edit:
            edit(target)
        seeded.replace_weights(target)
        model = sentence_transformers.SparseEncoder(str(seeded.checkpoint(target)), device="cpu")
        golden = {
            "texts": TEXTS,
            "versions": {"sentence-transformers": sentence_transformers.__version__},
            "calls": [],
        }
        for options in calls:
            method = options.pop("method", "encode")
            vectors = getattr(model, method)(TEXTS, convert_to_sparse_tensor=False, **options)
            similarity = model.similarity(vectors, vectors[:2])
            golden["calls"].append(
                {
                    "method": method,
                    "options": options,
                    "embeddings": rounded(vectors.tolist(), 6),
                    "similarity": rounded(similarity.tolist(), 5),
                    "tokens": [[token for token, _ in row] for row in model.decode(vectors, top_k=3)],
                }
            )
        (target / "golden.json").write_text(json.dumps(golden, indent=0))
        print(name, vectors.shape, golden["calls"][0]["tokens"])

    def fill_mask(place):
        return Transformer(place, transformer_task="fill-mask")

    def older(target):
        edit_json(
            target / "modules.json",
            lambda modules: modules[0].update(type="sentence_transformers.sparse_encoder.models.MLMTransformer"),
        )
        (target / "sentence_bert_config.json").write_text('{"max_seq_length": 12, "do_lower_case": false}')

    write_sparse("splade", [{}, {"max_active_dims": 4}], lambda place: [fill_mask(place), sparse.SpladePooling("max")])
    write_sparse(
        "splade_sum",
        [{}],
        lambda place: [fill_mask(place), sparse.SpladePooling("sum", activation_function="log1p_relu")],
        edit=older,
        similarity_fn_name="cosine",
    )
    write_sparse("without_modules", [{}], None)
    write_sparse(
        "token_weights",
        [{"method": "encode_query"}, {"method": "encode_document"}],
        lambda place: [
            modules.Router.for_query_document(
                [sparse.SparseStaticEmbedding(bert_tokenizer(), torch.zeros(VOCABULARY))],
                [fill_mask(place), sparse.SpladePooling("max")],
            )
        ],
    )
    write_sparse(
        "latent",
        [{}, {"max_active_dims": 2}],
        lambda place: [
            Transformer(place),
            modules.Pooling(16, "mean"),
            sparse.SparseAutoEncoder(16, hidden_dim=27, k=5, normalize=True),
        ],
        encoder=encoder,
    )


def architectures():
    """Folders of other models, as their makers publish them: pooling, prompts and padding."""

    def pooled(mode, *more, **pooling):
        return lambda place: [Transformer(place), modules.Pooling(16, mode, **pooling), *more]

    def renamed(architecture):
        """config.json of a model that was trained with a head, as many embedders' still say."""

        def edit(target):
            edit_json(target / "config.json", lambda config: config.update(architectures=[architecture]))

        return edit

    write(
        "mpnet",
        [{}],
        pooled("mean", Normalize()),
        encoder=of(
            transformers.MPNetModel, transformers.MPNetConfig(**SIZES, max_position_embeddings=24), bert_tokenizer()
        ),
        edit=renamed("MPNetForMaskedLM"),
    )
    write(
        "xlm_roberta",
        [{"method": "encode_query"}, {"method": "encode_document"}],
        pooled("mean", Normalize()),
        encoder=of(
            transformers.XLMRobertaModel,
            transformers.XLMRobertaConfig(**SIZES, max_position_embeddings=30, type_vocab_size=1, pad_token_id=1),
            word_tokenizer(model_max_length=28),
        ),
        prompts={"query": "query : ", "passage": "passage : "},
    )
    decoder = {**SIZES, "num_key_value_heads": 2, "head_dim": 6, "max_position_embeddings": 24}
    write(
        "qwen3",
        [{}, {"method": "encode_query"}, {"method": "encode_query", "truncate_dim": 9, "batch_size": 2}],
        pooled("lasttoken", Normalize(), include_prompt=True),
        encoder=of(
            transformers.Qwen3Model,
            transformers.Qwen3Config(**decoder, pad_token_id=0, eos_token_id=2),
            word_tokenizer(padding_side="left"),
        ),
        edit=renamed("Qwen3ForCausalLM"),
        prompts={"query": "query : where is the cat ? fast : ", "document": ""},
    )
    write(
        "gemma3_text",
        [{"prompt_name": "query"}, {"method": "encode_document"}],
        lambda place: [
            Transformer(place),
            modules.Pooling(16, "mean"),
            Dense(16, 21, bias=False, activation_function=torch.nn.Identity()),
            Dense(21, 12, bias=False, activation_function=torch.nn.Identity()),
            Normalize(),
        ],
        encoder=of(
            transformers.Gemma3TextModel,
            transformers.Gemma3TextConfig(
                **decoder, use_bidirectional_attention=True, sliding_window=5, query_pre_attn_scalar=6,
                layer_types=["sliding_attention", "full_attention"],
            ),
            word_tokenizer(),
        ),
        prompts={"query": "query : ", "document": "passage : the "},
    )
    write(
        "modernbert",
        [{}],
        pooled("cls"),
        encoder=of(
            transformers.ModernBertModel,
            transformers.ModernBertConfig(
                **SIZES, max_position_embeddings=24, local_attention=4, global_attn_every_n_layers=2, pad_token_id=0,
                bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3,
            ),
            bert_tokenizer(),
        ),
    )
    write(
        "nomic_bert",
        [{"prompt": "query : "}],
        pooled("mean"),
        encoder=of(
            transformers.NomicBertModel,
            transformers.NomicBertConfig(**SIZES, max_position_embeddings=24),
            bert_tokenizer(),
        ),
    )
    write(
        "gte",
        [{}],
        pooled("cls", Normalize()),
        encoder=of(
            transformers.GteModel, transformers.GteConfig(**SIZES, max_position_embeddings=24), bert_tokenizer()
        ),
    )
    write(
        "jina_embeddings_v3",
        [{"method": "encode_query"}],
        pooled("mean", Normalize()),
        encoder=of(
            transformers.JinaEmbeddingsV3Model,
            transformers.JinaEmbeddingsV3Config(**SIZES, max_position_embeddings=24, type_vocab_size=1),
            word_tokenizer(),
        ),
        prompts={"query": "who : "},
    )
    write(
        "t5",
        [{}],
        lambda place: [
            Transformer(place),
            modules.Pooling(16, "mean"),
            Dense(16, 12, bias=False, activation_function=torch.nn.Identity()),
            Normalize(),
        ],
        encoder=of(
            transformers.T5Model,
            transformers.T5Config(
                vocab_size=VOCABULARY, d_model=16, d_kv=6, d_ff=24, num_layers=2, num_heads=4,
                relative_attention_num_buckets=8, relative_attention_max_distance=12,
            ),
            word_tokenizer(),
        ),
    )
    write("without_modules", [{}], None, alone=True)
    write(
        "causal_without_modules",
        [{}],
        None,
        alone=True,
        encoder=of(
            transformers.Qwen3ForCausalLM,
            transformers.Qwen3Config(**decoder, pad_token_id=0, eos_token_id=2),
            word_tokenizer(),
        ),
    )


if __name__ == "__main__":
    main()
