// Folders of a tiktoken vocabulary against what Transformers makes of them (tests/oracle/tokenizer_tiktoken.py).
#include <hft/tokenizers/convert/tiktoken.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include <boost/test/unit_test.hpp>
#include <string>

#include "files.hpp"

#include "../golden_list.hpp"

BOOST_AUTO_TEST_SUITE(tiktoken)

using hft::json;

BOOST_AUTO_TEST_CASE(folders_equal_transformers) {
  const auto golden = hft::read_json(test::files() / "tiktoken.json");
  for (const auto& c : hft::test::filled(golden["folders"]))
    BOOST_TEST_CONTEXT(c["file"].dump() << " " << c["config"].dump()) {
      const test::folder f;
      f.copy("tiktoken.model", c["file"].get<std::string>());
      f.write("tokenizer_config.json", c["config"].dump());
      const auto t = hft::AutoTokenizer::from_pretrained(f.path);
      json special = json::object(), added = json::object();
      for (const auto& [name, token] : t.special_tokens_map()) special[name] = token;
      for (const auto& [id, token] : t.tokenizer().get_added_tokens_decoder())
        added[std::to_string(id)] = token.content;
      BOOST_CHECK_MESSAGE(special == c["special"], special.dump());
      BOOST_CHECK_MESSAGE(added == c["added"], added.dump());
      BOOST_TEST(t.size() == c["size"].get<std::size_t>());
      test::check_encodings(t, golden["texts"], c["encode"]);
      const auto pair = t(golden["texts"][0].get<std::string>(), golden["texts"][1].get<std::string>());
      BOOST_CHECK_MESSAGE(json(pair.input_ids[0]) == c["pair"], json(pair.input_ids).dump());
    }
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_vocabulary_is_said) {
  for (const char* text : {"YQ== 0\nYg==\n", "YQ== 0\nYg== x\n", "YQ== 0\nYg== 1 2\n", "YQ== 0\n!!!! 1\n",
                           "YQ== 0\nYg== 0\n", "YQ== 0\nYg== 4294967295\n", "YQ== 0\nYg== 99999999999999999999\n"}) {
    const test::folder f;
    f.write("tokenizer.model", text);
    BOOST_TEST_CONTEXT(text) BOOST_CHECK_THROW(hft::AutoTokenizer::from_pretrained(f.path), hft::format_error);
  }
  const test::folder f;
  f.write("tokenizer.model", "YQ== 0\nYg== 1\n");
  BOOST_TEST(hft::AutoTokenizer::from_pretrained(f.path).tokenizer().encode("ab").size() == 2u);
  f.write("tokenizer_config.json", R"({"added_tokens_decoder":{"2000000000":{"content":"<x>"}}})");
  BOOST_CHECK_THROW(hft::AutoTokenizer::from_pretrained(f.path), hft::format_error);
}

BOOST_AUTO_TEST_CASE(ids_are_ranks) {
  const auto v = hft::detail::read_tiktoken("IA== 1\r\n\nYQ== 0\n4p0= 5\n", "t");  // " ", "a", two bytes of a character
  BOOST_TEST(v.size() == 3u);
  BOOST_TEST(*v.find("\xc4\xa0") == 1u);
  BOOST_TEST(*v.find("a") == 0u);
  BOOST_TEST(hft::detail::is_tiktoken("IA== 1\n"));
  for (const char* text : {"", "\n", "\x0a\x0eIA== 1", " 1", "IA== x", "IA=="})
    BOOST_TEST(!hft::detail::is_tiktoken(text));
}

BOOST_AUTO_TEST_SUITE_END()
