// Datasets from files: JSON lines, a JSON list, CSV, plain text; with data/parquet.hpp, Parquet. The file is mapped and
// one pass finds where its rows begin; each is parsed when it is asked for. Errors name the file, the line and the
// column.
#pragma once
#include <algorithm>
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
#include <hft/train/data/csv.hpp>
#include <hft/train/data/dataset.hpp>

namespace hft {

namespace detail {

/// The lines of a mapped file.
class line_index {
 public:
  /// `blank`: whether lines of white space count.
  line_index(const std::filesystem::path& path, bool blank) : file_(mapped_file::open(path)) {
    const std::string_view text = file_->text();
    file_->advise(access_hint::sequential);
    std::size_t at = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;  // a byte order mark
    while (at < text.size()) {
      const auto newline = text.find('\n', at);
      const auto end = newline == text.npos ? text.size() : newline;
      if (blank || text.substr(at, end - at).find_first_not_of(" \t\r") != text.npos) begins_.push_back(at);
      at = end + 1;
    }
    file_->advise(access_hint::normal);
    if (begins_.empty()) throw format_error(path.string(), "line 1, column 1", "at least one row", "none");
  }

  isize size() const { return isize(begins_.size()); }
  std::string path() const { return file_->path().string(); }
  /// Without its end.
  std::string_view line(isize i) const {
    std::string_view rest = file_->text().substr(begins_[std::size_t(i)]);
    rest = rest.substr(0, rest.find('\n'));
    if (rest.ends_with('\r')) rest.remove_suffix(1);
    return rest;
  }
  /// Counted from 1, as editors do; takes a pass over the file.
  isize number(isize i) const {
    const auto before = file_->text().substr(0, begins_[std::size_t(i)]);
    return 1 + std::count(before.begin(), before.end(), '\n');
  }
  /// Throws format_error for a line that is not UTF-8.
  void check_utf8(isize i) const {
    const auto text = line(i);
    if (const auto bad = find_invalid_utf8(text); bad != text.npos)
      throw format_error(path(), joined("line ", number(i), ", column ", bad + 1), "UTF-8",
                         quote_text(text.substr(bad, 4)));
  }

 private:
  std::shared_ptr<const mapped_file> file_;
  std::vector<std::uint64_t> begins_;
};

class json_lines_rows final : public RowSource {
 public:
  explicit json_lines_rows(const std::filesystem::path& path) : lines_(path, false) {}
  isize size() const override { return lines_.size(); }
  json row(isize i) const override {
    lines_.check_utf8(i);
    json value;
    try {
      value = parse_json(lines_.line(i), lines_.path(), json_max_depth, json_numbers::python);
    } catch (const format_error& e) {
      // The parser saw one line only; the file has others before it.
      std::string subject = e.subject();
      const std::string_view first = "at line 1,";
      if (const auto at = subject.find(first); at != subject.npos)
        subject.replace(at, first.size(), cat("at line ", lines_.number(i), ","));
      else
        subject = cat("line ", lines_.number(i), ": ", subject);
      throw format_error(e.where(), subject, e.expected(), e.got());
    }
    if (!value.is_object())
      throw format_error(lines_.path(), joined("line ", lines_.number(i), ", column 1"), "an object", describe(value));
    return value;
  }

 private:
  line_index lines_;
};

class text_rows final : public RowSource {
 public:
  explicit text_rows(const std::filesystem::path& path) : lines_(path, true) {}
  isize size() const override { return lines_.size(); }
  json row(isize i) const override {
    lines_.check_utf8(i);
    json row = json::object();
    row["text"] = lines_.line(i);
    return row;
  }

 private:
  line_index lines_;
};

// A file that is one JSON value: a list of rows, or an object with one under "data".
inline Dataset json_file(const std::filesystem::path& path) {
  json value = read_json(path, std::size_t(1) << 32);
  if (value.is_object() && value.contains("data") && value["data"].is_array()) {
    json rows = std::move(value["data"]);
    value = std::move(rows);
  }
  if (!value.is_array() || value.empty())
    throw format_error(path.string(), "", "a list of objects, or JSON lines", describe(value));
  auto& elements = value.get_ref<json::array_t&>();
  for (std::size_t i = 0; i < elements.size(); ++i)
    if (!elements[i].is_object())
      throw format_error(path.string(), joined("element ", i), "an object", describe(elements[i]));
  return Dataset::from_rows(std::move(elements));
}

}  // namespace detail

/// One object a line; blank lines are skipped.
inline Dataset load_json_lines(const std::filesystem::path& path) {
  return Dataset(std::make_shared<detail::json_lines_rows>(path));
}
/// One row {"text": line} a line.
inline Dataset load_text(const std::filesystem::path& path) {
  return Dataset(std::make_shared<detail::text_rows>(path));
}

namespace detail {
/// What reads .parquet; null in a program that does not include data/parquet.hpp.
inline auto parquet_loader() -> Dataset (*&)(const std::filesystem::path&) {
  static Dataset (*loader)(const std::filesystem::path&) = nullptr;
  return loader;
}
}  // namespace detail

/// A dataset by the file's extension: .jsonl, .json (lines, or one list), .csv, .tsv, .txt, and .parquet in a program
/// that includes data/parquet.hpp. Throws file_error for a file that cannot be read, format_error for an empty one,
/// unsupported_error for another extension. A broken row throws when it is read.
Dataset load_dataset(const std::filesystem::path& path);

#if HFT_DEFINES(TRAIN)

HFT_INLINE Dataset load_dataset(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".jsonl" || extension == ".ndjson") return load_json_lines(path);
  if (extension == ".json") {
    const auto file = mapped_file::open(path);
    const auto text = file->text();
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == text.npos) throw format_error(path.string(), "line 1, column 1", "at least one row", "none");
    // An object that ends on its first line begins JSON lines.
    const auto line = text.substr(first, text.find('\n', first) - first);
    const bool one_value = text[first] == '[' || line.find_last_not_of(" \t\r") == line.npos ||
                           line[line.find_last_not_of(" \t\r")] != '}';
    return one_value ? detail::json_file(path) : load_json_lines(path);
  }
  if (extension == ".csv") return load_csv(path, ',');
  if (extension == ".tsv") return load_csv(path, '\t');
  if (extension == ".txt" || extension == ".text" || extension == ".md") return load_text(path);
  if (extension == ".parquet") {
    if (const auto load = detail::parquet_loader()) return load(path);
    throw unsupported_error(path.string(), "Parquet", "a program that includes hft/train/data/parquet.hpp", "");
  }
  throw unsupported_error(path.string(), "a dataset", ".jsonl, .json, .csv, .tsv, .txt or .parquet",
                          detail::quote_text(extension));
}

#endif  // HFT_DEFINES

}  // namespace hft
