// Checkpoints whose weights are not committed: weights.json says name, dtype, shape and interval of each tensor, and
// its values are a function of name, index and seed. The function is that of tests/oracle/seeded.py, which says why it
// is so.
#pragma once
#include <stdlib.h>  // mkdtemp

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/io/json.hpp>

namespace hft::test {

/// The values of the tensor `name`, one after another.
class seeded_values {
 public:
  seeded_values(std::string_view name, std::uint64_t seed, f64 centre, f64 scale)
      : centre_(centre), scale_(f32(scale)) {
    std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    state_ = mixed(hash + seed * gamma);
  }
  f32 next() {
    state_ += gamma;  // splitmix64
    const f64 unit = f64(mixed(state_) >> 40) / (1 << 23) - 1;
    return f32(centre_ + f64(scale_) * unit);  // the product is exact: whether it is fused with the sum is all the same
  }

 private:
  static constexpr std::uint64_t gamma = 0x9e3779b97f4a7c15;
  static std::uint64_t mixed(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
  f64 centre_;
  f32 scale_;
};

/// A safetensors file as weights.json describes it, spelt as the safetensors package spells it (tests compare whole
/// files). Not hft's own writer, which would not write what is odd.
class seeded_file {
 public:
  seeded_file(const json& file, std::uint64_t seed) {
    if (const json& metadata = file["metadata"]; !metadata.is_null()) {
      std::string members;
      for (const auto& [key, value] : metadata.items()) add(members, key, value.dump());
      add(header_, "__metadata__", "{" + members + "}");
    }
    for (const json& tensor : file["tensors"]) {
      const std::size_t begin = data_.size();
      append(tensor, seed);
      std::string shape;
      for (const json& extent : tensor["shape"]) shape += (shape.empty() ? "" : ",") + extent.dump();
      add(header_, tensor["name"].get<std::string>(),
          "{\"dtype\":" + tensor["dtype"].dump() + ",\"shape\":[" + shape + "],\"data_offsets\":[" +
              std::to_string(begin) + "," + std::to_string(data_.size()) + "]}");
    }
    header_ = "{" + header_ + "}";
    header_.append(-header_.size() % 8, ' ');
  }
  void write(const std::filesystem::path& path) const {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream out(path, std::ios::binary);
    const std::uint64_t length = header_.size();
    out.write(reinterpret_cast<const char*>(&length), sizeof length) << header_ << data_;
    if (!out.flush()) throw file_error("seeded_checkpoint", "cannot write a file", "a file at " + path.string());
  }

 private:
  static void add(std::string& members, const std::string& key, const std::string& value) {
    members += (members.empty() ? "" : ",") + json(key).dump() + ":" + value;
  }
  template <class T>
  void put(T value) {
    data_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static f32 rounded(f32 x, std::string_view dtype) {
    return dtype == "BF16" ? f32(bf16(x)) : dtype == "F16" ? f32(f16(x)) : x;
  }
  void append(const json& tensor, std::uint64_t seed) {
    const auto dtype = tensor["dtype"].get<std::string>(), name = tensor["name"].get<std::string>();
    if (tensor.contains("values")) {
      for (const json& value : tensor["values"])
        dtype == "I64" ? put(value.get<i64>()) : put(value.get<std::uint8_t>());
      return;
    }
    seeded_values values(tensor.value("like", name), seed, tensor.value("centre", 0.0), tensor["scale"].get<f64>());
    const auto first = tensor.value("rounded", dtype);
    isize count = 1;
    for (const json& extent : tensor["shape"]) count *= extent.get<isize>();
    for (isize i = 0; i < count; ++i) {
      const f32 x = rounded(values.next(), first);
      if (dtype == "F32")
        put(x);
      else if (dtype == "F64")
        put(f64(x));
      else if (dtype == "F16")
        put(f16(x).bits);
      else if (dtype == "BF16")
        put(bf16(x).bits);
      else
        throw unsupported_error("seeded_checkpoint", hft::detail::joined(name, " has a dtype that is not drawn"),
                                "F64, F32, F16 or BF16", dtype);
    }
  }
  std::string header_, data_;
};

/// The checkpoints that this process has made, until it ends.
class seeded_folders {
 public:
  seeded_folders() {
    std::string name = (std::filesystem::temp_directory_path() / "hft_seeded_XXXXXX").string();
    if (!::mkdtemp(name.data())) throw file_error("seeded_checkpoint", "cannot make a temporary folder", name);
    root_ = name;
  }
  ~seeded_folders() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  std::filesystem::path root_;
  std::map<std::filesystem::path, std::filesystem::path> made_;  // of each source
};

/// Writes the folder `source` to `target`: its files and folders, and instead of weights.json the weights.
/// Throws file_error where a file cannot be written, unsupported_error for a dtype that is not drawn.
inline void write_seeded_checkpoint(const std::filesystem::path& source, const std::filesystem::path& target) {
  std::filesystem::create_directories(target);
  std::filesystem::copy(source, target,
                        std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  std::filesystem::remove(target / "weights.json");
  const json weights = read_json(source / "weights.json");
  for (const auto& [name, file] : weights["files"].items())
    seeded_file(file, weights["seed"].get<std::uint64_t>()).write(target / name);
}

/// The folder `source` itself, or, where it has weights.json, a copy with the weights: in a temporary folder, one for
/// the whole process. Not for several threads at once.
inline std::filesystem::path seeded_checkpoint(const std::filesystem::path& source) {
  if (!std::filesystem::exists(source / "weights.json")) return source;
  static seeded_folders folders;
  auto& place = folders.made_[source];
  if (place.empty()) {
    const auto target =
        folders.root_ / std::to_string(folders.made_.size()) / source.parent_path().filename() / source.filename();
    write_seeded_checkpoint(source, target);
    place = target;
  }
  return place;
}

}  // namespace hft::test
