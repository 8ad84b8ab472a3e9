// GGUF files, read in place: metadata and tensors of one file, as llama.cpp and gguf-py write them.
//
//   magic "GGUF" | u32 version | u64 tensor count | u64 metadata count
//   metadata:  string key, u32 type, value            a string is u64 length, bytes; an array u32 type, u64 count,
//   values tensors:   string name, u32 n, u64 dims[n], u32 type, u64 offset          dims[0] is the contiguous
//   dimension padding to general.alignment, then the data; offsets count from here and are aligned
//
// Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Versions 2 and 3, little endian.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
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
#include <hft/io/gguf_value.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/placeholder.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/io/utf8.hpp>
#include <hft/linkage.hpp>

namespace hft {

class gguf_keys;  // of io/gguf_writer.hpp
class gguf_metadata;

/// A GGUF file: its metadata and its tensors, all pointing into the mapping, which the object and each tensor's owner
/// keep alive. Everything that can be checked without reading the weights is checked when it is opened.
class gguf_file {
 public:
  static constexpr std::uint32_t default_alignment = 32;

  /// Maps and checks a file. Throws file_error where it cannot be read, format_error where it is no sound GGUF file,
  /// unsupported_error for version 1 and for big-endian files.
  static gguf_file open(const std::filesystem::path& path);
  /// The same for bytes in memory; `owner` keeps them alive, `where` names them in errors.
  static gguf_file parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string where);

  std::uint32_t version() const noexcept { return version_; }
  std::uint32_t alignment() const noexcept { return alignment_; }
  const std::string& where() const noexcept { return *where_; }

  /// All metadata in the file's order; each value knows its key.
  std::span<const gguf_value> metadata() const noexcept { return metadata_; }
  /// The value of a metadata key, or null.
  const gguf_value* find(std::string_view key) const;
  /// The value of a metadata key; throws format_error where it is missing.
  const gguf_value& at(std::string_view key) const;
  /// The value of a metadata key as a T (see gguf_value::as), or `fallback` where it is missing.
  template <class T>
  T get(std::string_view key, T fallback) const {
    const gguf_value* value = find(key);
    return value != nullptr ? value->template as<T>() : fallback;
  }

  /// The tensors in the file's order, row-major: GGUF's dimensions reversed. Tensors of a type this library has no
  /// dtype for are left out; find_tensor throws for them.
  std::span<const stored_tensor> tensors() const noexcept { return tensors_; }
  /// A tensor by name, or null. Throws unsupported_error, with the type's number, for one that cannot be read.
  const stored_tensor* find_tensor(std::string_view name) const;

  struct unreadable_tensor {
    std::string name;
    std::uint32_t type;  // GGML's number
  };
  /// The tensors whose type this library has no dtype for.
  std::span<const unreadable_tensor> unreadable() const noexcept { return unreadable_; }

 private:
  struct value_key {
    std::string_view operator()(const gguf_value& v) const { return v.key(); }
  };
  struct unreadable_name {
    std::string_view operator()(const unreadable_tensor& t) const { return t.name; }
  };

  class reader;

  gguf_file() = default;

  std::shared_ptr<const void> owner_;
  std::shared_ptr<const std::string> where_;
  std::uint32_t version_ = 0;
  std::uint32_t alignment_ = default_alignment;
  std::vector<gguf_value> metadata_;
  std::vector<stored_tensor> tensors_;
  std::vector<unreadable_tensor> unreadable_;
  detail::name_index metadata_by_key_, tensors_by_name_, unreadable_by_name_;
};

#if HFT_DEFINES(MODELS)

// Walks the bytes once. Nothing is reserved from a count that the file claims: memory grows with what was read.
class gguf_file::reader {
 public:
  reader(gguf_file& file, std::span<const std::byte> bytes) : file_(file), bytes_(bytes) {}

