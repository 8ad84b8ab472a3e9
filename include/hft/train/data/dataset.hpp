// Dataset: rows of named values, read when they are asked for. (datasets.Dataset)
//
//   auto data = load_dataset("chats.jsonl").filter(f).shuffle(42);        // data/load_dataset.hpp
//   auto [train, test] = data.train_test_split(0.1, 42);
//   auto tokens = tokenize(train, tokenizer);                             // data/tokenize.hpp
//   json row = tokens[7];                                                 // {"input_ids": [...], ...}
//
// A row is a JSON object. Rows of a file stay in the file, which is mapped: only where each begins is in memory, so a
// file may be larger than it. map() is computed for each access, in the loader's threads.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#include <hft/progress.hpp>
#include <hft/random.hpp>

namespace hft {

/// Where a Dataset's rows come from; used by many threads at once.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual isize size() const = 0;
  /// An object; 0 <= i < size(). Throws format_error, naming the file, line and column, for one that cannot be read.
  virtual json row(isize i) const = 0;
  /// What is done to make a row, as progress calls it: "tokenizing"; empty where it is only read.
  virtual std::string_view desc() const { return ""; }
};

/// The numbers 0 ... n - 1 in an order that seed and stream choose.
inline std::vector<isize> random_permutation(isize n, std::uint64_t seed, std::uint64_t stream = 0) {
  std::vector<isize> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), isize(0));
  const random_stream random(seed, stream);
  // Durstenfeld 1964. The product's high half is a number below i + 1, its bias below 2^-32 for sets of 2^32.
  for (isize i = n - 1; i > 0; --i) {
    const auto high = random.bits(std::uint64_t(i)) >> 32, low = random.bits(std::uint64_t(i)) & 0xffffffffu;
    const auto bound = std::uint64_t(i) + 1;
    const auto j = bound <= 0xffffffffu ? (high * bound) >> 32 : ((high << 32) | low) % bound;
    std::swap(order[std::size_t(i)], order[std::size_t(j)]);
  }
  return order;
}

struct TrainTestSplit;

/// A handle; copies share the rows.
class Dataset {
 public:
  Dataset() = default;
  explicit Dataset(std::shared_ptr<const RowSource> source) : source_(std::move(source)) {}
  static Dataset from_rows(std::vector<json> rows);

  isize size() const { return source_ ? source_->size() : 0; }
  bool empty() const { return size() == 0; }
  explicit operator bool() const { return source_ != nullptr; }

  json operator[](isize i) const {
    if (i < 0 || i >= size())
      throw value_error("Dataset", "row", detail::joined("0 <= row < ", size()), detail::joined(i));
    return source_->row(i);
  }
  /// The names in the first row.
  std::vector<std::string> column_names() const {
    std::vector<std::string> names;
    if (empty()) return names;
    const json first = (*this)[0];  // items() refers to it
    for (const auto& [key, value] : first.items()) names.push_back(key);
    return names;
  }

  /// Rows through f, whenever they are asked for; f is called by many threads at once. What reads all rows says `desc`
  /// of its progress (progress.hpp); the last of several maps that has one counts.
  Dataset map(std::function<json(json)> f, std::string desc = "") const;
  /// The rows that f accepts; reads all of them.
  Dataset filter(const std::function<bool(const json&)>& f) const;
  /// These rows, in this order. Throws value_error for one that there is not.
  Dataset select(std::vector<isize> rows) const;
  Dataset shuffle(std::uint64_t seed) const { return select(random_permutation(size(), seed)); }
  /// A share below 1 of the rows, or so many of them, as `test`; the others as `train`. Throws value_error where that
  /// leaves either empty.
  TrainTestSplit train_test_split(f64 test_size, std::uint64_t seed, bool shuffle = true) const;
  /// All rows computed now and kept in memory.
  Dataset cached() const;
  /// f(row) of all rows in their order, with progress: `what`, where nothing has a desc.
  void for_each_row(const char* what, const std::function<void(json)>& f) const;

 private:
  std::shared_ptr<const RowSource> source_;
};

struct TrainTestSplit {
  Dataset train, test;
};

