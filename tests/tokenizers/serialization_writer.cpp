// What is written: to the byte what the tokenizers library writes, for every component; and what is edited.
#include <hft/tokenizers/serialization_writer.hpp>
#include <hft/tokenizers/tokenizer.hpp>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "../golden_list.hpp"
#include "golden.hpp"

BOOST_AUTO_TEST_SUITE(serialization_writer)

using hft::AddedToken;
using hft::Tokenizer;

namespace {

std::string written(const std::string& text, bool pretty = false) {
  return Tokenizer::from_json(text, "written").to_json(pretty);
}

}  // namespace

BOOST_AUTO_TEST_CASE(files_of_the_library_are_written_as_they_were) {
  const auto golden = test::golden("serialization");
  for (const auto& c : hft::test::filled(golden["files"])) {
    const auto text = c["compact"].get<std::string>();
    BOOST_TEST_CONTEXT(c["name"].dump()) {
      BOOST_TEST(written(text) == text);
      BOOST_TEST(written(c["pretty"].get<std::string>(), true) == c["pretty"].get<std::string>());
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_written_reads_back_the_same) {
  for (const std::string kind : test::kinds) {
    const auto t = test::tokenizer(kind);
    const auto text = t.to_json();
    BOOST_TEST(written(text) == text, kind);
    const auto again = Tokenizer::from_json(t.to_json(true));
    for (const std::string input : {"All human beings <mask> are born free.", "Würde 日本 <|x|> 1948!", ""})
      BOOST_TEST(test::columns(again.encode(input)) == test::columns(t.encode(input)), kind);
  }
}

BOOST_AUTO_TEST_CASE(saving_to_a_file) {
  const auto path = std::filesystem::temp_directory_path() / hft::detail::cat("hft-written-", long(::getpid()));
  const auto t = test::tokenizer("bert");
  t.save(path);
  BOOST_TEST(Tokenizer::from_file(path).to_json() == t.to_json());
  BOOST_TEST(hft::read_text(path) == t.to_json(true));
  std::filesystem::remove(path);
  BOOST_CHECK_THROW(t.save("/no such folder/x.json"), hft::file_error);
}

BOOST_AUTO_TEST_CASE(edits_equal_the_tokenizers_library) {
  const auto golden = test::golden("serialization")["edits"];
  auto t = test::tokenizer("bert_cased");
  const auto untouched = t;
  const auto before = t.to_json();
  std::size_t step = 0;
  const auto check = [&](const char* what, std::size_t count) {
    const auto& want = golden[step++];
    BOOST_TEST_CONTEXT(what) {
      BOOST_TEST(count == want["count"].get<std::size_t>());
      const auto json = t.to_json();
      BOOST_TEST(json.substr(0, json.find("\"model\":{")) == want["json"].get<std::string>());
      BOOST_TEST(t.get_vocab_size() == want["vocab_size"].get<std::size_t>());
      BOOST_TEST(t.get_vocab_size(false) == want["model_vocab_size"].get<std::size_t>());
      BOOST_TEST(t.get_vocab().size() == want["vocab"].get<std::size_t>());
      BOOST_TEST(t.num_special_tokens_to_add(true) == want["special_pair"].get<std::size_t>());
      const auto text = golden[0]["text"].get<std::string>();
      BOOST_TEST(test::columns(t.encode(text)) == want["encoding"]);
    }
  };
  check("as it was", 0);
  check("add_tokens", t.add_tokens(std::vector<std::string>{"free", "zz", "zz", "", "human"}));
  check("add_tokens again", t.add_tokens(std::vector<std::string>{"zz", "yy"}));
  check("add_tokens with flags",
        t.add_tokens(std::vector<AddedToken>{{.content = "born", .single_word = true, .lstrip = true}}));
  check("add_special_tokens", t.add_special_tokens(std::vector<std::string>{"<s>", "[CLS]", "[SEP]"}));
  t.set_encode_special_tokens(true);
  check("encode_special_tokens", 1);
  t.set_encode_special_tokens(false);
  t.enable_truncation({.max_length = 6, .stride = 1, .direction = hft::TruncationDirection::Left});
  check("enable_truncation", 0);
  t.enable_padding({.fixed_length = 9, .pad_to_multiple_of = 4, .pad_id = 3, .pad_token = "[SEP]"});
  check("enable_padding", 0);
  t.no_truncation();
  t.no_padding();
  auto lowercase = std::make_shared<hft::normalizers::Lowercase>();
  t.set_normalizer(lowercase);
  check("a normalizer", 0);
  t.set_post_processor(nullptr);
  t.set_decoder(nullptr);
  check("no post-processor", 0);
  t.set_pre_tokenizer(std::make_shared<hft::pre_tokenizers::Whitespace>());
  check("a pre-tokenizer", 0);
  BOOST_TEST(step == golden.size());

  BOOST_TEST(untouched.to_json() == before);  // copies stay as they are
  BOOST_CHECK_THROW(t.set_model(nullptr), hft::value_error);
}

BOOST_AUTO_TEST_CASE(the_added_tokens_by_id) {
  auto t = test::tokenizer("bert");
  t.add_tokens(std::vector<std::string>{"zz"});
  const auto all = t.get_added_tokens_decoder();
  BOOST_REQUIRE(!all.empty());
  BOOST_TEST(all.back().second.content == "zz");
  BOOST_TEST(all.back().first == *t.token_to_id("zz"));
  BOOST_TEST(*t.id_to_token(all.back().first) == "zz");
  BOOST_TEST(t.get_vocab().at("zz") == all.back().first);
  BOOST_TEST(t.get_vocab(false).count("zz") == 0u);
}

struct own_stage final : hft::normalizers::Normalizer {
  void normalize(hft::NormalizedString&) const override {}
};

BOOST_AUTO_TEST_CASE(a_stage_of_ones_own_cannot_be_written) {
  auto t = test::tokenizer("bert");
  t.set_normalizer(std::make_shared<own_stage>());
  BOOST_TEST(!t.encode("all human").ids.empty());
  BOOST_CHECK_THROW(t.to_json(), hft::unsupported_error);
}

BOOST_AUTO_TEST_SUITE_END()