  void read() {
    detail::refuse_web_page(bytes_, where());
    if (bytes_.size() < 4 || detail::load_unaligned<std::uint32_t>(bytes_.data()) != magic)
      throw format_error(where(), "this is no GGUF file", "the magic 'GGUF'",
                         detail::quote_text(text(0, std::min<std::size_t>(bytes_.size(), 4))));
    at_ = 4;
    read_version();
    const auto tensor_count = number<std::uint64_t>("tensor count");
    const auto metadata_count = number<std::uint64_t>("metadata count");
    check_count(metadata_count, 8 + 4 + 1, "metadata count");
    for (std::uint64_t i = 0; i < metadata_count; ++i) read_metadata();
    file_.metadata_by_key_ = detail::name_index(file_.metadata_, value_key{});
    if (const auto* twice = file_.metadata_by_key_.duplicate(file_.metadata_, value_key{}))
      throw format_error(where(), "metadata key " + detail::quote_text(twice->key()) + " appears twice");
    read_alignment();
    check_count(tensor_count, 8 + 4 + 4 + 8, "tensor count");
    for (std::uint64_t i = 0; i < tensor_count; ++i) read_tensor();
    index_tensors();
    locate_data();
  }

 private:
  static constexpr std::uint32_t magic = 0x46554747;  // "GGUF"
  static constexpr std::uint32_t max_dims = 4;        // GGML_MAX_DIMS
  static constexpr int max_depth = 8;                 // of arrays of arrays
  static constexpr std::size_t max_key = 65535;       // the format's limit on keys; names have the same here

  const std::string& where() const { return *file_.where_; }
  std::string_view text(std::size_t offset, std::size_t length) const {
    return {reinterpret_cast<const char*>(bytes_.data() + offset), length};
  }

  std::size_t remaining() const { return bytes_.size() - at_; }
  // Steps over n bytes that must be there, and returns where they begin.
  const std::byte* take(std::uint64_t n, std::string_view what) {
    if (n > remaining())
      throw format_error(where(), detail::joined("unexpected end of file in ", what, " at byte ", at_),
                         detail::joined(n, " more bytes"), detail::joined(remaining()));
    const std::byte* start = bytes_.data() + at_;
    at_ += std::size_t(n);
    return start;
  }
  template <class T>
  T number(std::string_view what) {
    return detail::load_unaligned<T>(take(sizeof(T), what));
  }
  // A count of things that take `least` bytes each cannot exceed what is left of the file.
  void check_count(std::uint64_t count, std::uint64_t least, std::string_view what) {
    if (count > remaining() / least)
      throw format_error(where(), std::string(what), detail::joined("at most ", remaining() / least, " in this file"),
                         detail::joined(count));
  }
  std::string_view name(std::string_view what) {
    const std::size_t start = at_;
    const auto length = number<std::uint64_t>(what);
    if (length > max_key)
      throw format_error(where(), detail::joined("length of ", what, " at byte ", start),
                         detail::joined("at most ", max_key), detail::joined(length));
    const std::byte* s = take(length, what);
    const std::string_view view(reinterpret_cast<const char*>(s), std::size_t(length));
    if (!detail::valid_utf8(view))
      throw format_error(where(), detail::joined(what, " at byte ", start), "valid UTF-8", detail::quote_text(view));
    return view;
  }

  void read_version() {
    file_.version_ = number<std::uint32_t>("version");
    if (file_.version_ != 0 && (file_.version_ & 0xffff) == 0)  // the other byte order moved it to the top
      throw unsupported_error(where(), "GGUF byte order", "little endian", "big endian");
    if (file_.version_ == 1) throw unsupported_error(where(), "GGUF version", "2 or 3", "1");
    if (file_.version_ != 2 && file_.version_ != 3)
      throw format_error(where(), "GGUF version", "2 or 3", detail::joined(file_.version_));
  }

