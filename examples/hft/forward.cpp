// hft forward and hft generate: tensors in, tensors out.
#include <hft/generation/generate.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include "model.hpp"

namespace tool {

using namespace hft;

Tensor<i64, 2> read_ids(const std::string& path, const stored_tensor& t) {
  if (t.shape.size() != 2)
    throw shape_error(path, detail::cat("'", t.name, "'"), "(batch, tokens)", detail::shape_text(t.shape));
  Tensor<i64, 2> ids({t.shape[0], t.shape[1]});
  const auto read = [&]<class T>(std::type_identity<T>) {
    for (isize i = 0; i < ids.size(); ++i) {
      T value;
      std::memcpy(&value, t.bytes.data() + std::size_t(i) * sizeof(T), sizeof(T));
      ids.data()[i] = i64(value);
    }
  };
  switch (t.dtype) {
    case dtype_id::i64:
      read(std::type_identity<i64>{});
      break;
    case dtype_id::i32:
      read(std::type_identity<i32>{});
      break;
    case dtype_id::i16:
      read(std::type_identity<i16>{});
      break;
    case dtype_id::i8:
      read(std::type_identity<i8>{});
      break;
    case dtype_id::u8:
    case dtype_id::boolean:
      read(std::type_identity<u8>{});
      break;
    default:
      throw value_error(path, detail::cat("'", t.name, "'"), "an integer or boolean dtype", std::string(name(t.dtype)));
  }
  return ids;
}

struct inputs {
  Tensor<i64, 2> input_ids;
  ForwardArgs<> args;
};

static inputs read_inputs(const std::string& path) {
  const auto file = safetensors_file::open(path);
  if (!file.unreadable().empty()) file.find(file.unreadable()[0].name);  // throws, and names its dtype
  inputs in;
  for (const auto& t : file.tensors()) {
    if (t.name == "input_ids")
      in.input_ids = read_ids(path, t);
    else if (t.name == "attention_mask")
      in.args.attention_mask = read_ids(path, t);
    else if (t.name == "position_ids")
      in.args.position_ids = read_ids(path, t);
    else if (t.name == "token_type_ids")
      in.args.token_type_ids = read_ids(path, t);
    else
      throw value_error(path, "input", "input_ids, attention_mask, position_ids or token_type_ids", t.name);
  }
  if (!in.input_ids) throw value_error(path, "", "an input 'input_ids'", "none");
  return in;
}

int forward(const forward_options& o) {
  const auto in = read_inputs(o.inputs);
  const auto model = load_model(o);
  write_safetensors(o.outputs, model.forward(in.input_ids, in.args), {});
  return 0;
}

int generate(const forward_options& o) {
  const auto in = read_inputs(o.inputs);
  const auto model = load_causal_model(o);
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
  options.attention_mask = in.args.attention_mask;
  std::optional<PreTrainedTokenizerFast> tokenizer;  // read where stop_strings ask for it
  options.decode = [&](std::span<const i64> ids) {
    if (!tokenizer) tokenizer = AutoTokenizer::from_pretrained(o.model, o.revision);
    return tokenizer->decode(ids);
  };
  const auto result = generate_detailed(model, in.input_ids, config, options);
  std::vector<stored_tensor> out;
  detail::add_named(out, "sequences", result.sequences);
  if (result.sequences_scores) detail::add_named(out, "sequences_scores", result.sequences_scores);
  write_safetensors(o.outputs, out, {});
  return 0;
}

}  // namespace tool
