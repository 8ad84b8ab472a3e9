// Attention: every instruction set against the plain oracle, values that can be redone by hand, and the promises about
// bits (padding, threads).
#include <cstring>

#include <hft/ops/cpu/attention.hpp>

#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::testing;

BOOST_AUTO_TEST_SUITE(attention_kernels)

namespace {

enum class layout { token_major, head_major };  // (B,T,H,D) as projections give, (B,H,T,D) as caches keep

struct heads_memory {
  std::vector<f32> memory;
  heads_view<f32> view;
  heads_memory(isize b, isize t, isize h, isize d, layout l, std::uint64_t seed, f32 size = 1, isize gap = 0)
      : memory(std::size_t(b * t * h * (d + gap)) + 1) {
    numbers next(seed);
    for (auto& x : memory) x = next(-size, size);
    const isize row = d + gap;
    if (l == layout::token_major)
      view = {memory.data(), b, t, h, d, t * h * row, h * row, row};
    else
      view = {memory.data(), b, t, h, d, t * h * row, row, t * row};
  }
};

struct shape {
  isize B, T, S, H, Hk, D, Dv;
};

struct problem_memory {
  heads_memory q, k, v, y, expected;
  std::vector<u8> mask;
  std::vector<f32> slopes, bias, sinks;
  attention_problem p;

