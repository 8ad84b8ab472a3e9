// What the tests of Trainer share: a folder of their own, rows of numbers, the bits of a model's weights.
#pragma once
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <unistd.h>

#include <hft/models/llama.hpp>
#include <hft/train/collators/default.hpp>
#include <hft/train/collators/language_modeling.hpp>
#include <hft/train/trainer.hpp>

#include "models/golden.hpp"

namespace hft::test {

class workspace {
 public:
  workspace() : path_(std::filesystem::temp_directory_path() / ("hft_trainer_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
  }
  ~workspace() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline CollatorTokens tokens() {
  CollatorTokens t;
  t.pad_token_id = 0;
  return t;
}

/// Rows of 3 to 16 ids from 5 to 98.
inline Dataset number_rows(isize n, std::uint64_t seed = 1) {
  const random_stream random(seed);
  std::vector<json> rows;
  std::uint64_t at = 0;
  for (isize i = 0; i < n; ++i) {
    std::vector<i64> ids(3 + random.bits(at++) % 14);
    for (i64& id : ids) id = i64(5 + random.bits(at++) % 94);
    rows.push_back({{"input_ids", json(ids)}});
  }
  return Dataset::from_rows(std::move(rows));
}

template <class Model>
std::map<std::string, std::vector<f32>> weight_values(Model& model) {
  std::map<std::string, std::vector<f32>> out;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    const auto* x = static_cast<const f32*>(p.data());
    out[path].assign(x, x + p.size());
  });
  return out;
}

inline bool same_bits(const std::map<std::string, std::vector<f32>>& a,
                      const std::map<std::string, std::vector<f32>>& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [path, x] : a) {
    const auto y = b.find(path);
    if (y == b.end() || y->second.size() != x.size() || std::memcmp(x.data(), y->second.data(), x.size() * sizeof(f32)))
      return false;
  }
  return true;
}

inline TrainingArguments arguments(const std::string& output_dir, const std::vector<std::string>& words) {
  TrainingArguments args;
  args.output_dir = output_dir;
  parse_args_into(words, args);
  return args;
}

}  // namespace hft::test
