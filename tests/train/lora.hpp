// Reads a case of tests/data/peft (made by tests/oracle/lora.py): an adapter and what peft computes with it.
#pragma once
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <hft/io/safetensors.hpp>
#include <hft/train/autodiff.hpp>
#include <hft/train/optimizers/make_optimizer.hpp>
#include <hft/train/peft/peft_model.hpp>

#include "models/golden.hpp"

namespace hft::test {

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A folder for what a test writes, removed with it.
class scratch_folder {
 public:
  explicit scratch_folder(const std::string& name)
      : path(std::filesystem::temp_directory_path() / ("hft_lora_" + name)) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~scratch_folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

class lora_case {
 public:
  explicit lora_case(const std::string& name)
      : adapter(data("peft/" + name)), file_(safetensors_file::open(adapter / "golden.safetensors")) {}

  std::filesystem::path base() const { return data("models/" + file_.metadata().at("checkpoint")); }

  Tensor<i64, 2> ids(const std::string& name) const {
    const auto* t = file_.find(name);
    if (!t) return {};
    const isize cols = t->shape.size() > 1 ? t->shape[1] : 1;
    return Tensor<i64, 2>::wrap(buffer::share(t->owner, t->bytes.data(), t->bytes.size()), t->bytes.data(),
                                {t->shape[0], cols});
  }
  std::vector<f32> values(const std::string& name) const {
    const auto* t = file_.find(name);
    BOOST_TEST_REQUIRE(t, name);
    std::vector<f32> v(t->bytes.size() / sizeof(f32));
    std::memcpy(v.data(), t->bytes.data(), t->bytes.size());
    return v;
  }

  template <class M>
  ForwardArgs<typename M::A, typename M::D> args() const {
    ForwardArgs<typename M::A, typename M::D> a;
    a.attention_mask = ids("attention_mask");
    return a;
  }

  /// The logits of positions that are not padding.
  template <class M>
  std::vector<f32> logits(const M& model) const {
    const auto y = model(ids("input_ids"), args<M>());
    const auto dense = value(y.logits).dense();
    return unpadded({dense.data(), dense.data() + dense.size()});
  }
  std::vector<f32> expected_logits() const { return unpadded(values("logits")); }

  /// Compares each gradient of the adapter with peft's, relative to the tensor's largest. A key's bias moves all scores
  /// of a BERT alike, so that its gradient is rounding alone, and is compared with the largest of all.
  template <class M>
  void check_gradients(M& model, const std::string& name = "default", f64 tolerance = 1e-3) const {
    std::map<std::string, std::vector<f64>> found;
    for_each_parameter(model, [&](const std::string& path, parameter& p) {
      if (!p.has_grad()) return;
      std::string key = model.stored_name(path, name).value_or(path);
      if (const auto at = key.find(".base_layer"); at != key.npos) key.erase(at, 11);
      const isize rows = p.shape()[0], cols = p.size() / rows;
      std::vector<f64> v(std::size_t(p.size()));
      for (isize i = 0; i < p.size(); ++i)
        v[std::size_t(p.transposed() ? i % cols * rows + i / cols : i)] = f64(static_cast<const f32*>(p.grad())[i]);
      found.emplace("grad." + key, std::move(v));
    });
    std::size_t compared = 0;
    f64 top = 0;
    for (const auto& t : file_.tensors())
      if (t.name.starts_with("grad."))
        for (const f32 v : values(t.name)) top = std::max(top, std::abs(f64(v)));
    for (const auto& t : file_.tensors()) {
      if (!t.name.starts_with("grad.")) continue;
      const bool cancelled = t.name.find(".self.key.") != std::string::npos && t.name.ends_with("bias");
      std::string key = t.name;
      if (const auto at = key.find(".base_layer"); at != key.npos) key.erase(at, 11);
      BOOST_TEST_REQUIRE(found.count(key), t.name);
      const auto expected = values(t.name);
      const auto& got = found.at(key);
      BOOST_TEST_REQUIRE(got.size() == expected.size(), t.name);
      f64 largest = 0, worst = 0;
      for (std::size_t i = 0; i < got.size(); ++i) {
        largest = std::max(largest, std::abs(f64(expected[i])));
        worst = std::max(worst, std::abs(got[i] - f64(expected[i])));
      }
      if (cancelled) BOOST_TEST(largest <= 1e-6 * top);
      BOOST_TEST(worst <= (cancelled ? 1e-6 * top : tolerance * largest),
                 t.name << ": off by " << worst << ", largest " << largest);
      ++compared;
    }
    BOOST_TEST(compared == found.size());  // nothing else has a gradient
    BOOST_TEST(compared > 0u);
  }

  std::filesystem::path adapter;

 private:
  std::vector<f32> unpadded(std::vector<f32> v) const {
    const auto mask = ids("attention_mask");
    const isize positions = mask.size();
    if (file_.find("logits")->shape.size() < 3) return v;
    const isize n = isize(v.size()) / positions;
    for (isize i = 0; i < positions; ++i)
      if (!mask.data()[i]) std::fill_n(v.begin() + i * n, n, 0.0f);
    return v;
  }

