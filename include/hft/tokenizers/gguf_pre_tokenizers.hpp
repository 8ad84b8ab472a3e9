// Pre-tokenizers of GGUF files' byte-level vocabularies: what tokenizer.ggml.pre names.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <hft/error.hpp>
#include <hft/tokenizers/convert/convert.hpp>
#include <hft/tokenizers/pre_tokenizers/scanners.hpp>

namespace hft::detail {

/// How the models of one tokenizer.ggml.pre cut text, as their own tokenizer.json does it.
struct gguf_pre_tokenizer {
  enum class digits { as_patterns_say, one_by_one_first, one_by_one_last };
  using patterns = std::span<const std::string_view>;

  patterns cuts = {};  // what they match stands alone; none: ByteLevel's own cut, GPT-2's
  digits numbers = digits::as_patterns_say;
  bool falcon = false;         // punctuation, GPT-2's cut, and numbers in threes
  bool nfc = false;            // the model's tokenizer normalizes to NFC
  bool ignore_merges = false;  // a piece that is a token is that token
  bool add_bos = false;        // where the file does not say
};

namespace gguf_cuts {

inline constexpr std::string_view llama3[] = {regex_of(split_pattern::llama3)},
                                  qwen2[] = {regex_of(split_pattern::qwen2)},
                                  qwen35[] = {regex_of(split_pattern::qwen3_5)},
                                  gpt4o[] = {regex_of(split_pattern::o200k)},
                                  tekken[] = {regex_of(split_pattern::tekken)};
inline constexpr std::string_view
    seed_coder[] =
        {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    bailing[] =
        {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"},
    bloom[] = {R"( ?[^(\s|[.,!?…。，、।۔،])]+)"},
    deepseek_coder[] = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", "[一-龥ࠀ-一가-퟿]+"},
    deepseek_v3[] = {
        R"(\p{N}{1,3})", "[一-龥぀-ゟ゠-ヿ]+",
        R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
// The second: letters that have a case, as of the Unicode that the model's makers had.
// clang-format off
inline constexpr std::string_view deepseek_llm[] = {
    R"([\r\n])",
    R"(\s?[)"
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽ"
    "ᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ί"
    "ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇ"
    "Ꞌ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
    R"(]+)",
    R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)",
    R"(\s+$)",
    "[一-龥ࠀ-一가-퟿]+"};
// clang-format on

}  // namespace gguf_cuts

struct named_gguf_pre_tokenizer {
  std::string_view name;
  gguf_pre_tokenizer value;
};

/// All that are known; of several names for one the first is the one to write.
inline std::span<const named_gguf_pre_tokenizer> gguf_pre_tokenizers() {
  using namespace gguf_cuts;
  using digits = gguf_pre_tokenizer::digits;
  static constexpr gguf_pre_tokenizer gpt2{}, digits_gpt2{.numbers = digits::one_by_one_first},
      llama{.cuts = llama3, .ignore_merges = true, .add_bos = true}, llama_plain{.cuts = llama3}, qwen{.cuts = qwen2},
      qwen_nfc{.cuts = qwen2, .nfc = true}, glm{.cuts = llama3, .ignore_merges = true}, o200k{.cuts = gpt4o},
      deepseek3{.cuts = deepseek_v3}, bailingmoe{.cuts = bailing};
  static constexpr named_gguf_pre_tokenizer table[] = {
      {"gpt-2", gpt2},
      {"gpt2", gpt2},
      {"default", gpt2},
      {"phi-2", gpt2},
      {"roberta-bpe", gpt2},
      {"jina-es", gpt2},
      {"jina-de", gpt2},
      {"jina-v1-en", gpt2},
      {"jina-v2-es", gpt2},
      {"jina-v2-de", gpt2},
      {"jina-v2-code", gpt2},
      {"mpt", gpt2},
      {"olmo", gpt2},
      {"jais", gpt2},
      {"gigachat", gpt2},
      {"modern-bert", gpt2},
      {"exaone4", gpt2},
      {"trillion", gpt2},
      {"granite-docling", gpt2},
      {"mellum", gpt2},
      {"smollm", digits_gpt2},
      {"starcoder", digits_gpt2},
      {"refact", digits_gpt2},
      {"command-r", digits_gpt2},
      {"codeshell", digits_gpt2},
      {"exaone", digits_gpt2},
      {"minerva-7b", digits_gpt2},
      {"mellum2", digits_gpt2},
      {"llama-bpe", llama},
      {"llama3", llama},
      {"llama-v3", llama},
      {"falcon3", llama},
      {"falcon-h1", llama},
      {"pixtral", llama},
      {"lfm2", llama},
      {"dbrx", llama_plain},
      {"smaug-bpe", llama_plain},
      {"chatglm-bpe", llama_plain},
      {"glm4", glm},
      {"qwen2", qwen_nfc},
      {"deepseek-r1-qwen", qwen_nfc},
      {"stablelm2", qwen},
      {"megrez", qwen},
      {"hunyuan", qwen},
      {"grok-2", qwen},
      {"solar-open", qwen},
      {"qwen35", {.cuts = qwen35, .nfc = true}},
      {"tekken", {.cuts = tekken, .ignore_merges = true, .add_bos = true}},
      {"gpt-4o", o200k},
      {"llama4", o200k},
      {"kanana2", o200k},
      {"minimax-m2", o200k},
      {"deepseek-v3", deepseek3},
      {"hunyuan-dense", deepseek3},
      {"joyai-llm", deepseek3},
      {"deepseek-llm", {.cuts = deepseek_llm, .numbers = digits::one_by_one_last}},
      {"deepseek-coder", {.cuts = deepseek_coder, .numbers = digits::one_by_one_last}},
      {"falcon", {.falcon = true}},
      {"bloom", {.cuts = bloom}},
      {"poro-chat", {.cuts = bloom}},
      {"gpt3-finnish", {.cuts = bloom}},
      {"viking", {.cuts = bloom, .numbers = digits::one_by_one_last}},
      {"seed-coder", {.cuts = seed_coder}},
      {"bailingmoe", bailingmoe},
      {"bailingmoe2", bailingmoe},
      {"llada-moe", bailingmoe},
  };
  return table;
}

inline gguf_pre_tokenizer find_gguf_pre_tokenizer(std::string_view pre, const std::string& where) {
  std::string names;
  for (const auto& k : gguf_pre_tokenizers()) {
    if (k.name == pre) return k.value;
    names.append(names.empty() ? "" : ", ").append(k.name);
  }
  throw unsupported_error(where, "tokenizer.ggml.pre " + quote_text(pre), "one of: " + names);
}

inline std::unique_ptr<const pre_tokenizers::PreTokenizer> make_gguf_pre_tokenizer(const gguf_pre_tokenizer& pre,
                                                                                   const std::string& where) {
  using namespace pre_tokenizers;
  using digits = gguf_pre_tokenizer::digits;
  Sequence sequence;
  const auto add = [&](auto step) { sequence.pre_tokenizers.push_back(hold<PreTokenizer>(std::move(step))); };
  const auto split = [&](std::string_view regex) {
    Split cut;
    const auto known = known_pattern(regex);
    cut.pattern = known ? Pattern::known(*known) : Pattern::regex(std::string(regex), where);
    add(std::move(cut));
  };
  const auto each_digit = [&](bool apart) {
    Digits step;
    step.individual_digits = apart;
    add(std::move(step));
  };
  ByteLevel bytes;
  bytes.add_prefix_space = false;
  bytes.use_regex = pre.cuts.empty();
  if (pre.falcon) {
    Punctuation punctuation;
    punctuation.behavior = SplitDelimiterBehavior::Contiguous;
    add(std::move(punctuation));
    add(std::move(bytes));
    each_digit(false);
    split("[0-9][0-9][0-9]");
    return hold<PreTokenizer>(std::move(sequence));
  }
  if (pre.numbers == digits::one_by_one_first) each_digit(true);
  for (const auto regex : pre.cuts) split(regex);
  if (pre.numbers == digits::one_by_one_last) each_digit(true);
  if (sequence.pre_tokenizers.empty()) return hold<PreTokenizer>(std::move(bytes));
  add(std::move(bytes));
  return hold<PreTokenizer>(std::move(sequence));
}

}  // namespace hft::detail
