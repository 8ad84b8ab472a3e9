// Gradients of attention: every mask, bias and head layout, with dropout, and across the blocks of its kernel.
#include <boost/test/unit_test.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(attention_backward)

struct attention_case {
  isize B = 1, T = 5, S = 5, H = 2, Hk = 2, D = 3, Dv = 3;
  AttentionArgs<> args = {};
};

static void check(attention_case c) {
  c.args.scale = 0.7;
  BOOST_TEST_CONTEXT("B " << c.B << " T " << c.T << " S " << c.S << " H " << c.H << " Hk " << c.Hk << " D " << c.D
                          << " Dv " << c.Dv << " left " << c.args.visible.left << " right " << c.args.visible.right
                          << " softcap " << c.args.softcap << " dropout " << c.args.dropout.p)
  check_gradients([&](const auto& q, const auto& k, const auto& v) { return attention(q, k, v, c.args); },
                  random_values<4>({c.B, c.T, c.H, c.D}, 1), random_values<4>({c.B, c.S, c.Hk, c.D}, 2),
                  random_values<4>({c.B, c.S, c.Hk, c.Dv}, 3));
}

BOOST_AUTO_TEST_CASE(causal_and_bidirectional) {
  check({});
  check({.B = 2, .args = {.visible = visibility::everything()}});
  check({.T = 1, .S = 1});
}
BOOST_AUTO_TEST_CASE(grouped_heads_and_other_value_sizes) {
  check({.H = 6, .Hk = 2, .D = 5, .Dv = 7});
  check({.H = 3, .Hk = 1});
}
BOOST_AUTO_TEST_CASE(queries_at_the_end_of_more_keys) {
  check({.T = 3, .S = 7});
  check({.T = 1, .S = 6});
}
BOOST_AUTO_TEST_CASE(windows) {
  check({.T = 7, .S = 7, .args = {.visible = visibility::window(3)}});
  check({.T = 4, .S = 7, .args = {.visible = visibility::around(1, 2)}});
}
BOOST_AUTO_TEST_CASE(chunks) {
  check({.T = 7, .S = 7, .args = {.visible = visibility::chunks(3)}});
  attention_case c{.B = 2, .T = 4, .S = 70, .args = {.visible = visibility::chunks(5)}};
  c.args.chunk_starts = Tensor<i64, 1>::from({2, -1}, {2});
  check(c);
}
BOOST_AUTO_TEST_CASE(key_masks) {
  attention_case c{.B = 2};
  // Row 0 is padded on the left, so its first queries see nothing; row 1 has a hole.
  c.args.key_mask = Tensor<u8, 2>::from({0, 0, 1, 1, 1, 1, 0, 1, 1, 0}, {2, 5});
  check(c);
  c.args.visible = visibility::everything();
  check(c);
}
BOOST_AUTO_TEST_CASE(softcaps_and_linear_biases) {
  check({.args = {.softcap = 0.8}});
  attention_case c;
  c.args.alibi = Tensor<f32, 1>::from({0.5f, 0.25f}, {2});
  check(c);
  c.args.softcap = 1.5;
  check(c);
}
BOOST_AUTO_TEST_CASE(dropout) {
  check({.B = 2, .T = 6, .S = 6, .args = {.dropout = {.p = 0.4, .seed = 3, .stream = 5}}});
  check({.T = 6, .S = 9, .H = 4, .args = {.visible = visibility::everything(), .dropout = {.p = 0.1, .seed = 3}}});
}
BOOST_AUTO_TEST_CASE(more_queries_than_keys) {
  check({.B = 2, .T = 7, .S = 3, .args = {.visible = visibility::everything()}});
  check({.T = 7, .S = 3});  // the first four see nothing
  check({.T = 4, .S = 6, .args = {.visible = {.left = 2, .right = 1, .offset = 1}}});
}

static void check_bias(attention_case c, const Shape<2>& rows) {
  c.args.scale = 0.7;
  BOOST_TEST_CONTEXT("T " << c.T << " S " << c.S << " bias for " << rows[0] << " rows and " << rows[1] << " heads")
  check_gradients([&](const auto& q, const auto& k, const auto& v, const auto& bias,
                      const auto& sinks) { return attention(q, k, v, c.args, bias, sinks); },
                  random_values<4>({c.B, c.T, c.H, c.D}, 1), random_values<4>({c.B, c.S, c.Hk, c.D}, 2),
                  random_values<4>({c.B, c.S, c.Hk, c.Dv}, 3), random_values<4>({rows[0], rows[1], c.T, c.S}, 4),
                  random_values<1>({c.H}, 5));
}
BOOST_AUTO_TEST_CASE(biases_and_sinks) {
  for (const isize rows : {1, 2})
    for (const isize heads : {1, 4}) {
      check_bias({.B = 2, .H = 4, .Hk = 2, .args = {.visible = visibility::everything()}}, {rows, heads});
      check_bias({.B = 2, .T = 3, .S = 6, .H = 4, .args = {.softcap = 1.5}}, {rows, heads});
      attention_case c{.B = 2, .T = 4, .S = 3, .H = 4, .args = {.visible = visibility::everything()}};
      c.Hk = 4;
      c.args.dropout = {.p = 0.3, .seed = 3};
      c.args.key_mask = Tensor<u8, 2>::from({1, 0, 1, 0, 0, 0}, {2, 3});
      check_bias(c, {rows, heads});
    }
  check_bias({.T = 66, .S = 70, .H = 2, .D = 1, .Dv = 1, .args = {.visible = visibility::around(3, 2)}}, {1, 1});
}
BOOST_AUTO_TEST_CASE(what_does_not_fit_is_an_error_that_says_so) {
  const auto q = random_values<4>({2, 3, 4, 2}, 1), k = random_values<4>({2, 5, 2, 2}, 2);
  const auto says = [](std::string_view text) {
    return [text](const shape_error& e) { return std::string_view(e.what()).find(text) != std::string_view::npos; };
  };
  BOOST_CHECK_EXCEPTION(attention(q, k, k, {}, random_values<4>({2, 2, 3, 5}, 3)), shape_error,
                        says("[attention] bias: expected (1 or 2, 1 or 4, 3, 5), got (2, 2, 3, 5)"));
  BOOST_CHECK_EXCEPTION(attention(q, k, k, {}, {}, random_values<1>({2}, 3)), shape_error,
                        says("[attention] sinks: expected (4), got (2)"));
}
BOOST_AUTO_TEST_CASE(several_blocks_of_queries_and_keys) {
  check({.T = 70, .S = 135, .H = 2, .Hk = 1, .D = 2, .Dv = 1});
  check({.T = 130, .S = 130, .H = 1, .Hk = 1, .D = 1, .Dv = 2, .args = {.visible = visibility::window(65)}});
}

