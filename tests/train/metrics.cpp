// Accuracy and F1 against sklearn.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include <hft/io/json.hpp>
#include <hft/train/metrics.hpp>

#include "failure.hpp"
#include "models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(train_metrics)

namespace {

using ids = std::vector<i64>;

bool close(f64 a, const json& b) { return std::abs(a - b.get<f64>()) < 1e-12; }

}  // namespace

BOOST_AUTO_TEST_CASE(accuracy_and_f1_are_those_of_sklearn) {
  const json golden = read_json(data("train/metrics.json"));
  const std::pair<const char*, f1_average> averages[] = {{"binary", f1_average::binary},
                                                         {"micro", f1_average::micro},
                                                         {"macro", f1_average::macro},
                                                         {"weighted", f1_average::weighted}};
  isize compared = 0;
  for (const json& c : golden["cases"].get<std::vector<json>>()) {
    const auto y = c["true"].get<ids>(), p = c["predicted"].get<ids>();
    BOOST_TEST(close(accuracy_score(y, p), c["accuracy"]));
    for (const auto& [name, average] : averages) {
      if (!c["f1"].contains(name)) continue;
      BOOST_TEST(close(f1_score(y, p, average), c["f1"][name]), name << " of " << c);
      ++compared;
    }
    if (c.contains("f1_of_0")) BOOST_TEST(close(f1_score(y, p, f1_average::binary, 0), c["f1_of_0"]));
  }
  BOOST_TEST(compared == 18);
  BOOST_TEST(f1_score(ids{}, ids{}, f1_average::macro) == 0);
  BOOST_TEST(has(failure([] { f1_score(ids{0, 1, 2}, ids{0, 1, 1}); }), "3 classes: choose macro"));
  BOOST_CHECK_THROW(accuracy_score(ids{0}, ids{0, 1}), shape_error);
}

BOOST_AUTO_TEST_CASE(of_an_evaluation_the_largest_logits_count_where_there_is_a_label) {
  EvalPrediction tokens;  // (2 rows, 3 tokens, 2 classes), as batches of different lengths are joined
  tokens.label_ids = {{2, 3}, {1, 0, -100, 1, -100, -100}, {}, false};
  tokens.predictions = {{2, 3, 2}, {}, {0, 1, 0, 1, 5, 4, 3, 2, -100, -100, -100, -100}, true};
  const auto found = predicted_labels(tokens);
  BOOST_TEST((found.y_true == ids{1, 0, 1} && found.y_pred == ids{1, 1, 0}));
  const json both = metrics({accuracy, f1(f1_average::macro)})(tokens);
  BOOST_TEST(close(both["accuracy"].get<f64>(), json(1.0 / 3)));
  BOOST_TEST(close(both["f1"].get<f64>(), json(0.25)));

  EvalPrediction classes;  // what preprocess_logits_for_metrics may have made of logits
  classes.label_ids = {{3}, {1, 0, 1}, {}, false};
  classes.predictions = {{3}, {1, 1, 1}, {}, false};
  BOOST_TEST(close(accuracy(classes)["accuracy"].get<f64>(), json(2.0 / 3)));
  classes.predictions.integers.pop_back();
  BOOST_CHECK_THROW(accuracy(classes), shape_error);
}

BOOST_AUTO_TEST_SUITE_END()
