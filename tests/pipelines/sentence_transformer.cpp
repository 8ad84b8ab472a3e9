// Pooling on numbers a reader can redo, folders of sentence-transformers against the package, and the real
// all-MiniLM-L6-v2 where HFT_TEST_MODELS names a folder with it.
#include <boost/test/unit_test.hpp>

#include <hft/auto_sentence_transformer.hpp>
#include <hft/pipelines/quantize_embeddings.hpp>

#include "../golden_list.hpp"
#include "../models/golden.hpp"
#include "sentence_folder.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(sentence_transformer)

namespace {

// Of each kind one: learned and rotary positions, a decoder, an encoder with a decoder.
using Embedder = AutoSentenceTransformer<
    f32, archs<bert, gemma3_text, gte, jina_embeddings_v3, modernbert, mpnet, nomic_bert, qwen3, t5, xlm_roberta>>;

boost::test_tools::assertion_result has_minilm(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result r(std::filesystem::exists(real_model("minilm") / "model.safetensors"));
  r.message() << "HFT_TEST_MODELS names no folder with minilm/";
  return r;
}

}  // namespace

BOOST_AUTO_TEST_CASE(pooling_leaves_padding_out) {
  const auto x = Tensor<f32, 3>::from({1, 2, 3, 6, 100, 100}, {1, 3, 2});
  const auto mask = Tensor<i64, 2>::from({1, 1, 0}, {1, 3});
  const auto y = pool(x, mask,
                      {{PoolingMode::cls, PoolingMode::max, PoolingMode::mean, PoolingMode::mean_sqrt_len_tokens,
                        PoolingMode::weightedmean, PoolingMode::lasttoken}});
  const f32 expected[] = {1, 2, 3, 6, 2, 4, 4 / std::sqrt(2.0f), 8 / std::sqrt(2.0f), 7 / 3.0f, 14 / 3.0f, 3, 6};
  BOOST_TEST(y.extent(1) == 12);
  for (int i = 0; i < 12; ++i) BOOST_TEST(y.data()[i] == expected[i], boost::test_tools::tolerance(1e-6f));
}

BOOST_AUTO_TEST_CASE(a_prompt_may_be_left_out) {
  // Padding stands before the prompt's one token.
  const auto x = Tensor<f32, 3>::from({100, 5, 7, 9}, {1, 4, 1});
  const auto mask = Tensor<i64, 2>::from({0, 1, 1, 1}, {1, 4});
  const auto modes = std::vector{PoolingMode::cls, PoolingMode::mean, PoolingMode::weightedmean};
  const auto y = pool(x, mask, {modes, false}, 1), whole = pool(x, mask, {modes, true}, 1);
  const f32 expected[] = {7, 8, (2 * 7 + 3 * 9) / 5.0f}, of_all[] = {5, 7, (5 + 2 * 7 + 3 * 9) / 6.0f};
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(y.data()[i] == expected[i], boost::test_tools::tolerance(1e-6f));
    BOOST_TEST(whole.data()[i] == of_all[i], boost::test_tools::tolerance(1e-6f));
  }
}

namespace {
EncodeOptions options_of(const json& call) {
  EncodeOptions options;
  for (const auto& [key, value] : call.items())
    if (key == "prompt")
      options.prompt = value.get<std::string>();
    else if (key == "prompt_name")
      options.prompt_name = value.get<std::string>();
    else if (key == "normalize_embeddings")
      options.normalize_embeddings = value.get<bool>();
    else if (key == "truncate_dim")
      options.truncate_dim = value.get<isize>();
    else if (key == "task")
      options.task = value.get<std::string>();
    else if (key == "batch_size")
      options.batch_size = value.get<isize>();
    else
      BOOST_FAIL("option " << key);
  return options;
}
std::filesystem::path tiny(const char* name) { return data(std::string("sentence_transformers/") + name); }
}  // namespace

