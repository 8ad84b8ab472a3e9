// hft generate: ids in, ids and what came with them out.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <hft/generation/generate.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include "drafting.hpp"
#include "guide.hpp"
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

/// Takes the tensor of a name out of a list; empty where it is none of them.
Tensor<i64, 2> taken(std::vector<stored_tensor>& tensors, std::string_view name, const std::string& where) {
  const auto at = std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; });
  if (at == tensors.end()) return {};
  std::vector<stored_tensor> as_ids{*at};
  as_ids[0].name = "input_ids";
  tensors.erase(at);
  return read_inputs<TextInputs>(as_ids, where).input_ids;
}

/// What layers showed: NAME.LAYER, or of each pass NAME.PASS.LAYER.
template <class T>
void add_layers(std::vector<stored_tensor>& out, const std::string& name, const std::vector<T>& layers) {
  for (std::size_t i = 0; i < layers.size(); ++i) detail::add_named(out, detail::cat(name, ".", i).c_str(), layers[i]);
}
template <class T>
void add_layers(std::vector<stored_tensor>& out, const std::string& name, const std::vector<std::vector<T>>& passes) {
  for (std::size_t i = 0; i < passes.size(); ++i) add_layers(out, detail::cat(name, ".", i), passes[i]);
}

}  // namespace

int generate(const generate_options& o) {
  GenerateOptions options;
  auto tensors = read_tensors(o.inputs);
  options.negative_prompt_ids = taken(tensors, "negative_prompt_ids", o.inputs);
  options.negative_prompt_attention_mask = taken(tensors, "negative_prompt_attention_mask", o.inputs);
  const auto in = read_inputs<TextInputs>(tensors, o.inputs);
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
  options.attention_mask = in.attention_mask;
  std::optional<PreTrainedTokenizerFast> read;  // where someone asks for it
  const auto tokenizer = [&]() -> const PreTrainedTokenizerFast& {
    if (!read) read = AutoTokenizer::from_pretrained(o.model, o.revision);
    return *read;
  };
  options.decode = [&](std::span<const i64> ids) { return tokenizer().decode(ids); };
  if (guides(o)) options.logits_processor = guide(o, tokenizer(), config, model.generation_config);
  const drafting drafts(o.assistant, o, model);
  options.assistant_model = drafts.assistant;
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
  const std::string of = model.is_encoder_decoder() ? "decoder_" : "";
  add_layers(out, of + "hidden_states", result.hidden_states);
  add_layers(out, of + "attentions", result.attentions);
  add_layers(out, "cross_attentions", result.cross_attentions);
  add_layers(out, "encoder_hidden_states", result.encoder_hidden_states);
  add_layers(out, "encoder_attentions", result.encoder_attentions);
  write_safetensors(o.outputs, out, {});
  return 0;
}

}  // namespace tool
