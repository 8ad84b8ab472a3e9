// ctc_loss against PyTorch and against all alignments one by one; log_softmax; what they refuse.
#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include <hft/io/json.hpp>
#include <hft/ops/autodiff/ctc_loss.hpp>
#include <hft/ops/autodiff/log_softmax.hpp>

#include "gradient_testing.hpp"

#include "../golden_list.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(ctc)

namespace {

bool near(f64 a, f64 b, f64 tolerance) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}

std::vector<f64> numbers_in(const json& texts) {
  std::vector<f64> out;
  for (const json& t : texts) out.push_back(std::strtod(t.get<std::string>().c_str(), nullptr));
  return out;
}

template <class A>
void follow_torch(const json& c, const std::vector<f64>& logits, f64 tolerance) {
  const auto extents = c["shape"].get<std::vector<isize>>();
  const Shape<3> shape{extents[0], extents[1], extents[2]};
  const auto targets = c["targets"].get<std::vector<std::vector<i64>>>();
  std::vector<i64> flat;
  for (const auto& row : targets) flat.insert(flat.end(), row.begin(), row.end());
  CTCLossOptions o;
  o.blank = c["blank"].get<i64>();
  o.zero_infinity = c["zero_infinity"].get<bool>();
  const auto reduction = c["reduction"].get<std::string>();
  o.reduction = reduction == "none"   ? LossReduction::none
                : reduction == "mean" ? LossReduction::mean
                                      : LossReduction::sum;
  const auto x = tracked<A, 3>::leaf(as<A>(Tensor<f64, 3>::from(logits, shape)));
  const auto ids = Tensor<i64, 2>::from(flat, {isize(targets.size()), isize(targets[0].size())});
  const auto in = c["input_lengths"].get<std::vector<i64>>(), out = c["target_lengths"].get<std::vector<i64>>();
  const auto loss = ctc_loss(log_softmax(x), ids, in, out, o);
  const auto expected = numbers_in(c["loss"]), gradient = numbers_in(c["gradient"]);
  BOOST_TEST_REQUIRE(loss.size() == isize(expected.size()));
  Tensor<A, 1> weights(loss.shape());
  for (isize i = 0; i < loss.size(); ++i) {
    BOOST_TEST(near(loss.value().data()[i], expected[std::size_t(i)], tolerance));
    weights.data()[i] = A(i + 1);
  }
  BOOST_TEST(near(ctc_loss(log_softmax(x.value()), ids, in, out, o).data()[0], expected[0], tolerance));
  backward(loss, weights);
  for (isize i = 0; i < x.size(); ++i)
    BOOST_TEST(near(x.grad().data()[i], gradient[std::size_t(i)], tolerance),
               "element " << i << ": " << x.grad().data()[i] << " is not " << gradient[std::size_t(i)]);
}

}  // namespace

BOOST_AUTO_TEST_CASE(as_torch) {
  const json golden = read_json(std::string(HFT_TEST_DATA) + "/ops/ctc_loss.json");
  std::vector<f64> logits;
  for (const json& c : hft::test::filled(golden["cases"])) {
    if (!c["logits"].is_null()) logits = c["logits"].get<std::vector<f64>>();
    BOOST_TEST_CONTEXT(c["name"] << " " << c["reduction"] << " zero_infinity " << c["zero_infinity"]) {
      follow_torch<f64>(c, logits, 1e-10);
      follow_torch<f32>(c, logits, 1e-5);
    }
  }
}

// The probability of a target is the sum over all paths that collapse to it.
BOOST_AUTO_TEST_CASE(is_the_sum_over_all_alignments) {
  const isize T = 5, C = 3;
  const auto y = log_softmax(random_values<3>({T, 1, C}, 1));
  for (const std::vector<i64>& target : {std::vector<i64>{1, 1}, {2, 1, 2}, {1}, {}}) {
    f64 sum = 0;
    for (int path = 0; path < 243; ++path) {
      std::vector<i64> collapsed;
      i64 before = 0;
      f64 log_p = 0;
      for (isize t = 0, rest = path; t < T; ++t, rest /= 3) {
        const i64 c = rest % 3;
        log_p += y.data()[t * C + c];
        if (c != 0 && c != before) collapsed.push_back(c);
        before = c;
      }
      if (collapsed == target) sum += std::exp(log_p);
    }
    Tensor<i64, 2> ids({1, 3});
    for (isize i = 0; i < 3; ++i) ids.data()[i] = i < isize(target.size()) ? target[std::size_t(i)] : -7;  // not read
    const auto loss = ctc_loss(y, ids, {T}, {i64(target.size())}, {.reduction = LossReduction::sum});
    BOOST_TEST(loss.data()[0] == -std::log(sum), boost::test_tools::tolerance(1e-12));
  }
}

