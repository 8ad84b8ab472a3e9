// A tensor as a file holds it: name, dtype, shape and bytes, with a handle that keeps the bytes alive. What
// safetensors and GGUF files read and write, and what a model's loader takes its weights from.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/io/checked.hpp>
#include <hft/io/sorting.hpp>

namespace hft {

/// A view of one tensor's bytes. The bytes lie where the file put them: they need not be aligned to the dtype.
struct stored_tensor {
  std::string name;
  dtype_id dtype = dtype_id::f32;
  std::vector<isize> shape;           // row-major, the last dimension contiguous
  std::span<const std::byte> bytes;   // little endian
  std::shared_ptr<const void> owner;  // keeps bytes valid: the file's mapping, or a buffer
  bool mapped = false;                // the bytes are of a file's mapping

  /// The number of elements. The shape of a tensor that was read from a file never overflows.
  isize numel() const {
    isize n = 1;
    for (isize extent : shape) n *= extent;
    return n;
  }
};

namespace detail {

/// The bytes that `shape` takes in `dtype`, or nothing where they overflow or a block would be cut:
/// blocks run along the last dimension.
inline std::optional<std::uint64_t> storage_bytes(dtype_id dtype, const std::vector<isize>& shape) {
  const dtype_info& d = info(dtype);
  for (isize extent : shape)
    if (extent < 0) return {};
  const auto elements = checked_product(shape);
  if (!elements || *elements > std::uint64_t(PTRDIFF_MAX)) return {};
  if (d.block > 1 && (shape.empty() || shape.back() % d.block != 0)) return {};
  const auto bytes = checked_mul(*elements / std::uint64_t(d.block), std::uint64_t(d.bytes));
  if (!bytes || *bytes > std::uint64_t(PTRDIFF_MAX)) return {};
  return bytes;
}

/// Finds items of a sequence by name: positions sorted by name, searched by halving. The sequence itself stays in its
/// own order and may move, so long as it is not changed.
class name_index {
 public:
  name_index() = default;

  /// `name(items[i])` gives the name of an item as a std::string_view.
  template <class Items, class Name>
  name_index(const Items& items, Name name)
      : order_(sorted_positions(items.size(), [&](std::size_t a, std::size_t b) {
          return std::string_view(name(items[a])) < std::string_view(name(items[b]));
        })) {}

  template <class Items, class Name>
  auto find(const Items& items, std::string_view wanted, Name name) const -> decltype(&items[0]) {
    const auto at = std::lower_bound(order_.begin(), order_.end(), wanted, [&](std::size_t i, std::string_view w) {
      return std::string_view(name(items[i])) < w;
    });
    return at != order_.end() && std::string_view(name(items[*at])) == wanted ? &items[*at] : nullptr;
  }

  /// An item whose name an earlier item has already, or null.
  template <class Items, class Name>
  auto duplicate(const Items& items, Name name) const -> decltype(&items[0]) {
    for (std::size_t i = 1; i < order_.size(); ++i)
      if (std::string_view(name(items[order_[i - 1]])) == std::string_view(name(items[order_[i]])))
        return &items[order_[i]];
    return nullptr;
  }

 private:
  std::vector<std::size_t> order_;
};

struct tensor_name {
  std::string_view operator()(const stored_tensor& t) const { return t.name; }
};

}  // namespace detail
}  // namespace hft
