// Random numbers as torch draws them on the cpu, for what others must be able to recompute: watermarks of text.
#pragma once
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>

namespace hft {

/// torch.Generator of the cpu: the Mersenne twister MT19937 (Matsumoto and Nishimura 1998), of whose seed torch takes
/// the lower 32 bits.
class torch_generator {
 public:
  explicit torch_generator(std::uint64_t seed) {
    state_[0] = std::uint32_t(seed);
    for (std::uint32_t i = 1; i < size; ++i) state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  }

  /// The next 32 random bits.
  std::uint32_t operator()() {
    if (next_ == size) twist();
    std::uint32_t x = state_[next_++];
    x ^= x >> 11;
    x ^= (x << 7) & 0x9d2c5680u;
    x ^= (x << 15) & 0xefc60000u;
    return x ^ (x >> 18);
  }

 private:
  static constexpr std::size_t size = 624, shift = 397;

  void twist() {
    for (std::size_t i = 0; i < size; ++i) {
      const std::uint32_t x = (state_[i] & 0x80000000u) | (state_[(i + 1) % size] & 0x7fffffffu);
      state_[i] = state_[(i + shift) % size] ^ (x >> 1) ^ (x & 1 ? 0x9908b0dfu : 0);
    }
    next_ = 0;
  }

  std::array<std::uint32_t, size> state_;
  std::size_t next_ = size;
};

/// The first `count` numbers of torch.randperm(n), for n below 2^32 / 20.
inline std::vector<std::uint32_t> torch_randperm(isize n, isize count, torch_generator& generator) {
  std::vector<std::uint32_t> numbers(static_cast<std::size_t>(n));
  for (isize i = 0; i < n; ++i) numbers[std::size_t(i)] = std::uint32_t(i);
  // The last one is left without a draw.
  for (isize i = 0; i < count && i < n - 1; ++i)
    std::swap(numbers[std::size_t(i)], numbers[std::size_t(i + isize(generator() % std::uint32_t(n - i)))]);
  numbers.resize(std::size_t(count));
  return numbers;
}

}  // namespace hft
