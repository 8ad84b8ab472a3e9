// Checkpoints that were saved in odd ways give what Transformers' from_pretrained makes of them.
// (tests/oracle/odd_checkpoints.py)
#include <hft/models/loading.hpp>

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include <hft/auto.hpp>

#include "golden.hpp"
#include "log_of.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(loading)

BOOST_AUTO_TEST_CASE(odd_checkpoints_load_as_in_transformers) {
  const json expected = read_json(data("checkpoints/expected.json"));
  std::size_t compared = 0, refused = 0;
  for (const auto& [name, entry] : expected.items()) {
    BOOST_TEST_CONTEXT(name) {
      ::test::log_of log;
      const auto folder = data("checkpoints/" + name);
      if (entry.contains("refused")) {
        try {
          AutoModel<>::from_pretrained(folder.string());
          BOOST_ERROR("loaded");
        } catch (const weight_error& e) {
          BOOST_TEST(std::string(e.what()).find("missing '") != std::string::npos, e.what());
        }
        ++refused;
        continue;
      }
      const auto model = AutoModel<>::from_pretrained(folder.string());
      const golden g(folder / "golden.safetensors");
      const auto outputs = model.forward(g.ids("input_ids"));
      for (const auto& y : outputs) {
        const stored_tensor& reference = g.at(y.name);
        BOOST_TEST_REQUIRE(y.shape == reference.shape, boost::test_tools::per_element());
        const auto *a = reinterpret_cast<const f32*>(y.bytes.data()),
                   *b = reinterpret_cast<const f32*>(reference.bytes.data());
        f32 largest = 0, off = 0;
        for (isize i = 0; i < y.numel(); ++i)
          largest = std::max(largest, std::abs(b[i])), off = std::max(off, std::abs(a[i] - b[i]));
        BOOST_TEST(off <= 2e-4f * largest, y.name << " is off by " << off << " of " << largest);
      }
      BOOST_TEST(outputs.size() == safetensors_file::open(folder / "golden.safetensors").tensors().size() - 1);
      // What Transformers reports is a warning, but for what is known to be left over from pre-training or buffers.
      const auto left_over = [](const std::string& name) {
        return name.find("pooler.dense.") != name.npos || name.ends_with("attn.masked_bias");
      };
      for (const json& unexpected : entry["unexpected"])
        if (const auto tensor = unexpected.get<std::string>(); !left_over(tensor))
          BOOST_TEST(log.has("unexpected '" + tensor + "'"), tensor);
      ++compared;
    }
  }
  BOOST_TEST(compared == 57u);
  BOOST_TEST(refused == 9u);
}

// As with add_pooling_layer=False: the tensors of the pooler are passed over.
BOOST_AUTO_TEST_CASE(a_model_may_be_made_without_its_pooler) {
  const auto folder = data("models/bert/base");
  const auto source = checkpoint::open(folder);
  ::test::log_of log;
  const auto config = read_config<BertConfig>(source);
  auto options = config.text_model();
  options.pooler.reset();
  BertModel<f32> bare(config, options);
  bare.load_weights(source);
  const auto whole = BertModel<f32>::from_pretrained(folder.string());
  const auto ids = Tensor<i64, 2>::from({3, 1, 4, 1, 5}, {1, 5});
  const auto a = bare(ids), b = whole(ids);
  BOOST_TEST(!a.pooler_output);
  BOOST_TEST(std::equal(a.last_hidden_state.data(), a.last_hidden_state.data() + a.last_hidden_state.size(),
                        b.last_hidden_state.data()));
}

BOOST_AUTO_TEST_CASE(strict_loading_wants_the_pooler) {
  const auto folder = data("checkpoints/bert_without_pooler").string();
  ::test::log_of log;
  BOOST_TEST(!BertModel<f32>::from_pretrained(folder).pooler);
  BOOST_TEST(log.has("has no pooler"));
  BOOST_CHECK_THROW(BertModel<f32>::from_pretrained(folder, {.strict = true}), weight_error);
}

BOOST_AUTO_TEST_SUITE_END()
