// Recurrences that go chunk by chunk, against themselves in f64, which go step by step: around the ends of chunks, from
// a state, with decays of any size, with padding, in parts, on any number of threads.
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <tuple>
#include <utility>

#include <hft/ops/decay_attention.hpp>
#include <hft/ops/gated_delta_rule.hpp>
#include <hft/ops/head_scan.hpp>
#include <hft/parallel.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(chunks)

namespace {

constexpr isize batch = 2, heads_of_keys = 2, heads_of_values = 4;
constexpr isize lengths[] = {1, 7, 8, 9, 16, 17, 63, 64, 65, 71, 72, 127, 128, 129, 200};

/// What a sequence is made of. Keys have a length of about 1.
struct arguments {
  Tensor<f64, 4> q, k, v, state;   // (B,T,Hk,K) twice, (B,T,H,V), (B,H,K,V)
  Tensor<f64, 3> log_decay, beta;  // (B,T,H)

  arguments(isize T, isize K, isize V, f64 decay = 0.3)
      : q(random_values<4>({batch, T, heads_of_keys, K}, 1)),
        k(random_values<4>({batch, T, heads_of_keys, K}, 2, 1 / std::sqrt(f64(K)))),
        v(random_values<4>({batch, T, heads_of_values, V}, 3)),
        state(random_values<4>({batch, heads_of_values, K, V}, 4)),
        log_decay(random_values<3>({batch, T, heads_of_values}, 5, decay)),
        beta(random_values<3>({batch, T, heads_of_values}, 6)) {
    for (isize i = 0; i < beta.size(); ++i) {
      log_decay.data()[i] = -std::abs(log_decay.data()[i]);
      beta.data()[i] = 1 / (1 + std::exp(-beta.data()[i]));
    }
  }
  /// Tokens [begin, end), at a distance.
  arguments part(isize begin, isize end, const Tensor<f64, 4>& before) const {
    arguments a = *this;
    const auto cut = [&](auto& x) { x = x.slice(1, begin, end); };
    cut(a.q), cut(a.k), cut(a.v), cut(a.log_decay), cut(a.beta);
    a.state = before;
    return a;
  }
};

template <class A>
using result = std::pair<Tensor<A, 4>, Tensor<A, 4>>;  // y and the last state

template <class A>
result<A> delta(const arguments& a) {
  return gated_delta_rule(as<A>(a.q), as<A>(a.k), as<A>(a.v), as<A>(a.log_decay), as<A>(a.beta), as<A>(a.state));
}
template <class A>
result<A> head(const arguments& a) {  // whose A is -1, and its step sizes -log_decay
  auto steps = as<A>(a.log_decay).dense();
  for (isize i = 0; i < steps.size(); ++i) steps.data()[i] = -steps.data()[i];
  return head_scan(as<A>(a.v), steps, Tensor<A, 1>::filled({heads_of_values}, A(-1)), as<A>(a.k), as<A>(a.q),
                   as<A>(random_values<1>({heads_of_values}, 7)), as<A>(a.state));
}
template <class A>
result<A> decay(const arguments& a) {  // (B,T,H,K) all three, so that of v the first K columns
  const isize K = a.k.extent(3), Hk = heads_of_keys;
  const auto decays = as<A>(Tensor<f64, 1>::from({0.9, 1}, {Hk}));
  return decay_attention(as<A>(a.q), as<A>(a.k), as<A>(a.v).slice(2, 0, Hk).slice(3, 0, K), decays,
                         as<A>(a.state).slice(1, 0, Hk).slice(3, 0, K).dense());
}

struct op {
  const char* name;
  std::function<result<f32>(const arguments&)> in_f32;
  std::function<result<f64>(const arguments&)> in_f64;
};
const op ops[] = {{"gated_delta_rule", delta<f32>, delta<f64>},
                  {"head_scan", head<f32>, head<f64>},
                  {"decay_attention", decay<f32>, decay<f64>}};

/// The Euclidean norm of got - expected, over that of what is expected.
f64 distance(const Tensor<f32, 4>& got, const Tensor<f64, 4>& expected) {
  BOOST_REQUIRE(got.shape() == expected.shape());
  f64 error = 0, size = 0;
  for (isize i = 0; i < got.size(); ++i) {
    error += std::pow(f64(got.data()[i]) - expected.data()[i], 2);
    size += std::pow(expected.data()[i], 2);
  }
  return std::sqrt(error / size);  // NaN fails every comparison
}

void check_against_f64(const op& o, const arguments& a) {
  const auto [y, last] = o.in_f32(a);
  const auto [y_exact, last_exact] = o.in_f64(a);
  BOOST_TEST(distance(y, y_exact) <= 1e-6);
  BOOST_TEST(distance(last, last_exact) <= 1e-6);
}

}  // namespace

BOOST_AUTO_TEST_CASE(as_step_by_step) {
  for (const op& o : ops)
    for (const auto& [K, V] : {std::pair<isize, isize>{16, 16}, {17, 48}, {64, 64}, {48, 80}, {128, 128}, {30, 33}})
      for (const isize T : lengths) BOOST_TEST_CONTEXT(o.name << " K " << K << " V " << V << " T " << T)
  check_against_f64(o, arguments(T, K, V));
}

