// Pooling on numbers a reader can redo, folders of sentence-transformers against the package, and the real
// all-MiniLM-L6-v2 where HFT_TEST_MODELS names a folder with it.
#include <stdlib.h>  // mkdtemp

#include <boost/test/unit_test.hpp>
#include <fstream>

#include <hft/pipelines/sentence_transformer.hpp>

#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(sentence_transformer)

namespace {

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
    else if (key == "batch_size")
      options.batch_size = value.get<isize>();
    else
      BOOST_FAIL("option " << key);
  return options;
}
void check_rows(const Tensor<f32, 2>& y, const json& rows) {
  BOOST_TEST_REQUIRE(y.extent(0) == isize(rows.size()));
  f32 largest = 0;
  for (const json& row : rows)
    for (const json& value : row) largest = std::max(largest, std::abs(value.get<f32>()));
  for (isize r = 0; r < y.extent(0); ++r) {
    const json& row = rows[std::size_t(r)];
    BOOST_TEST_REQUIRE(y.extent(1) == isize(row.size()));
    for (isize c = 0; c < y.extent(1); ++c)
      BOOST_TEST(std::abs(y.data()[r * y.extent(1) + c] - row[std::size_t(c)].get<f32>()) <= 1e-5f * largest,
                 "row " << r << ", " << c);
  }
}
std::filesystem::path tiny(const char* name) { return data(std::string("sentence_transformers/") + name); }
}  // namespace

BOOST_AUTO_TEST_CASE(folders_give_the_vectors_of_sentence_transformers) {
  int calls = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data("sentence_transformers")))
    BOOST_TEST_CONTEXT(entry.path().string()) {
      const auto folder = seeded_checkpoint(entry.path());
      const auto embedder = SentenceTransformer<>::from_pretrained(folder.string());
      const json golden = read_json(folder / "golden.json");
      const auto texts = golden["texts"].get<std::vector<std::string>>();
      for (const json& call : golden["calls"]) {
        const auto options = options_of(call["options"]);
        const auto method = call["method"].get<std::string>();
        BOOST_TEST_CONTEXT(call["options"].dump() << " " << method) {
          const auto y = method == "encode_query"      ? embedder.encode_query(texts, options)
                         : method == "encode_document" ? embedder.encode_document(texts, options)
                                                       : embedder.encode(texts, options);
          check_rows(y, call["embeddings"]);
          check_rows(embedder.similarity(y, y.slice(0, 0, 2)), call["similarity"]);
          ++calls;
        }
      }
    }
  BOOST_TEST(calls == 11);
}

namespace {
// A copy of a folder in which a file has another text; it lasts as long as the object.
class changed_folder {
 public:
  changed_folder(const std::filesystem::path& from, const char* file, const std::string& text) {
    std::string name = (std::filesystem::temp_directory_path() / "hft_sentence_XXXXXX").string();
    BOOST_TEST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    std::filesystem::copy(from, path_, std::filesystem::copy_options::recursive);
    std::ofstream(path_ / file) << text;
  }
  ~changed_folder() { std::filesystem::remove_all(path_); }
  std::string message() const {
    try {
      SentenceTransformer<>::from_pretrained(path_.string());
    } catch (const hft::error& e) {
      std::string text = e.what();
      for (auto at = text.find(path_.string()); at != text.npos; at = text.find(path_.string()))
        text.replace(at, path_.string().size(), "DIR");
      return text;
    }
    return "none";
  }

 private:
  std::filesystem::path path_;
};
}  // namespace

BOOST_AUTO_TEST_CASE(what_a_folder_must_not_say) {
  const auto says = [](const char* file, const std::string& text, const char* expected) {
    const auto e = changed_folder(tiny("dense_norm"), file, text).message();
    BOOST_TEST(e == expected);
  };
  const auto modules = [&](const std::string& second) {
    return R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},)" + second + "]";
  };
  says("modules.json", modules(R"({"idx":1,"name":"1","path":"1_Pooling","type":"x.LSTM"})"),
       "[DIR/1_Pooling] module: expected Transformer, Pooling, Dense, LayerNorm, Normalize or Dropout, got 'LSTM'");
  says("modules.json", modules(R"({"idx":1,"name":"1","path":"../1","type":"x.Pooling"})"),
       "[DIR/modules.json] path: expected a folder inside this one, got '../1'");
  says("modules.json", modules(R"({"idx":1,"name":"1","path":"6_Normalize","type":"x.Normalize"})"),
       "[DIR/modules.json] modules: expected a Transformer and a Pooling, got no Pooling");
  says("modules.json", R"([{"idx":0,"name":"0","path":"1_Pooling","type":"x.Pooling"}])",
       "[DIR/modules.json] its first module: expected a Transformer, got 'x.Pooling'");
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
