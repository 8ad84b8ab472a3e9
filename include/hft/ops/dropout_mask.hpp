// Dropout: which elements a dropout keeps.
#pragma once
#include <cstdint>

#include <hft/error.hpp>
#include <hft/random.hpp>

namespace hft {

/// A dropout: the share that is dropped and the random numbers that decide.
struct Dropout {
  f64 p = 0;
  std::uint64_t seed = 0, stream = 0;

  /// Which of the elements 4 n to 4 n + 3 are kept, as bits 0 to 3.
  unsigned kept(std::uint64_t n) const {
    const auto r =
        philox({std::uint32_t(n), std::uint32_t(n >> 32), std::uint32_t(stream), std::uint32_t(stream >> 32)},
               {std::uint32_t(seed), std::uint32_t(seed >> 32)});
    const auto threshold = std::uint64_t(p * 0x1p32);
    return unsigned(r[0] >= threshold) | unsigned(r[1] >= threshold) << 1 | unsigned(r[2] >= threshold) << 2 |
           unsigned(r[3] >= threshold) << 3;
  }

  /// Throws value_error unless p is a probability below 1.
  void check() const {
    if (!(p >= 0 && p < 1)) throw value_error("dropout", "p", "0 <= p < 1", detail::joined(p));
  }
};

}  // namespace hft
