// for_channels: vectors of channels on all threads, for scans whose channels know nothing of one another.
#pragma once
#include <algorithm>

#include <hft/parallel.hpp>
#include <hft/tensor.hpp>

namespace hft::detail {

/// f(part, c, lanes) for each vector V of the channels [c, c + lanes) of each of some parts, which take `tokens` steps;
/// a thread's share is at least `least` elements.
template <class V, class F>
void for_channels(isize parts, isize channels, isize tokens, isize least, const F& f) {
  const isize blocks = (channels + V::width - 1) / V::width, work = std::max<isize>(1, tokens * V::width);
  parallel_for(parts * blocks, std::max<isize>(1, least / work), [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i) {
      const isize c = i % blocks * V::width;
      f(i / blocks, c, std::min(V::width, channels - c));
    }
  });
}

}  // namespace hft::detail
