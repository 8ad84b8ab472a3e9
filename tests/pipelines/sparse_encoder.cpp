// SparseEncoder's folders against sentence-transformers.
#include <boost/test/unit_test.hpp>

#include <hft/auto_sparse_encoder.hpp>

#include "../golden_list.hpp"
#include "../models/golden.hpp"
#include "sentence_folder.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(sparse_encoder)

namespace {

using Embedder = AutoSparseEncoder<f32, archs<bert>>;

void load(const std::string& folder) { Embedder::from_pretrained(folder); }
std::filesystem::path tiny(const char* name) { return data(std::string("sparse_encoders/") + name); }

}  // namespace

BOOST_AUTO_TEST_CASE(folders_give_the_weights_of_sentence_transformers) {
  int folders = 0, calls = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data("sparse_encoders")))
    BOOST_TEST_CONTEXT(entry.path().filename().string()) {
      const auto folder = seeded_checkpoint(entry.path());
      const auto embedder = Embedder::from_pretrained(folder.string());
      const json golden = read_json(folder / "golden.json");
      const auto texts = golden["texts"].get<std::vector<std::string>>();
      for (const json& call : filled(golden["calls"]))
        BOOST_TEST_CONTEXT(call["options"].dump() << " " << call["method"].dump()) {
          EncodeOptions options;
          options.max_active_dims = get_optional<isize>(call["options"], "max_active_dims");
          const auto method = call["method"].get<std::string>();
          const auto y = method == "encode_query"      ? embedder.encode_query(texts, options)
                         : method == "encode_document" ? embedder.encode_document(texts, options)
                                                       : embedder.encode(texts, options);
          check_rows(y, call["embeddings"]);
          check_rows(embedder.similarity(y, y.slice(0, 0, 2)), call["similarity"]);
          BOOST_TEST(y.extent(1) == embedder.get_sentence_embedding_dimension());
          // Weights of features are named as tokens, whatever they are of.
          const auto tokens = embedder.decode(y, 3);
          BOOST_TEST_REQUIRE(tokens.size() == filled(call["tokens"]).size());
          for (std::size_t i = 0; i < tokens.size(); ++i) {
            BOOST_TEST_REQUIRE(tokens[i].size() == call["tokens"][i].size());
            // Equal weights may come in any order: those of a text's tokens are all different.
            for (std::size_t k = 0; k < tokens[i].size(); ++k)
              BOOST_TEST(tokens[i][k].first == call["tokens"][i][k].get<std::string>());
          }
          ++calls;
        }
      ++folders;
    }
  BOOST_TEST(folders == 5);
  BOOST_TEST(calls == 8);
}

BOOST_AUTO_TEST_CASE(a_class_may_be_named) {
  const auto folder = tiny("splade").string();
  const auto typed = SparseEncoder<>::from_pretrained(folder).encode({"the dog jumps"});
  const auto found = Embedder::from_pretrained(folder).encode({"the dog jumps"});
  BOOST_TEST(std::equal(typed.data(), typed.data() + typed.size(), found.data(), found.data() + found.size()));
  const auto rows = sparse_rows(Tensor<f32, 2>::from({0, 3, 0, -1, 0, 0}, {2, 3}));
  BOOST_TEST_REQUIRE(rows.size() == 2u);
  BOOST_TEST((rows[0] == SparseVector{{1, 3.0f}}));
  BOOST_TEST((rows[1] == SparseVector{{0, -1.0f}}));
}

BOOST_AUTO_TEST_CASE(what_a_folder_must_not_say) {
  const auto says = [](const char* folder, const char* file, const std::string& text, const char* expected) {
    const auto e = changed_folder(tiny(folder), file, text).message(load);
    BOOST_TEST(e == expected);
  };
  says("splade", "1_SpladePooling/config.json", R"({"pooling_strategy": "mean"})",
       "[DIR/1_SpladePooling/config.json] pooling_strategy: expected max or sum, got 'mean'");
  says("splade", "1_SpladePooling/config.json", R"({"activation_function": "gelu"})",
       "[DIR/1_SpladePooling/config.json] activation_function: expected relu or log1p_relu, got 'gelu'");
  says("splade", "sentence_bert_config.json", R"({"transformer_task": "text-generation"})",
       "[DIR/sentence_bert_config.json] transformer_task: expected fill-mask or feature-extraction, got "
       "'text-generation'");
  says("latent", "2_SparseAutoEncoder/config.json", R"({"input_dim": 16, "hidden_dim": 27, "k": 28})",
       "[DIR/2_SparseAutoEncoder/config.json] k: expected 1 to hidden_dim, which is 27, got 28");
  const auto embedder = Embedder::from_pretrained(tiny("splade").string());
  BOOST_CHECK_THROW(embedder.encode({"a"}, {.max_active_dims = 0}), value_error);
  BOOST_CHECK_THROW(embedder.decode(embedder.encode({"a"}), 0), value_error);
}

BOOST_AUTO_TEST_SUITE_END()
