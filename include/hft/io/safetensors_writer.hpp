// Writing safetensors files, one or sharded, byte for byte as the safetensors package and Transformers' save_pretrained
// write them.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/io/checked.hpp>
#include <hft/io/json.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/linkage.hpp>
#include <hft/progress.hpp>

namespace hft {

/// Writes one safetensors file, all or nothing. The tensors' order does not matter: the format has its own. Throws
/// value_error for tensors given twice or with bytes that are not their shape's, unsupported_error for block formats,
/// file_error where the file cannot be written.
void write_safetensors(const std::filesystem::path& path, std::span<const stored_tensor> tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

/// Writes a model's weights into a folder, which is created: model.safetensors, or, where they exceed `max_shard_size`
/// bytes, model-00001-of-0000N.safetensors and model.safetensors.index.json. Tensors are split in their given order
/// (the model's). Weight files of an earlier save that would be taken for part of this one are removed at the end.
/// Throws as write_safetensors does.
void save_checkpoint(const std::filesystem::path& folder, std::span<const stored_tensor> tensors,
                     std::uint64_t max_shard_size = 50'000'000'000);

namespace detail {
/// Splits tensors into shards as huggingface_hub's split_state_dict_into_shards_factory does: in the given order, a new
/// shard where the next tensor would not fit; a tensor larger than the limit is a shard of its own.
std::vector<std::vector<const stored_tensor*>> split_into_shards(std::span<const stored_tensor> tensors,
                                                                 std::uint64_t max_shard_size);
}  // namespace detail

#if HFT_DEFINES(MODELS)

namespace detail {

/// Where the safetensors package puts a dtype's tensors within a file: wider ones first, so that all stay aligned.
constexpr int safetensors_order(dtype_id dtype) {
  constexpr dtype_id order[] = {dtype_id::i64, dtype_id::f64, dtype_id::f32, dtype_id::i32, dtype_id::bf16,
                                dtype_id::f16, dtype_id::i16, dtype_id::i8,  dtype_id::u8,  dtype_id::boolean};
  for (int i = 0; i < int(std::size(order)); ++i)
    if (order[i] == dtype) return i;
  return int(std::size(order));
}

/// The JSON header, padded, and the tensors in the order of their data. Throws for tensors the format cannot hold.
inline std::string safetensors_header(const std::string& where, std::vector<const stored_tensor*>& tensors,
                                      const std::map<std::string, std::string>& metadata) {
  for (const stored_tensor* t : tensors) {
    const dtype_info& d = info(t->dtype);
    const std::string what = "tensor " + quote_text(t->name);
    if (d.safetensors.empty())
      throw unsupported_error(where, what, "a dtype that safetensors has", std::string(d.name));
    if (t->name == "__metadata__") throw value_error(where, what, "a name the format does not reserve");
    const auto bytes = storage_bytes(t->dtype, t->shape);
    if (!bytes || *bytes != t->bytes.size())
      throw value_error(where, what, joined(bytes ? *bytes : 0, " bytes for ", d.name, " ", shape_text(t->shape)),
                        joined(t->bytes.size()));
  }
  const auto order = sorted_positions(tensors.size(), [&](std::size_t a, std::size_t b) {
    const int left = safetensors_order(tensors[a]->dtype), right = safetensors_order(tensors[b]->dtype);
    return left != right ? left < right : tensors[a]->name < tensors[b]->name;
  });
  std::vector<const stored_tensor*> sorted;
  for (const std::size_t i : order) sorted.push_back(tensors[i]);
  tensors = std::move(sorted);

  std::string header = "{";
  const auto comma = [&] {
    if (header.size() > 1) header += ',';
  };
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    bool first = true;
    for (const auto& [key, value] : metadata) {
      if (!std::exchange(first, false)) header += ',';
      append_json_string(header, key, false);
      header += ':';
      append_json_string(header, value, false);
    }
    header += '}';
  }
  std::uint64_t offset = 0;
  for (const stored_tensor* t : tensors) {
    comma();
    append_json_string(header, t->name, false);
    header += cat(":{\"dtype\":\"", info(t->dtype).safetensors, "\",\"shape\":[");
    for (std::size_t i = 0; i < t->shape.size(); ++i) header += cat(i == 0 ? "" : ",", t->shape[i]);
    header += cat("],\"data_offsets\":[", offset, ",", offset + t->bytes.size(), "]}");
    offset += t->bytes.size();
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');
  if (header.size() > safetensors_max_header)
    throw value_error(where, "the header of a safetensors file is limited", joined(safetensors_max_header, " bytes"),
                      joined(header.size(), " for ", tensors.size(), " tensors"));
  return header;
}

inline void write_safetensors(const std::filesystem::path& path, std::vector<const stored_tensor*> tensors,
                              const std::map<std::string, std::string>& metadata) {
  const std::string header = safetensors_header(path.string(), tensors, metadata);
  std::vector<std::string_view> names;
  for (const stored_tensor* t : tensors) names.push_back(t->name);
  sort_names(names);
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
    throw value_error(path.string(), "tensor " + quote_text(*twice) + " is given twice");

  atomic_writer file(path);
  const std::uint64_t length = header.size();
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  std::size_t size = 0;
  for (const stored_tensor* t : tensors) size += t->bytes.size();
  progress task("saving", path.string(), isize(size), "bytes");
  for (const stored_tensor* t : tensors) {
    file.write(t->bytes);
    task.advance(isize(t->bytes.size()));
  }
  file.commit();
}

HFT_INLINE std::vector<std::vector<const stored_tensor*>> split_into_shards(std::span<const stored_tensor> tensors,
                                                                            std::uint64_t max_shard_size) {
  std::vector<std::vector<const stored_tensor*>> shards;
  std::vector<const stored_tensor*> current;
  std::uint64_t current_size = 0;
  for (const stored_tensor& t : tensors) {
    const std::uint64_t size = t.bytes.size();
    if (size > max_shard_size) {
      shards.push_back({&t});
      continue;
    }
    if (current_size + size > max_shard_size) {
      shards.push_back(std::exchange(current, {}));
      current_size = 0;
    }
    current.push_back(&t);
    current_size += size;
  }
  if (!current.empty()) shards.push_back(std::move(current));
  return shards;
}

inline std::string five_digits(std::size_t n) {
  const std::string digits = cat(n);
  return digits.size() < 5 ? std::string(5 - digits.size(), '0') + digits : digits;
}

/// Whether a file name is model-00001-of-00002.safetensors, whatever the numbers.
inline bool is_shard_name(std::string_view name) {
  constexpr std::string_view pattern = "model-#####-of-#####.safetensors";
  return std::equal(name.begin(), name.end(), pattern.begin(), pattern.end(),
                    [](char c, char p) { return p == '#' ? c >= '0' && c <= '9' : c == p; });
}

}  // namespace detail

HFT_INLINE void write_safetensors(const std::filesystem::path& path, std::span<const stored_tensor> tensors,
                                  const std::map<std::string, std::string>& metadata) {
  std::vector<const stored_tensor*> pointers;
  for (const stored_tensor& t : tensors) pointers.push_back(&t);
  detail::write_safetensors(path, std::move(pointers), metadata);
}

HFT_INLINE void save_checkpoint(const std::filesystem::path& folder, std::span<const stored_tensor> tensors,
                                std::uint64_t max_shard_size) {
  namespace fs = std::filesystem;
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (!fs::is_directory(folder, failed)) throw file_error(folder.string(), "cannot create the folder");

  const std::map<std::string, std::string> metadata{{"format", "pt"}};
  const auto shards = detail::split_into_shards(tensors, max_shard_size);
  std::vector<std::string> written;
  if (shards.size() <= 1) {
    written.push_back("model.safetensors");
    write_safetensors(folder / written[0], tensors, metadata);
  } else {
    json index = {{"metadata", {{"total_parameters", 0}, {"total_size", 0}}}, {"weight_map", json::object()}};
    std::uint64_t parameters = 0, bytes = 0;
    std::map<std::string, std::string> weight_map;
    for (std::size_t i = 0; i < shards.size(); ++i) {
      written.push_back(detail::cat("model-", detail::five_digits(i + 1), "-of-", detail::five_digits(shards.size()),
                                    ".safetensors"));
      detail::write_safetensors(folder / written.back(), shards[i], metadata);
      for (const stored_tensor* t : shards[i]) {
        parameters += std::uint64_t(t->numel());
        bytes += t->bytes.size();
        if (!weight_map.emplace(t->name, written.back()).second)
          throw value_error(folder.string(), "tensor " + detail::quote_text(t->name) + " is given twice");
      }
    }
    index["metadata"]["total_parameters"] = parameters;
    index["metadata"]["total_size"] = bytes;
    auto& members = index["weight_map"].get_ref<json::object_t&>();
    for (const auto& [name, file] : weight_map) members.emplace_back(name, file);
    written.push_back("model.safetensors.index.json");
    write_file_atomically(folder / written.back(), dump(index));
  }

  for (fs::directory_iterator item(folder, failed), end; !failed && item != end; item.increment(failed)) {
    const std::string name = item->path().filename().string();
    const bool weights =
        name == "model.safetensors" || name == "model.safetensors.index.json" || detail::is_shard_name(name);
    std::error_code kept;  // a stale file that cannot be removed is no reason to fail: the new ones are complete
    if (weights && std::find(written.begin(), written.end(), name) == written.end()) fs::remove(item->path(), kept);
  }
}

#endif  // HFT_DEFINES

}  // namespace hft
