#include "model.hpp"

#include <cstdio>

#include <hft/models/smollm2.hpp>
#include <hft/parallel.hpp>

#include "archs.hpp"

namespace tool {

using namespace hft;

void set_up(const common_options& o) {
  if (o.device != "cpu") throw unsupported_error("--device", "", "cpu (this build has no other)", o.device);
  if (o.threads < 0) throw value_error("--threads", "", "at least 1", detail::cat(o.threads));
  if (o.threads > 0) set_num_threads(o.threads);
}

void warn(const std::vector<std::string>& warnings) {
  for (const std::string& w : warnings) std::fprintf(stderr, "hft: warning: %s\n", w.c_str());
}

static LoadOptions load_options(const common_options& o) {
  LoadOptions options;
  options.revision = o.revision;
  if (!o.dtype.empty()) {
    options.dtype = dtype_from_name(o.dtype);
    if (!options.dtype || !info(*options.dtype).floating)
      throw value_error("--dtype", "", "f32, f16, bf16 or a block format such as q8_0, q4_0, q4_1", o.dtype);
  }
  return options;
}

static AnyModel<> with_adapter_of(const common_options& o, AnyModel<> model) {
  if (!o.adapter.empty()) warn(load_adapter(model, o.adapter));
  return model;
}

AnyModel<> load_model(const common_options& o) {
  set_up(o);
  return with_adapter_of(o, AutoModel<any_q, cpu, tool_archs>::from_pretrained(o.model, load_options(o)));
}

AnyModel<> load_generating_model(const common_options& o) {
  set_up(o);
  const auto source = checkpoint::open(resolve_model(o.model, o.revision));
  // The decoder alone of an architecture that answers goes on with its prompt.
  const bool answers = !detail::checkpoint_kind(source).architecture.ends_with(causal_lm::suffix) &&
                       with_head<seq2seq_lm, any_q, cpu>(tool_archs(), source, [](auto) {});
  return with_adapter_of(o, answers ? AutoModelForSeq2SeqLM<any_q, cpu, tool_archs>::load(source, load_options(o))
                                    : AutoModelForCausalLM<any_q, cpu, tool_archs>::load(source, load_options(o)));
}

std::optional<AnyModel<>> load_fixed_model(const common_options& o) {
  set_up(o);
  const auto source = checkpoint::open(resolve_model(o.model, o.revision));
  if (detail::checkpoint_kind(source).model_type != llama::model_type) return {};
  const auto config = read_config<LlamaConfig>(source);
  if (config.extents() != smollm2_135m::config.extents() ||
      config.num_hidden_layers != smollm2_135m::config.num_hidden_layers)
    return {};
  return AnyModel<>(LlamaForCausalLM<any_q, cpu, plain, fixed<smollm2_135m>>::load(source, load_options(o)));
}

}  // namespace tool
