// Tokenizers of random models, pipelines and files against the tokenizers library: every form of input, what is written
// of them, and streams (tests/oracle/tokenizer_sweep.py).
#include <hft/tokenizers/tokenizer.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../golden_list.hpp"
#include "golden.hpp"

BOOST_AUTO_TEST_SUITE(sweep)

namespace {

using hft::json;
using words = std::vector<std::string>;

// One input is [a] or [a, b]; a and b are texts or lists of words.
template <class Text>
std::vector<hft::Encoding> encode(const hft::Tokenizer& t, const json& inputs, bool batch, bool special) {
  if (inputs[0].size() == 1) {
    std::vector<Text> all;
    for (const auto& x : inputs) all.push_back(x[0].get<Text>());
    if (batch) return t.encode_batch(all, special);
    return {t.encode(all[0], special)};
  }
  std::vector<std::pair<Text, Text>> all;
  for (const auto& x : inputs) all.emplace_back(x[0].get<Text>(), x[1].get<Text>());
  if (batch) return t.encode_batch(all, special);
  return {t.encode(all[0].first, all[0].second, special)};
}
std::vector<hft::Encoding> encode(const hft::Tokenizer& t, const json& entry) {
  const bool batch = entry.contains("batch"), special = entry.value("special", true);
  const auto& inputs = entry["in"];
  return inputs[0][0].is_string() ? encode<std::string>(t, inputs, batch, special)
                                  : encode<words>(t, inputs, batch, special);
}

json pieces_of(const hft::Tokenizer& t, const std::vector<std::int64_t>& ids, bool skip) {
  auto stream = t.decode_stream(skip);
  json out = json::array();
  for (const auto id : ids) try {
      const auto piece = stream.step(id);
      out.push_back(piece ? json(*piece) : json(nullptr));
    } catch (const hft::value_error&) {
      out.push_back("ERR");
      break;
    }
  return out;
}

std::string vocabulary_of(const hft::Tokenizer& t) {
  std::vector<std::pair<std::int64_t, std::string>> tokens;
  for (const auto& [token, id] : t.get_vocab()) tokens.emplace_back(id, token);
  std::sort(tokens.begin(), tokens.end());
  std::string out;
  for (const auto& [id, token] : tokens) out += token + "," + std::to_string(id) + ";";
  return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(random_tokenizers_equal_the_library) {
  const auto golden = hft::read_json(test::data() / "sweep.json");
  for (const auto& c : hft::test::filled(golden["cases"])) BOOST_TEST_CONTEXT(c["name"].get<std::string>()) {
      const auto source = c["source"].get<std::string>();
      if (c.contains("load_error")) {
        BOOST_CHECK_THROW(hft::Tokenizer::from_json(source), hft::error);
        continue;
      }
      auto t = hft::Tokenizer::from_json(source);
      BOOST_TEST(test::fnv(t.to_json()) == c["str"].get<std::string>(), t.to_json());
      BOOST_TEST(test::fnv(vocabulary_of(t)) == c["vocab"].get<std::string>());
      const json size = {t.vocab_size(), t.vocab_size(false), t.num_special_tokens_to_add(),
                         t.num_special_tokens_to_add(true)};
      BOOST_CHECK_MESSAGE(size == c["size"], size.dump());
      if (c.contains("split")) t.set_encode_special_tokens(true);
      for (const auto& entry : c["encode"]) BOOST_TEST_CONTEXT("on " << entry["in"].dump()) {
          if (entry.contains("error")) {
            BOOST_CHECK_THROW(encode(t, entry), hft::error);
            continue;
          }
          const auto got = encode(t, entry);
          std::string all;
          for (const auto& e : got) all += (&e == got.data() ? "" : "|") + test::spelled(e);
          BOOST_TEST(test::fnv(all) == entry["digest"].get<std::string>(), all);
          const auto& first = entry["in"][0];
          if (entry.contains("batch") || first.size() != 1 || !first[0].is_string()) continue;
          const auto ids = t.encode_ids(first[0].get<std::string>(), entry.value("special", true));
          BOOST_TEST(std::vector<std::int64_t>(ids.begin(), ids.end()) == got[0].ids, boost::test_tools::per_element());
        }
      for (const auto& d : c["decode"]) BOOST_TEST_CONTEXT("on " << d["ids"].dump()) {
          const auto ids = d["ids"].get<std::vector<std::int64_t>>();
          const bool skip = d["skip"].get<bool>();
          BOOST_TEST(t.decode(ids, skip) == d["text"].get<std::string>());
          if (!d.contains("pieces")) continue;
          const auto pieces = pieces_of(t, ids, skip);
          BOOST_CHECK_MESSAGE(pieces == d["pieces"], pieces.dump());
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
