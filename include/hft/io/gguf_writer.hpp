// Writing GGUF files (version 3), byte for byte as gguf-py's GGUFWriter writes the same metadata and tensors.
#pragma once
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/io/checked.hpp>
#include <hft/io/gguf.hpp>
#include <hft/io/gguf_value.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/io/utf8.hpp>
#include <hft/linkage.hpp>
#include <hft/progress.hpp>

namespace hft {

/// The metadata of a GGUF file to be written: keys and values in the order they were first set in.
///   gguf_metadata m;
///   m.set("general.architecture", "llama").set("llama.block_count", std::uint32_t{30});
/// A value's C++ type is its type in the file.
class gguf_metadata {
 public:
  template <class T>
  requires(std::integral<T> || std::floating_point<T>) gguf_metadata& set(std::string_view key, T value) {
    return put(key, type_bytes(detail::gguf_type_of<T>()) + raw(value));
  }
  gguf_metadata& set(std::string_view key, std::string_view text) {
    return put(key, type_bytes(gguf_type::string) + string(text));
  }
  gguf_metadata& set(std::string_view key, const char* text) { return set(key, std::string_view(text)); }
  /// An array of numbers, booleans or strings.
  template <class T>
  gguf_metadata& set(std::string_view key, std::span<const T> values) {
    std::string bytes = type_bytes(gguf_type::array);
    if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      bytes += type_bytes(gguf_type::string) + raw(std::uint64_t(values.size()));
      for (const T& text : values) bytes += string(text);
    } else {
      bytes += type_bytes(detail::gguf_type_of<T>()) + raw(std::uint64_t(values.size()));
      bytes.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
    }
    return put(key, std::move(bytes));
  }
  template <class T>
  gguf_metadata& set(std::string_view key, const std::vector<T>& values) {
    static_assert(!std::is_same_v<T, bool>, "hft: std::vector<bool> has no bytes; pass a std::span<const bool>");
    return set(key, std::span<const T>(values));
  }
  /// A value of another file, under its own key or another one, as it is.
  gguf_metadata& set(const gguf_value& value) { return set(value.key(), value); }
  gguf_metadata& set(std::string_view key, const gguf_value& value) {
    std::string bytes = type_bytes(value.type());
    if (value.is_array()) bytes += type_bytes(value.element_type()) + raw(std::uint64_t(value.size()));
    bytes.append(reinterpret_cast<const char*>(value.bytes().data()), value.bytes().size());
    return put(key, std::move(bytes));
  }

  /// Every entry of other metadata; of a key that both have theirs counts.
  gguf_metadata& set(const gguf_metadata& others) {
    for (const auto& [key, bytes] : others.entries_) put(key, bytes);
    return *this;
  }
  bool contains(std::string_view key) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const auto& e) { return e.first == key; });
  }

  std::size_t size() const noexcept { return entries_.size(); }

  /// The alignment that general.alignment asks for. Throws value_error unless it is a u32 power of two.
  std::uint32_t alignment() const {
    for (const auto& [key, bytes] : entries_) {
      if (key != "general.alignment") continue;
      std::uint32_t n = 0;
      if (bytes.size() == 8 && bytes.substr(0, 4) == type_bytes(gguf_type::u32)) std::memcpy(&n, bytes.data() + 4, 4);
      if (n == 0 || (n & (n - 1)) != 0) throw value_error("gguf_metadata", "general.alignment", "a u32 power of two");
      return n;
    }
    return gguf_file::default_alignment;
  }

  /// All entries as they stand in a file.
  std::string encoded() const {
    std::string out;
    for (const auto& [key, bytes] : entries_) {
      out += string(key);
      out += bytes;
    }
    return out;
  }

  /// A number as it stands in a file, and a string: its length, then its bytes.
  template <class T>
  static std::string raw(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }
  static std::string string(std::string_view text) {
    if (!detail::valid_utf8(text))
      throw value_error("gguf_metadata", "string", "valid UTF-8", detail::quote_text(text));
    return raw(std::uint64_t(text.size())).append(text);
  }

 private:
  static std::string type_bytes(gguf_type type) { return raw(std::uint32_t(type)); }

  gguf_metadata& put(std::string_view key, std::string bytes) {
    const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const auto& e) { return e.first == key; });
    if (at != entries_.end())
      at->second = std::move(bytes);
    else
      entries_.emplace_back(std::string(key), std::move(bytes));
    return *this;
  }

  std::vector<std::pair<std::string, std::string>> entries_;  // key, then type and value as they stand in a file
};