BOOST_AUTO_TEST_CASE(folders_give_the_vectors_of_sentence_transformers) {
  int folders = 0, calls = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data("sentence_transformers")))
    BOOST_TEST_CONTEXT(entry.path().filename().string()) {
      const auto folder = seeded_checkpoint(entry.path());
      const auto embedder = Embedder::from_pretrained(folder.string());
      const json golden = read_json(folder / "golden.json");
      const auto texts = golden["texts"].get<std::vector<std::string>>();
      BOOST_TEST(embedder.get_sentence_embedding_dimension() == golden["dimension"].get<isize>());
      if (golden["max_seq_length"].is_null())
        BOOST_TEST(!embedder.max_seq_length());
      else
        BOOST_TEST(embedder.max_seq_length().value_or(0) == golden["max_seq_length"].get<isize>());
      for (const json& call : filled(golden["calls"])) {
        const auto options = options_of(call["options"]);
        const auto method = call["method"].get<std::string>();
        BOOST_TEST_CONTEXT(call["options"].dump() << " " << method) {
          ++calls;
          if (method == "encode_tokens") {
            const auto tokens = embedder.encode_tokens(texts, options);
            BOOST_TEST_REQUIRE(tokens.size() == call["embeddings"].size());
            for (std::size_t i = 0; i < tokens.size(); ++i) check_rows(tokens[i], call["embeddings"][i]);
            continue;
          }
          const auto y = method == "encode_query"      ? embedder.encode_query(texts, options)
                         : method == "encode_document" ? embedder.encode_document(texts, options)
                                                       : embedder.encode(texts, options);
          check_rows(y, call["embeddings"]);
          check_rows(embedder.similarity(y, y.slice(0, 0, 2)), call["similarity"]);
          const auto pairwise =
              embedder.similarity_pairwise(y.slice(0, 1, y.extent(0)), y.slice(0, 0, y.extent(0) - 1));
          check_rows(pairwise.reshape<2>({1, pairwise.extent(0)}), json::parse("[" + call["pairwise"].dump() + "]"));
        }
      }
      ++folders;
    }
  BOOST_TEST(folders == 27);
  BOOST_TEST(calls == 47);
}

BOOST_AUTO_TEST_CASE(an_index_is_that_of_sentence_transformers) {
  const auto folder = tiny("cosine");
  const auto embedder = SentenceTransformer<>::from_pretrained(folder.string());
  const json golden = read_json(folder / "golden.json");
  const auto vectors = embedder.encode(golden["texts"].get<std::vector<std::string>>());
  const auto check = [&](const char* precision, const auto& y) {
    const json& rows = filled(golden["precisions"][precision]);
    BOOST_TEST_REQUIRE(y.extent(0) == isize(rows.size()));
    BOOST_TEST_REQUIRE(y.extent(1) == isize(rows[0].size()));
    for (isize r = 0; r < y.extent(0); ++r)
      for (isize c = 0; c < y.extent(1); ++c) {
        const int value = y.data()[r * y.extent(1) + c], expected = rows[std::size_t(r)][std::size_t(c)].get<int>();
        // Rounding of the last bit of a vector may move it over a step's edge.
        const bool bits = std::string_view(precision).ends_with("binary");
        BOOST_TEST(std::abs(value - expected) <= (bits ? 0 : 1), precision << " " << r << ", " << c);
      }
  };
  check("int8", quantize_embeddings<EmbeddingPrecision::int8>(vectors));
  check("uint8", quantize_embeddings<EmbeddingPrecision::uint8>(vectors));
  check("binary", quantize_embeddings<EmbeddingPrecision::binary>(vectors));
  check("ubinary", quantize_embeddings<EmbeddingPrecision::ubinary>(vectors));

  const auto hits = semantic_search(vectors.slice(0, 0, 3), vectors, 4);
  BOOST_TEST_REQUIRE(hits.size() == filled(golden["hits"]).size());
  for (std::size_t q = 0; q < hits.size(); ++q) {
    BOOST_TEST_REQUIRE(hits[q].size() == golden["hits"][q].size());
    for (std::size_t i = 0; i < hits[q].size(); ++i) {
      BOOST_TEST(hits[q][i].corpus_id == golden["hits"][q][i][0].get<isize>());
      BOOST_TEST(std::abs(hits[q][i].score - golden["hits"][q][i][1].get<f32>()) < 1e-5f);
    }
  }
}

