// Structured output on a vocabulary of the size of SmolLM2's: what the processor takes of a token, once warm, and what
// reading a schema and its first text cost. HFT_BENCH_TOKENIZER names a GGUF file or a tokenizer.json, whose vocabulary
// it then is; without, it is words of letters, digits and JSON's punctuation, 49152 of them.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <hft/generation/logits_process/guided.hpp>

namespace {

using namespace hft;

const TokenTexts& vocabulary() {
  static const TokenTexts made = [] {
    if (const char* path = std::getenv("HFT_BENCH_TOKENIZER")) {
      const std::string p = path;
      return token_texts((p.ends_with(".gguf") ? PreTrainedTokenizerFast::from_gguf(std::filesystem::path(p))
                                               : PreTrainedTokenizerFast::from_file(p))
                             .tokenizer());
    }
    TokenTexts out;
    for (int b = 0; b < 256; ++b) out.texts.emplace_back(1, char(b));
    std::mt19937 random(1);
    const std::string letters = "etaoinshrdlcumwfgypbvkjxqz", marks = "\"{}[]:,. \n-0123456789\\";
    while (out.texts.size() < 49152) {
      std::string t = random() % 2 ? " " : "";
      for (auto n = 1 + random() % 8; n > 0; --n) {
        const auto i = std::min(random() % letters.size(), random() % letters.size());
        t += random() % 64 ? letters[i] : marks[random() % marks.size()];
      }
      out.texts.push_back(t);
    }
    return out;
  }();
  return made;
}

constexpr const char* schema = R"({"type":"object","properties":{
  "name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},
  "address":{"type":"object","properties":{"street":{"type":"string","maxLength":60},"city":{"type":"string"},
    "zip":{"type":"string","pattern":"^\\d{5}$"}},"required":["street","city","zip"]},
  "friends":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},
    "since":{"type":"string","format":"date"},"score":{"type":"number","minimum":0,"maximum":1}},
    "required":["name","since","score"]}}},"required":["name","age","address","friends"]})";
constexpr const char* text =
    R"({"name": "Ada Lovelace of Ockham Park", "age": 36, "address": {"street": "12 St. James's Square, by the park", "city": "London", "zip": "12345"}, "friends": [{"name": "Charles Babbage", "since": "1833-06-05", "score": 0.97}, {"name": "Mary Somerville", "since": "1832-01-01", "score": 0.5}, {"name": "Augustus De Morgan", "since": "1840-11-30", "score": 1}]})";

/// The text by the longest tokens.
std::vector<i64> tokens() {
  std::vector<i64> out;
  const std::string_view whole = text;
  for (std::size_t at = 0; at < whole.size();) {
    std::size_t best = 0;
    i64 token = 0;
    for (std::size_t id = 0; id < vocabulary().texts.size(); ++id) {
      const auto& t = vocabulary().texts[id];
      if (t.size() > best && whole.substr(at).starts_with(t)) best = t.size(), token = i64(id);
    }
    out.push_back(token);
    at += best;
  }
  return out;
}

/// Writes the text; the seconds that the processor takes.
f64 write(GrammarLogitsProcessor& processor, const std::vector<i64>& text_tokens, std::vector<f32>& scores) {
  std::vector<i64> ids{1, 2, 3};
  const isize V = isize(scores.size());
  f64 seconds = 0;
  for (const i64 token : text_tokens) {
    std::fill(scores.begin(), scores.end(), 1.0f);
    const auto before = std::chrono::steady_clock::now();
    processor({ids.data(), 1, isize(ids.size()), isize(ids.size())}, {scores.data(), 1, V, V});
    seconds += std::chrono::duration<f64>(std::chrono::steady_clock::now() - before).count();
    if (scores[std::size_t(token)] == filter_value) throw value_error("benchmark", "token", "one that is allowed", "");
    ids.push_back(token);
  }
  return seconds;
}
std::shared_ptr<CompiledGrammar> compiled() {
  return std::make_shared<CompiledGrammar>(grammar_from_json_schema(schema), vocabulary());
}

/// A text of a grammar, of which the same text was written before (warm), or none was.
void a_text(benchmark::State& state, bool is_warm) {
  const auto text_tokens = tokens();
  std::vector<f32> scores(vocabulary().texts.size());
  auto grammar = compiled();
  for (bool first = is_warm; auto _ : state) {
    if (!is_warm) grammar = compiled();
    GrammarLogitsProcessor processor(grammar, {0});
    if (std::exchange(first, false)) write(processor, text_tokens, scores);
    state.SetIterationTime(write(processor, text_tokens, scores));
  }
  state.counters["s/token"] = benchmark::Counter(
      f64(text_tokens.size()), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
void reading(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(compiled());
}

}  // namespace

BENCHMARK_CAPTURE(a_text, warm, true)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(a_text, first, false)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(reading)->Unit(benchmark::kMicrosecond);
