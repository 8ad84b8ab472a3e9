// Training: a tokenizer's model learned from texts, as its normalizer and pre-tokenizer make words of them.
//
//   train_from_iterator(tokenizer, texts, trainers::BpeTrainer{.vocab_size = 8000, .special_tokens = {"<s>", "</s>"}});
//   tokenizer.save("tokenizer.json");
//
// A header of its own, so that a program that only encodes compiles no trainer.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/utf8.hpp>
#include <hft/tokenizers/tokenizer.hpp>
#include <hft/tokenizers/trainers/bpe.hpp>
#include <hft/tokenizers/trainers/trainer.hpp>
#include <hft/tokenizers/trainers/unigram.hpp>
#include <hft/tokenizers/trainers/word_counter.hpp>
#include <hft/tokenizers/trainers/wordlevel.hpp>
#include <hft/tokenizers/trainers/wordpiece.hpp>

namespace hft {
namespace detail {

/// The model of `words`, and the trainer's special tokens, into the tokenizer.
template <trainers::Trainer T>
void train_on_words(Tokenizer& tokenizer, const word_counts& words, const T& trainer) {
  auto trained = tokenizer;
  trained.set_model(trainer.train(words, *tokenizer.model()));
  trained.add_special_tokens(std::vector<AddedToken>(trainer.special_tokens.begin(), trainer.special_tokens.end()));
  tokenizer = std::move(trained);
}

/// Texts on their way to a counter, which takes many at once.
class text_batch {
 public:
  explicit text_batch(word_counter& counter) : counter_(counter) {}

  /// A copy of a text. Throws value_error where it is not UTF-8 or too long.
  void add(std::string_view text) {
    if (text.size() >= 0xffffffffu)
      throw value_error("trainer", joined("text ", texts_seen_), "less than 4 GiB", joined(text.size(), " bytes"));
    if (const auto at = find_invalid_utf8(text); at != std::string_view::npos)
      throw value_error("trainer", joined("text ", texts_seen_), "UTF-8", joined("an invalid byte at ", at));
    ++texts_seen_;
    arena_ += text;
    ends_.push_back(arena_.size());
    if (arena_.size() >= full) flush();
  }
  /// Counts what is waiting.
  void flush() {
    std::vector<std::string_view> views;
    views.reserve(ends_.size());
    std::size_t begin = 0;
    for (const auto end : ends_) views.push_back(std::string_view(arena_).substr(begin, end - begin)), begin = end;
    counter_.add(views);
    arena_.clear();
    ends_.clear();
  }
  std::size_t texts_seen() const noexcept { return texts_seen_; }

 private:
  static constexpr std::size_t full = std::size_t{4} << 20;  // bytes
  word_counter& counter_;
  std::string arena_;
  std::vector<std::size_t> ends_;
  std::size_t texts_seen_ = 0;
};

/// Calls f(string_view) for each text of a range of texts or of batches of texts, or of a callable that returns an
/// std::optional of either until it returns nothing.
template <class Texts, class F>
void for_each_text(Texts&& texts, F& f) {
  if constexpr (std::is_convertible_v<const std::remove_reference_t<Texts>&, std::string_view>) {
    f(std::string_view(texts));
  } else if constexpr (std::is_invocable_v<Texts&>) {
    while (auto next = texts()) for_each_text(*next, f);
  } else {
    for (auto&& t : texts) for_each_text(t, f);
  }
}

}  // namespace detail

/// Trains the tokenizer's model on texts (UTF-8) and adds the trainer's special tokens; the tokenizer is as it was
/// where this fails. `texts` is a range of strings or of ranges of strings, or a callable that returns
/// std::optional<std::string> until it returns nothing. The result does not depend on the order of the texts or the
/// number of threads. Throws value_error for a text that is not UTF-8 and for a model that the trainer is not for.
template <class Texts, trainers::Trainer T>
void train_from_iterator(Tokenizer& tokenizer, Texts&& texts, const T& trainer) {
  static_assert(!std::is_convertible_v<const std::remove_reference_t<Texts>&, std::string_view>,
                "train_from_iterator takes many texts; put one text into a vector");
  constexpr std::string_view stage = "Pre-processing sequences";
  std::size_t total = 0;
  if constexpr (requires { std::size(texts); }) total = std::size(texts);
  detail::report(trainer, stage, 0, total);
  detail::word_counter counter(tokenizer);
  detail::text_batch batch(counter);
  auto add = [&](std::string_view text) {
    batch.add(text);
    detail::report(trainer, stage, batch.texts_seen(), total);
  };
  detail::for_each_text(std::forward<Texts>(texts), add);
  batch.flush();
  detail::train_on_words(tokenizer, counter.take(), trainer);
}

/// The same for the lines of text files. As in the library, a line has its line break. Throws file_error for a file
/// that cannot be read and format_error for one that is not UTF-8.
template <trainers::Trainer T>
void train(Tokenizer& tokenizer, const std::vector<std::filesystem::path>& files, const T& trainer) {
  constexpr std::string_view stage = "Pre-processing files";
  std::vector<std::shared_ptr<const mapped_file>> open;
  std::size_t total = 0, done = 0;
  for (const auto& path : files) {
    open.push_back(mapped_file::open(path));
    total += open.back()->size();
  }
  detail::report(trainer, stage, 0, total);
  detail::word_counter counter(tokenizer);
  std::vector<std::string_view> lines;
  for (const auto& file : open) {
    const std::string_view text = file->text();
    if (const auto at = detail::find_invalid_utf8(text); at != std::string_view::npos)
      throw format_error(file->path().string(), "", "UTF-8", detail::joined("an invalid byte at ", at));
    constexpr std::size_t batch = std::size_t{4} << 20;  // bytes
    for (std::size_t begin = 0, counted = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
      if (end - begin >= 0xffffffffu)
        throw value_error(file->path().string(), "line", "less than 4 GiB", detail::joined(end - begin, " bytes"));
      lines.push_back(text.substr(begin, end - begin));
      begin = end;
      if (begin - counted < batch && begin < text.size()) continue;
      counter.add(lines);
      lines.clear();
      done += begin - counted;
      counted = begin;
      detail::report(trainer, stage, done, total);
    }
  }
  detail::train_on_words(tokenizer, counter.take(), trainer);
}

}  // namespace hft
