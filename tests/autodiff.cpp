// The graph: what is recorded, in which order gradients flow, and how they add up.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <type_traits>

#include <hft/autodiff.hpp>
#include <hft/ops/autodiff.hpp>
#include <hft/ops/cpu/f64.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(autodiff_graph)

template <std::size_t R>
using tracked = Tensor<f64, R, autodiff<cpu>>;
using plain_matrix = Tensor<f64, 2>;

static_assert(Device<autodiff<cpu>> && !BaseDevice<autodiff<cpu>>);

static tracked<2> leaf(std::initializer_list<f64> values, const Shape<2>& shape) {
  return tracked<2>::leaf(plain_matrix::from(values, shape));
}
static f64 at(const plain_matrix& t, isize i) { return t.data()[i]; }

BOOST_AUTO_TEST_CASE(a_product_and_a_sum) {
  const auto a = leaf({1, 2, 3}, {1, 3}), b = leaf({5, 7, 11}, {1, 3});
  backward(add(mul(a, b), scale(a, 10)));
  for (isize i = 0; i < 3; ++i) {
    BOOST_TEST(at(a.grad(), i) == at(b.value(), i) + 10);  // d (a b + 10 a) / da
    BOOST_TEST(at(b.grad(), i) == at(a.value(), i));
  }
}

BOOST_AUTO_TEST_CASE(a_seed_is_the_gradient_of_the_result) {
  const auto a = leaf({1, 2}, {1, 2});
  backward(scale(a, 3), plain_matrix::from({10, 100}, {1, 2}));
  BOOST_TEST(at(a.grad(), 0) == 30);
  BOOST_TEST(at(a.grad(), 1) == 300);
  BOOST_CHECK_THROW(backward(scale(a, 3), plain_matrix::zeros({2, 1})), shape_error);
}

BOOST_AUTO_TEST_CASE(a_tensor_used_twice_gets_both_gradients) {
  const auto a = leaf({3}, {1, 1});
  const auto b = mul(a, a);
  backward(add(mul(b, b), b));  // a^4 + a^2: 4 a^3 + 2 a
  BOOST_TEST(at(a.grad(), 0) == 4 * 27 + 6);
}

// Both arguments of a sum are handed one gradient; adding to one of them must not change the other.
BOOST_AUTO_TEST_CASE(a_shared_gradient_is_not_written_to) {
  const auto a = leaf({1}, {1, 1}), b = leaf({1}, {1, 1});
  const auto sum = add(a, b);
  backward(add(sum, a));
  BOOST_TEST(at(a.grad(), 0) == 2);
  BOOST_TEST(at(b.grad(), 0) == 1);
  backward(add(a, b));
  BOOST_TEST(at(a.grad(), 0) == 3);
  BOOST_TEST(at(b.grad(), 0) == 2);
}

BOOST_AUTO_TEST_CASE(a_graph_is_walked_once) {
  const auto a = leaf({2}, {1, 1});
  const auto y = mul(a, a);
  backward(y);
  BOOST_CHECK_THROW(backward(y), value_error);
  BOOST_TEST(at(a.grad(), 0) == 4);
}

BOOST_AUTO_TEST_CASE(backward_frees_what_ops_saved) {
  buffer memory;
  const auto a = leaf({2}, {1, 1});
  const auto y = [&] {
    const auto saved = mul(a, a);
    memory = saved.value().memory();
    return mul(saved, saved);
  }();
  BOOST_TEST(!memory.unique());
  backward(y);
  BOOST_TEST(memory.unique());
}

BOOST_AUTO_TEST_CASE(constants_record_nothing) {
  const tracked<2> constant = plain_matrix::from({2}, {1, 1});
  BOOST_TEST(!constant.requires_grad());
  BOOST_TEST(!mul(constant, constant).requires_grad());
  BOOST_CHECK_THROW(backward(mul(constant, constant)), value_error);
  const auto a = leaf({3}, {1, 1});
  backward(mul(constant, a));
  BOOST_TEST(at(a.grad(), 0) == 2);
  backward(mul(a, plain_matrix::from({5}, {1, 1})));  // a tensor of the base device is a constant, too
  BOOST_TEST(at(a.grad(), 0) == 7);
}

BOOST_AUTO_TEST_CASE(detach_cuts) {
  const auto a = leaf({3}, {1, 1});
  backward(mul(a, detach(mul(a, a))));
  BOOST_TEST(at(a.grad(), 0) == 9);
}