  safetensors_file file_;
};

inline f64 distance(const std::vector<f32>& a, const std::vector<f32>& b) {
  BOOST_TEST_REQUIRE(a.size() == b.size());
  f64 worst = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(f64(a[i]) - f64(b[i])));
    largest = std::max(largest, std::abs(f64(b[i])));
  }
  return worst / largest;
}

/// Ten steps of AdamW follow peft's losses.
template <class Trained>
void check_losses(const lora_case& c) {
  PeftModel model(Trained::from_pretrained(c.base().string()), c.adapter, "default", true);
  const auto optimizer = make_optimizer({});
  auto args = c.template args<Trained>();
  args.labels = c.ids("labels");
  for (const f32 expected : c.values("losses")) {
    for_each_parameter(model, [](const std::string&, parameter& p) { p.zero_grad(); });
    const auto loss = model(c.ids("input_ids"), args).loss;
    BOOST_TEST(loss.value().data()[0] == expected, boost::test_tools::tolerance(1e-4f));
    backward(loss);
    optimizer->step(trainables(model), 1e-3);
  }
}

/// An adapter that peft made: the loss and the gradients that peft computes, and the same files when it is saved again.
template <class Trained>
void check_training(const lora_case& c) {
  PeftModel model(Trained::from_pretrained(c.base().string()), c.adapter, "default", true);
  auto args = c.template args<Trained>();
  args.labels = c.ids("labels");
  for (const bool checkpointing : {false, true}) {
    args.gradient_checkpointing = checkpointing;
    for_each_parameter(model, [](const std::string&, parameter& p) { p.zero_grad(); });
    const auto y = model(c.ids("input_ids"), args);
    BOOST_TEST(f64(y.loss.value().data()[0]) == f64(c.values("loss")[0]), boost::test_tools::tolerance(1e-4));
    backward(y.loss);
    c.check_gradients(model);
  }

  const scratch_folder out(c.adapter.filename().string());
  model.save_pretrained(out.path);
  BOOST_TEST((file_text(out.path / "adapter_model.safetensors") == file_text(c.adapter / "adapter_model.safetensors")));
  const json saved = read_json(out.path / "adapter_config.json"),
             original = read_json(c.adapter / "adapter_config.json");
  for (const auto& [key, v] : saved.template get_ref<const json::object_t&>())
    BOOST_TEST(dump(v) == dump(original[key]), key);
  check_losses<Trained>(c);
}

/// An adapter of a model with another vocabulary than the base's, which loading it resizes.
template <class Trained, class Inference>
void check_resized_case(const std::string& name) {
  BOOST_TEST_CONTEXT(name) {
    const lora_case c(name);
    check_training<Trained>(c);
    PeftModel model(Inference::from_pretrained(c.base().string()), c.adapter);
    const isize before = model.config().vocab_size;
    BOOST_TEST(before != Inference::from_pretrained(c.base().string()).config().vocab_size);
    const auto adapted = c.logits(model);
    BOOST_TEST(distance(adapted, c.expected_logits()) < 2e-4);
    const auto merged = std::move(model).merge_and_unload();
    BOOST_TEST(distance(c.logits(merged), adapted) < 1e-4);
    const scratch_folder out(name + "_merged");
    merged.save_pretrained(out.path.string());
    BOOST_TEST(distance(c.logits(Inference::from_pretrained(out.path.string())), adapted) < 1e-4);
  }
}

/// An adapter that peft made: what check_training compares, peft's logits, the same merged and not, and the base's when
/// it is disabled.
template <class Trained, class Inference>
void check_lora_case(const std::string& name) {
  BOOST_TEST_CONTEXT(name) {
    const lora_case c(name);
    check_training<Trained>(c);
    const auto plain = Inference::from_pretrained(c.base().string());
    PeftModel model(Inference::from_pretrained(c.base().string()), c.adapter);
    const auto adapted = c.logits(model);
    BOOST_TEST(distance(adapted, c.expected_logits()) < 2e-4);
    BOOST_TEST(distance(c.logits(plain), c.expected_logits()) > 1e-2);
    model.merge_adapter();
    BOOST_TEST(distance(c.logits(model), adapted) < 1e-4);
    model.unmerge_adapter();
    BOOST_TEST((c.logits(model) == adapted));
    const auto init = model.peft_config().init_lora_weights;
    {
      // What pissa and olora take from the base stays taken while it is disabled, as in peft.
      const auto guard = model.disable_adapter();
      BOOST_TEST((c.logits(model) == c.logits(plain)) == (init != LoraInit::pissa && init != LoraInit::olora));
    }
    BOOST_TEST((c.logits(model) == adapted));

    const auto merged = std::move(model).merge_and_unload();
    BOOST_TEST(distance(c.logits(merged), adapted) < 1e-4);
    const scratch_folder out(name + "_merged");
    merged.save_pretrained(out.path.string());
    BOOST_TEST(distance(c.logits(Inference::from_pretrained(out.path.string())), adapted) < 1e-4);

    const auto base = PeftModel(Inference::from_pretrained(c.base().string()), c.adapter).unload();
    BOOST_TEST((c.logits(base) == c.logits(plain)));
  }
}

}  // namespace hft::test
