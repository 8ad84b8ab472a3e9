// Prints README's table of models: each tiny checkpoint of tests/data/models against the outputs and the greedy ids
// that Transformers gave for it. Exit status 1 where one is off by more than the tests allow, or ids differ.
//   parity FOLDER    (build/tests/write_seeded tests/data/models FOLDER)
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <hft/auto.hpp>
#include <hft/generation/generate.hpp>

using namespace hft;

namespace {

struct row {
  std::set<std::string> classes;
  int checkpoints = 0, generations = 0, equal = 0;
  f64 worst = 0;  // of all outputs: the largest difference over the largest value
};

Tensor<i64, 2> ids(const safetensors_file& file, const std::string& name) {
  const auto* t = file.find(name);
  if (!t) return {};
  return Tensor<i64, 2>::wrap(buffer::share(t->owner, t->bytes.data(), t->bytes.size()), t->bytes.data(),
                              {t->shape[0], t->shape[1]});
}

f64 difference(const stored_tensor& y, const stored_tensor& expected, const Tensor<i64, 2>& mask) {
  if (expected.dtype != dtype_id::f32)  // places of answers
    return std::equal(y.bytes.begin(), y.bytes.end(), expected.bytes.begin(), expected.bytes.end()) ? 0 : INFINITY;
  const auto* a = reinterpret_cast<const f32*>(y.bytes.data());
  std::vector<f32> b(std::size_t(expected.numel()));
  std::memcpy(b.data(), expected.bytes.data(), expected.bytes.size());
  const bool masked = mask && y.shape.size() == 3;
  f64 worst = 0, largest = 0;
  for (isize i = 0; i < y.numel(); ++i) {
    if (masked && !mask.data()[i / y.shape.back()]) continue;
    largest = std::max(largest, std::abs(f64(b[std::size_t(i)])));
    worst = std::max(worst, std::abs(f64(a[i]) - b[std::size_t(i)]));
  }
  return worst / largest;
}

bool is_result(const std::string& name) {
  static const std::set<std::string> results = {"last_hidden_state",
                                                "logits",
                                                "pooler_output",
                                                "encoder_last_hidden_state",
                                                "start_logits",
                                                "end_logits",
                                                "logits_ngram",
                                                "prediction_logits",
                                                "seq_relationship_logits",
                                                "sop_logits",
                                                "entity_logits",
                                                "mc_logits",
                                                "reconstruction",
                                                "cls_logits",
                                                "start_top_log_probs",
                                                "entity_last_hidden_state",
                                                "start_top_index",
                                                "end_top_index",
                                                "end_top_log_probs"};
  return results.contains(name);
}

void compare(const std::filesystem::path& folder, row& r) {
  const auto model = AutoModel<>::from_pretrained(folder.string(), {.dtype = dtype_id::f32});
  const auto golden = safetensors_file::open(folder / "golden.safetensors");
  r.classes.insert(model.architecture());
  ++r.checkpoints;
  for (const auto& t : golden.tensors()) {
    const auto dot = t.name.find('.');
    const auto pass = t.name.substr(0, dot), what = t.name.substr(dot + 1);
    if (what == "sequences") {
      if (pass == "beams") continue;
      const auto prompt = ids(golden, pass + ".input_ids"), expected = ids(golden, t.name);
      GenerateOptions options;
      options.attention_mask = ids(golden, pass + ".attention_mask");
      options.global_attention_mask = ids(golden, pass + ".global_attention_mask");
      const isize given = model.is_encoder_decoder() ? 1 : prompt.extent(1);
      const auto y =
          generate(model, prompt, {.max_new_tokens = expected.extent(1) - given, .do_sample = false}, options);
      ++r.generations;
      r.equal += y.shape() == expected.shape() && std::equal(y.data(), y.data() + y.size(), expected.data());
    } else if (is_result(what) && (what != "pooler_output" || pass != "left_padded")) {
      std::vector<stored_tensor> inputs;
      for (stored_tensor in : golden.tensors()) {
        if (!in.name.starts_with(pass + ".")) continue;
        in.name.erase(0, pass.size() + 1);
        if (!is_result(in.name)) inputs.push_back(std::move(in));
      }
      const bool decodes =
          std::any_of(inputs.begin(), inputs.end(), [](const auto& in) { return in.name == "decoder_input_ids"; });
      const char* mask = decodes && !what.starts_with("encoder") ? ".decoder_attention_mask" : ".attention_mask";
      for (const auto& y : model.forward(inputs))
        if (y.name == what) r.worst = std::max(r.worst, difference(y, t, ids(golden, pass + mask)));
    }
  }
}

// What all classes of an architecture are called after.
std::string shared_beginning(const std::set<std::string>& classes) {
  std::string name = classes.begin()->substr(0, classes.begin()->rfind("For"));
  if (name.ends_with("Model")) name.erase(name.size() - 5);
  for (const auto& c : classes)
    name.erase(std::mismatch(name.begin(), name.end(), c.begin(), c.end()).first, name.end());
  return name;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::filesystem::path models = argc > 1 ? argv[1] : "build/tests/models";
  bool equal = true, compared = false;
  std::puts(
      "| Architecture | Classes: the name and | Checkpoints compared | Outputs within | Greedy ids equal "
      "|\n|---|---|---|---|---|");
  std::vector<std::filesystem::path> folders(std::filesystem::directory_iterator(models), {});
  std::sort(folders.begin(), folders.end());
  for (const auto& folder : folders) {
    row r;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      if (std::filesystem::exists(entry.path() / "config.json")) compare(entry.path(), r);
    if (!r.checkpoints) continue;  // goldens of a real model, which is not here
    compared = true;
    const std::string name = shared_beginning(r.classes);
    std::string heads;
    for (const auto& c : r.classes) heads += (heads.empty() ? "" : ", ") + c.substr(name.size());
    std::printf("| %s | %s | %d | %.1e | ", name.c_str(), heads.c_str(), r.checkpoints, r.worst);
    if (r.generations)
      std::printf("%d of %d |\n", r.equal, r.generations);
    else
      std::puts("none generate |");
    equal = equal && r.worst <= 2e-4 && r.equal == r.generations;
  }
  return equal && compared ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
