// What the tests of Trainer share: a folder of their own, rows of numbers, the bits of a model's weights.
#pragma once
#include <boost/test/unit_test.hpp>
#include <cmath>
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

/// A model of tests/data/models in which nothing is random.
template <class Model>
Model load_without_dropout(const std::string& name) {
  const auto source = checkpoint::open(data("models/" + name));
  auto config = read_config<typename Model::config_type>(source);
  if constexpr (requires { config.hidden_dropout_prob; })
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0;
  Model model(config);
  model.load_weights(source);
  return model;
}

/// Whether a log has what Transformers' has; null there is NaN.
inline void check_log(const std::string& name, const std::vector<json>& mine, const json& expected) {
  BOOST_TEST_REQUIRE(mine.size() == expected.size());
  for (std::size_t i = 0; i < mine.size(); ++i)
    for (const auto& [key, value] : expected[i].items()) {
      BOOST_TEST_REQUIRE(mine[i].contains(key), name << " entry " << i << " has no " << key << ": " << mine[i]);
      const f64 a = json_as<f64>(mine[i][key], name, key);
      const f64 b = value.is_null() ? std::nan("") : json_as<f64>(value, name, key);
      const bool same = std::isnan(b) ? std::isnan(a) : std::abs(a - b) <= 1e-4 * std::abs(b);
      BOOST_TEST(same, name << " entry " << i << " " << key << ": " << a << " is not " << b);
    }
}

inline TrainingArguments arguments(const std::string& output_dir, const std::vector<std::string>& words) {
  TrainingArguments args;
  args.output_dir = output_dir;
  parse_args_into(words, args);
  return args;
}

}  // namespace hft::test