// From decays that keep nothing at all to those that keep everything, in one chunk.
BOOST_AUTO_TEST_CASE(decays_of_any_size) {
  for (const op& o : ops)
    for (const f64 size : {0.0, 1e-6, 3.0, 80.0, 1000.0}) BOOST_TEST_CONTEXT(o.name << " decay " << size) {
        arguments a(150, 32, 32, size);
        check_against_f64(o, a);
        for (isize i = 0; i < a.log_decay.size(); i += 7) a.log_decay.data()[i] = -1e4;
        check_against_f64(o, a);
      }
}

// A decay of minus infinity forgets; what was before it is not to be found behind it.
BOOST_AUTO_TEST_CASE(what_is_forgotten) {
  const isize T = 100, cut = 40;
  arguments a(T, 32, 32);
  for (isize b = 0; b < batch; ++b)
    for (isize h = 0; h < heads_of_values; ++h)
      a.log_decay.data()[(b * T + cut) * heads_of_values + h] = -std::numeric_limits<f64>::infinity();
  const auto [y, last] = delta<f32>(a);
  const auto [rest, last_rest] = delta<f64>(a.part(cut, T, Tensor<f64, 4>::zeros(a.state.shape())));
  BOOST_TEST(distance(y.slice(1, cut, T).dense(), rest) <= 1e-6);
  BOOST_TEST(distance(last, last_rest) <= 1e-6);
}

// Padding on the left, as layers feed it: keys, queries and values of zeros, rates of any size.
BOOST_AUTO_TEST_CASE(padding_is_nothing) {
  const isize T = 100, padding = 37;
  for (const op& o : ops) BOOST_TEST_CONTEXT(o.name) {
      arguments a(T, 32, 32);
      const auto blank = [&](Tensor<f64, 4>& x) {
        for (isize b = 0; b < batch; ++b) std::fill_n(x.data() + b * x.stride(0), padding * x.stride(1), 0.0);
      };
      blank(a.q), blank(a.k), blank(a.v), std::fill_n(a.state.data(), a.state.size(), 0.0);
      const auto [y, last] = o.in_f32(a);
      const auto [rest, last_rest] = o.in_f64(a.part(padding, T, a.state));
      BOOST_TEST(distance(y.slice(1, padding, T).dense(), rest) <= 1e-6);
      BOOST_TEST(distance(last, last_rest) <= 1e-6);
    }
}

// The same bits where the parts are whole chunks, the same values in any.
BOOST_AUTO_TEST_CASE(in_parts) {
  const isize T = 200;
  const arguments a(T, 32, 32);
  for (const op& o : ops)
    for (const isize size : {1, 8, 63, 64, 65, 128}) BOOST_TEST_CONTEXT(o.name << " by " << size) {
        const auto [whole, last] = o.in_f32(a);
        const auto [exact, last_exact] = o.in_f64(a);
        auto state = a.state;
        for (isize begin = 0; begin < T; begin += size) {
          const isize end = std::min(T, begin + size);
          const auto [y, after] = o.in_f32(a.part(begin, end, state));
          BOOST_TEST(distance(y, exact.slice(1, begin, end).dense()) <= 1e-6);
          const auto same = whole.slice(1, begin, end).dense();
          if (size % 64 == 0) BOOST_TEST((std::equal(y.data(), y.data() + y.size(), same.data())));
          state = a.state.clone();  // of which decay_attention has some heads only
          for (isize i = 0; i < after.size(); ++i)
            state.data()[i / after.stride(0) * state.stride(0) + i % after.stride(0)] = after.data()[i];
        }
      }
}

BOOST_AUTO_TEST_CASE(the_number_of_threads_changes_nothing) {
  const int before = num_threads();
  const arguments a(150, 48, 144);
  for (const op& o : ops) BOOST_TEST_CONTEXT(o.name) {
      set_num_threads(1);
      const auto [y, last] = o.in_f32(a);
      for (const int threads : {2, 3, 7}) {
        set_num_threads(threads);
        const auto [same, same_last] = o.in_f32(a);
        BOOST_TEST((std::equal(y.data(), y.data() + y.size(), same.data())));
        BOOST_TEST((std::equal(last.data(), last.data() + last.size(), same_last.data())));
      }
    }
  set_num_threads(before);
}

// What a forward pass by chunks saves is what its backward starts from.
BOOST_AUTO_TEST_CASE(gradients_of_a_prompt) {
  const arguments a(150, 32, 32);
  const auto gradients = [&]<class A>(A) {
    std::tuple leaves{tracked<A, 4>::leaf(as<A>(a.q)), tracked<A, 4>::leaf(as<A>(a.k)),
                      tracked<A, 4>::leaf(as<A>(a.v))};
    const auto rate = [](const Tensor<f64, 3>& x) { return tracked<A, 3>::leaf(as<A>(x)); };
    const auto [y, last] = gated_delta_rule(std::get<0>(leaves), std::get<1>(leaves), std::get<2>(leaves),
                                            rate(a.log_decay), rate(a.beta), as<A>(a.state));
    backward(y, as<A>(random_values(y.shape(), 9)));
    return std::array{std::get<0>(leaves).grad(), std::get<1>(leaves).grad(), std::get<2>(leaves).grad()};
  };
  const auto got = gradients(f32());
  const auto expected = gradients(f64());
  for (std::size_t i = 0; i < got.size(); ++i) BOOST_TEST(distance(got[i], expected[i]) <= 2e-6, "argument " << i);
}

BOOST_AUTO_TEST_SUITE_END()
