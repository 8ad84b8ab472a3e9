// Attention by a decaying sum: by its definition, in one part and in several, its gradients.
#include <hft/ops/decay_attention.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(decaying_attention)

namespace {

constexpr isize B = 2, T = 7, H = 3, D = 19;

Tensor<f64, 4> some(std::uint64_t seed) { return random_values<4>({B, T, H, D}, seed, 0.5); }
Tensor<f64, 1> decays() { return Tensor<f64, 1>::from({0.9, 0.5, 1}, {H}); }

// The sum over j <= t of decay^(t-j) (q_t k_j) v_j.
f64 by_definition(const Tensor<f64, 4>& q, const Tensor<f64, 4>& k, const Tensor<f64, 4>& v, isize b, isize t, isize h,
                  isize c) {
  f64 sum = 0;
  for (isize j = 0; j <= t; ++j) {
    f64 score = 0;
    for (isize i = 0; i < D; ++i)
      score += q.data()[((b * T + t) * H + h) * D + i] * k.data()[((b * T + j) * H + h) * D + i];
    sum += std::pow(decays().data()[h], f64(t - j)) * score * v.data()[((b * T + j) * H + h) * D + c];
  }
  return sum;
}

}  // namespace

BOOST_AUTO_TEST_CASE(as_defined) {
  const auto q = some(1), k = some(2), v = some(3);
  const auto y = decay_attention(as<f32>(q), as<f32>(k), as<f32>(v), as<f32>(decays())).first;
  for (isize b = 0; b < B; ++b)
    for (isize t = 0; t < T; ++t)
      for (isize h = 0; h < H; ++h)
        for (isize c = 0; c < D; ++c)
          BOOST_TEST(std::abs(f64(y.data()[((b * T + t) * H + h) * D + c]) - by_definition(q, k, v, b, t, h, c)) <
                     1e-4);
}

BOOST_AUTO_TEST_CASE(in_parts) {
  const auto q = as<f32>(some(1)), k = as<f32>(some(2)), v = as<f32>(some(3));
  const auto decay = as<f32>(decays());
  const auto [y, last] = decay_attention(q, k, v, decay);
  const auto part = [](const auto& x, isize from, isize to) { return x.slice(1, from, to); };  // at a distance
  const auto [first, state] = decay_attention(part(q, 0, 3), part(k, 0, 3), part(v, 0, 3), decay);
  const auto [second, end] = decay_attention(part(q, 3, T), part(k, 3, T), part(v, 3, T), decay, state);
  for (isize i = 0; i < last.size(); ++i) BOOST_TEST(end.data()[i] == last.data()[i]);
  const auto rest = part(y, 3, T).dense();
  for (isize i = 0; i < second.size(); ++i) BOOST_TEST(second.data()[i] == rest.data()[i]);
}

BOOST_AUTO_TEST_CASE(gradients) {
  check_gradients(
      [](const auto& q, const auto& k, const auto& v) {
        using A = typename std::decay_t<decltype(q)>::dtype_t;
        return decay_attention(q, k, v, as<A>(decays())).first;
      },
      some(1), some(2), some(3));
}

BOOST_AUTO_TEST_CASE(errors) {
  const auto x = Tensor<f32, 4>::zeros({1, 2, 3, 4});
  BOOST_CHECK_THROW(decay_attention(x, x, x, Tensor<f32, 1>::zeros({2})), shape_error);
  BOOST_CHECK_THROW(decay_attention(x, x, x.slice(3, 0, 2), Tensor<f32, 1>::zeros({3})), shape_error);
  BOOST_CHECK_THROW(decay_attention(x, x, x, Tensor<f32, 1>::zeros({3}), Tensor<f32, 4>::zeros({1, 3, 4, 5})),
                    shape_error);
}

BOOST_AUTO_TEST_SUITE_END()
