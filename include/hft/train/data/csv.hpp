// Datasets from CSV (RFC 4180): the first record names the columns; fields may be quoted, with quotes doubled, and then
// hold separators and line ends. A column whose fields are all numbers is one of numbers, as pandas reads it; an empty
// field is null.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/io/mapped_file.hpp>
#include <hft/io/utf8.hpp>
#include <hft/linkage.hpp>
#include <hft/train/data/dataset.hpp>

namespace hft {

/// The records of a CSV file. Throws format_error, with line and column, for one that is malformed anywhere.
Dataset load_csv(const std::filesystem::path& path, char separator = ',');

#if HFT_DEFINES(TRAIN)

namespace detail {

class csv_rows final : public RowSource {
 public:
  csv_rows(const std::filesystem::path& path, char separator) : file_(mapped_file::open(path)), separator_(separator) {
    const std::string_view text = file_->text();
    std::size_t at = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
    skip_blank_lines(at);
    if (at == text.size()) throw format_error(path.string(), "line 1, column 1", "a record of column names", "none");
    names_ = read_record(at);
    for (std::size_t i = 0; i < names_.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (names_[i] == names_[j])
          throw format_error(path.string(), "line 1", "column names that differ", quote_text(names_[i]) + " twice");
    kinds_.assign(names_.size(), integer);
    for (skip_blank_lines(at); at < text.size(); skip_blank_lines(at)) {
      begins_.push_back(at);
      const std::size_t begin = at;
      const auto fields = read_record(at);
      if (fields.size() != names_.size())
        fail(begin, cat("a record of ", names_.size(), " fields"), cat(fields.size()));
      for (std::size_t i = 0; i < fields.size(); ++i) kinds_[i] = std::max(kinds_[i], kind_of(fields[i]));
    }
    if (begins_.empty()) throw format_error(path.string(), "line 2, column 1", "at least one row", "none");
  }

  isize size() const override { return isize(begins_.size()); }
  json row(isize i) const override {
    std::size_t at = begins_[std::size_t(i)];
    auto fields = read_record(at);
    json out = json::object();
    for (std::size_t c = 0; c < fields.size(); ++c) out[names_[c]] = value(std::move(fields[c]), kinds_[c]);
    return out;
  }

 private:
  enum kind : std::uint8_t { integer, number, text };

  static kind kind_of(const std::string& field) {
    if (field.empty()) return integer;  // says nothing
    i64 n;
    f64 x;
    const char *begin = field.data(), *end = begin + field.size();
    if (const auto r = std::from_chars(begin, end, n); r.ec == std::errc() && r.ptr == end) return integer;
    if (const auto r = std::from_chars(begin, end, x); r.ec == std::errc() && r.ptr == end) return number;
    return text;
  }
  static json value(std::string field, kind k) {
    if (field.empty()) return nullptr;
    if (k == text) return json(std::move(field));
    if (k == number) {
      f64 x = 0;
      std::from_chars(field.data(), field.data() + field.size(), x);
      return x;
    }
    i64 n = 0;
    std::from_chars(field.data(), field.data() + field.size(), n);
    return n;
  }

  void skip_blank_lines(std::size_t& at) const {
    const auto t = file_->text();
    while (at < t.size() && (t[at] == '\n' || t[at] == '\r')) ++at;
  }

  // The record that begins at `at`, which is moved behind it.
  std::vector<std::string> read_record(std::size_t& at) const {
    const auto t = file_->text();
    std::vector<std::string> fields;
    for (;;) {
      std::string field;
      if (at < t.size() && t[at] == '"') {
        const std::size_t opened = at++;
        for (;; ++at) {
          const auto quote = t.find('"', at);
          if (quote == t.npos) fail(opened, "a closing quote", "the end of the file");
          field.append(t.substr(at, quote - at));
          at = quote + 1;
          if (at >= t.size() || t[at] != '"') break;
          field += '"';
        }
        if (at < t.size() && t[at] != separator_ && t[at] != '\n' && t[at] != '\r')
          fail(at, "a separator or the end of the line after a quoted field", quote_text(t.substr(at, 1)));
      } else {
        const auto end = std::min(t.find_first_of(std::string{separator_, '\n', '\r'}, at), t.size());
        field = t.substr(at, end - at);
        at = end;
      }
      if (const auto bad = find_invalid_utf8(field); bad != field.npos)
        fail(at, "UTF-8", quote_text(std::string_view(field).substr(bad, 4)));
      fields.push_back(std::move(field));
      if (at < t.size() && t[at] == separator_) {
        ++at;
        continue;
      }
      if (at < t.size() && t[at] == '\r') ++at;
      if (at < t.size() && t[at] == '\n') ++at;
      return fields;
    }
  }

  [[noreturn]] void fail(std::size_t at, std::string_view expected, std::string_view got) const {
    const auto before = file_->text().substr(0, at);
    throw format_error(file_->path().string(),
                       joined("line ", 1 + std::count(before.begin(), before.end(), '\n'), ", column ",
                              before.size() - (before.rfind('\n') + 1) + 1),
                       expected, got);
  }

  std::shared_ptr<const mapped_file> file_;
  char separator_;
  std::vector<std::string> names_;
  std::vector<kind> kinds_;
  std::vector<std::uint64_t> begins_;
};

}  // namespace detail

HFT_INLINE Dataset load_csv(const std::filesystem::path& path, char separator) {
  return Dataset(std::make_shared<detail::csv_rows>(path, separator));
}

#endif  // HFT_DEFINES

}  // namespace hft