  void read_metadata() {
    const std::string_view key = name("metadata key");
    const auto what = [&] { return "metadata key " + detail::quote_text(key); };
    auto element = gguf_type(number<std::uint32_t>("metadata type"));
    const bool is_array = element == gguf_type::array;
    std::uint64_t count = 1;
    if (is_array) {
      element = gguf_type(number<std::uint32_t>("array type"));
      count = number<std::uint64_t>("array length");
    }
    const std::size_t start = at_;
    skip_values(element, count, what, 1);
    file_.metadata_.emplace_back(file_.where_, key, element, is_array, std::size_t(count),
                                 bytes_.subspan(start, at_ - start));
  }
  // Steps over values of one type, after a look at each that has a length of its own.
  template <class What>
  void skip_values(gguf_type type, std::uint64_t count, const What& what, int depth) {
    const std::size_t size = detail::gguf_type_bytes(type);
    if (size != 0) {
      const auto bytes = detail::checked_mul(count, size);
      take(bytes ? *bytes : UINT64_MAX, what());
    } else if (type == gguf_type::string) {
      check_count(count, 8, what() + ", array length");
      for (std::uint64_t i = 0; i < count; ++i) take(number<std::uint64_t>("string length"), "a metadata string");
    } else if (type == gguf_type::array) {
      if (depth == max_depth)
        throw format_error(where(), what(), detail::joined("arrays nested at most ", max_depth, " deep"));
      check_count(count, 4 + 8, what() + ", array length");
      for (std::uint64_t i = 0; i < count; ++i) {
        const auto element = gguf_type(number<std::uint32_t>("array type"));
        const auto length = number<std::uint64_t>("array length");
        skip_values(element, length, what, depth + 1);
      }
    } else {
      throw format_error(where(), what(), "a value type from 0 to 12", detail::joined(std::uint32_t(type)));
    }
  }

  void read_alignment() {
    const gguf_value* value = file_.find("general.alignment");
    if (value == nullptr) return;
    const auto alignment = value->as<std::uint32_t>();
    if (alignment == 0 || (alignment & (alignment - 1)) != 0)
      throw format_error(where(), "metadata key 'general.alignment'", "a power of two", detail::joined(alignment));
    file_.alignment_ = alignment;
  }

  struct placed {
    std::uint64_t offset, bytes;
    std::size_t tensor;
  };

  [[noreturn, gnu::cold, gnu::noinline]] void refuse_tensor(std::string_view tensor, detail::message expected,
                                                            detail::message got) const {
    throw format_error(where(), "tensor " + detail::quote_text(tensor), expected, got);
  }
  [[noreturn, gnu::cold, gnu::noinline]] void refuse_twice(std::string_view tensor) const {
    throw format_error(where(), "tensor " + detail::quote_text(tensor) + " appears twice");
  }

  void read_tensor() {
    const std::string_view tensor = name("tensor name");
    const auto n_dims = number<std::uint32_t>("number of dimensions");
    if (n_dims > max_dims)
      refuse_tensor(tensor, detail::joined("at most ", max_dims, " dimensions"), detail::joined(n_dims));
    std::array<std::uint64_t, max_dims> dims{};
    for (std::uint32_t d = 0; d < n_dims; ++d) dims[d] = number<std::uint64_t>("dimensions");
    const auto type = number<std::uint32_t>("tensor type");
    const auto offset = number<std::uint64_t>("tensor offset");

    std::vector<isize> shape;
    for (std::uint32_t d = n_dims; d-- > 0;) {
      if (dims[d] > std::uint64_t(PTRDIFF_MAX))
        refuse_tensor(tensor, "extents that fit into memory", detail::joined(dims[d]));
      shape.push_back(isize(dims[d]));
    }
    if (offset % file_.alignment_ != 0)
      refuse_tensor(tensor, detail::joined("an offset that is a multiple of ", file_.alignment_),
                    detail::joined(offset));
    const auto dtype = dtype_from_ggml(type);
    if (!dtype) {
      file_.unreadable_.push_back({std::string(tensor), type});
      return;
    }
    const auto bytes = detail::storage_bytes(*dtype, shape);
    if (!bytes)
      refuse_tensor(tensor, detail::joined("a shape of whole ", hft::name(*dtype), " blocks that fits into memory"),
                    detail::shape_text(shape));
    placed_.push_back({offset, *bytes, file_.tensors_.size()});
    file_.tensors_.push_back({std::string(tensor), *dtype, std::move(shape), {}, file_.owner_});
  }

