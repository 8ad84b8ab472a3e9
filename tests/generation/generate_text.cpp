// generate of texts: what the steps by hand give, on the toy model, whose tokenizer comes with it.
#include <boost/test/unit_test.hpp>

#include <hft/generation/generate.hpp>
#include <hft/generation/streamers.hpp>
#include <hft/generation/text_iterator_streamer.hpp>
#include <hft/generation/token_streamer.hpp>
#include <hft/generation/transition_scores.hpp>
#include <hft/models/llama.hpp>
#include <hft/models/t5.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include "../models/golden.hpp"
#include "../throws.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(generate_text)

namespace {

const std::string toy = std::string(HFT_TEST_DATA) + "/../../examples/toy_llama/model.q8_0.gguf";

const LlamaForCausalLM<any_q>& model() {
  static const auto m = LlamaForCausalLM<any_q>::from_pretrained(toy);
  return m;
}
const PreTrainedTokenizerFast& tok() {
  static const auto t = AutoTokenizer::from_pretrained(toy);
  return t;
}

const GenerationConfig settings{.max_new_tokens = 12};
const std::vector<std::string> texts{"The capital of France", "Who", "What is the colour of the sky"};

}  // namespace

BOOST_AUTO_TEST_CASE(of_a_text_it_is_what_the_steps_by_hand_give) {
  const auto ids = generate(model(), tok()(texts[0]), settings);
  BOOST_TEST(generate(model(), tok(), texts[0], settings) == tok().decode(ids, true));
  BOOST_TEST(generate(model(), tok(), "The capital of France", settings) == tok().decode(ids, true));
  const auto added = generate(model(), tok(), texts[0], settings, {.return_full_text = false});
  BOOST_TEST(!added.empty());
  BOOST_TEST(texts[0] + added == tok().decode(ids, true));
}

BOOST_AUTO_TEST_CASE(of_several_texts_each_is_what_it_is_alone) {
  const auto together = generate(model(), tok(), texts, settings);
  BOOST_TEST_REQUIRE(together.size() == texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i)
    BOOST_TEST(together[i] == generate(model(), tok(), texts[i], settings));
  BOOST_TEST(generate(model(), tok(), {"Who", "The capital of France"}, {.max_new_tokens = 12}) ==
                 (std::vector{together[1], together[0]}),
             boost::test_tools::per_element());
  BOOST_TEST(generate(model(), tok(), std::vector<std::string>(), settings).empty());
}

BOOST_AUTO_TEST_CASE(several_sequences_of_each_stand_one_after_the_other) {
  GenerationConfig beams{.max_new_tokens = 6, .num_beams = 3, .num_return_sequences = 2};
  const auto all = generate(model(), tok(), texts, beams);
  BOOST_TEST_REQUIRE(all.size() == 6u);
  for (std::size_t i = 0; i < all.size(); ++i) BOOST_TEST(all[i].starts_with(texts[i / 2]));
  BOOST_TEST(all[0] != all[1]);
  BOOST_CHECK_THROW(generate(model(), tok(), texts[0], beams), shape_error);
}

BOOST_AUTO_TEST_CASE(stop_strings_need_no_more) {
  const auto added = generate(model(), tok(), texts[0], settings, {.return_full_text = false});
  GenerationConfig stopping = settings;
  stopping.stop_strings = {added.substr(added.size() / 2, 2)};
  const auto shorter = generate(model(), tok(), texts[0], stopping, {.return_full_text = false});
  BOOST_TEST(shorter.size() < added.size());
  BOOST_TEST(shorter.find(stopping.stop_strings[0]) != shorter.npos);
}

BOOST_AUTO_TEST_CASE(a_streamer_of_its_tokenizer_begins_with_the_prompt) {
  std::string shown;
  TextStreamer streamer(tok(), [&](std::string_view text) { shown += text; });
  const auto whole = generate(model(), tok(), texts[0], settings, {.streamer = &streamer});
  BOOST_TEST(shown == whole);
  std::string added;
  TextStreamer without(tok(), [&](std::string_view text) { added += text; }, {.skip_prompt = true});
  generate(model(), tok(), texts[0], settings, {.streamer = &without});
  BOOST_TEST(texts[0] + added == whole);
}

