// Reads golden.safetensors beside a tiny checkpoint (made by tests/oracle) and compares a model's outputs with it.
#pragma once
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/models/named_inputs.hpp>
#include <hft/models/output.hpp>

#include "../seeded_checkpoint.hpp"

namespace hft::test {

/// A file or folder of tests/data; of a checkpoint that is committed without weights, a copy with them.
inline std::filesystem::path data(const std::string& path) {
  return seeded_checkpoint(std::filesystem::path(HFT_TEST_DATA) / path);
}

/// A real model's place in the folder that HFT_TEST_MODELS names; an empty path where it names none.
inline std::filesystem::path real_model(const char* name) {
  const char* folder = std::getenv("HFT_TEST_MODELS");
  return folder ? std::filesystem::path(folder) / name : std::filesystem::path();
}

/// The case folders of an architecture, those alone whose config.json names `architecture` where that is given.
inline std::vector<std::filesystem::path> cases(const std::string& arch, const std::string& architecture = "") {
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(data("models/" + arch))) {
    const auto config = read_json(entry.path() / "config.json");
    if (architecture.empty() || config["architectures"][0] == architecture) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  for (auto& folder : folders) folder = seeded_checkpoint(folder);
  BOOST_TEST_REQUIRE(!folders.empty(), "no cases for " << arch << " " << architecture);
  return folders;
}

/// The architectures that have cases: the folders of models/, but for those of real models, whose weights are no
/// function.
inline std::vector<std::string> architectures() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(data("models"))) {
    const auto has_weights = [](const auto& folder) { return std::filesystem::exists(folder.path() / "weights.json"); };
    const std::filesystem::directory_iterator folders(entry.path()), end;
    if (std::any_of(folders, end, has_weights)) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// What goldens hold that a model gives.
inline std::vector<std::string> result_names() {
  return {"logits",
          "last_hidden_state",
          "pooler_output",
          "encoder_last_hidden_state",
          "start_logits",
          "end_logits",
          "prediction_logits",
          "seq_relationship_logits",
          "sop_logits",
          "entity_last_hidden_state",
          "entity_logits",
          "start_top_log_probs",
          "start_top_index",
          "end_top_log_probs",
          "end_top_index",
          "cls_logits",
          "logits_ngram",
          "mc_logits",
          "reconstruction",
          "sequences"};
}

class golden {
 public:
  explicit golden(const std::filesystem::path& file) : file_(safetensors_file::open(file)) {}

  /// Names of the passes that have a result of that name; the test fails where none has.
  std::vector<std::string> passes(const std::string& result) const {
    std::vector<std::string> names;
    const std::string ending = "." + result;
    for (const auto& t : file_.tensors())
      if (t.name.ends_with(ending)) names.push_back(t.name.substr(0, t.name.size() - ending.size()));
    BOOST_TEST_REQUIRE(!names.empty(), "no pass has " << result);
    return names;
  }
  /// The first result of the model that passes have, and the first of these passes.
  std::pair<std::string, std::string> some_result() const {
    for (const auto& result : result_names())
      for (const auto& t : file_.tensors())
        if (result != "sequences" && t.name.ends_with("." + result))
          return {result, t.name.substr(0, t.name.find('.'))};
    BOOST_FAIL("the golden has no outputs");
    return {};
  }
  std::span<const stored_tensor> tensors() const { return file_.tensors(); }
  /// An (B,T) int64 tensor, or an empty one.
  Tensor<i64, 2> ids(const std::string& name) const {
    const auto* t = file_.find(name);
    if (!t) return {};
    return Tensor<i64, 2>::wrap(buffer::share(t->owner, t->bytes.data(), t->bytes.size()), t->bytes.data(),
                                {t->shape[0], t->shape[1]});
  }
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  const stored_tensor& at(const std::string& name) const {
    const auto* t = file_.find(name);
    BOOST_TEST_REQUIRE(t != nullptr, "golden has no " << name);
    return *t;
  }
  /// The tensors of a pass, named as its model names them; none of those with a name in `without`.
  std::vector<stored_tensor> pass(const std::string& name, const std::vector<std::string>& without) const {
    std::vector<stored_tensor> out;
    for (const auto& t : file_.tensors()) {
      if (!t.name.starts_with(name + ".")) continue;
      out.push_back(t);
      out.back().name.erase(0, name.size() + 1);
      if (std::find(without.begin(), without.end(), out.back().name) != without.end()) out.pop_back();
    }
    return out;
  }
  ForwardArgs<> args(const std::string& pass) const {
    ForwardArgs<> a;
    a.attention_mask = ids(pass + ".attention_mask");
    a.position_ids = ids(pass + ".position_ids");
    a.token_type_ids = ids(pass + ".token_type_ids");
    return a;
  }

 private:
  safetensors_file file_;
};

/// Compares f32 values of a shape with a reference within `tolerance` of its largest value, integers to the bit. Where
/// a mask (B,T) is given and the shape is (B,T,..), padded positions are left out: what stands there is no result.
inline void check_close(std::span<const std::byte> bytes, const std::vector<isize>& shape,
                        const stored_tensor& expected, const Tensor<i64, 2>& mask = {}, f64 tolerance = 2e-4) {
  BOOST_TEST_REQUIRE(shape == expected.shape, boost::test_tools::per_element());
  BOOST_TEST_REQUIRE(bytes.size() == expected.bytes.size());
  if (expected.dtype != dtype_id::f32) {
    BOOST_TEST(std::equal(bytes.begin(), bytes.end(), expected.bytes.begin()), expected.name);
    return;
  }
  const auto numbers = [](std::span<const std::byte> of) {
    std::vector<f32> values(of.size() / sizeof(f32));
    if (!values.empty()) std::memcpy(values.data(), of.data(), of.size());
    return values;
  };
  const auto values = numbers(bytes), reference = numbers(expected.bytes);
  const bool masked = mask && shape.size() == 3;
  const std::size_t row = std::size_t(std::max<isize>(shape.empty() ? 1 : shape.back(), 1));
  f64 largest = 0, worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (masked && !mask.data()[i / row]) continue;
    if (std::isinf(reference[i]) && values[i] == reference[i]) continue;  // scores that are ruled out
    const f64 d = std::abs(f64(values[i]) - reference[i]);
    if (std::isfinite(reference[i])) largest = std::max(largest, std::abs(f64(reference[i])));
    worst = std::isfinite(d) ? std::max(worst, d) : INFINITY;
  }
  BOOST_TEST(worst <= tolerance * largest, expected.name << ": off by " << worst << ", largest value " << largest);
}
/// The same of a tensor.
template <std::size_t R>
void check_close(const Tensor<f32, R>& y, const stored_tensor& expected, const Tensor<i64, 2>& mask = {},
                 f64 tolerance = 2e-4) {
  const auto dense = y.dense();
  check_close(std::as_bytes(std::span(dense.data(), std::size_t(dense.size()))), {y.shape().begin(), y.shape().end()},
              expected, mask, tolerance);
}

