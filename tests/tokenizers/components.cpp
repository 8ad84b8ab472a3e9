// Tokenizers of random components against the tokenizers library (tests/oracle/tokenizer_components.py).
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <hft/random.hpp>

#include "../golden_list.hpp"
#include "golden.hpp"

BOOST_AUTO_TEST_SUITE(components)

namespace {

std::vector<hft::Encoding> encode(const hft::Tokenizer& t, const hft::json& entry) {
  const auto& input = entry["input"];
  const bool special = entry.value("special", true);
  if (entry.contains("batch")) return t.encode_batch(input.get<std::vector<std::string>>(), special);
  if (input.is_array()) return {t.encode(input[0].get<std::string>(), input[1].get<std::string>(), special)};
  return {t.encode(input.get<std::string>(), special)};
}

}  // namespace

BOOST_AUTO_TEST_CASE(random_pipelines_equal_the_library) {
  const auto golden = hft::read_json(test::data() / "components.json");
  for (const auto& c : hft::test::filled(golden["cases"])) {
    const auto t = hft::Tokenizer::from_json(c["tokenizer"].dump());
    for (const auto& entry : hft::test::filled(c["encode"]))
      BOOST_TEST_CONTEXT(c["name"].get<std::string>() << " on " << entry["input"].dump()) {
        if (entry.contains("error")) {
          BOOST_CHECK_THROW(encode(t, entry), hft::error);
          continue;
        }
        const auto got = encode(t, entry);
        std::string all;
        for (const auto& e : got) all += (all.empty() && &e == got.data() ? "" : "|") + test::spelled(e);
        BOOST_TEST(test::fnv(all) == entry["digest"].get<std::string>(), all);
        if (entry.contains("batch")) continue;
        std::vector<std::int64_t> offsets;
        for (const auto& o : got[0].offsets) offsets.insert(offsets.end(), {o.start, o.end});
        BOOST_TEST(got[0].ids == entry["ids"].get<std::vector<std::int64_t>>(), boost::test_tools::per_element());
        BOOST_TEST(offsets == entry["offsets"].get<std::vector<std::int64_t>>(), boost::test_tools::per_element());
        if (entry["input"].is_array()) continue;
        const auto ids = t.encode_ids(entry["input"].get<std::string>(), entry.value("special", true));
        BOOST_TEST(std::vector<std::int64_t>(ids.begin(), ids.end()) == got[0].ids, boost::test_tools::per_element());
      }
    for (const auto& d : c["decode"]) BOOST_TEST_CONTEXT(c["name"].get<std::string>() << " on " << d["ids"].dump())
    BOOST_TEST(t.decode(d["ids"].get<std::vector<std::int64_t>>(), d["skip"].get<bool>()) ==
               d["text"].get<std::string>());
  }
}

BOOST_AUTO_TEST_CASE(a_long_run_of_one_character_is_encoded) {
  // Linear time; where it were not, this would not end.
  const std::string model =
      R"("model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],[" ",-1],["a",-2],["  ",-1.5]]})";
  const char* const stages[] = {
      R"("normalizer":{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"a"},)",
      R"("normalizer":{"type":"Nmt"},"pre_tokenizer":{"type":"Metaspace","replacement":"a","prepend_scheme":"first"},)",
      R"("pre_tokenizer":{"type":"FixedLength","length":1},)",
      R"("pre_tokenizer":{"type":"UnicodeScripts"},)",
      R"("pre_tokenizer":{"type":"CharDelimiterSplit","delimiter":"a"},)",
      R"("added_tokens":[{"id":9,"content":"  ","single_word":false,"lstrip":true,"rstrip":false,"normalized":false,"special":false}],)",
      R"("added_tokens":[{"id":9,"content":"aa","single_word":true,"lstrip":false,"rstrip":true,"normalized":true,"special":false}],)"};
  for (const char* stage : stages) {
    const auto t = hft::Tokenizer::from_json("{" + std::string(stage) + model + "}");
    for (const char c : {' ', 'a'}) {
      const auto e = t.encode(std::string(200000, c));
      BOOST_TEST(e.size() <= 200001u);
    }
  }
}

BOOST_AUTO_TEST_CASE(text_that_is_no_utf8_is_an_error) {
  for (
      const char* model :
      {R"({"type":"Unigram","unk_id":0,"vocab":[["<unk>",0]]})", R"({"type":"BPE","vocab":{},"merges":[]})",
       R"({"type":"WordLevel","vocab":{"u":0},"unk_token":"u"})",
       R"({"type":"WordPiece","vocab":{"u":0},"unk_token":"u","continuing_subword_prefix":"##","max_input_chars_per_word":9})"}) {
    const auto t = hft::Tokenizer::from_json(R"({"model":)" + std::string(model) + "}");
    for (const char* text : {"\xff", "a\xc3", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xc0\x80"})
      BOOST_CHECK_THROW(t.encode(text), hft::value_error);
  }
}

BOOST_AUTO_TEST_CASE(dropout_puts_merges_off) {
  const auto with = [](const char* dropout) {
    return hft::Tokenizer::from_json(
        R"({"model":{"type":"BPE","dropout":)" + std::string(dropout) +
        R"(,"ignore_merges":true,"vocab":{"a":0,"b":1,"ab":2,"abab":3},"merges":["a b","ab ab"]}})");
  };
  using ids = std::vector<std::int64_t>;
  BOOST_TEST(with("0.0").encode("abab").ids == ids{3}, boost::test_tools::per_element());
  BOOST_TEST(with("1.0").encode("abab").ids == (ids{0, 1, 0, 1}), boost::test_tools::per_element());
  const auto first = with("0.5"), second = with("0.5");
  std::size_t total = 0, different = 0;
  for (int i = 0; i < 400; ++i) {
    const auto e = first.encode("abab");
    BOOST_TEST(e.ids == second.encode("abab").ids, boost::test_tools::per_element());  // one seed, one sequence
    total += e.size();
    different += e.size() != 1;
  }
  BOOST_TEST((total > 400 && total < 1600 && different > 100 && different < 390));
  BOOST_CHECK_THROW(with("1.5"), hft::format_error);
}

BOOST_AUTO_TEST_SUITE_END()
