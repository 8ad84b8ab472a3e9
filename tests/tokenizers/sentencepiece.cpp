// The pipelines that tokenizer.model files are converted to, against the sentencepiece library itself.
#include <boost/test/unit_test.hpp>

#include "files.hpp"

#ifdef HFT_TEST_SENTENCEPIECE
#include <hft/tokenizers/sentencepiece.hpp>

BOOST_AUTO_TEST_SUITE(sentencepiece_)

using hft::SentencePieceTokenizer;

BOOST_AUTO_TEST_CASE(converted_tokenizers_give_the_librarys_ids) {
  // None begins with a space: there Transformers' conversion differs from sentencepiece, and hft follows it.
  const std::vector<std::string> texts = {"Hello world",
                                          "a",
                                          "the cat sat on the mat, and so on and so forth",
                                          "two  spaces",
                                          "naïve café, Ωmega",
                                          "日本語のテキスト",
                                          "tokens 1234567890 3.14159",
                                          "emoji 🙂👍🏽 and 👨‍👩‍👧",
                                          "right-to-left שלום and combining e\u0301",
                                          "x y z w"};
  for (const auto& [model, kind] : {std::pair("llama.model", "LlamaTokenizer"), {"t5.model", "T5Tokenizer"}}) {
    const test::folder f;
    f.copy(model, "tokenizer.model");
    f.copy(model, "spiece.model");
    f.write("tokenizer_config.json", hft::json::object({{"tokenizer_class", kind}, {"legacy", false}}).dump());
    const auto fast = hft::AutoTokenizer::from_pretrained(f.path);
    const auto slow = SentencePieceTokenizer::from_file(f.path / "tokenizer.model");
    for (const auto& text : texts) {
      BOOST_TEST_CONTEXT(model << ": " << text) {
        const auto ids = fast.encode(text, false);
        const auto expected = slow.encode(text);
        BOOST_TEST(std::vector<std::int64_t>(expected.begin(), expected.end()) == ids,
                   boost::test_tools::per_element());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(pieces_and_ids) {
  const auto t = SentencePieceTokenizer::from_file(test::files() / "llama.model");
  BOOST_TEST(t.unk_id().value() == 0);
  BOOST_TEST(t.bos_id().value() == 1);
  BOOST_TEST(!t.pad_id());
  BOOST_TEST(t.piece_to_id(t.id_to_piece(t.size() - 1)) == t.size() - 1);
  BOOST_TEST(t.decode(t.encode("hello world")) == "hello world");
  BOOST_CHECK_THROW(t.id_to_piece(t.size()), hft::value_error);
  BOOST_CHECK_THROW(t.decode({-1}), hft::value_error);
  BOOST_CHECK_THROW(t.encode("\xff"), hft::value_error);
}

BOOST_AUTO_TEST_CASE(bad_files_are_errors) {
  BOOST_CHECK_THROW(SentencePieceTokenizer::from_file(test::files() / "none.model"), hft::file_error);
  BOOST_CHECK_THROW(SentencePieceTokenizer::from_file(test::files() / "golden.json"), hft::format_error);
}

BOOST_AUTO_TEST_SUITE_END()
#endif
