// TextIteratorStreamer: what one thread puts in, another pulls out; also under ThreadSanitizer.
#include <boost/test/unit_test.hpp>
#include <stdexcept>

#include <hft/generation/text_iterator_streamer.hpp>

#include "../throws.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(text_iterator_streamer)

namespace {

// Token i is the letter of that number.
const Tokenizer& letters() {
  static const auto t = [] {
    json vocab = json::object();
    for (int i = 0; i < 26; ++i) vocab[std::string(1, char('a' + i))] = i;
    return Tokenizer::from_json(json{{"added_tokens", json::array()},
                                     {"normalizer", nullptr},
                                     {"pre_tokenizer", nullptr},
                                     {"post_processor", nullptr},
                                     {"decoder", json{{"type", "Fuse"}}},
                                     {"model", json{{"type", "BPE"},
                                                    {"dropout", nullptr},
                                                    {"unk_token", nullptr},
                                                    {"continuing_subword_prefix", nullptr},
                                                    {"end_of_word_suffix", nullptr},
                                                    {"fuse_unk", false},
                                                    {"byte_fallback", false},
                                                    {"ignore_merges", false},
                                                    {"vocab", vocab},
                                                    {"merges", json::array()}}}}
                                    .dump());
  }();
  return t;
}

// A generation of n tokens behind the prompt "ab", which looks at the stop token before each.
void generate(BaseStreamer& streamer, std::stop_token stop, int n) {
  const std::vector<i64> prompt{0, 1};
  streamer.put(prompt);
  for (int i = 0; i < n && !stop.stop_requested(); ++i) streamer.put_scored(i % 26, {});
  streamer.end();
}

std::string joined(TextIteratorStreamer& streamer) {
  std::string text;
  for (const std::string& piece : streamer.pieces()) text += piece;
  return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(all_text_arrives_in_its_order) {
  for (const bool skip_prompt : {false, true}) {
    TextIteratorStreamer streamer(letters(), {.skip_prompt = skip_prompt});
    streamer.start([&] { generate(streamer, streamer.stop_token(), 1000); });
    std::string expected = skip_prompt ? "" : "ab";
    for (int i = 0; i < 1000; ++i) expected += char('a' + i % 26);
    BOOST_TEST(joined(streamer) == expected);
    BOOST_TEST(!streamer.next().has_value());  // and stays at its end
  }
}

BOOST_AUTO_TEST_CASE(a_thread_of_the_users_may_generate) {
  TextIteratorStreamer streamer(letters());
  std::jthread thread([&] { generate(streamer, {}, 3); });
  BOOST_TEST(joined(streamer) == "ababc");
}

BOOST_AUTO_TEST_CASE(cancelling_ends_generation) {
  TextIteratorStreamer streamer(letters(), {.skip_prompt = true});
  streamer.start([&] { generate(streamer, streamer.stop_token(), std::numeric_limits<int>::max()); });
  BOOST_TEST(streamer.next().value() == "a");
  streamer.cancel();
  joined(streamer);
  BOOST_TEST(!streamer.next().has_value());
}

BOOST_AUTO_TEST_CASE(one_that_nobody_reads_cancels_as_it_goes) {
  TextIteratorStreamer streamer(letters());
  streamer.start([&] { generate(streamer, streamer.stop_token(), std::numeric_limits<int>::max()); });
  streamer.next();
}

BOOST_AUTO_TEST_CASE(an_error_arrives_behind_the_text_before_it) {
  TextIteratorStreamer streamer(letters());
  generate(streamer, {}, 0);
  streamer.fail(std::make_exception_ptr(std::runtime_error("too late")));  // the first end counts
  BOOST_TEST(joined(streamer) == "ab");

  TextIteratorStreamer failing(letters());
  failing.start([&] {
    const std::vector<i64> prompt{2, 3};
    failing.put(prompt);
    throw value_error("generate", "seed", "luck", "none");
  });
  std::string text;
  throws<value_error>(
      [&] {
        for (const auto& piece : failing.pieces()) text += piece;
      },
      "[generate] seed: expected luck, got none");
  BOOST_TEST(text == "cd");
  throws<value_error>([&] { failing.next(); }, "[generate] seed: expected luck, got none");
}

BOOST_AUTO_TEST_CASE(waiting_has_a_limit) {
  TextIteratorStreamer streamer(letters(), {.timeout = 0.01});
  throws<timeout_error>([&] { streamer.next(); },
                        "[TextIteratorStreamer] text: expected a piece within 0.01 s, got none");
  streamer.start([] {});
  throws<value_error>([&] { streamer.start([] {}); },
                      "[TextIteratorStreamer] start: expected one generation, got another");
}

BOOST_AUTO_TEST_SUITE_END()