BOOST_AUTO_TEST_CASE(another_thread_pulls_the_text) {
  const auto whole = generate(model(), tok(), texts[0], settings, {.return_full_text = false});
  TextIteratorStreamer streamer(tok(), {.skip_prompt = true});
  streamer.start([&] { generate(model(), tok(), texts[0], settings, {.streamer = &streamer}); });
  std::string added;
  for (const auto& piece : streamer.pieces()) added += piece;
  BOOST_TEST(added == whole);

  TextIteratorStreamer cancelled(tok(), {.skip_prompt = true});
  cancelled.cancel();
  cancelled.start(
      [&] { generate(model(), tok(), texts[0], settings, {.streamer = &cancelled, .stop = cancelled.stop_token()}); });
  BOOST_TEST(!cancelled.next().has_value());

  // Where the user's own thread catches it, the other one gets it, too.
  TextIteratorStreamer failing(tok());
  const std::string message = "[GenerationConfig] max_new_tokens: expected at least 1, got 0";
  std::jthread thread([&] {
    throws<value_error>([&] { generate(model(), tok(), texts[0], {.max_new_tokens = 0}, {.streamer = &failing}); },
                        message);
  });
  throws<value_error>([&] { failing.next(); }, message);
}

BOOST_AUTO_TEST_CASE(tokens_come_with_their_probabilities) {
  const auto ids = ids_tensor({std::vector<i64>{5, 6, 7}});
  const GenerationConfig sampled{
      .max_new_tokens = 12, .do_sample = true, .top_k = 9, .eos_token_id = TokenIds{}, .seed = 3};
  std::vector<StreamedToken> streamed;
  TokenStreamer streamer(tok(), [&](const StreamedToken& t) { streamed.push_back(t); }, {.top_logprobs = 3});
  GenerationConfig detailed = sampled;
  detailed.output_scores = true;
  for (int generation = 0; generation < 2; ++generation) {
    streamed.clear();
    const auto out = generate_detailed(model(), ids, detailed, {.streamer = &streamer});
    const auto expected = compute_transition_scores(out, true);
    BOOST_TEST_REQUIRE(streamed.size() == 12u);
    std::string text;
    std::vector<i64> said;
    for (isize i = 0; i < 12; ++i) {
      const auto& t = streamed[std::size_t(i)];
      BOOST_TEST(t.id == out.sequences.data()[3 + i]);
      BOOST_TEST(std::abs(t.logprob - expected.data()[i]) < 1e-5f);
      BOOST_TEST_REQUIRE(t.top_logprobs.size() == 3u);
      BOOST_TEST(t.top_logprobs[0].logprob >= t.top_logprobs[1].logprob);
      BOOST_TEST(t.top_logprobs[0].logprob >= t.logprob);
      BOOST_TEST(t.top_logprobs[0].id ==
                 argmax({out.scores[std::size_t(i)].data(), std::size_t(out.scores[0].extent(1))}));
      text += t.text;
    }
    std::string shown;
    TextStreamer plain(tok(), [&](std::string_view piece) { shown += piece; }, {.skip_prompt = true});
    generate(model(), ids, sampled, {.streamer = &plain});
    BOOST_TEST(shown.starts_with(text));
    BOOST_TEST(!text.empty());
  }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_streamed_says_so) {
  TokenStreamer streamer([](const StreamedToken&) {});
  const auto fails = [&](GenerationConfig config, const std::string& message, isize prompts = 1) {
    const auto ids = Tensor<i64, 2>::filled({prompts, 2}, 5);
    throws<value_error>([&] { generate(model(), ids, config, {.streamer = &streamer}); }, message);
  };
  fails({.num_beams = 4},
        "[generate] streamer: expected not to be set beside num_beams: beams have no text before they "
        "end, got num_beams = 4");
  fails({.do_sample = true, .num_return_sequences = 2},
        "[generate] streamer: expected not to be set beside num_return_sequences: one sequence is streamed, got "
        "num_return_sequences = 2");
  fails({}, "[generate] streamer: expected one prompt in input_ids, got 3", 3);
}

// A tokenizer of whatever words, for a model without one of its own.
struct codec {
  std::vector<i64> encode(std::string_view text, bool) const { return {text.begin(), text.end()}; }
  std::string decode(std::span<const i64> ids, bool) const {
    std::string text;
    for (const i64 id : ids) text += char('0' + id % 64);
    return text;
  }
};

BOOST_AUTO_TEST_CASE(an_encoder_and_decoder_answers_without_the_prompt) {
  const auto t5 = T5ForConditionalGeneration<f32>::from_pretrained(data("models/t5/base").string());
  const std::vector<std::string> questions{"\x05\x06\x07", "\x08", "\x03\x04\x05\x06\x07"};
  const auto answers = generate(t5, codec(), questions, {.max_new_tokens = 5});
  BOOST_TEST_REQUIRE(answers.size() == 3u);
  for (std::size_t i = 0; i < 3; ++i)
    BOOST_TEST(answers[i] == generate(t5, codec(), questions[i], {.max_new_tokens = 5}));
}

BOOST_AUTO_TEST_SUITE_END()
