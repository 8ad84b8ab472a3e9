// Reads a case of tests/data/gradients (made by tests/oracle/gradients.py) and compares a model's loss and gradients
// with PyTorch's.
#pragma once
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include <hft/io/checkpoint.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/train/autodiff.hpp>

#include "models/golden.hpp"

namespace hft::test {

class gradient_case {
 public:
  explicit gradient_case(const std::string& name)
      : file_(safetensors_file::open(data("gradients/" + name + ".safetensors"))) {}

  std::filesystem::path folder() const { return data("models/" + file_.metadata().at("checkpoint")); }

  /// The model of the case, by its own config with the case's changes.
  template <class M>
  M model(const LoadOptions& options = {}) const {
    const auto source = checkpoint::open(folder());
    auto config = read_config<typename M::config_type>(source);
    if constexpr (requires { config.problem_type; })
      if (const auto found = file_.metadata().find("problem_type"); found != file_.metadata().end())
        config.problem_type = short_string(found->second);
    M m(config);
    m.load_weights(source, options);
    return m;
  }

  Tensor<i64, 2> ids(const std::string& name) const {
    const auto* t = file_.find(name);
    if (!t || t->dtype != dtype_id::i64) return {};
    const isize cols = t->shape.size() > 1 ? t->shape[1] : 1;
    return Tensor<i64, 2>::wrap(buffer::share(t->owner, t->bytes.data(), t->bytes.size()), t->bytes.data(),
                                {t->shape[0], cols});
  }

  template <class M>
  ForwardArgs<typename M::A, typename M::D> args() const {
    ForwardArgs<typename M::A, typename M::D> a;
    if (const auto* t = file_.find("input_ids"); t && t->shape.size() == 2) {
      a.attention_mask = ids("attention_mask");
      a.token_type_ids = ids("token_type_ids");
    }
    for (const auto& t : file_.tensors())
      if (is_label(t.name)) set_labels(a, t, "gradients");
    return a;
  }

  template <class M>
  auto inputs() const {
    std::vector<stored_tensor> tensors;
    for (const auto& t : file_.tensors())
      if (!is_label(t.name) && t.name != "loss" && !t.name.starts_with("grad.")) tensors.push_back(t);
    return read_inputs<typename M::inputs>(tensors, "gradients");
  }

  f64 loss() const { return f64(values(*file_.find("loss"))[0]); }

  /// Compares every gradient of the file within `tolerance` of its largest value. A key's bias moves all scores of a
  /// query alike, and the bias of a classifier those of all choices, which softmax cancels: their gradients are
  /// rounding, here and there.
  template <class M>
  void check_gradients(M& model, f64 tolerance = 1e-3) const {
    f64 top = 0;
    std::set<std::string> left;
    for (const auto& t : file_.tensors())
      if (t.name.starts_with("grad.")) {
        left.insert(t.name);
        for (const f32 v : values(t)) top = std::max(top, f64(std::abs(v)));
      }
    BOOST_TEST_REQUIRE(!left.empty());
    for_each_parameter(model, [&](const std::string& path, parameter& p) {
      BOOST_TEST(p.trainable(), path);
      if (!left.erase("grad." + path)) return;
      BOOST_TEST_REQUIRE(p.has_grad(), path);
      const auto reference = values(*file_.find("grad." + path));
      const auto gradient = values(p);
      BOOST_TEST_REQUIRE(gradient.size() == reference.size(), path);
      f64 largest = 0, worst = 0;
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        const f64 d = std::abs(gradient[i] - f64(reference[i]));
        largest = std::max(largest, std::abs(f64(reference[i])));
        worst = std::isfinite(d) ? std::max(worst, d) : INFINITY;
      }
      const bool cancelled =
          path.ends_with(".key.bias") || path.ends_with(".k_lin.bias") || (chooses() && path == "classifier.bias");
      if (cancelled) BOOST_TEST(largest <= 1e-6 * top);
      BOOST_TEST(worst <= (cancelled ? 1e-6 * top : tolerance * largest),
                 path << ": off by " << worst << ", largest value " << largest);
    });
    BOOST_TEST(left.empty(), "no parameter " << (left.empty() ? "" : *left.begin()));
  }

 private:
  bool chooses() const {
    const auto* ids = file_.find("input_ids");
    return ids && ids->shape.size() == 3;
  }
  static std::vector<f32> values(const stored_tensor& t) {
    std::vector<f32> v(t.bytes.size() / sizeof(f32));
    std::memcpy(v.data(), t.bytes.data(), t.bytes.size());
    return v;
  }

  // A parameter's gradient in the checkpoint's layout.
  static std::vector<f64> values(parameter& p) {
    const isize rows = p.shape()[0], cols = p.size() / rows;
    std::vector<f64> v(std::size_t(p.size()));
    for (isize i = 0; i < p.size(); ++i) {
      const isize to = p.transposed() ? i % cols * rows + i / cols : i;
      v[std::size_t(to)] = p.grad_format() == dtype_id::f64 ? static_cast<const f64*>(p.grad())[i]
                                                            : f64(static_cast<const f32*>(p.grad())[i]);
    }
    return v;
  }

  safetensors_file file_;
};

/// Loss and gradients of a case, with and without gradient checkpointing.
template <class M>
void check_case(const std::string& name) {
  BOOST_TEST_CONTEXT(name) {
    const gradient_case c(name);
    auto model = c.model<M>();
    for (const bool checkpointing : {false, true}) {
      auto args = c.args<M>();
      args.gradient_checkpointing = checkpointing;
      for_each_parameter(model, [](const std::string&, parameter& p) { p.zero_grad(); });
      const auto y = model(c.inputs<M>(), args);
      BOOST_TEST(std::abs(f64(y.loss.value().data()[0]) - c.loss()) <= 1e-4 * c.loss());
      backward(y.loss);
      c.check_gradients(model);
    }
  }
}

}  // namespace hft::test