BOOST_AUTO_TEST_CASE(gradients_of_logits) {
  const auto ids = Tensor<i64, 2>::from({1, 1, 2, 3, 2, 2}, {2, 3});
  for (const auto reduction : {LossReduction::none, LossReduction::mean, LossReduction::sum})
    check_gradients(
        [&](const auto& x) {
          return ctc_loss(log_softmax(x), ids, {7, 6}, {3, 2}, {.reduction = reduction});
        },
        random_values<3>({7, 2, 4}, 1));
}

BOOST_AUTO_TEST_CASE(log_softmax_of_rows) {
  for (const isize C : {1, 2, 7, 16, 33})
    check_gradients([](const auto& x) { return log_softmax(x); }, random_values<2>({3, C}, 1));
  // Far from zero nothing overflows.
  const auto y = log_softmax(Tensor<f32, 2>::from({1000, 1000, -1000, -INFINITY}, {1, 4}));
  BOOST_TEST(y.data()[0] == -std::log(2.0f), boost::test_tools::tolerance(1e-4f));
  BOOST_TEST(y.data()[2] < -1999);
  BOOST_TEST(y.data()[3] == -INFINITY);
}

// Long inputs: no product of probabilities is small enough to vanish.
BOOST_AUTO_TEST_CASE(long_inputs) {
  const isize T = 2000, C = 30;
  const auto y = log_softmax(as<f32>(random_values<3>({T, 1, C}, 1, 3)));
  Tensor<i64, 2> ids({1, 400});
  for (isize i = 0; i < 400; ++i) ids.data()[i] = 1 + i % 29;
  const auto x = tracked<f32, 3>::leaf(y);
  const auto loss = ctc_loss(x, ids, {T}, {400}, {.reduction = LossReduction::sum});
  BOOST_TEST(std::isfinite(loss.value().data()[0]));
  BOOST_TEST(loss.value().data()[0] > 1000);
  backward(loss);
  for (isize t = 0; t < T; t += 97) {  // of each step: probabilities minus probabilities
    f64 sum = 0;
    for (isize c = 0; c < C; ++c) sum += x.grad().data()[t * C + c];
    BOOST_TEST(std::abs(sum) < 1e-4);
  }
}

BOOST_AUTO_TEST_CASE(bad_input) {
  const Tensor<f32, 3> y = Tensor<f32, 3>::zeros({4, 2, 3});
  const auto ids = Tensor<i64, 2>::from({1, 2, 2, 1}, {2, 2});
  const auto text = [&](const Tensor<i64, 2>& targets, std::vector<i64> in, std::vector<i64> out,
                        CTCLossOptions o = {}) {
    try {
      ctc_loss(y, targets, in, out, o);
    } catch (const error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const auto has = [](const std::string& s, const char* part) { return s.find(part) != s.npos; };
  BOOST_TEST(text(ids, {4, 4}, {2, 2}).empty());
  BOOST_TEST(has(text(ids, {4}, {2, 2}), "input_lengths: expected 2, one for each sequence, got 1"));
  BOOST_TEST(has(text(ids, {4, 4}, {2}), "target_lengths"));
  BOOST_TEST(has(text(ids, {4, 5}, {2, 2}), "input_lengths[1]: expected 0 to 4, got 5"));
  BOOST_TEST(has(text(ids, {4, -1}, {2, 2}), "input_lengths[1]"));
  BOOST_TEST(has(text(ids, {4, 4}, {3, 2}), "target_lengths[0]: expected 0 to 2, got 3"));
  BOOST_TEST(has(text(Tensor<i64, 2>::from({1, 0, 2, 1}, {2, 2}), {4, 4}, {2, 2}), "target 1 of sequence 0"));
  BOOST_TEST(has(text(Tensor<i64, 2>::from({1, 3, 2, 1}, {2, 2}), {4, 4}, {2, 2}), "target 1 of sequence 0"));
  BOOST_TEST(has(text(ids, {4, 4}, {2, 2}, {.blank = 3}), "blank"));
  BOOST_TEST(has(text(Tensor<i64, 2>::from({1, 2}, {1, 2}), {4, 4}, {2, 2}), "targets"));
}

BOOST_AUTO_TEST_SUITE_END()