BOOST_AUTO_TEST_CASE(no_texts_and_long_ones) {
  auto embedder = SentenceTransformer<>::from_pretrained(tiny("all_modes").string());
  const auto none = embedder.encode({});
  BOOST_TEST(none.extent(0) == 0);
  BOOST_TEST(none.extent(1) == 96);
  BOOST_TEST(embedder.encode_tokens({}).empty());
  const auto same = [](const Tensor<f32, 2>& a, const Tensor<f32, 2>& b) {
    return a.shape() == b.shape() && std::equal(a.data(), a.data() + a.size(), b.data());
  };
  // With its prompt "who" in front, two words are left beside [CLS] and [SEP].
  embedder.set_max_seq_length(5);
  BOOST_TEST(same(embedder.encode({"the cat sat on the mat"}), embedder.encode({"the cat"})));
  BOOST_TEST(!same(embedder.encode({"the cat sat on the mat"}), embedder.encode({"the"})));
  BOOST_CHECK_THROW(embedder.set_max_seq_length(0), value_error);
}

namespace {
void load(const std::string& folder) { Embedder::from_pretrained(folder); }
}  // namespace

BOOST_AUTO_TEST_CASE(what_a_folder_must_not_say) {
  const auto says = [](const char* file, const std::string& text, const char* expected) {
    const auto e = changed_folder(tiny("dense_norm"), file, text).message(load);
    BOOST_TEST(e == expected);
  };
  const auto modules = [&](const std::string& second) {
    return R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},)" + second + "]";
  };
  says("modules.json", modules(R"({"idx":1,"name":"1","path":"1_Pooling","type":"x.GRU"})"),
       "[DIR/1_Pooling] module: expected Transformer, MLMTransformer, StaticEmbedding, SparseStaticEmbedding, "
       "WordEmbeddings, BoW, Router, Pooling, SpladePooling, Dense, SparseAutoEncoder, LayerNorm, Normalize, "
       "WordWeights, WeightedLayerPooling, CNN, LSTM or Dropout, got 'GRU'");
  says("modules.json", modules(R"({"idx":1,"name":"1","path":"../1","type":"x.Pooling"})"),
       "[DIR/modules.json] path: expected a folder inside this one, got '../1'");
  says("modules.json", modules(R"({"idx":1,"name":"1","path":"6_Normalize","type":"x.Normalize"})"),
       "[DIR/6_Normalize/config.json] expected vectors of texts before it: a Pooling, got none");
  says("modules.json", modules(R"({"idx":1,"name":"1","path":"4_Dropout","type":"x.Dropout"})"),
       "[DIR/modules.json] modules: expected one that gives vectors of texts, as a Pooling does, got none");
  says("modules.json", modules(R"({"idx":1,"name":"1","path":"","type":"x.Transformer"})"),
       "[DIR/modules.json] a module that is not the first: expected one that changes vectors, got 'x.Transformer'");
  says("modules.json", modules(R"({"idx":1,"name":"1","path":"7_Pooling","type":"x.Pooling"})"),
       "[DIR/7_Pooling/config.json] cannot open: No such file or directory");
  says("modules.json", R"({"0": "Transformer"})", "[DIR/modules.json] expected an array, got an object of 1");
  says("2_Dense/config.json", R"({"in_features": 48, "out_features": 10})",
       "[DIR/2_Dense/model.safetensors] expected tensor 'linear.bias', got none");
  says("2_Dense/config.json", R"({"in_features": 32, "out_features": 10, "bias": false})",
       "[DIR/2_Dense/model.safetensors] tensor 'linear.weight': expected (10, 32), got (10, 48)");
  says("1_Pooling/config.json", R"({"pooling_mode": "mean"})",
       "[DIR/2_Dense/config.json] in_features: expected 16, the size of what stands before it, got 48");
  says("sentence_bert_config.json", R"({"transformer_task": "fill-mask"})",
       "[DIR/sentence_bert_config.json] transformer_task: expected feature-extraction, got 'fill-mask'");
  says("modules.json", R"([{"idx":0,"name":"0","path":"1_Pooling","type":"x.Pooling"}])",
       "[DIR/modules.json] its first module: expected a Transformer, MLMTransformer, StaticEmbedding, "
       "SparseStaticEmbedding, WordEmbeddings, BoW or Router, got 'x.Pooling'");
  says("1_Pooling/config.json", R"({"pooling_mode": ["mean", "median"]})",
       "[DIR/1_Pooling/config.json] pooling_mode: expected cls, max, mean, mean_sqrt_len_tokens, weightedmean or "
       "lasttoken, got 'median'");
  says("2_Dense/config.json", R"({"in_features": 48, "out_features": 11, "bias": false})",
       "[DIR/2_Dense/model.safetensors] tensor 'linear.weight': expected (11, 48), got (10, 48)");
  says("2_Dense/config.json", R"({"in_features": 0, "out_features": 10})",
       "[DIR/2_Dense/config.json] in_features: expected 1 to 268435456, got 0");
  says("2_Dense/config.json", R"({"in_features": 48, "out_features": 10, "activation_function": "my.Swish"})",
       "[DIR/2_Dense/config.json] activation_function: expected Identity, Tanh, ReLU, ReLU6, GELU, SiLU, Mish, Sigmoid "
       "or Hardswish of torch.nn, got 'my.Swish'");
  says("2_Dense/config.json", R"({"in_features": 48, "out_features": 10, "module_input_name": "x"})",
       "[DIR/2_Dense/config.json] module_input_name: expected sentence_embedding or token_embeddings, got 'x'");
  says("config_sentence_transformers.json", R"({"prompts": {"a": "b"}, "default_prompt_name": "c"})",
       "[DIR/config_sentence_transformers.json] default_prompt_name: expected the name of one of prompts, got 'c'");
  const auto embedder = SentenceTransformer<>::from_pretrained(tiny("dense_norm").string());
  const auto fails = [&](const EncodeOptions& options, const char* expected) {
    BOOST_CHECK_EXCEPTION(embedder.encode({"a"}, options), value_error, [&](const auto& e) {
      BOOST_TEST(std::string(e.what()) == expected);
      return true;
    });
  };
  fails({.prompt_name = "answer"},
        "[SentenceTransformer] prompt_name: expected one of document, passage, query, got 'answer'");
  fails({.batch_size = 0}, "[SentenceTransformer] batch_size: expected at least 1, got 0");
}

