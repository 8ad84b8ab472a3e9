// Streams against the tokenizers library's: one id or several a step, after a prompt or not; and what they cost.
#include <hft/tokenizers/decode_stream.hpp>
#include <hft/tokenizers/tokenizer.hpp>

#include <boost/test/unit_test.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../golden_list.hpp"
#include "golden.hpp"

BOOST_AUTO_TEST_SUITE(decode_stream)

BOOST_AUTO_TEST_CASE(streams_equal_the_tokenizers_library) {
  const auto golden = test::golden("decode_stream");
  for (const auto& c : hft::test::filled(golden["streams"])) {
    const auto t = test::tokenizer(c["tokenizer"].get<std::string>());
    const auto prompt = c["prompt"].get<std::vector<std::int64_t>>();
    hft::DecodeStream stream(t, prompt, c["skip"].get<bool>());
    BOOST_TEST_CONTEXT(c.dump()) {
      const auto& pieces = c["pieces"];
      for (std::size_t i = 0; i < pieces.size(); ++i) {
        const auto ids = c["steps"][i].get<std::vector<std::int64_t>>();
        if (pieces[i] == "error") {
          BOOST_CHECK_THROW(stream.step(ids), hft::value_error);
          break;
        }
        const auto got = stream.step(ids);
        BOOST_TEST(got.has_value() == !pieces[i].is_null());
        if (got && pieces[i].is_string()) BOOST_TEST(*got == pieces[i].get<std::string>());
      }
    }
  }
}

// Quadratic work would take minutes here.
BOOST_AUTO_TEST_CASE(long_streams_take_linear_work) {
  for (const std::string kind : {"gpt2", "llama2", "bert", "metaspace"}) {
    const auto t = test::tokenizer(kind);
    const auto ids = t.encode("All human beings are born free. Würde!", false).ids;
    std::string text;
    auto stream = t.decode_stream();
    const std::int64_t special = kind == "llama2" ? 1 : 0;
    for (int round = 0; round < 4000; ++round) {
      for (int i = 0; i < 20; ++i)
        if (const auto piece = stream.step(special)) text += *piece;  // nothing, again and again
      for (const auto id : ids)
        if (const auto piece = stream.step(id)) text += *piece;
    }
    BOOST_TEST(text.size() > 4000 * 20u);
  }
}

BOOST_AUTO_TEST_CASE(a_stream_outlives_its_tokenizer) {
  std::optional<hft::Tokenizer> t = test::tokenizer("gpt2");
  const auto ids = t->encode("born free").ids;
  auto stream = t->decode_stream();
  t.reset();
  std::string text;
  for (const auto id : ids) text += stream.step(id).value_or("");
  BOOST_TEST(text + stream.finish() == "born free");
}

BOOST_AUTO_TEST_SUITE_END()
