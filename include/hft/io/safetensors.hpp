// safetensors files, read in place.
//
//   u64 header length | JSON header, padded with spaces | data
//   header: {"__metadata__": {"format": "pt"}, "name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]},
//   ...}
//
// Source: https://github.com/huggingface/safetensors, whose reader accepts and refuses the same files.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
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
#include <hft/io/placeholder.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/io/utf8.hpp>
#include <hft/linkage.hpp>

namespace hft {

namespace detail {

inline constexpr std::uint64_t safetensors_max_header = 100'000'000;  // the format's own limit, in bytes

/// Bits of one element of a dtype that a safetensors header may name; nothing for an unknown name. The format has
/// dtypes that hft does not compute with; their tensors are still checked.
inline std::optional<std::uint64_t> safetensors_bits(std::string_view dtype) {
  if (const auto known = dtype_from_safetensors(dtype)) return 8 * std::uint64_t(info(*known).bytes);
  static constexpr std::pair<std::string_view, std::uint64_t> others[] = {
      {"F4", 4},          {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8},
      {"F8_E4M3FNUZ", 8}, {"U16", 16},    {"F8_E5M2FNUZ", 8}, {"U32", 32},    {"U64", 64},    {"C64", 64}};
  for (const auto& [name, bits] : others)
    if (name == dtype) return bits;
  return {};
}

}  // namespace detail

/// A safetensors file: its tensors, pointing into the mapping, which the object and each tensor's owner keep alive.
/// Everything that can be checked without reading the weights is checked when it is opened: each tensor has the bytes
/// that shape and dtype say, and together they cover the data without holes or overlaps.
class safetensors_file {
 public:
  /// Maps and checks a file. Throws file_error where it cannot be read, format_error where it is not sound.
  static safetensors_file open(const std::filesystem::path& path);
  /// The same for bytes in memory; `owner` keeps them alive, `where` names them in errors.
  static safetensors_file parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string where);

  /// The tensors in the order of their bytes. Tensors of a dtype hft does not have are left out; find throws for them.
  std::span<const stored_tensor> tensors() const noexcept { return tensors_; }
  /// A tensor by name, or null. Throws unsupported_error for one whose dtype hft does not have.
  const stored_tensor* find(std::string_view name) const;
  /// The header's __metadata__.
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  const std::string& where() const noexcept { return where_; }

  struct unreadable_tensor {
    std::string name;
    std::string dtype;  // the header's name of it
  };
  /// The tensors whose dtype hft does not have.
  std::span<const unreadable_tensor> unreadable() const noexcept { return unreadable_; }

 private:
  struct unreadable_name {
    std::string_view operator()(const unreadable_tensor& t) const { return t.name; }
  };
  struct entry {
    std::string_view name, dtype;
    std::uint64_t begin, end;
    std::vector<isize> shape;
  };

  void read(std::span<const std::byte> bytes);

  json read_header(std::span<const std::byte> bytes);

  void read_metadata(const json& value);

  entry read_entry(std::string_view name, const json& value) const;

  // In the order of their bytes, each tensor begins where the one before it ends, and the last one ends the file.
  std::vector<std::size_t> in_order_of_bytes(const std::vector<entry>& entries, std::uint64_t data_size) const;

  safetensors_file() = default;

  std::shared_ptr<const void> owner_;
  std::string where_;
  std::size_t data_start_ = 0;
  std::map<std::string, std::string> metadata_;
  std::vector<stored_tensor> tensors_;
  std::vector<unreadable_tensor> unreadable_;
  detail::name_index by_name_, unreadable_by_name_;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE safetensors_file safetensors_file::open(const std::filesystem::path& path) {
  auto file = mapped_file::open(path);
  const auto bytes = file->bytes();
  auto parsed = parse(bytes, std::move(file), path.string());
  for (stored_tensor& t : parsed.tensors_) t.mapped = true;
  return parsed;
}

HFT_INLINE_ONCE safetensors_file safetensors_file::parse(std::span<const std::byte> bytes,
                                                         std::shared_ptr<const void> owner, std::string where) {
  safetensors_file file;
  file.owner_ = std::move(owner);
  file.where_ = std::move(where);
  file.read(bytes);
  return file;
}

HFT_INLINE_ONCE const stored_tensor* safetensors_file::find(std::string_view name) const {
  if (const auto* t = unreadable_by_name_.find(unreadable_, name, unreadable_name{}))
    throw unsupported_error(where_, "tensor " + detail::quote_text(t->name), "a dtype this library reads", t->dtype);
  return by_name_.find(tensors_, name, detail::tensor_name{});
}

HFT_INLINE_ONCE void safetensors_file::read(std::span<const std::byte> bytes) {
  const json header = read_header(bytes);
  const auto data = bytes.subspan(data_start_);
  std::vector<entry> entries;
  for (const auto& [name, value] : header.get_ref<const json::object_t&>()) {
    if (name == "__metadata__")
      read_metadata(value);
    else
      entries.push_back(read_entry(name, value));
  }
  for (const std::size_t i : in_order_of_bytes(entries, data.size())) {
    entry& e = entries[i];
    const auto dtype = dtype_from_safetensors(e.dtype);
    if (!dtype) {
      unreadable_.push_back({std::string(e.name), std::string(e.dtype)});
      continue;
    }
    tensors_.push_back({std::string(e.name), *dtype, std::move(e.shape),
                        data.subspan(std::size_t(e.begin), std::size_t(e.end - e.begin)), owner_});
  }
  // Names are unique: they are the keys of one JSON object.
  by_name_ = detail::name_index(tensors_, detail::tensor_name{});
  unreadable_by_name_ = detail::name_index(unreadable_, unreadable_name{});
}

HFT_INLINE_ONCE json safetensors_file::read_header(std::span<const std::byte> bytes) {
  detail::refuse_web_page(bytes, where_);
  std::uint64_t length = 0;
  if (bytes.size() < sizeof length)
    throw format_error(where_, "this is no safetensors file", "at least 8 bytes", detail::joined(bytes.size()));
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > detail::safetensors_max_header)
    throw format_error(where_, "header length", detail::joined("at most ", detail::safetensors_max_header, " bytes"),
                       detail::joined(length));
  if (length > bytes.size() - sizeof length)
    throw format_error(where_, "the header reaches beyond the end of the file", detail::joined(length, " bytes"),
                       detail::joined(bytes.size() - sizeof length));
  data_start_ = sizeof length + std::size_t(length);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof length, std::size_t(length));
  if (text.empty() || text[0] != '{')
    throw format_error(where_, "safetensors header", "a JSON object", detail::quote_text(text.substr(0, 8)));
  return parse_json(text, where_, 4);  // the format nests three levels
}