BOOST_AUTO_TEST_CASE(what_modules_must_not_say) {
  const auto says = [](const char* folder, const char* file, const std::string& text, const char* expected) {
    const auto e = changed_folder(tiny(folder), file, text).message(load);
    BOOST_TEST(e == expected);
  };
  says("static", "tokenizer.json", "{}", "[DIR/tokenizer.json: ] 'model' is missing");
  says("lstm", "1_LSTM/lstm_config.json", R"({"embedding_dimension": 8, "hidden_dim": 5, "num_layers": 2})",
       "[DIR/1_LSTM/model.safetensors] tensor 'encoder.weight_ih_l0': expected (20, 8), got (20, 9)");
  says("lstm", "1_LSTM/lstm_config.json", R"({"embedding_dimension": 9, "hidden_dim": 5, "num_layers": 0})",
       "[DIR/1_LSTM/lstm_config.json] num_layers: expected 1 to 1024, got 0");
  says("cnn", "1_CNN/cnn_config.json", R"({"in_embedding_dimension": 16, "out_channels": 5, "kernel_sizes": [2]})",
       "[DIR/1_CNN/cnn_config.json] kernel_sizes: expected odd numbers, got 2");
  says("cnn", "1_CNN/cnn_config.json",
       R"({"in_embedding_dimension": 16, "out_channels": 5, "kernel_sizes": [3], "stride_sizes": [1, 1]})",
       "[DIR/1_CNN/cnn_config.json] stride_sizes: expected as many as kernel_sizes, 1, got 2");
  says("weighted_layers", "1_WeightedLayerPooling/config.json", R"({"num_hidden_layers": 2, "layer_start": 3})",
       "[DIR/1_WeightedLayerPooling/config.json] layer_start: expected 0 to num_hidden_layers, which is 2, got 3");
  const auto router = [&](const char* text, const char* expected) {
    says("router", "router_config.json", text, expected);
  };
  router(R"({"types": {"a": "x.Normalize"}, "structure": {"query": ["b"]}})",
         "[DIR/router_config.json] structure.query: expected the name of one of types, got 'b'");
  router(R"({"types": {"../a": "x.Normalize"}, "structure": {}})",
         "[DIR/router_config.json] types: expected a folder inside this one, got '../a'");
  router(R"({"types": {}, "structure": {}})", "[DIR/router_config.json] structure: expected a route, got none");
  router(R"({"types": {"a": "x.Dropout"}, "structure": {"query": ["a"]}, "parameters": {"default_route": "x"}})",
         "[DIR/router_config.json] default_route: expected the name of a route in structure, got 'x'");
  router(R"({"types": {"a": "x.Normalize"}, "structure": {"query": ["a"]}})",
         "[DIR/router_config.json: query] expected vectors of texts before it: a Pooling, got none");
}

