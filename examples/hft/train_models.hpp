// Models that hft train and hft bench train work on. Each dtype and layer kind is instantiated in a file of its own:
// train_models_f32.cpp, _bf16.cpp, _lora.cpp.
#pragma once
#include <hft/auto.hpp>
#include <hft/io/checkpoint.hpp>
#include <hft/train/peft/lora_config.hpp>
#include <hft/train/training_model.hpp>

namespace tool {

/// What a model is trained for, which decides how batches are made.
enum class training_task { causal_lm, masked_lm, sequence_classification, token_classification };

struct trained_model {
  std::shared_ptr<void> model;  // what `training` refers to
  std::unique_ptr<hft::TrainingModel> training;
  training_task task = training_task::causal_lm;
  hft::json config;  // as config.json has it
  hft::isize vocab_size = 0;
};

/// The class that a checkpoint names, to be trained whole. Throws unsupported_error for one without a loss.
trained_model load_trained_f32(const hft::checkpoint&);
trained_model load_trained_bf16(const hft::checkpoint&);
/// The same with a new LoRA adapter over weights that stay as they are stored.
trained_model load_trained_lora(const hft::checkpoint&, const hft::LoraConfig&, std::uint64_t seed);

// ---- what these files share

template <class Output>
constexpr training_task task_of() {
  if constexpr (requires { requires Output::next_token; })
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
  using args = ForwardArgs<typename Model::A, typename Model::D>;
  auto owner = std::make_shared<Model>(std::move(model));
  trained_model out;
  out.task = task_of<decltype(std::declval<const Model&>()(Tensor<i64, 2>{}, args{}))>();
  out.config = config_to_json(owner->config());
  out.vocab_size = owner->config().vocab_size;
  out.training = make_training_model(*owner);
  out.model = std::move(owner);
  return out;
}

[[noreturn]] inline void fail_untrainable(const hft::detail::checkpoint_kind& kind) {
  throw hft::unsupported_error(kind.where, "training", "a class with a loss, of an architecture that `hft info` knows",
                               kind.model_type + (kind.architecture.empty() ? "" : " (" + kind.architecture + ")"));
}

/// Calls f(type) with the class of `Models` that the checkpoint names, if it has a loss; returns whether there was one.
template <class F, class... Models>
bool with_named_class(hft::type_list<Models...>, const hft::detail::checkpoint_kind& kind,
                      const hft::checkpoint& source, const F& f) {
  using namespace hft;
  bool found = false;
  const auto attempt = [&]<class M>(std::type_identity<M> type) {
    using output = decltype(std::declval<const M&>()(Tensor<i64, 2>{}, ForwardArgs<typename M::A, typename M::D>{}));
    if constexpr (requires(output y) { y.loss; }) {
      const bool named = kind.architecture.empty() ? source.is_gguf() : kind.architecture == M::architecture();
      if (!found && named) found = true, f(type);
    }
  };
  (attempt(std::type_identity<Models>{}), ...);
  return found;
}

/// A class of the default architectures, all of whose weights are trained in W.
template <class W, class... Archs>
trained_model load_trained(hft::archs<Archs...>, const hft::checkpoint& source) {
  using namespace hft;
  const detail::checkpoint_kind kind(source);
  std::optional<trained_model> out;
  const auto load = [&]<class M>(std::type_identity<M>) { out = make_trained(M::load(source)); };
  const auto attempt = [&]<class Arch>(std::type_identity<Arch>) {
    if (!out && kind.model_type == Arch::model_type)
      with_named_class(typename Arch::template models<W, autodiff<cpu>>{}, kind, source, load);
  };
  (attempt(std::type_identity<Archs>{}), ...);
  if (!out) fail_untrainable(kind);
  return *std::move(out);
}

}  // namespace tool