  explicit problem_memory(shape s, std::uint64_t seed = 1, layout l = layout::head_major, f32 size = 1)
      : q(s.B, s.T, s.H, s.D, layout::token_major, seed, size, 3),
        k(s.B, s.S, s.Hk, s.D, l, seed + 1, size, l == layout::head_major ? 0 : 5),
        v(s.B, s.S, s.Hk, s.Dv, l, seed + 2, size),
        y(s.B, s.T, s.H, s.Dv, layout::token_major, seed + 3, 1, 2),
        expected(s.B, s.T, s.H, s.Dv, layout::token_major, seed + 3, 1, 2),
        p{.q = q.view, .k = k.view, .v = v.view, .y = y.view} {
    p.scale = 1 / std::sqrt(f32(s.D));
  }
  void hide(isize b, isize begin, isize end) {
    if (mask.empty()) mask.assign(std::size_t(p.q.batch * p.k.tokens), 1);
    for (isize s = begin; s < end; ++s) mask[std::size_t(b * p.k.tokens + s)] = 0;
    p.key_mask = mask.data();
    p.mask_stride = p.k.tokens;
  }
  void use_alibi() {
    for (isize h = 0; h < p.q.heads; ++h) slopes.push_back(std::exp2(-8.0f * f32(h + 1) / f32(p.q.heads)));
    p.alibi_slopes = slopes.data();
  }
  /// A bias of its own for each batch row, or head, or for all, with a gap behind each row.
  void use_bias(bool by_row, bool by_head) {
    const isize B = by_row ? p.q.batch : 1, H = by_head ? p.q.heads : 1, T = p.q.tokens, S = p.k.tokens;
    bias.resize(std::size_t(B * H * T * (S + 1)));
    numbers next(51);
    for (auto& x : bias) x = next(-2, 2);
    const isize head = T * (S + 1);
    p.bias = {bias.data(), B, T, H, S, by_row ? H * head : 0, S + 1, by_head ? head : 0};
  }
  void use_sinks() {
    for (isize h = 0; h < p.q.heads; ++h) sinks.push_back(f32(h) - 1);
    p.sinks = sinks.data();
  }
  /// The largest difference from the oracle, over all memory of the result: what lies between heads stays as it was.
  template <class Tag>
  f32 difference(Tag tag) {
    attention_problem oracle = p;
    oracle.y = expected.view;
    attention_kernel(isa::generic{}, oracle);
    attention_kernel(tag, p);
    f32 worst = 0;
    for (std::size_t i = 0; i < y.memory.size(); ++i) {
      const f32 d = std::abs(y.memory[i] - expected.memory[i]);
      worst = std::max(worst, std::isfinite(d) ? d : INFINITY);
    }
    return worst;
  }
};

constexpr f32 tolerance = 2e-6f;  // weighted means of numbers in [-1, 1)

const shape shapes[] = {{1, 1, 1, 1, 1, 1, 1},     {1, 1, 5, 3, 1, 10, 10},     {2, 1, 100, 9, 3, 64, 64},
                        {1, 1, 700, 4, 4, 12, 12}, {1, 1, 1030, 8, 1, 80, 80},  {3, 1, 257, 6, 2, 33, 17},
                        {1, 1, 64, 71, 1, 64, 64}, {1, 1, 300, 2, 1, 256, 128}, {1, 2, 2, 2, 2, 3, 3},
                        {1, 7, 7, 3, 3, 10, 10},   {2, 33, 33, 9, 3, 64, 64},   {1, 70, 70, 4, 1, 128, 128},
                        {1, 5, 130, 4, 2, 80, 96}, {2, 65, 129, 2, 1, 12, 65},  {1, 130, 130, 1, 1, 256, 7}};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(every_shape_equals_the_oracle, Tag, isa_tags) {
  for (const auto& s : shapes)
    for (const layout l : {layout::head_major, layout::token_major})
      for (const bool causal : {true, false})
        BOOST_TEST_CONTEXT("B " << s.B << " T " << s.T << " S " << s.S << " H " << s.H << " Hk " << s.Hk << " D " << s.D
                                << " Dv " << s.Dv << " causal " << causal) {
          problem_memory m(s, 11, l);
          m.p.visible = causal ? visibility::causal() : visibility::everything();
          BOOST_TEST(m.difference(Tag{}) <= tolerance);
        }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(window_mask_alibi_softcap_equal_the_oracle, Tag, isa_tags) {
  for (const shape s :
       {shape{2, 1, 600, 6, 2, 16, 16}, shape{2, 50, 200, 6, 2, 16, 16}, shape{2, 90, 90, 2, 1, 20, 12}})
    for (int options = 0; options < 16; ++options)
      BOOST_TEST_CONTEXT("T " << s.T << " S " << s.S << " options " << options) {
        problem_memory m(s, 21 + std::uint64_t(options), layout::head_major, 2);
        if (options & 1) m.p.visible = visibility::window(37);
        if (options & 2) m.hide(0, 0, 20), m.hide(1, s.S - 7, s.S), m.hide(1, 3, 9), m.hide(1, 10, 75);
        if (options & 4) m.use_alibi();
        if (options & 8) m.p.softcap = 3;
        BOOST_TEST(m.difference(Tag{}) <= 2 * tolerance);
        m.p.visible = options & 1 ? visibility::around(40, 9) : visibility::everything();
        BOOST_TEST(m.difference(Tag{}) <= 2 * tolerance);
      }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(biases_and_sinks_equal_the_oracle, Tag, isa_tags) {
  for (const shape s : {shape{2, 1, 601, 6, 2, 16, 16}, shape{2, 1, 5, 2, 2, 7, 9}, shape{2, 50, 203, 6, 2, 16, 16},
                        shape{1, 67, 67, 3, 1, 20, 12}, shape{2, 40, 9, 2, 2, 8, 8}})
    for (int options = 0; options < 64; ++options)
      BOOST_TEST_CONTEXT("T " << s.T << " S " << s.S << " options " << options) {
        problem_memory m(s, 61 + std::uint64_t(options), layout::head_major, 2);
        if (options & 1) m.p.softcap = 3;
        if (options & 2) m.hide(0, 0, 3), m.hide(0, 4, 5);
        if (options & 4) m.p.visible = visibility::around(30, 4);
        if (options & 8) m.use_sinks();
        if (options < 48) m.use_bias(options & 16, options & 32);
        BOOST_TEST(m.difference(Tag{}) <= 2 * tolerance);
      }
}

// Chunks of keys, counted in each row from another key, which may be forgotten: the oracle, and as a mask says it.
BOOST_AUTO_TEST_CASE_TEMPLATE(chunks_equal_the_oracle_and_a_bias, Tag, isa_tags) {
  for (const shape s : {shape{2, 1, 600, 6, 2, 16, 16}, shape{2, 1, 9, 2, 2, 8, 8}, shape{2, 150, 150, 2, 1, 20, 12},
                        shape{2, 50, 203, 6, 2, 16, 16}, shape{2, 1, 64, 4, 1, 8, 8}})
    for (const isize chunk : {1, 7, 64, 128})
      for (const bool starts : {false, true})
        BOOST_TEST_CONTEXT("T " << s.T << " S " << s.S << " chunk " << chunk << " starts " << starts) {
          problem_memory m(s, 81);
          m.p.visible = visibility::chunks(chunk);
          const i64 first[] = {-5, 3};
          if (starts) m.p.chunk_starts = first, m.hide(1, 0, 3);
          BOOST_TEST(m.difference(Tag{}) <= tolerance);
          const auto chunk_of = [&](isize b, isize key) {
            return std::floor(f64(key - (starts ? first[b] : 0)) / f64(chunk));
          };
          m.p.visible = visibility::causal();
          m.use_bias(true, false);
          for (isize b = 0; b < s.B; ++b)
            for (isize t = 0; t < s.T; ++t)
              for (isize k = 0; k < s.S; ++k)
                m.bias[std::size_t((b * s.T + t) * (s.S + 1) + k)] =
                    chunk_of(b, k) == chunk_of(b, s.S - s.T + t) ? 0.0f : -1e30f;
          const auto by_places = m.y.memory;
          attention_kernel(Tag{}, m.p);
          f32 worst = 0;
          for (isize b = 0; b < s.B; ++b)
            for (isize t = 0; t < s.T; ++t)
              for (isize h = 0; h < s.H; ++h)
                for (isize d = 0; d < s.Dv; ++d) {
                  const f32* y = m.p.y.at(b, t, h) + d;
                  worst = std::max(worst, std::abs(*y - by_places[std::size_t(y - m.y.memory.data())]));
                }
          BOOST_TEST(worst <= 2 * tolerance);
        }
}

// Attention to another, shorter sequence: more queries than keys, and every one sees all.
BOOST_AUTO_TEST_CASE_TEMPLATE(more_queries_than_keys_equal_the_oracle, Tag, isa_tags) {
  for (const shape s : {shape{2, 9, 1, 2, 1, 8, 8}, shape{1, 130, 70, 4, 2, 16, 5}, shape{1, 3, 2, 1, 1, 1, 1}})
    for (const auto visible : {visibility::everything(), visibility::causal(), visibility::window(2),
                               visibility{2, 3, 0}, visibility{.offset = 0}, visibility{.offset = -4}}) {
      problem_memory m(s, 71);
      m.p.visible = visible;
      BOOST_TEST(m.difference(Tag{}) <= tolerance);
    }
}

// A sink whose score is the log of the sum of the others takes half of the weight.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_sink_takes_its_share, Tag, isa_tags) {
  for (const isize T : {1, 4}) {
    problem_memory m({1, T, 200, 1, 1, 2, 1});
    std::fill(m.k.memory.begin(), m.k.memory.end(), 0.0f);
    std::fill(m.v.memory.begin(), m.v.memory.end(), 3.0f);
    m.sinks = {std::log(200.0f)};
    m.p.sinks = m.sinks.data();
    attention_kernel(Tag{}, m.p);
    BOOST_TEST(*m.p.y.at(0, T - 1, 0) == 1.5f, boost::test_tools::tolerance(200 * 0x1p-24f));  // sums of 200
  }
}

// With keys that are all alike every visible value has the same weight: the output is their mean.
BOOST_AUTO_TEST_CASE_TEMPLATE(equal_keys_give_the_mean_of_the_visible_values, Tag, isa_tags) {
  for (const isize T : {1, 4}) {
    problem_memory m({1, T, 4, 1, 1, 2, 1});
    std::fill(m.k.memory.begin(), m.k.memory.end(), 0.5f);
    for (isize s = 0; s < 4; ++s) *m.v.view.at(0, s, 0) = f32(1 << s);  // 1 2 4 8
    attention_kernel(Tag{}, m.p);
    BOOST_TEST(*m.p.y.at(0, T - 1, 0) == 3.75f);  // (1 + 2 + 4 + 8) / 4
    m.hide(0, 1, 2);
    attention_kernel(Tag{}, m.p);
    BOOST_TEST(*m.p.y.at(0, T - 1, 0) == 13.0f / 3, boost::test_tools::tolerance(1e-6f));  // (1 + 4 + 8) / 3
    m.p.visible = visibility::window(2);
    attention_kernel(Tag{}, m.p);
    BOOST_TEST(*m.p.y.at(0, T - 1, 0) == 6.0f);  // (4 + 8) / 2
  }
}

// Scores log 1, log 2, log 5: the weights are 1/8, 2/8, 5/8.
BOOST_AUTO_TEST_CASE_TEMPLATE(weights_are_the_softmax_of_the_scores, Tag, isa_tags) {
  problem_memory m({1, 1, 3, 1, 1, 1, 1});
  m.p.scale = 0.5f;
  *m.q.view.at(0, 0, 0) = 2;
  const f32 weights[] = {1, 2, 5}, values[] = {8, 16, 32};
  for (isize s = 0; s < 3; ++s) *m.k.view.at(0, s, 0) = std::log(weights[s]), *m.v.view.at(0, s, 0) = values[s];
  attention_kernel(Tag{}, m.p);
  BOOST_TEST(*m.p.y.at(0, 0, 0) == 25.0f, boost::test_tools::tolerance(1e-6f));  // 1 + 4 + 20
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_row_without_a_visible_key_gives_zeros, Tag, isa_tags) {
  for (const isize T : {1, 6}) {
    problem_memory m({2, T, 600, 3, 1, 16, 16});
    m.hide(0, 0, 600);
    m.hide(1, 0, 597);  // left padding: the first tokens of the second sequence see nothing
    attention_kernel(Tag{}, m.p);
    for (isize t = 0; t < T; ++t)
      for (isize h = 0; h < 3; ++h) {
        for (isize d = 0; d < 16; ++d) BOOST_REQUIRE(m.p.y.at(0, t, h)[d] == 0.0f);
        const bool sees = 600 - T + t >= 597;
        BOOST_TEST((m.p.y.at(1, t, h)[0] != 0.0f) == sees);
      }
  }
}

// Scores of some hundreds: their exponentials overflow unless the maximum is taken off first.
BOOST_AUTO_TEST_CASE_TEMPLATE(large_scores_do_not_overflow, Tag, isa_tags) {
  for (const isize T : {1, 40}) {
    problem_memory m({1, T, 300, 2, 1, 32, 32}, 5, layout::head_major, 1);
    m.p.scale = 100;
    BOOST_TEST(m.difference(Tag{}) <= 1e-4f);  // the scores themselves have errors of some 1e-5
  }
}

#if defined(HFT_ISA_AVX2)

// The same sequence alone, behind left padding, and before right padding: the same bits.
BOOST_AUTO_TEST_CASE(padding_does_not_change_bits) {
  const isize D = 64, S = 300, pad = 45;
  for (const isize T : {isize(1), isize(150), S}) {
    problem_memory alone({1, T, S, 6, 2, D, D}, 31);
    attention_kernel(isa::native{}, alone.p);
    for (const bool left : {true, false}) {
      const isize Tp = T == 1 ? 1 : T + pad, first = left ? pad : 0, first_query = T == 1 ? 0 : first;
      if (T == 1 && !left) continue;  // the one query stands at the last key, padded or not
      problem_memory padded({2, Tp, S + pad, 6, 2, D, D}, 77);
      padded.hide(1, left ? 0 : S, left ? pad : S + pad);
      for (isize h = 0; h < 2; ++h)
        for (isize s = 0; s < S; ++s) {
          std::copy_n(alone.k.view.at(0, s, h), D, padded.k.view.at(1, first + s, h));
          std::copy_n(alone.v.view.at(0, s, h), D, padded.v.view.at(1, first + s, h));
        }
      for (isize h = 0; h < 6; ++h)
        for (isize t = 0; t < T; ++t) std::copy_n(alone.q.view.at(0, t, h), D, padded.q.view.at(1, first_query + t, h));
      attention_kernel(isa::native{}, padded.p);
      for (isize h = 0; h < 6; ++h)
        for (isize t = 0; t < T; ++t)
          BOOST_REQUIRE(!std::memcmp(alone.p.y.at(0, t, h), padded.p.y.at(1, first_query + t, h), D * sizeof(f32)));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_number_of_threads_does_not_change_bits) {
  const int before = num_threads();
  for (const isize T : {1, 100}) {
    problem_memory m({2, T, 900, 9, 3, 64, 64}, 41);
    std::vector<f32> first;
    for (const int n : {1, 2, 3, 7}) {
      set_num_threads(n);
      attention_kernel(isa::native{}, m.p);
      if (first.empty()) first = m.y.memory;
      BOOST_TEST((first == m.y.memory));
    }
  }
  set_num_threads(before);
}

#endif

BOOST_AUTO_TEST_SUITE_END()