HFT_INLINE_ONCE void safetensors_file::read_metadata(const json& value) {
  if (value.is_null()) return;
  if (!value.is_object()) detail::json_mismatch(value, where_, "__metadata__", "an object");
  for (const auto& [key, text] : value.get_ref<const json::object_t&>())
    metadata_.emplace(key, json_as<std::string>(text, where_, "__metadata__." + key));
}

HFT_INLINE_ONCE safetensors_file::entry safetensors_file::read_entry(std::string_view name, const json& value) const {
  const std::string what = "tensor " + detail::quote_text(name);
  const std::string where = where_ + ": " + what;
  entry e{name, require<std::string_view>(value, "dtype", where), 0, 0, {}};
  const json* extents = find_member(value, "shape", where);
  const json* offsets = find_member(value, "data_offsets", where);
  if (extents == nullptr || offsets == nullptr)
    throw format_error(where_, what, "a dtype, a shape and data_offsets", detail::describe(value));
  for (const std::uint64_t n : json_as<std::vector<std::uint64_t>>(*extents, where, "shape")) {
    if (n > std::uint64_t(PTRDIFF_MAX))
      throw format_error(where_, what, "extents that fit into memory", detail::joined(n));
    e.shape.push_back(isize(n));
  }
  const auto range = json_as<std::vector<std::uint64_t>>(*offsets, where, "data_offsets");
  if (range.size() != 2 || range[0] > range[1])
    throw format_error(where_, what, "data_offsets [begin, end]", detail::shape_text(range));
  e.begin = range[0];
  e.end = range[1];

  const auto bits = detail::safetensors_bits(e.dtype);
  if (!bits) throw format_error(where_, what, "a dtype of the format", detail::quote_text(e.dtype));
  const auto elements = detail::checked_product(e.shape);
  const auto size = elements ? detail::checked_mul(*elements, *bits) : std::nullopt;
  if (!size) throw format_error(where_, what + " is larger than any file", "", detail::shape_text(e.shape));
  if (*size % 8 != 0 || *size / 8 != e.end - e.begin)
    throw format_error(where_, what,
                       detail::joined(*size / 8, " bytes for ", e.dtype, " ", detail::shape_text(e.shape)),
                       detail::joined(e.end - e.begin));
  return e;
}

HFT_INLINE_ONCE std::vector<std::size_t> safetensors_file::in_order_of_bytes(const std::vector<entry>& entries,
                                                                             std::uint64_t data_size) const {
  auto order = detail::sorted_positions(entries.size(), [&](std::size_t i, std::size_t k) {
    const entry &a = entries[i], &b = entries[k];
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::uint64_t at = 0;
  for (const std::size_t i : order) {
    const entry& e = entries[i];
    if (e.begin != at)
      throw format_error(
          where_,
          "tensor " + detail::quote_text(e.name) + (e.begin < at ? " overlaps another" : " leaves a hole before it"),
          detail::joined("data that begins at offset ", at), detail::joined(e.begin));
    at = e.end;
  }
  if (at != data_size)
    throw format_error(where_, at > data_size ? "the file is cut short" : "the file has bytes that belong to no tensor",
                       detail::joined(at, " bytes of data"), detail::joined(data_size));
  return order;
}

#endif  // HFT_DEFINES

}  // namespace hft
