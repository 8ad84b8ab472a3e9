// The models that are trained, each class instantiated once: any_q holds whatever dtype a run needs, and the layer kind
// takes adapters or none.
#include "train_models.hpp"

#include <algorithm>
#include <hft/train/peft/peft_model.hpp>
#include <utility>

#include "archs.hpp"

namespace tool {

using namespace hft;

namespace {

template <class M>
concept HasLoss = requires(const M& m, typename M::inputs in, ForwardArgs<typename M::A, typename M::D> args) {
  m(in, args).loss;
};

template <class Model>
constexpr training_task task_of() {
  using Output = decltype(std::declval<const Model&>()(typename Model::inputs{},
                                                       ForwardArgs<typename Model::A, typename Model::D>{}));
  if constexpr (requires(typename Model::inputs in) { in.decoder_input_ids; })
    return training_task::seq2seq_lm;
  else if constexpr (!std::is_same_v<typename Model::inputs, TextInputs> || !requires(Output y) { y.logits; })
    return training_task::other;
  else if constexpr (requires { requires Output::next_token; })
    return training_task::causal_lm;
  else if constexpr (requires { Output::next_token; })
    return training_task::masked_lm;
  else if constexpr (decltype(Output::logits)::rank == 2)
    return training_task::sequence_classification;
  else
    return training_task::token_classification;
}

/// peft's name of a task.
const char* task_type_of(training_task task) {
  switch (task) {
    case training_task::causal_lm:
      return "CAUSAL_LM";
    case training_task::seq2seq_lm:
      return "SEQ_2_SEQ_LM";
    case training_task::sequence_classification:
      return "SEQ_CLS";
    case training_task::token_classification:
      return "TOKEN_CLS";
    default:
      return nullptr;  // peft has none for masked language models
  }
}

template <class Model>
trained_model make_trained(Model model, training_task task) {
  auto owner = std::make_shared<Model>(std::move(model));
  trained_model out;
  out.task = task;
  out.config = detail::written_fields(owner->any_config().ref());
  out.vocab_size = get_field(owner->any_config().ref(), "vocab_size").value_or(0);
  if constexpr (requires { owner->warnings(); }) out.warnings = owner->warnings();
  out.training = make_training_model(*owner);
  out.model = std::move(owner);
  return out;
}

/// Calls f(type) with the class that the checkpoint names, of those with a loss.
template <class F>
void with_trained_class(const checkpoint& source, const F& f) {
  const bool found = with_named_class<any_q, autodiff<cpu>>(tool_archs(), source,
                                                            [&]<HasLoss M>(std::type_identity<M> model) { f(model); });
  if (found) return;
  const detail::checkpoint_kind kind(source);
  throw unsupported_error(kind.where, "training", "a class with a loss, of an architecture that `hft info` knows",
                          kind.model_type + (kind.architecture.empty() ? "" : " (" + kind.architecture + ")"));
}

bool is_quantised(const checkpoint& source) {
  return std::any_of(source.tensors().begin(), source.tensors().end(), [](const stored_tensor& t) {
    return info(t.dtype).block > 1 || t.name.find(".quant_state.") != t.name.npos;
  });
}

LoadOptions in(dtype_id dtype) {
  LoadOptions options;
  options.dtype = dtype;
  return options;
}

// Gives frozen weights the values that bf16 has.
void round_frozen(parameter& p) {
  if (p.trainable() || p.shape().size() < 2) return;
  std::vector<bf16> rounded(std::size_t(p.size()));
  convert(dtype_id::bf16, rounded.data(), p.format(), p.data(), p.size());
  convert(p.format(), p.data(), dtype_id::bf16, rounded.data(), p.size());
}

template <class Model>
PeftModel<Model> with_adapter(Model base, const adapter_start& start, std::uint64_t seed) {
  if (start.folder.empty()) return get_peft_model(std::move(base), start.config, "default", seed);
  return PeftModel<Model>(std::move(base), start.folder, "default", true);
}

}  // namespace

trained_model load_trained(const checkpoint& source) {
  trained_model out;
  with_trained_class(source, [&]<class M>(std::type_identity<M>) {
    out = make_trained(detail::load_erased<M>(source, in(dtype_id::f32)), task_of<M>());
  });
  return out;
}

trained_model load_trained(const checkpoint& source, const adapter_start& start) {
  trained_model out;
  with_trained_class(source, [&]<class M>(std::type_identity<M>) {
    out = make_trained(with_adapter(detail::load_erased<M>(source, in(dtype_id::f32)), start, 0), task_of<M>());
  });
  return out;
}

trained_model load_trained_lora(const checkpoint& source, adapter_start start, std::uint64_t seed, bool bf16) {
  trained_model out;
  with_trained_class(source, [&]<class M>(std::type_identity<M>) {
    constexpr training_task task = task_of<M>();
    LoraConfig& config = start.config;
    if (const char* name = task_type_of(task); name && !config.task_type && start.folder.empty())
      config.task_type = name;
    const bool classifies =
        task == training_task::sequence_classification || task == training_task::token_classification;
    const bool whole = classifies || !config.modules_to_save.empty() || config.bias != "none";
    if (whole && is_quantised(source))
      throw unsupported_error("hft train", "an adapter on quantised weights", "no weights that are trained whole",
                              classifies ? "the head of a classifier" : "modules_to_save or bias");
    LoadOptions options;
    if (whole)
      options.dtype = dtype_id::f32;
    else if (bf16 && !is_quantised(source))
      options.dtype = dtype_id::bf16;
    auto model = with_adapter(detail::load_erased<M>(source, options), start, seed);
    if (whole && bf16) for_each_parameter(model, [](const std::string&, parameter& p) { round_frozen(p); });
    out = make_trained(std::move(model), task);
  });
  return out;
}

}  // namespace tool