namespace detail {

class memory_rows final : public RowSource {
 public:
  explicit memory_rows(std::vector<json> rows) : rows_(std::move(rows)) {}
  isize size() const override { return isize(rows_.size()); }
  json row(isize i) const override { return rows_[std::size_t(i)]; }

 private:
  std::vector<json> rows_;
};

class mapped_rows final : public RowSource {
 public:
  mapped_rows(std::shared_ptr<const RowSource> source, std::function<json(json)> f, std::string desc)
      : source_(std::move(source)), f_(std::move(f)), desc_(std::move(desc)) {}
  isize size() const override { return source_->size(); }
  json row(isize i) const override { return f_(source_->row(i)); }
  std::string_view desc() const override { return desc_.empty() ? source_->desc() : desc_; }

 private:
  std::shared_ptr<const RowSource> source_;
  std::function<json(json)> f_;
  std::string desc_;
};

class selected_rows final : public RowSource {
 public:
  selected_rows(std::shared_ptr<const RowSource> source, std::vector<isize> rows)
      : source_(std::move(source)), rows_(std::move(rows)) {}
  isize size() const override { return isize(rows_.size()); }
  json row(isize i) const override { return source_->row(rows_[std::size_t(i)]); }
  std::string_view desc() const override { return source_->desc(); }

 private:
  std::shared_ptr<const RowSource> source_;
  std::vector<isize> rows_;
};

}  // namespace detail

#if HFT_DEFINES(TRAIN)

HFT_INLINE Dataset Dataset::from_rows(std::vector<json> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (!rows[i].is_object())
      throw value_error("Dataset", detail::joined("row ", i), "an object", detail::describe(rows[i]));
  return Dataset(std::make_shared<detail::memory_rows>(std::move(rows)));
}

HFT_INLINE Dataset Dataset::map(std::function<json(json)> f, std::string desc) const {
  return source_ ? Dataset(std::make_shared<detail::mapped_rows>(source_, std::move(f), std::move(desc))) : Dataset();
}

HFT_INLINE void Dataset::for_each_row(const char* what, const std::function<void(json)>& f) const {
  const std::string desc(source_ ? source_->desc() : "");
  detail::progress task(desc.empty() ? what : desc.c_str(), "", size(), "rows");
  for (isize i = 0; i < size(); ++i) {
    f(source_->row(i));
    task.advance();
  }
}

HFT_INLINE Dataset Dataset::filter(const std::function<bool(const json&)>& f) const {
  std::vector<isize> kept;
  isize at = 0;
  for_each_row("filtering", [&](const json& row) {
    if (f(row)) kept.push_back(at);
    ++at;
  });
  return select(std::move(kept));
}

HFT_INLINE Dataset Dataset::cached() const {
  std::vector<json> rows;
  for_each_row("reading", [&](json row) { rows.push_back(std::move(row)); });
  return from_rows(std::move(rows));
}

HFT_INLINE Dataset Dataset::select(std::vector<isize> rows) const {
  for (const isize i : rows)
    if (i < 0 || i >= size())
      throw value_error("Dataset", "row", detail::joined("0 <= row < ", size()), detail::joined(i));
  return source_ ? Dataset(std::make_shared<detail::selected_rows>(source_, std::move(rows))) : Dataset();
}

HFT_INLINE TrainTestSplit Dataset::train_test_split(f64 test_size, std::uint64_t seed, bool shuffle) const {
  const isize n = size();
  const isize test = isize(test_size < 1 ? std::ceil(test_size * f64(n)) : test_size);
  if (!(test_size > 0) || test < 1 || test >= n)
    throw value_error("train_test_split", "test_size",
                      detail::joined("a part of ", n, " rows that leaves some on each side"),
                      detail::joined(test_size));
  std::vector<isize> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), isize(0));
  if (shuffle) order = random_permutation(n, seed);
  // As in datasets: shuffled, the test rows come first; in order, they are the last.
  const auto cut = order.begin() + (shuffle ? test : n - test);
  std::vector<isize> first(order.begin(), cut), second(cut, order.end());
  if (shuffle) return {select(std::move(second)), select(std::move(first))};
  return {select(std::move(first)), select(std::move(second))};
}

#endif  // HFT_DEFINES

}  // namespace hft
