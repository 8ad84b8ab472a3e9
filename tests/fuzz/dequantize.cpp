// Fuzz target: block formats. Any bytes are blocks; on any shape the products of this build's instruction set agree
// with the plain ones, and no load leaves the weights.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "hft/error.hpp"
#include "hft/ops/cpu/linear.hpp"
#include "hft/quantization/convert.hpp"

namespace {

using namespace hft;

struct reader {
  const std::uint8_t* data;
  std::size_t size;
  unsigned byte() { return size ? (--size, *data++) : 0; }
};

bool close(f32 a, f32 b, f32 scale) { return std::fabs(a - b) <= 1e-4f * scale; }

template <class W>
void differential(reader in) {
  using unit = typename dtype<W>::storage;
  const isize M = 1 + in.byte() % 9, N = 1 + in.byte() % 40;
  const isize K = dtype<W>::block * (1 + in.byte() % (dtype<W>::block == 32 ? 7 : 2));
  const bool with_bias = in.byte() % 2;
  std::vector<unit> w(std::size_t(N * K / dtype<W>::block));
  if (in.size) {
    auto* bytes = reinterpret_cast<std::uint8_t*>(w.data());
    for (std::size_t i = 0; i < w.size() * sizeof(unit); ++i) bytes[i] = in.data[i % in.size];
  }

  // Values that are not finite must come through the conversions without harm; products are compared without them.
  std::vector<f32> wide(std::size_t(N * K));
  convert(dtype_id::f32, wide.data(), dtype<W>::id, w.data(), N * K);
  std::vector<unit> again(w.size());
  convert(dtype<W>::id, again.data(), dtype_id::f32, wide.data(), N * K);
  for (unit& u : w) {
    const auto tame = [](f16& d) {
      if ((d.bits & 0x7c00) > 0x4800) d.bits = std::uint16_t((d.bits & 0x83ff) | 0x3c00);
    };
    tame(u.d);
    if constexpr (requires { u.m; }) tame(u.m);
    if constexpr (requires { u.dmin; }) tame(u.dmin);
  }

  std::vector<f32> x(std::size_t(M * (K + 1))), bias(std::size_t(N), 0.5f), y(std::size_t(M * N)), expected(y.size());
  std::uint32_t random = 1 + in.byte();
  for (f32& v : x) random = random * 1664525u + 1013904223u, v = f32(std::int32_t(random)) * 0x1p-31f;
  const matrix<const f32> xm{x.data(), M, K, K + 1};
  const weight_matrix<W> wm{w.data(), N, K, K / dtype<W>::block};
  const f32* b = with_bias ? bias.data() : nullptr;
  linear_kernel(cpu{}, matrix<f32>{y.data(), M, N, N}, xm, wm, b, K);
  detail::q8_rows x8(M, K);
  for (isize t = 0; t < M; ++t) detail::quantize_q8_row(isa::generic{}, xm.row(t), K, x8, t);
  detail::dot_blocks(isa::generic{}, matrix<f32>{expected.data(), M, N, N}, x8, wm, b);

  convert(dtype_id::f32, wide.data(), dtype<W>::id, w.data(), N * K);
  for (isize n = 0; n < N; ++n) {
    f32 size = 1;  // of the sum's terms
    for (isize k = 0; k < K; ++k) size += std::fabs(wide[std::size_t(n * K + k)]);
    // Where the build computes with exact activations, the 8-bit ones are off by half of 1/127.
    constexpr bool vnni = std::derived_from<isa::native, isa::avx512vnni>;
    const bool exact = std::is_same_v<isa::native, isa::generic> || (!vnni && M > detail::few_tokens<isa::native>);
    for (isize t = 0; t < M; ++t) {
      const std::size_t i = std::size_t(t * N + n);
      if (!close(y[i], expected[i], exact ? 100 * size : size)) __builtin_trap();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    reader in{data, size};
    const auto id = hft::dtype_id(unsigned(hft::dtype_id::q4_0) + in.byte() % 8);
    hft::with_weight_dtype(
        id,
        [&]<class W>(std::type_identity<W>) {
          // nf4 has no integer product; its conversions have no byte that is not valid
          if constexpr (hft::BlockFormat<W> && !std::same_as<W, hft::nf4>) differential<W>(in);
        },
        [] {});
  } catch (const hft::error&) {
  }
  return 0;
}
