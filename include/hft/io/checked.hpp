// Overflow-safe arithmetic on numbers that come from files. Nothing is allocated or addressed before it passed here.
#pragma once
#include <cstdint>
#include <optional>

namespace hft::detail {

constexpr std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  if (b > UINT64_MAX - a) return {};
  return a + b;
}

constexpr std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) {
  if (b != 0 && a > UINT64_MAX / b) return {};
  return a * b;
}

/// The product of all extents, or nothing where it does not fit. A zero extent makes it zero whatever the others are,
/// unless the extents before it already overflowed: a shape whose partial products do not fit is refused too.
template <class Extents>
constexpr std::optional<std::uint64_t> checked_product(const Extents& extents) {
  std::optional<std::uint64_t> product = 1;
  for (auto extent : extents) {
    product = checked_mul(*product, std::uint64_t(extent));
    if (!product) return {};
  }
  return product;
}

/// `n` rounded up to a multiple of `alignment` (a power of two), or nothing where that does not fit.
constexpr std::optional<std::uint64_t> checked_align(std::uint64_t n, std::uint64_t alignment) {
  const auto sum = checked_add(n, alignment - 1);
  if (!sum) return {};
  return *sum & ~(alignment - 1);
}

/// Whether [offset, offset + length) lies within [0, size).
constexpr bool within(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  return offset <= size && length <= size - offset;
}

}  // namespace hft::detail
