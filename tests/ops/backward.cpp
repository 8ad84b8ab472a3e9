// Gradients of the norms, activations, softmax, embedding, rotary, dropout and the losses.
#include <boost/test/unit_test.hpp>

#include <hft/ops/select_tokens.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(backward_of_ops)

BOOST_AUTO_TEST_CASE(norms) {
  for (const isize C : {1, 3, 16, 37}) {
    check_gradients([](const auto& x, const auto& w) { return rms_norm(x, w, 1e-3); }, random_values<3>({2, 3, C}, 1),
                    random_values<1>({C}, 2));
    if (C > 1)  // LayerNorm of one element is its bias
      check_gradients([](const auto& x, const auto& w, const auto& b) { return layer_norm(x, w, b, 1e-3); },
                      random_values<3>({2, 3, C}, 1), random_values<1>({C}, 2), random_values<1>({C}, 3));
  }
}

BOOST_AUTO_TEST_CASE(a_norm_far_from_zero) {
  auto x = random_values<2>({3, 21}, 1);
  for (isize i = 0; i < x.size(); ++i) x.data()[i] += 50;
  check_gradients([](const auto& x, const auto& w, const auto& b) { return layer_norm(x, w, b, 1e-5); }, x,
                  random_values<1>({21}, 2), random_values<1>({21}, 3));
}

BOOST_AUTO_TEST_CASE(activations) {
  for (const auto& [name, f] : activation_names) BOOST_TEST_CONTEXT(name) {
      // Away from the corners of the piecewise ones: 0, 3, 6, and 10 of gelu_10.
      auto x = random_values<2>({3, 19}, 1, 2, 0.01);
      for (isize i = 0; i < x.size(); ++i)
        for (const f64 corner : {3.0, 6.0, -3.0, 10.0})
          if (std::abs(x.data()[i] - corner) < 0.01) x.data()[i] += 0.05;
      x.data()[0] = 12, x.data()[1] = -8, x.data()[2] = 25;
      check_gradients([f = f](const auto& x) { return activate(x, f); }, x);
      check_gradients([f = f](const auto& g, const auto& u) { return gated(g, u, f); }, x,
                      random_values<2>({3, 19}, 2));
    }
}

BOOST_AUTO_TEST_CASE(softmax_of_rows) {
  check_gradients([](const auto& x) { return softmax(x); }, random_values<2>({3, 21}, 1));
}

BOOST_AUTO_TEST_CASE(embedding_rows_that_occur_often) {
  const auto ids = Tensor<i64, 2>::from({2, 0, 2, 2, 5, 0}, {2, 3});
  check_gradients([&]<class T>(const T& table) { return embedding<typename T::dtype_t>(ids, table); },
                  random_values<2>({7, 19}, 1));
}

BOOST_AUTO_TEST_CASE(the_padding_row_of_a_table_gets_no_gradient) {
  const auto table = tracked<f64, 2>::leaf(random_values<2>({4, 3}, 1));
  backward(embedding<f64>(Tensor<i64, 2>::from({1, 0, 1, 3}, {1, 4}), table, 1));
  for (isize i = 0; i < 12; ++i) BOOST_TEST(table.grad().data()[i] == (i / 3 == 0 || i / 3 == 3 ? 1 : 0));
}

BOOST_AUTO_TEST_CASE(selected_tokens) {
  check_gradients([](const auto& x) { return select_tokens(x, {3, 0}); }, random_values<3>({2, 4, 5}, 1));
}

BOOST_AUTO_TEST_CASE(rotary) {
  const auto angles = random_values<2>({6, 2}, 5);
  for (const bool interleaved : {false, true})
    check_gradients(
        [&]<class T>(const T& x) {
          using A = typename T::dtype_t;
          Tensor<A, 2> cos({6, 2}), sin({6, 2});
          for (isize i = 0; i < 12; ++i)
            cos.data()[i] = A(1.5 * std::cos(angles.data()[i])), sin.data()[i] = A(1.5 * std::sin(angles.data()[i]));
          return apply_rotary(x, cos, sin, interleaved);
        },
        random_values<4>({2, 3, 2, 5}, 1));
}

BOOST_AUTO_TEST_CASE(dropout_of_elements) {
  check_gradients([](const auto& x) { return dropout(x, {.p = 0.3, .seed = 1, .stream = 2}); },
                  random_values<2>({3, 19}, 1));
  const auto y = dropout(Tensor<f32, 2>::filled({100, 99}, 1), {.p = 0.25, .seed = 1});
  isize kept = 0;
  for (isize i = 0; i < y.size(); ++i) {
    BOOST_TEST((y.data()[i] == 0 || y.data()[i] == 1 / 0.75f));
    kept += y.data()[i] != 0;
  }
  BOOST_TEST(std::abs(f64(kept) / 9900 - 0.75) < 0.02);
  BOOST_CHECK_THROW(dropout(Tensor<f32, 2>::zeros({1, 1}), {.p = 1}), value_error);
}