/// Metadata that are being written, by keys below the architecture's name, in the types that llama.cpp's readers take.
class gguf_keys {
 public:
  gguf_keys(gguf_metadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(std::string(architecture) + ".") {}

  /// A u32. Throws value_error for what is none.
  void number(std::string_view key, isize value);
  /// An f32.
  void real(std::string_view key, f64 value);
  void flag(std::string_view key, bool value);
  void text(std::string_view key, std::string_view value);
  /// One for each layer, i32.
  void numbers(std::string_view key, const std::vector<std::int32_t>& values);
  void flags(std::string_view key, const std::vector<bool>& values);
  void texts(std::string_view key, const std::vector<std::string>& values);
  bool contains(std::string_view key) const { return metadata_.contains(full(key)); }
  /// Gives the tensors of all layers with this name, blk.*.NAME, another shape of as many elements.
  void shape(std::string_view tensor, std::vector<isize> extents) {
    shapes_.emplace_back(std::string(tensor), std::move(extents));
  }
  const auto& shapes() const noexcept { return shapes_; }

 private:
  // Those of the tokenizer stand beside it.
  std::string full(std::string_view key) const {
    return key.starts_with("tokenizer.") ? std::string(key) : prefix_ + std::string(key);
  }

  gguf_metadata& metadata_;
  std::string prefix_;
  std::vector<std::pair<std::string, std::vector<isize>>> shapes_;
};

/// Writes a GGUF file, all or nothing, its tensors in the given order. `check` sees the file before it appears, which
/// it does not where that throws. Throws value_error for tensors given twice, with more than four dimensions, or with
/// bytes that are not their shape's; unsupported_error for dtypes GGUF does not have; file_error where the file cannot
/// be written.
void write_gguf(const std::filesystem::path& path, const gguf_metadata& metadata,
                std::span<const stored_tensor> tensors, const std::function<void(const gguf_file&)>& check = {});

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE void gguf_keys::number(std::string_view key, isize value) {
  if (value < 0 || std::uint64_t(value) > std::numeric_limits<std::uint32_t>::max())
    throw value_error("GGUF", full(key), "a number of 32 bits", detail::joined(value));
  metadata_.set(full(key), std::uint32_t(value));
}
HFT_INLINE_ONCE void gguf_keys::real(std::string_view key, f64 value) { metadata_.set(full(key), f32(value)); }
HFT_INLINE_ONCE void gguf_keys::flag(std::string_view key, bool value) { metadata_.set(full(key), value); }
HFT_INLINE_ONCE void gguf_keys::text(std::string_view key, std::string_view value) { metadata_.set(full(key), value); }
HFT_INLINE_ONCE void gguf_keys::numbers(std::string_view key, const std::vector<std::int32_t>& values) {
  metadata_.set(full(key), values);
}
HFT_INLINE_ONCE void gguf_keys::flags(std::string_view key, const std::vector<bool>& values) {
  const auto bytes = std::make_unique<bool[]>(values.size());
  std::copy(values.begin(), values.end(), bytes.get());
  metadata_.set(full(key), std::span<const bool>(bytes.get(), values.size()));
}
HFT_INLINE_ONCE void gguf_keys::texts(std::string_view key, const std::vector<std::string>& values) {
  metadata_.set(full(key), values);
}

HFT_INLINE_ONCE void write_gguf(const std::filesystem::path& path, const gguf_metadata& metadata,
                                std::span<const stored_tensor> tensors,
                                const std::function<void(const gguf_file&)>& check) {
  const std::string where = path.string();
  const detail::name_index names(tensors, detail::tensor_name{});
  if (const auto* twice = names.duplicate(tensors, detail::tensor_name{}))
    throw value_error(where, "tensor " + detail::quote_text(twice->name) + " is given twice");
  const std::uint64_t alignment = metadata.alignment();
  const auto aligned = [&](std::uint64_t n) { return (n + alignment - 1) & ~(alignment - 1); };

  std::string header = "GGUF";
  header += gguf_metadata::raw(std::uint32_t{3});
  header += gguf_metadata::raw(std::uint64_t(tensors.size()));
  header += gguf_metadata::raw(std::uint64_t(metadata.size()));
  header += metadata.encoded();
  std::uint64_t offset = 0;
  for (const stored_tensor& t : tensors) {
    const dtype_info& d = info(t.dtype);
    const std::string what = "tensor " + detail::quote_text(t.name);
    if (d.ggml_type < 0) throw unsupported_error(where, what, "a dtype that GGUF has", std::string(d.name));
    if (t.shape.size() > 4) throw value_error(where, what, "at most 4 dimensions", detail::shape_text(t.shape));
    const auto bytes = detail::storage_bytes(t.dtype, t.shape);
    if (!bytes || *bytes != t.bytes.size())
      throw value_error(where, what,
                        detail::joined(bytes ? *bytes : 0, " bytes for ", d.name, " ", detail::shape_text(t.shape)),
                        detail::joined(t.bytes.size()));
    header += gguf_metadata::string(t.name);
    header += gguf_metadata::raw(std::uint32_t(t.shape.size()));
    for (std::size_t i = t.shape.size(); i-- > 0;) header += gguf_metadata::raw(std::uint64_t(t.shape[i]));
    header += gguf_metadata::raw(std::uint32_t(d.ggml_type));
    header += gguf_metadata::raw(offset);
    offset += aligned(*bytes);
  }

  atomic_writer file(path);
  const auto pad = [&] {
    const std::string zeros(std::size_t(aligned(file.position()) - file.position()), '\0');
    file.write(zeros);
  };
  file.write(header);
  pad();
  std::size_t size = 0;
  for (const stored_tensor& t : tensors) size += t.bytes.size();
  detail::progress task("saving", where, isize(size), "bytes");
  for (const stored_tensor& t : tensors) {
    file.write(t.bytes);
    pad();
    task.advance(isize(t.bytes.size()));
  }
  if (check && !file.temporary().empty()) check(gguf_file::open(file.temporary()));
  file.commit();
}

#endif  // HFT_DEFINES

}  // namespace hft
