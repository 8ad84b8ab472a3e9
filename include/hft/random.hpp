// Counter-based random numbers: the n-th number of a stream is a function of (seed, stream, n), so the same seed gives
// the same samples on every device, for every thread count, and after a resume.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>

#include <hft/dtype.hpp>

namespace hft {

/// Philox 4x32 with ten rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t(0xD2511F53u) * counter[0], b = std::uint64_t(0xCD9E8D57u) * counter[2];
    counter = {std::uint32_t(b >> 32) ^ counter[1] ^ key[0], std::uint32_t(b),
               std::uint32_t(a >> 32) ^ counter[3] ^ key[1], std::uint32_t(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// A stream of random numbers that can be read at any place.
class random_stream {
 public:
  explicit constexpr random_stream(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  /// 64 random bits for index n.
  constexpr std::uint64_t bits(std::uint64_t n) const {
    const auto r =
        philox({std::uint32_t(n), std::uint32_t(n >> 32), std::uint32_t(stream_), std::uint32_t(stream_ >> 32)},
               {std::uint32_t(seed_), std::uint32_t(seed_ >> 32)});
    return std::uint64_t(r[0]) | std::uint64_t(r[1]) << 32;
  }
  /// Uniform in [0, 1) with 53 bits.
  constexpr f64 uniform(std::uint64_t n) const { return f64(bits(n) >> 11) * 0x1p-53; }
  /// Standard normal (Box and Muller 1958).
  f64 normal(std::uint64_t n) const {
    const auto b = bits(n);
    const f64 u = (f64(b & 0xffffffffu) + 1) * 0x1p-32, v = f64(b >> 32) * 0x1p-32;
    return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
  }

 private:
  std::uint64_t seed_, stream_;
};

}  // namespace hft
