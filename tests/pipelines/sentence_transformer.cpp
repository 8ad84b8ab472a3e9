// Pooling on numbers a reader can redo, and the real all-MiniLM-L6-v2 where HFT_TEST_MODELS names a folder with it.
#include <boost/test/unit_test.hpp>

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
                      {.pooling_mode_cls_token = true,
                       .pooling_mode_max_tokens = true,
                       .pooling_mode_mean_tokens = true,
                       .pooling_mode_mean_sqrt_len_tokens = true});
  const f32 expected[] = {1, 2, 3, 6, 2, 4, 4 / std::sqrt(2.0f), 8 / std::sqrt(2.0f)};
  for (int i = 0; i < 8; ++i) BOOST_TEST(y.data()[i] == expected[i], boost::test_tools::tolerance(1e-6f));
  const auto n = Tensor<f32, 2>::from({3, 4, 0, 0}, {2, 2});
  normalize_rows(n);
  BOOST_TEST(n.data()[0] == 0.6f);
  BOOST_TEST(n.data()[3] == 0);
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
  const auto all = embedder.encode(texts, 2);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto alone = embedder.encode({texts[i]});
    f64 cosine = 0;
    for (isize c = 0; c < alone.extent(1); ++c)
      cosine += f64(alone.data()[c]) * all.data()[isize(i) * all.extent(1) + c];
    BOOST_TEST(1 - cosine < 1e-5);
  }
}

BOOST_AUTO_TEST_SUITE_END()