BOOST_AUTO_TEST_CASE(no_grad_and_enable_grad_nest) {
  const auto a = leaf({3}, {1, 1});
  BOOST_TEST(grad_enabled());
  {
    const no_grad off;
    BOOST_TEST(!mul(a, a).requires_grad());
    {
      const enable_grad on;
      BOOST_TEST(mul(a, a).requires_grad());
    }
    BOOST_TEST(!grad_enabled());
  }
  BOOST_TEST(grad_enabled());
}

BOOST_AUTO_TEST_CASE(a_leaf_can_be_frozen) {
  auto a = leaf({3}, {1, 1});
  const auto b = leaf({5}, {1, 1});
  a.requires_grad(false);
  backward(mul(a, b));
  BOOST_TEST(!a.grad());
  BOOST_TEST(at(b.grad(), 0) == 3);
  a.requires_grad(true);
  auto y = mul(a, b);
  BOOST_CHECK_THROW(y.requires_grad(false), value_error);
  backward(y);
  BOOST_TEST(at(a.grad(), 0) == 5);
  a.zero_grad();
  BOOST_TEST(!a.grad());
}

BOOST_AUTO_TEST_CASE(views_pass_gradients_to_their_place) {
  const auto a = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
  const auto columns = a.slice(1, 1, 3);  // (2, 2)
  backward(mul(columns, columns));
  const f64 expected[] = {0, 4, 6, 0, 10, 12};
  for (isize i = 0; i < 6; ++i) BOOST_TEST(at(a.grad(), i) == expected[i]);

  const auto b = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
  const auto turned = b.reshape<3>({1, 2, 3}).slice(1, 1, 2).reshape<2>({3, 1});
  backward(mul(turned, turned));
  const f64 second_row[] = {0, 0, 0, 8, 10, 12};
  for (isize i = 0; i < 6; ++i) BOOST_TEST(at(b.grad(), i) == second_row[i]);

  const auto c = tracked<3>::leaf(Tensor<f64, 3>::from({1, 2, 3, 4, 5, 6}, {3, 2, 1}));
  backward(c.permute({1, 0, 2}), Tensor<f64, 3>::from({10, 20, 30, 40, 50, 60}, {2, 3, 1}));
  const f64 permuted[] = {10, 40, 20, 50, 30, 60};
  for (isize i = 0; i < 6; ++i) BOOST_TEST(c.grad().data()[i] == permuted[i]);
}

BOOST_AUTO_TEST_CASE(slices_of_one_tensor_share_its_gradient) {
  const auto a = leaf({1, 2, 3, 4}, {1, 4});
  backward(add(scale(a.slice(1, 0, 2), 10), scale(a.slice(1, 2, 4), 100)));
  const f64 expected[] = {10, 10, 100, 100};
  for (isize i = 0; i < 4; ++i) BOOST_TEST(at(a.grad(), i) == expected[i]);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_computes_again) {
  const auto a = leaf({3}, {1, 1}), w = leaf({2}, {1, 1});
  int calls = 0;
  const auto f = [&](const tracked<2>& x) {
    ++calls;
    return mul(mul(x, x), w);
  };
  const auto y = gradient_checkpoint(f, mul(a, a));
  BOOST_TEST(calls == 1);
  BOOST_TEST(at(y.value(), 0) == 162);
  backward(y);
  BOOST_TEST(calls == 2);
  BOOST_TEST(at(a.grad(), 0) == 2 * 4 * 27);  // w a^4
  BOOST_TEST(at(w.grad(), 0) == 81);

  // Parameters inside get theirs where the argument is a constant, as the first layer over frozen embeddings sees it.
  w.history()->zero();
  backward(gradient_checkpoint(f, tracked<2>(plain_matrix::from({5}, {1, 1}))));
  BOOST_TEST(at(w.grad(), 0) == 25);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_gives_gradients_to_all_its_arguments) {
  const auto a = leaf({3}, {1, 1}), b = leaf({2}, {1, 1}), w = leaf({7}, {1, 1});
  const auto f = [w](const tracked<2>& x, const tracked<2>& y, const tracked<2>& constant) {
    return mul(mul(x, mul(y, y)), mul(w, constant));
  };
  const auto five = tracked<2>(plain_matrix::from({5}, {1, 1}));
  int walks = 0;
  for (const auto& y : {f(mul(a, a), mul(b, b), five), gradient_checkpoint(f, mul(a, a), mul(b, b), five)}) {
    for (const auto& leaf : {a, b, w}) leaf.history()->zero();
    backward(y);  // 5 w a^2 b^4
    BOOST_TEST(at(a.grad(), 0) == 5 * 7 * 2 * 3 * 16);
    BOOST_TEST(at(b.grad(), 0) == 5 * 7 * 9 * 4 * 8);
    BOOST_TEST(at(w.grad(), 0) == 5 * 9 * 16);
    ++walks;
  }
  BOOST_TEST(walks == 2);
}

