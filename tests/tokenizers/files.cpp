// Folders without tokenizer.json: every kind that Transformers builds out of vocabulary files, with the configurations
// that change it, against what Transformers makes of the same folders (tests/oracle/tokenizer_files.py).
#include <hft/tokenizers/convert/sentencepiece_model.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "files.hpp"

#include "../golden_list.hpp"

BOOST_AUTO_TEST_SUITE(files)

using hft::json;

BOOST_AUTO_TEST_CASE(every_kind_equals_transformers) {
  const auto golden = hft::read_json(test::files() / "golden.json");
  const auto& cases = hft::test::filled(golden["folders"]);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto& c = cases[i];
    BOOST_TEST_CONTEXT("folder " << i << " " << c["json"].dump()) {
      const test::folder f;
      for (const auto& [to, from] : c["files"].items())
        std::filesystem::copy_file(test::files() / from.get<std::string>(), f.path / to);
      for (const auto& [name, content] : c["json"].items()) f.write(name, content.dump());
      const auto t = hft::AutoTokenizer::from_pretrained(f.path);

      const auto& expected = c.contains("same_as") ? cases[c["same_as"].get<std::size_t>()] : c;
      json special = json::object();
      for (const auto& [name, token] : t.special_tokens_map()) special[name] = token;
      BOOST_CHECK_MESSAGE(special == expected["special"], special.dump());
      BOOST_TEST((t.padding_side == hft::PaddingDirection::Left) == (expected["side"] == "left"));
      BOOST_TEST(t.size() == expected["size"].get<std::size_t>());
      test::check_encodings(t, golden["texts"], expected["encode"]);
      const auto pair =
          t.tokenizer().encode(golden["texts"][0].get<std::string>(), golden["texts"][1].get<std::string>());
      BOOST_CHECK_MESSAGE(json(pair.ids) == expected["pair"][0], json(pair.ids).dump());
      BOOST_CHECK_MESSAGE(json(pair.type_ids) == expected["pair"][1], json(pair.type_ids).dump());
    }
  }
}

BOOST_AUTO_TEST_CASE(xlnet_pads_with_a_type_of_its_own) {
  const test::folder f;
  f.copy("xlnet.model", "spiece.model");
  f.write("tokenizer_config.json", R"({"tokenizer_class":"XLNetTokenizer"})");
  const auto t = hft::AutoTokenizer::from_pretrained(f.path);
  const std::vector<std::string> texts{"born free and equal", "born"};
  const auto b =
      t(texts, hft::TokenizerCallOptions{.padding = hft::PaddingStrategy::longest, .return_token_type_ids = true});
  BOOST_TEST(b.token_type_ids[1].front() == 3);
  const auto padded = t.pad(t(texts, hft::TokenizerCallOptions{.return_token_type_ids = true}));
  BOOST_TEST(padded.token_type_ids[1].front() == 3);
}

BOOST_AUTO_TEST_CASE(what_nothing_names_is_guessed_from_the_files) {
  const test::folder f;
  f.copy("bert.vocab.txt", "vocab.txt");
  BOOST_TEST(*hft::AutoTokenizer::from_pretrained(f.path).cls_token() == "[CLS]");
  const test::folder g;
  g.copy("gpt2.vocab.json", "vocab.json");
  g.copy("gpt2.merges.txt", "merges.txt");
  BOOST_TEST(hft::AutoTokenizer::from_pretrained(g.path).tokenizer().is_bpe());
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_folder_is_said) {
  const auto load = [](const test::folder& f) { return hft::AutoTokenizer::from_pretrained(f.path); };
  const test::folder f;
  f.write("tokenizer_config.json", R"({"tokenizer_class":"BertTokenizer"})");
  BOOST_CHECK_EXCEPTION(load(f), hft::file_error,
                        [](const auto& e) { return std::string(e.what()).find("vocab.txt") != std::string::npos; });
  f.write("vocab.txt", "");
  BOOST_CHECK_THROW(load(f), hft::format_error);
  f.write("vocab.txt", "a\nb\n");  // no [CLS]: the special tokens are added behind
  BOOST_TEST(*load(f).cls_token_id() == 5);
  f.write("vocab.txt", "a\n\xff\n");
  BOOST_CHECK_THROW(load(f), hft::format_error);
  for (const char* config :
       {"[]", R"({"tokenizer_class":3})", R"({"tokenizer_class":"BertTokenizer","do_lower_case":"x"})",
        R"({"tokenizer_class":"T5Tokenizer","extra_ids":-1})",
        R"({"tokenizer_class":"T5Tokenizer","extra_ids":1000000000})", R"({"added_tokens_decoder":{"x":"y"}})",
        R"({"added_tokens_decoder":{"3":4}})"}) {
    const test::folder g;
    g.copy("bert.vocab.txt", "vocab.txt");
    g.copy("t5.model", "spiece.model");
    g.write("tokenizer_config.json", config);
    BOOST_TEST_CONTEXT(config) BOOST_CHECK_THROW(load(g), hft::format_error);
  }
  const test::folder python;
  python.write("tokenizer_config.json", R"({"tokenizer_class":"ByT5Tokenizer"})");
  BOOST_CHECK_THROW(load(python), hft::unsupported_error);

  const test::folder merges;
  merges.write("tokenizer_config.json", R"({"tokenizer_class":"GPT2Tokenizer"})");
  merges.write("vocab.json", R"({"a":0,"b":1,"ab":2})");
  BOOST_CHECK_THROW(load(merges), hft::file_error);
  for (const char* text : {"a c\n", "a\n", "a b c\n", "#version: 0.2\nb a\n"}) {
    merges.write("merges.txt", text);
    BOOST_TEST_CONTEXT(text) BOOST_CHECK_THROW(load(merges), hft::format_error);
  }
  merges.write("merges.txt", "#version: 0.2\na b\n\n");
  BOOST_TEST(load(merges).tokenize("ab") == std::vector<std::string>{"ab"}, boost::test_tools::per_element());
}

// Every cut of a model, and every byte of its head changed, is one typed error or a tokenizer.
BOOST_AUTO_TEST_CASE(broken_sentencepiece_models_are_errors) {
  const auto whole = hft::read_text(test::files() / "bpe.model");
  std::size_t errors = 0;
  const auto read = [&](const std::string& bytes) {
    try {
      hft::detail::sentencepiece_model::parse(bytes, "m");
    } catch (const hft::format_error&) {
      ++errors;
    }
  };
  for (std::size_t n = 0; n < whole.size(); n += 7) read(whole.substr(0, n));
  BOOST_TEST(errors > whole.size() / 7 / 2);
  for (std::size_t i = 0; i < 200; ++i)
    for (const int bit : {0, 3, 7}) {
      auto bytes = whole;
      bytes[i] = char(bytes[i] ^ (1 << bit));
      read(bytes);
    }
  for (const std::string& bytes : {std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), std::string(11, '\xff'),
                                   std::string("\x0b"), std::string("\x0a\x02\x0a\x05")}) {
    errors = 0;
    read(bytes);
    BOOST_TEST(errors == 1);
  }
}

BOOST_AUTO_TEST_SUITE_END()