BOOST_AUTO_TEST_CASE(a_task_without_a_route) {
  const changed_folder folder(tiny("router"), "router_config.json", R"({
    "types": {"query_0_StaticEmbedding": "x.StaticEmbedding"},
    "structure": {"query": ["query_0_StaticEmbedding"]}, "parameters": {"allow_empty_key": false}})");
  const auto embedder = Embedder::from_pretrained(folder.path().string());
  BOOST_TEST(embedder.encode_query({"who"}).extent(1) == 16);
  BOOST_CHECK_EXCEPTION(embedder.encode_document({"who"}), value_error, [](const auto& e) {
    BOOST_TEST(std::string(e.what()) == "[SentenceTransformer] task: expected one of query, got 'document'");
    return true;
  });
}

BOOST_AUTO_TEST_CASE(minilm_gives_pytorchs_embeddings, *boost::unit_test::precondition(has_minilm)) {
  const auto embedder = SentenceTransformer<>::from_pretrained(real_model("minilm").string());
  const golden g(data("models/minilm/golden.safetensors"));
  ForwardArgs<> args;
  args.attention_mask = g.ids("attention_mask");
  args.token_type_ids = g.ids("token_type_ids");
  const auto y = embedder.encode_ids(g.ids("input_ids"), args);
  check_close(embedder.model()(g.ids("input_ids"), args).last_hidden_state, g.at("last_hidden_state"),
              args.attention_mask);
  const auto& expected = g.at("sentence_embedding");
  const auto* e = reinterpret_cast<const f32*>(expected.bytes.data());
  for (isize b = 0; b < y.extent(0); ++b) {
    f64 cosine = 0;
    for (isize c = 0; c < y.extent(1); ++c) cosine += f64(y.data()[b * y.extent(1) + c]) * e[b * y.extent(1) + c];
    BOOST_TEST(1 - cosine < 1e-5, "row " << b << ": cosine " << cosine);
  }
  // Texts of any length and order give the vectors that they give alone.
  const std::vector<std::string> texts{"A much longer sentence about the weather in Norway, and about trains.", "Hi",
                                       "A cat sat."};
  const auto all = embedder.encode(texts, {.batch_size = 2});
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto alone = embedder.encode({texts[i]});
    f64 cosine = 0;
    for (isize c = 0; c < alone.extent(1); ++c)
      cosine += f64(alone.data()[c]) * all.data()[isize(i) * all.extent(1) + c];
    BOOST_TEST(1 - cosine < 1e-5);
  }
}

BOOST_AUTO_TEST_SUITE_END()
