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
                                const StreamerOptions& options = {.skip_prompt = true}) {
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

// <0x61> is an "a" until <0x80> comes, with which it is no UTF-8: as many characters as were shown are left out then.
BOOST_AUTO_TEST_CASE(a_byte_that_does_not_go_on_as_utf8_ends_nothing) {
  const auto t = Tokenizer::from_json(R"({
    "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
    "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
              "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": true, "ignore_merges": false,
              "vocab": {"a": 0, "b": 1, "<0x61>": 2, "<0x80>": 3, "<0xC3>": 4, "<0xA9>": 5}, "merges": []}})");
  const auto shown = [&](const std::vector<i64>& tokens) {
    std::string out;
    TextStreamer streamer(t, [&](std::string_view text) { out += text; }, {.skip_prompt = false});
    for (const i64 id : tokens) streamer.put({&id, 1});
    streamer.end();
    return out;
  };
  BOOST_TEST(shown({2, 3, 1, 0}) == "a\ufffdba");
  BOOST_TEST(shown({0, 2, 3}) == "aa\ufffd");
  BOOST_TEST(shown({2, 2, 3, 3, 1}) == "aa\ufffd\ufffdb");
  BOOST_TEST(shown({4, 5, 4, 2, 1}) == "\u00e9\ufffd\ufffd\ufffdb");
}

BOOST_AUTO_TEST_CASE(prompt_and_special_tokens_are_shown_if_asked_for) {
  BOOST_TEST(pieces({0, 1}, {0, 5}) == (texts{"a"}), boost::test_tools::per_element());
  BOOST_TEST(
      pieces({0, 1}, {0, 5}, {.skip_prompt = false, .skip_special_tokens = false}) == (texts{"a", "b", "a", "<end>"}),
      boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
