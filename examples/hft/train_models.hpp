// Models that hft train and hft bench train work on. Each dtype and layer kind is instantiated in a file of its own:
// train_models_f32.cpp, _bf16.cpp, _f16.cpp, _lora.cpp, _lora_f32.cpp.
#pragma once
#include <hft/auto_peft.hpp>
#include <hft/io/checkpoint.hpp>
#include <hft/layers/lora.hpp>
#include <hft/train/peft/lora_config.hpp>
#include <hft/train/training_model.hpp>

namespace tool {

/// What a model is trained for, which decides how batches are made.
enum class training_task { causal_lm, masked_lm, seq2seq_lm, sequence_classification, token_classification };

struct trained_model {
  std::shared_ptr<void> model;  // what `training` refers to
  std::unique_ptr<hft::TrainingModel> training;
  training_task task = training_task::causal_lm;
  hft::json config;  // as config.json has it
  std::vector<std::string> warnings;
  hft::isize vocab_size = 0;
};

/// The adapter that training begins with: a new one, or that of a folder.
struct adapter_start {
  std::string folder;      // empty: a new one
  hft::LoraConfig config;  // of either
};

/// The class that a checkpoint names, to be trained whole. Throws unsupported_error for one without a loss.
trained_model load_trained_f32(const hft::checkpoint&);
trained_model load_trained_bf16(const hft::checkpoint&);
trained_model load_trained_f16(const hft::checkpoint&);
/// The same with a LoRA adapter over weights that stay as they are stored; floating ones in bf16 where asked. A new
/// one's config without a task_type gets the class's, so that a classifier's head is trained, too, as in peft.
/// Throws unsupported_error where modules of a quantised model are to be trained whole.
trained_model load_trained_lora(const hft::checkpoint&, adapter_start, std::uint64_t seed, bool bf16);
/// The same for configs that train modules whole: all weights are f32; for bf16 the frozen ones have its values.
trained_model load_trained_lora_f32(const hft::checkpoint&, const adapter_start&, std::uint64_t seed, bool bf16);

// ---- what these files share

template <class Model>
constexpr training_task task_of() {
  using args = hft::ForwardArgs<typename Model::A, typename Model::D>;
  using Output = decltype(std::declval<const Model&>()(typename Model::inputs{}, args{}));
  if constexpr (requires(typename Model::inputs in) { in.decoder_input_ids; })
    return training_task::seq2seq_lm;
  else if constexpr (requires { requires Output::next_token; })
    return training_task::causal_lm;
  else if constexpr (requires { Output::next_token; })
    return training_task::masked_lm;
  else if constexpr (decltype(Output::logits)::rank == 2)
    return training_task::sequence_classification;
  else
    return training_task::token_classification;
}

template <class Model>
trained_model make_trained(Model model) {
  using namespace hft;
  auto owner = std::make_shared<Model>(std::move(model));
  trained_model out;
  out.task = task_of<Model>();
  out.config = detail::written_fields(owner->any_config().ref());
  out.vocab_size = get_field(owner->any_config().ref(), "vocab_size").value_or(0);
  if constexpr (requires { owner->warnings(); }) out.warnings = owner->warnings();
  out.training = make_training_model(*owner);
  out.model = std::move(owner);
  return out;
}

[[noreturn]] inline void fail_untrainable(const hft::checkpoint& source) {
  const hft::detail::checkpoint_kind kind(source);
  throw hft::unsupported_error(kind.where, "training", "a class with a loss, of an architecture that `hft info` knows",
                               kind.model_type + (kind.architecture.empty() ? "" : " (" + kind.architecture + ")"));
}

// Rows are of tokens: classes over others have none to be trained on here.
template <class M>
concept HasLoss = requires(const M& m, typename M::inputs in, hft::ForwardArgs<typename M::A, typename M::D> args) {
  in.input_ids;
  m(in, args).loss;
};

/// peft's name of a task.
inline const char* task_type_of(training_task task) {
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

/// Calls f(type) with the class that the checkpoint names, of those with a loss. Throws unsupported_error where it
/// names none of them.
template <class W, class Archs, class F>
void with_trained_class(const hft::checkpoint& source, const F& f) {
  const auto losses = [&]<HasLoss M>(std::type_identity<M> type) { f(type); };
  if (!hft::with_named_class<W, hft::autodiff<hft::cpu>>(Archs(), source, losses)) fail_untrainable(source);
}

/// A class of the default architectures, all of whose weights are trained in W.
template <class W>
trained_model load_trained(const hft::checkpoint& source) {
  trained_model out;
  with_trained_class<W, hft::default_archs>(
      source, [&]<class M>(std::type_identity<M>) { out = make_trained(hft::detail::load_erased<M>(source)); });
  return out;
}

}  // namespace tool