/// Passes whose outputs all stand in a golden: those of forward(inputs, pass) are compared with them. Padded positions
/// of the decoder, or of the only sequence, are left out.
template <class Forward>
void check_forward(const golden& g, const std::string& result, const Forward& forward) {
  const auto outputs = result_names();
  for (const auto& pass : g.passes(result)) {
    const auto named = forward(g.pass(pass, outputs), pass);
    const auto expected = g.pass(pass, {});
    const bool decodes =
        std::any_of(expected.begin(), expected.end(), [](const auto& t) { return t.name == "decoder_input_ids"; });
    isize compared = 0;
    for (const auto& y : named)
      for (const auto& r : expected) {
        if (r.name != y.name) continue;
        ++compared;
        if (y.name == "pooler_output" && pass == "left_padded") continue;  // of padding, in some rows
        const bool encoder = y.name.starts_with("encoder");
        const auto own = g.ids(pass + ".attention_mask"), decoder = g.ids(pass + ".decoder_attention_mask");
        const auto& mask = decodes && !encoder ? decoder : own;
        BOOST_TEST_CONTEXT(pass << " " << y.name) { check_close(y.bytes, y.shape, r, mask); }
      }
    BOOST_TEST(compared == isize(std::count_if(expected.begin(), expected.end(),
                                               [&](const auto& r) {
                                                 return std::find(outputs.begin(), outputs.end(), r.name) !=
                                                        outputs.end();
                                               })),
               pass);
  }
}

/// The same of a model.
template <class Model>
void check_passes(const Model& model, const golden& g, const std::string& result) {
  check_forward(g, result, [&](const std::vector<stored_tensor>& in, const std::string& pass) {
    return named_outputs(model(read_inputs<typename Model::inputs>(in, pass)));
  });
}

}  // namespace hft::test
