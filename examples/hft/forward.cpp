// hft forward and hft generate: tensors in, tensors out.
#include <hft/generation/generate.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include "model.hpp"

namespace tool {

using namespace hft;

namespace {

// One (rows,V) for each step as (steps,rows,V).
Tensor<f32, 3> stacked_steps(const std::vector<Tensor<f32, 2>>& steps) {
  const isize rows = steps[0].extent(0), V = steps[0].extent(1);
  Tensor<f32, 3> all({isize(steps.size()), rows, V});
  for (std::size_t i = 0; i < steps.size(); ++i)
    std::copy_n(steps[i].data(), rows * V, all.data() + isize(i) * rows * V);
  return all;
}

}  // namespace

std::vector<stored_tensor> read_tensors(const std::string& path) {
  const auto file = safetensors_file::open(path);
  if (!file.unreadable().empty()) file.find(file.unreadable()[0].name);  // throws, and names its dtype
  return {file.tensors().begin(), file.tensors().end()};
}

int forward(const forward_options& o) {
  const auto in = read_tensors(o.inputs);
  const auto model = load_model(o);
  write_safetensors(o.outputs, model.forward(in, o.inputs), {});
  return 0;
}

int generate(const forward_options& o) {
  const auto in = read_inputs<TextInputs>(read_tensors(o.inputs), o.inputs);
  const auto model = load_generating_model(o);
  GenerationConfig config;
  config.seed = o.seed;
  if (!o.config.empty()) {
    const auto first = o.config.find_first_not_of(" \t\r\n");
    const bool is_text = first != o.config.npos && o.config[first] == '{';
    const std::string where = is_text ? "--config" : o.config;
    const json fields =
        is_text ? parse_json(o.config, where, json_max_depth, json_numbers::python) : read_json(o.config);
    GenerationConfig::check_names(fields, where);
    config.update(fields, where);
  }
  GenerateOptions options;
  options.attention_mask = in.attention_mask;
  std::optional<PreTrainedTokenizerFast> tokenizer;  // read where stop_strings ask for it
  options.decode = [&](std::span<const i64> ids) {
    if (!tokenizer) tokenizer = AutoTokenizer::from_pretrained(o.model, o.revision);
    return tokenizer->decode(ids);
  };
  const auto result = generate_detailed(model, in.input_ids, config, options);
  std::vector<stored_tensor> out;
  detail::add_named(out, "sequences", result.sequences);
  if (result.sequences_scores) detail::add_named(out, "sequences_scores", result.sequences_scores);
  const auto add_steps = [&](const char* name, const std::vector<Tensor<f32, 2>>& steps) {
    if (!steps.empty()) detail::add_named(out, name, stacked_steps(steps));
  };
  add_steps("scores", result.scores);
  add_steps("logits", result.logits);
  if (result.beam_indices) detail::add_named(out, "beam_indices", result.beam_indices);
  write_safetensors(o.outputs, out, {});
  return 0;
}

}  // namespace tool