BOOST_AUTO_TEST_CASE(cross_entropies) {
  const std::vector<i64> labels{3, -100, 0, 22, 3};
  for (const f64 smoothing : {0.0, 0.1})
    for (const isize items : {0, 7}) {
      const CrossEntropyOptions o{.label_smoothing = smoothing, .num_items = items};
      check_gradients([&](const auto& x) { return cross_entropy(x, labels, o); }, random_values<2>({5, 23}, 1));
      check_gradients(
          [&](const auto& x, const auto& w, const auto& b) { return linear_cross_entropy(x, w, b, labels, o); },
          random_values<2>({5, 7}, 1), random_values<2>({23, 7}, 2), random_values<1>({23}, 3));
    }
}

BOOST_AUTO_TEST_CASE(both_cross_entropies_agree_over_many_chunks) {
  const isize M = 5000, C = 3, V = 5000;  // a chunk has some 1700 rows
  const auto x = as<f32>(random_values<2>({M, C}, 1)), w = as<f32>(random_values<2>({V, C}, 2));
  std::vector<i64> labels;
  for (isize i = 0; i < M; ++i) labels.push_back(i % 7 ? i * 31 % V : -100);
  const auto gradients = [&](bool fused) {
    const auto xt = tracked<f32, 2>::leaf(x), wt = tracked<f32, 2>::leaf(w);
    const auto loss =
        fused ? linear_cross_entropy(xt, wt, Tensor<f32, 1>(), labels) : cross_entropy(linear(xt, wt), labels);
    backward(scale(loss, 0.5));
    return std::tuple{loss.value().data()[0], xt.grad(), wt.grad()};
  };
  const auto [loss, dx, dw] = gradients(true);
  const auto [loss2, dx2, dw2] = gradients(false);
  BOOST_TEST(loss == loss2, boost::test_tools::tolerance(1e-5f));
  f32 worst = 0, largest = 0;
  for (isize i = 0; i < dx.size(); ++i)
    worst = std::max(worst, std::abs(dx.data()[i] - dx2.data()[i])),
    largest = std::max(largest, std::abs(dx.data()[i]));
  BOOST_TEST(worst <= 1e-4f * largest);
  worst = largest = 0;
  for (isize i = 0; i < dw.size(); ++i)
    worst = std::max(worst, std::abs(dw.data()[i] - dw2.data()[i])),
    largest = std::max(largest, std::abs(dw.data()[i]));
  BOOST_TEST(worst <= 1e-4f * largest);
}

BOOST_AUTO_TEST_CASE(cross_entropy_of_known_probabilities) {
  // softmax(log(1, 2, 5)) = 1/8, 1/4, 5/8
  const auto logits = Tensor<f32, 2>::from({0, std::log(2.0f), std::log(5.0f)}, {1, 3});
  BOOST_TEST(cross_entropy(logits, {1}).data()[0] == std::log(4.0f), boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(std::isnan(cross_entropy(logits, {-100}).data()[0]));  // nothing counts: 0 / 0, as in PyTorch
  BOOST_CHECK_THROW(cross_entropy(logits, {3}), value_error);
  BOOST_CHECK_THROW(cross_entropy(logits, {-1}), value_error);
  BOOST_CHECK_THROW(cross_entropy(logits, {0, 1}), shape_error);
  BOOST_CHECK_THROW(cross_entropy(logits, {0}, {.label_smoothing = 1.5}), value_error);
}

BOOST_AUTO_TEST_CASE(losses_of_values) {
  const auto target = as<f32>(random_values<2>({3, 5}, 4));
  check_gradients([&](const auto& x) { return mse_loss(x, target); }, random_values<2>({3, 5}, 1));
  const auto flags = Tensor<f32, 2>::from({0, 1, 1, 0, 1, 0.5f}, {2, 3});
  check_gradients([&](const auto& x) { return bce_with_logits(x, flags); }, random_values<2>({2, 3}, 1, 3));
  BOOST_CHECK_THROW(mse_loss(Tensor<f32, 2>::zeros({1, 2}), flags), shape_error);
  check_gradients([&](const auto& x) { return l1_loss(x, target); }, random_values<2>({3, 5}, 1));
  const auto apart = l1_loss(Tensor<f32, 2>::from({1, -2}, {1, 2}), Tensor<f32, 2>::from({0.5f, 1}, {1, 2}));
  BOOST_TEST(apart.data()[0] == 1.75f);
}

BOOST_AUTO_TEST_SUITE_END()
