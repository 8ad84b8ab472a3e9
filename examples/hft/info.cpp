// hft info: what a checkpoint holds.
#include <cstdio>
#include <map>

#include <hft/tokenizers/pretrained.hpp>

#include "model.hpp"

namespace tool {

using namespace hft;

int info(const info_options& o) {
  const auto model = load_model(o);
  std::map<std::string, isize> tensors_by_dtype;
  isize parameters = 0, bytes = 0;
  for_each_parameter(model, [&](const std::string&, parameter& p) {
    parameters += p.size();
    bytes += p.bytes();
    ++tensors_by_dtype[std::string(name(p.format()))];
  });

  json out = json::object();
  out["model_type"] = model.config().model_type;
  out["architecture"] = model.architecture();
  out["parameters"] = parameters;
  out["bytes"] = bytes;
  out["dtypes"] = tensors_by_dtype;
  out["context_length"] = model.config().context_length;
  out["vocab_size"] = model.config().vocab_size;
  json special = json::object();
  try {
    const auto tokenizer = AutoTokenizer::from_pretrained(o.model, o.revision);
    const std::pair<const char*, std::optional<std::string>> tokens[] = {
        {"bos_token", tokenizer.bos_token()},  {"eos_token", tokenizer.eos_token()},
        {"unk_token", tokenizer.unk_token()},  {"pad_token", tokenizer.pad_token()},
        {"sep_token", tokenizer.sep_token()},  {"cls_token", tokenizer.cls_token()},
        {"mask_token", tokenizer.mask_token()}};
    for (const auto& [key, token] : tokens)
      if (token) {
        const auto id = tokenizer.convert_tokens_to_ids(*token);
        special[key] = json::object({{"token", *token}, {"id", id ? json(*id) : json(nullptr)}});
      }
  } catch (const file_error&) {         // a folder without a tokenizer is a model all the same,
  } catch (const unsupported_error&) {  // and so is one whose tokenizer is of another kind
  }
  out["special_tokens"] = special;
  out["config"] = encode_special_floats(model.config().fields);  // which any reader of JSON takes
  if (o.as_json) {
    std::fputs(dump(out, {.indent = 2, .sort_keys = false, .ensure_ascii = false}).c_str(), stdout);
    return 0;
  }
  std::printf("%-16s %s (%s)\n", "architecture", model.architecture().c_str(), model.config().model_type.c_str());
  std::printf("%-16s %.2f M\n", "parameters", f64(parameters) / 1e6);
  std::printf("%-16s %.2f MB\n", "weights", f64(bytes) / 1e6);
  for (const auto& [dtype, n] : tensors_by_dtype) std::printf("%-16s %td tensors\n", ("  " + dtype).c_str(), n);
  std::printf("%-16s %td\n", "context", model.config().context_length);
  std::printf("%-16s %td\n", "vocabulary", model.config().vocab_size);
  for (const auto& [key, value] : special.items())
    std::printf("%-16s %s (%s)\n", key.c_str(), value["token"].get<std::string>().c_str(), value["id"].dump().c_str());
  return 0;
}

}  // namespace tool
