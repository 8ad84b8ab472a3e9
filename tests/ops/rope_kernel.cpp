// Rotary embedding: every instruction set against the plain oracle, quarter turns by hand, and what rotation keeps.
#include <hft/ops/cpu/rope.hpp>

#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::testing;

BOOST_AUTO_TEST_SUITE(rope_kernels)

namespace {

/// (B,T,H,D) with gaps between heads, tokens and sequences.
struct heads_memory {
  std::vector<f32> memory;
  heads_view<f32> view;
  heads_memory(isize B, isize T, isize H, isize D, isize gap, std::uint64_t seed) {
    const isize head = D + gap, token = H * head + gap, sequence = T * token + gap;
    memory.resize(std::size_t(B * sequence + 1));
    numbers next(seed);
    for (auto& x : memory) x = next();
    view = {memory.data(), B, T, H, D, sequence, token, head};
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(every_shape_equals_the_oracle, Tag, isa_tags) {
  const isize B = 2, T = 5, H = 3;
  for (const isize D : {2, 10, 12, 16, 33, 64, 80, 128})
    for (const isize R : {D / 2 * 2, D / 4 * 2})  // all of the head, and a part
      for (const bool interleaved : {false, true})
        BOOST_TEST_CONTEXT("D " << D << " R " << R << " interleaved " << interleaved) {
          const heads_memory x(B, T, H, D, 3, 1);
          heads_memory y(B, T, H, D, 1, 2), expected(B, T, H, D, 1, 2), in_place = x;
          in_place.view.data = in_place.memory.data();
          const strided cos(B * T, R / 2, 1, 3), sin(B * T, R / 2, 2, 4);
          rope_kernel(isa::generic{}, expected.view, x.view, cos.view(), sin.view(), interleaved);
          rope_kernel(Tag{}, y.view, x.view, cos.view(), sin.view(), interleaved);
          rope_kernel(Tag{}, in_place.view, in_place.view, cos.view(), sin.view(), interleaved);
          f32 worst = 0;
          for (std::size_t i = 0; i < y.memory.size(); ++i)  // the gaps too
            worst = std::max(worst, std::abs(y.memory[i] - expected.memory[i]));
          BOOST_TEST(worst <= 2e-7f);  // one product of each sum is not rounded in an fma
          for (isize b = 0; b < B; ++b)
            for (isize t = 0; t < T; ++t)
              for (isize h = 0; h < H; ++h)
                BOOST_REQUIRE(std::equal(y.view.at(b, t, h), y.view.at(b, t, h) + D, in_place.view.at(b, t, h)));
        }
}

// A quarter turn takes (a, b) to (-b, a). The fifth element is beyond R = 4 and is copied.
BOOST_AUTO_TEST_CASE_TEMPLATE(quarter_turns_by_hand, Tag, isa_tags) {
  const f32 x[] = {1, 2, 3, 4, 5}, cos[] = {0, 0}, sin[] = {1, 1};
  f32 y[5];
  const auto turn = [&](bool interleaved) {
    rope_kernel(Tag{}, heads_view<f32>{y, 1, 1, 1, 5, 5, 5, 5}, heads_view<const f32>{x, 1, 1, 1, 5, 5, 5, 5},
                matrix<const f32>{cos, 1, 2, 2}, matrix<const f32>{sin, 1, 2, 2}, interleaved);
    return std::vector<f32>(y, y + 5);
  };
  BOOST_TEST((turn(false) == std::vector<f32>{-3, -4, 1, 2, 5}));  // pairs (1, 3), (2, 4)
  BOOST_TEST((turn(true) == std::vector<f32>{-2, 1, -4, 3, 5}));   // pairs (1, 2), (3, 4)
}

// Turning by an angle and back gives x again.
BOOST_AUTO_TEST_CASE_TEMPLATE(turning_back_restores, Tag, isa_tags) {
  for (const bool interleaved : {false, true}) {
    const heads_memory x(1, 4, 2, 64, 0, 5);
    heads_memory y = x;
    y.view.data = y.memory.data();
    strided cos(4, 32, 0, 1), sin(4, 32, 0, 1), back(4, 32, 0, 1);
    for (std::size_t i = 0; i < cos.memory.size(); ++i) {
      const f32 angle = 0.1f * f32(i);
      cos.memory[i] = std::cos(angle), sin.memory[i] = std::sin(angle), back.memory[i] = -sin.memory[i];
    }
    rope_kernel(Tag{}, y.view, y.view, cos.view(), sin.view(), interleaved);
    rope_kernel(Tag{}, y.view, y.view, cos.view(), back.view(), interleaved);
    for (std::size_t i = 0; i < x.memory.size(); ++i) BOOST_REQUIRE(std::abs(x.memory[i] - y.memory[i]) < 5e-7f);
  }
}

BOOST_AUTO_TEST_SUITE_END()
