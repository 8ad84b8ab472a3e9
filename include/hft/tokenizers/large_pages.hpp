// Memory of large results in large pages: of all that writing tens of megabytes once costs, most is page faults.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace hft::detail {

/// Makes room for n elements, where many, in pages of 2 MiB as far as the system has them.
template <class T>
void reserve_large(std::vector<T>& v, std::size_t n) {
  v.reserve(n);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::uintptr_t page = std::uintptr_t{1} << 21;
  if (v.capacity() < 2 * page / sizeof(T)) return;
  const auto begin = reinterpret_cast<std::uintptr_t>(v.data());
  const auto first = (begin + page - 1) & ~(page - 1), last = (begin + v.capacity() * sizeof(T)) & ~(page - 1);
  if (first < last) (void)::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);  // only a hint
#endif
}

}  // namespace hft::detail
