// Logs in files: CSVLoggerCallback and JSONLinesLoggerCallback. A row or line for each log, written when it happens.
#pragma once
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <hft/io/mapped_file.hpp>
#include <hft/train/callbacks/trainer_callback.hpp>

namespace hft {

namespace detail {

struct close_file {
  void operator()(std::FILE* f) const { std::fclose(f); }
};

/// A file that grows line by line. Its folder is made with the first line.
class log_file {
 public:
  explicit log_file(std::filesystem::path path) : path_(std::move(path)) {}
  bool opened() const { return file_ != nullptr; }
  /// Throws file_error where it cannot be written.
  void append(std::string_view text) {
    if (!file_) {
      std::error_code ignored;
      if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path(), ignored);
      file_.reset(std::fopen(path_.c_str(), "ab"));
      if (!file_) throw file_error(path_.string(), "cannot write: " + errno_text(errno));
    }
    if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() || std::fflush(file_.get()) != 0)
      throw file_error(path_.string(), "cannot write: " + errno_text(errno));
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, close_file> file_;
};

}  // namespace detail

/// One JSON object a line: {"step": 10, "loss": 2.3, ...}. Default: log.jsonl in output_dir. An older file is
/// continued.
class JSONLinesLoggerCallback final : public TrainerCallback {
 public:
  explicit JSONLinesLoggerCallback(std::filesystem::path path) : file_(std::move(path)) {}
  void on_log(const TrainingArguments&, const TrainerState& state, TrainerControl&, const json& logs) override {
    json line = {{"step", state.global_step}};
    for (const auto& [key, value] : logs.items()) line[key] = value;
    file_.append(line.dump() + "\n");
  }

 private:
  detail::log_file file_;
};

/// A table step,name,value: names come and go between logs, so each value is a row of its own.
class CSVLoggerCallback final : public TrainerCallback {
 public:
  explicit CSVLoggerCallback(std::filesystem::path path) : file_(std::move(path)) {}
  void on_log(const TrainingArguments&, const TrainerState& state, TrainerControl&, const json& logs) override {
    std::error_code failed;
    const auto size = std::filesystem::file_size(file_.path(), failed);
    std::string rows = !file_.opened() && (failed || size == 0) ? "step,name,value\n" : "";
    for (const auto& [key, value] : logs.items())
      if (value.is_number()) rows += detail::cat(state.global_step, ",", key, ",", value.dump(), "\n");
    file_.append(rows);
  }

 private:
  detail::log_file file_;
};

}  // namespace hft