  void index_tensors() {
    file_.tensors_by_name_ = detail::name_index(file_.tensors_, detail::tensor_name{});
    file_.unreadable_by_name_ = detail::name_index(file_.unreadable_, unreadable_name{});
    if (const auto* twice = file_.tensors_by_name_.duplicate(file_.tensors_, detail::tensor_name{}))
      refuse_twice(twice->name);
    for (const unreadable_tensor& t : file_.unreadable_)
      if (file_.tensors_by_name_.find(file_.tensors_, t.name, detail::tensor_name{}) != nullptr) refuse_twice(t.name);
    if (const auto* twice = file_.unreadable_by_name_.duplicate(file_.unreadable_, unreadable_name{}))
      refuse_twice(twice->name);
  }

  // Gives each tensor its bytes; none may lie outside of the file or share bytes with another.
  void locate_data() {
    const auto aligned = detail::checked_align(at_, file_.alignment_);
    const std::uint64_t data = aligned ? std::min<std::uint64_t>(*aligned, bytes_.size()) : bytes_.size();
    const auto order = detail::sorted_positions(placed_.size(), [&](std::size_t i, std::size_t k) {
      const placed &a = placed_[i], &b = placed_[k];
      return a.offset != b.offset ? a.offset < b.offset : a.bytes < b.bytes;
    });
    std::uint64_t end = 0;
    const placed* last = nullptr;
    for (const std::size_t i : order) {
      const placed& p = placed_[i];
      stored_tensor& tensor = file_.tensors_[p.tensor];
      if (!detail::within(p.offset, p.bytes, bytes_.size() - data))
        throw format_error(where(), "tensor " + detail::quote_text(tensor.name) + " reaches beyond the end of the file",
                           detail::joined(p.bytes, " bytes at offset ", p.offset),
                           detail::joined(bytes_.size() - data, " bytes of data"));
      if (p.offset < end && p.bytes != 0)
        throw format_error(where(), detail::joined("tensors ", detail::quote_text(file_.tensors_[last->tensor].name),
                                                   " and ", detail::quote_text(tensor.name), " overlap"));
      tensor.bytes = bytes_.subspan(std::size_t(data + p.offset), std::size_t(p.bytes));
      if (p.bytes != 0) end = p.offset + p.bytes, last = &p;
    }
  }

  gguf_file& file_;
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  std::vector<placed> placed_;
};

HFT_INLINE_ONCE gguf_file gguf_file::open(const std::filesystem::path& path) {
  auto file = mapped_file::open(path);
  const auto bytes = file->bytes();
  auto parsed = parse(bytes, std::move(file), path.string());
  for (stored_tensor& t : parsed.tensors_) t.mapped = true;
  return parsed;
}

HFT_INLINE_ONCE gguf_file gguf_file::parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                           std::string where) {
  gguf_file file;
  file.owner_ = std::move(owner);
  file.where_ = std::make_shared<const std::string>(std::move(where));
  reader(file, bytes).read();
  return file;
}

HFT_INLINE_ONCE const gguf_value& gguf_file::at(std::string_view key) const {
  if (const gguf_value* value = find(key)) return *value;
  throw format_error(*where_, detail::joined("metadata key '", key, "' is missing"));
}

HFT_INLINE_ONCE const stored_tensor* gguf_file::find_tensor(std::string_view name) const {
  if (const unreadable_tensor* t = unreadable_by_name_.find(unreadable_, name, unreadable_name{}))
    throw unsupported_error(*where_, "tensor " + detail::quote_text(t->name), "a GGML type this library reads",
                            detail::joined("type ", t->type));
  return tensors_by_name_.find(tensors_, name, detail::tensor_name{});
}

HFT_INLINE_ONCE const gguf_value* gguf_file::find(std::string_view key) const {
  return metadata_by_key_.find(metadata_, key, value_key{});
}

#endif  // HFT_DEFINES

}  // namespace hft