BOOST_AUTO_TEST_CASE(a_long_chain_neither_overflows_the_stack_nor_loses_a_gradient) {
  const auto a = leaf({1}, {1, 1});
  {
    auto y = scale(a, 1);
    for (int i = 0; i < 200000; ++i) y = scale(y, 1);
  }  // never walked: its nodes are released here
  auto y = scale(a, 1);
  for (int i = 0; i < 100000; ++i) y = scale(y, 1);
  backward(y);
  BOOST_TEST(at(a.grad(), 0) == 1);
}

BOOST_AUTO_TEST_CASE(anomalies_are_named) {
  const auto a = leaf({1, INFINITY}, {1, 2});
  BOOST_TEST(mul(a, a).requires_grad());  // not looked for
  const detect_anomaly looking;
  try {
    mul(a, a);
    BOOST_ERROR("an infinite result went unnoticed");
  } catch (const value_error& e) {
    BOOST_TEST(e.where() == "mul");
  }
  const auto b = leaf({1, 2}, {1, 2});
  const auto y = scale(b, 3);
  try {
    backward(y, plain_matrix::from({1, NAN}, {1, 2}));
    BOOST_ERROR("a NaN gradient went unnoticed");
  } catch (const value_error& e) {
    BOOST_TEST(e.where() == "scale");
  }
}

// ---- parameters

struct pair_of_weights {
  tracked<2> first = tracked<2>::unallocated({2, 3}), second;
  Tensor<q8_0, 2> frozen = Tensor<q8_0, 2>::unallocated({2, 32});
  void visit(visitor& v) {
    v("first", first);
    v("second", second);
    v("frozen", frozen);
  }
};

BOOST_AUTO_TEST_CASE(visitors_see_gradients) {
  pair_of_weights m;
  m.first = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
  m.second = m.first;  // tied
  backward(mul(m.first, m.second));
  std::vector<const void*> identities;
  for_each_parameter(m, [&](const std::string& path, parameter& p) {
    identities.push_back(p.identity());
    if (path == "frozen") {
      BOOST_TEST(!p.trainable());
      BOOST_TEST(!p.has_grad());
      BOOST_TEST(p.grad() == nullptr);
      BOOST_CHECK_THROW(p.set_trainable(true), unsupported_error);
      return;
    }
    BOOST_TEST(p.trainable());
    BOOST_TEST_REQUIRE(p.has_grad());
    BOOST_TEST((p.grad_format() == dtype_id::f64));
    BOOST_TEST(static_cast<const f64*>(p.grad())[5] == 12);
  });
  BOOST_TEST(identities[0] == identities[1]);
  BOOST_TEST(identities[0] != identities[2]);
}

BOOST_AUTO_TEST_CASE(an_optimizer_may_write_to_a_gradient) {
  pair_of_weights m;
  m.first = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
  m.second = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
  backward(add(m.first, m.second));  // both hold the seed's memory
  for_each_parameter(m, [](const std::string& path, parameter& p) {
    if (path == "first") static_cast<f64*>(p.grad())[0] = 77;
  });
  BOOST_TEST(at(m.second.grad(), 0) == 1);
}

BOOST_AUTO_TEST_CASE(what_is_trained_is_no_mapped_memory) {
  pair_of_weights m;
  const auto file = plain_matrix::from({1, 2, 3, 4, 5, 6}, {2, 3});
  for_each_parameter(m, [&](const std::string& path, parameter& p) {
    if (path == "first") p.bind(file.memory(), file.data(), dtype_id::f64);
  });
  BOOST_TEST(m.first.value().data() != file.data());
  BOOST_TEST(at(m.first.value(), 5) == 6);
  BOOST_TEST(m.first.requires_grad());
}

BOOST_AUTO_TEST_SUITE_END()
