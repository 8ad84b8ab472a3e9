// TextStreamer: pieces that end between characters, with and without the prompt.
#include <boost/test/unit_test.hpp>

#include <hft/generation/streamers.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(streamers)

namespace {

// Byte-level tokens: "\xc3" and "\xa9" together are one character.
const char* const tokenizer_json = R"({
  "added_tokens": [{"id": 5, "content": "<end>", "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true}],
  "normalizer": null,
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
  "post_processor": null,
  "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
  "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": {"a": 0, "b": 1, "\u00c3": 2, "\u00a9": 3, "\u0120": 4}, "merges": []}})";

// What a streamer says to a prompt and the tokens after it, one by one.
std::vector<std::string> pieces(std::vector<i64> prompt, const std::vector<i64>& tokens,
                                const StreamerOptions& options = {}) {
  std::vector<std::string> out;
  TextStreamer streamer(
      Tokenizer::from_json(tokenizer_json), [&](std::string_view text) { out.emplace_back(text); }, options);
  for (int generation = 0; generation < 2; ++generation) {  // one may be used again
    out.clear();
    streamer.put(prompt);
    for (const i64 id : tokens) streamer.put({&id, 1});
    streamer.end();
  }
  return out;
}

using texts = std::vector<std::string>;

}  // namespace

BOOST_AUTO_TEST_CASE(pieces_end_between_characters) {
  BOOST_TEST(pieces({0}, {1, 2, 3, 4, 0}) == (texts{"b", "\xc3\xa9", " ", "a"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_stays_incomplete_comes_at_the_end) {
  BOOST_TEST(pieces({0}, {1, 2}) == (texts{"b", "\xef\xbf\xbd"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(prompt_and_special_tokens_are_shown_if_asked_for) {
  BOOST_TEST(pieces({0, 1}, {0, 5}) == (texts{"a"}), boost::test_tools::per_element());
  BOOST_TEST(
      pieces({0, 1}, {0, 5}, {.skip_prompt = false, .skip_special_tokens = false}) == (texts{"a", "b", "a", "<end>"}),
      boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
