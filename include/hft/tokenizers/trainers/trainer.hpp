// What the trainers of models share: the words they learn from, special tokens, progress. A trainer is an aggregate of
// options with the names and defaults of the tokenizers library; train.hpp feeds it with texts.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/tokenizers/added_vocabulary.hpp>
#include <hft/tokenizers/byte_alphabet.hpp>
#include <hft/tokenizers/models/model.hpp>

namespace hft {

/// The distinct words of a corpus (well-formed UTF-8, none empty), ordered by their bytes, and how often each occurs.
/// The order decides what the library leaves to chance, so that a corpus gives one result.
using word_counts = std::vector<std::pair<std::string, std::uint64_t>>;

namespace trainers {

/// A special token of a trainer. A string becomes one as the library makes it: looked for in the text as it is.
struct SpecialToken : AddedToken {
  SpecialToken(std::string text) : AddedToken(verbatim(std::move(text))) {}          // NOLINT
  SpecialToken(const char* text) : SpecialToken(std::string(text)) {}                // NOLINT
  SpecialToken(AddedToken token) : AddedToken(std::move(token)) { special = true; }  // NOLINT
};

/// Called as a stage of training goes on, from the thread that trains. `total` is an estimate.
using progress_callback = std::function<void(std::string_view stage, std::size_t done, std::size_t total)>;

/// The characters that spell bytes: the initial alphabet of byte-level models (the library's ByteLevel.alphabet()).
inline std::u32string byte_level_alphabet() {
  return {detail::byte_alphabet.to_char.begin(), detail::byte_alphabet.to_char.end()};
}

/// Options of a model's training: train(words, model) makes the trained model, with the settings that `model`, the
/// untrained one, has and the trainer has not. Throws value_error for a model of another kind.
template <class T>
concept Trainer = requires(const T& trainer, const word_counts& words, const models::Model& model) {
  { trainer.train(words, model) } -> std::convertible_to<std::shared_ptr<const models::Model>>;
  { trainer.special_tokens } -> std::convertible_to<std::vector<SpecialToken>>;
  { trainer.progress } -> std::convertible_to<progress_callback>;
  { trainer.stop } -> std::convertible_to<std::stop_token>;
};

}  // namespace trainers

namespace detail {

/// Reports to a trainer's callback, if there is one, and throws cancelled_error where training was asked to stop.
template <class T>
void report(const T& trainer, std::string_view stage, std::size_t done, std::size_t total) {
  if (trainer.stop.stop_requested()) throw cancelled_error("trainer", joined("stopped at '", stage, "'"));
  if (trainer.progress) trainer.progress(stage, done, total);
}

/// `model` as the kind that a trainer trains.
template <class Model>
const Model& model_to_train(const models::Model& model, std::string_view trainer, std::string_view kind) {
  const auto* m = dynamic_cast<const Model*>(&model);
  if (!m) throw value_error(trainer, "model", kind, "one of another kind");
  return *m;
}

/// The characters of an initial alphabet. Throws value_error for what is no character.
inline const std::u32string& check_alphabet(const std::u32string& alphabet, std::string_view trainer) {
  for (char32_t c : alphabet)
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
      throw value_error(trainer, "initial_alphabet", "characters", joined(std::uint32_t(c)));
  return alphabet;
}

/// A vocabulary of distinct tokens whose ids are their places.
inline Vocabulary make_vocabulary(const std::vector<std::string>& tokens) {
  Vocabulary out;
  std::size_t bytes = 0;
  for (const auto& t : tokens) bytes += t.size();
  out.reserve(tokens.size(), bytes);
  for (const auto& t : tokens) out.insert(t, std::uint32_t(out.size()));
  out.finish();
  return out;
}

}  // namespace detail
}  // namespace hft