// How the work is split among threads: by key heads, query heads and blocks of keys.
BOOST_AUTO_TEST_CASE(splits) {
  const auto split = [](isize B, isize H, isize Hk, isize blocks, isize threads) {
    const detail::attention_backward_split s(B, H, Hk, blocks, threads);
    return std::pair{s.by_query_head, s.chunks};
  };
  BOOST_TEST((split(8, 9, 3, 4, 2) == std::pair{false, isize(1)}));   // enough key heads
  BOOST_TEST((split(1, 8, 1, 4, 2) == std::pair{true, isize(1)}));    // enough query heads
  BOOST_TEST((split(1, 1, 1, 4, 2) == std::pair{false, isize(4)}));   // blocks alone
  BOOST_TEST((split(1, 9, 3, 16, 16) == std::pair{true, isize(8)}));  // both
  BOOST_TEST((split(1, 1, 1, 1, 2) == std::pair{false, isize(1)}));   // nothing to split
}

BOOST_AUTO_TEST_CASE(every_split_gives_the_same_gradients) {
  for (const attention_case& c :
       {attention_case{.T = 150, .S = 200, .H = 6, .Hk = 2, .D = 8, .Dv = 5},
        attention_case{.B = 2, .T = 130, .S = 130, .H = 2, .Hk = 2, .D = 3, .Dv = 3},
        attention_case{
            .T = 70, .S = 70, .H = 3, .Hk = 1, .D = 17, .Dv = 17, .args = {.visible = visibility::everything()}},
        attention_case{
            .T = 1, .S = 140, .H = 4, .Hk = 2, .D = 4, .Dv = 4, .args = {.visible = visibility::window(70)}}}) {
    const auto q = random_values<4>({c.B, c.T, c.H, c.D}, 1), k = random_values<4>({c.B, c.S, c.Hk, c.D}, 2),
               v = random_values<4>({c.B, c.S, c.Hk, c.Dv}, 3), dy = random_values<4>({c.B, c.T, c.H, c.Dv}, 4);
    const auto gradients = [&]<class A>(A, isize threads) {
      const auto qa = as<A>(q), ka = as<A>(k), va = as<A>(v), dya = as<A>(dy);
      const Tensor<A, 4> y({c.B, c.T, c.H, c.Dv}), dq(q.shape()), dk(k.shape()), dv(v.shape());
      const Tensor<A, 3> log_sums({c.B, c.H, c.T});
      auto p = detail::make_attention_problem(qa, ka, va, y, c.args);
      p.log_sums = log_sums.data();
      attention_kernel(cpu{}, p);
      attention_backward_kernel(cpu{}, p, attention_backward_problem<A>{heads(dya), heads(dq), heads(dk), heads(dv)},
                                threads);
      std::vector<A> all;
      for (const auto& t : {dq, dk, dv}) all.insert(all.end(), t.data(), t.data() + t.size());
      return all;
    };
    const auto expected = gradients(f64(), 1);
    for (const isize threads : {1, 2, 3, 4, 7, 16, 64}) {
      BOOST_TEST_CONTEXT("H " << c.H << " Hk " << c.Hk << " T " << c.T << " threads " << threads) {
        const auto precise = gradients(f64(), threads);
        const auto single = gradients(f32(), threads);
        f64 worst = 0, worst32 = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
          worst = std::max(worst, std::abs(precise[i] - expected[i]));
          worst32 = std::max(worst32, std::abs(f64(single[i]) - expected[i]));
        }
        BOOST_TEST(worst < 1e-12);
        BOOST_TEST(worst32 < 1e-4);
        BOOST_TEST((single == gradients(f32(), threads)));
      }
    }
  }
}

// The mean over many masks is what there is without dropout.
BOOST_AUTO_TEST_CASE(dropout_keeps_the_mean) {
  const auto q = random_values<4>({1, 4, 1, 3}, 1), k = random_values<4>({1, 4, 1, 3}, 2),
             v = random_values<4>({1, 4, 1, 3}, 3);
  const tracked<f64, 4> qt = q, kt = k, vt = v;
  const auto expected = attention(q, k, v, {.scale = 1});
  std::vector<f64> mean(12, 0.0);
  const int rounds = 4000;
  for (int i = 0; i < rounds; ++i) {
    const auto y = attention(qt, kt, vt, {.scale = 1, .dropout = {.p = 0.25, .seed = 1, .stream = std::uint64_t(i)}});
    for (isize j = 0; j < 12; ++j) mean[std::size_t(j)] += y.value().data()[j] / rounds;
  }
  for (isize j = 0; j < 12; ++j) BOOST_TEST(std::abs(mean[std::size_t(j)] - expected.data()[j]) < 0.06);
}

BOOST_AUTO_TEST_SUITE_END()
