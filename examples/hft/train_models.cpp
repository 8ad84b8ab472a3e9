// The models that are trained, each body instantiated once: any_q holds whatever dtype a run needs, and the layer kind
// takes adapters or none.
#include "train_models.hpp"

#include <algorithm>
#include <hft/train/peft/peft_adapters.hpp>
#include <optional>
#include <type_traits>
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

/// A model on which a Trainer works.
struct trainee {
  const AnyConfig* config;
  std::unique_ptr<TrainingModel> training;
  training_task task;
  std::shared_ptr<ModelParts> model;  // what the others refer to

  template <class Body>
  explicit trainee(std::unique_ptr<NamedModel<Body>> m)
      : config(&m->any_config()),
        training(make_training_model(*m)),
        task(task_of<NamedModel<Body>>()),
        model(std::unique_ptr<ModelParts>(std::move(m))) {}
};

/// Adapters on one.
class adapted_trainee final : public PeftAdapters {
 public:
  explicit adapted_trainee(const trainee& base)
      : PeftAdapters(true), model_(base.model), config_(*base.config), class_(base.training->architecture()) {}

 private:
  ModelParts& base_parts() override { return *model_; }
  const AnyConfig& base_config() const override { return config_; }
  std::string base_class() const override { return class_; }

  std::shared_ptr<ModelParts> model_;
  const AnyConfig& config_;
  std::string class_;
};

/// A class with a loss.
struct trained_class : detail::class_loader<trainee> {
  training_task task;
  template <class M>
  explicit trained_class(std::type_identity<M> type)
      : class_loader(type), task(task_of<NamedModel<typename M::body_type>>()) {}
};

/// Remembers the class that it is called with.
struct found_trained_class {
  std::optional<trained_class>& found;
  template <class M>
  requires HasLoss<NamedModel<typename M::body_type>>
  void operator()(std::type_identity<M> type) const { found.emplace(type); }
};

/// The class that the checkpoint names.
trained_class trained_class_of(const checkpoint& source) {
  std::optional<trained_class> found;
  if (with_named_class<any_q, autodiff<cpu>>(tool_archs(), source, found_trained_class{found})) return *found;
  const detail::checkpoint_kind kind(source);
  throw unsupported_error(kind.where, "training", "a class with a loss, of an architecture that `hft info` knows",
                          kind.model_type + (kind.architecture.empty() ? "" : " (" + kind.architecture + ")"));
}

trained_model trained(trainee of) {
  trained_model out;
  out.model = std::move(of.model);
  out.training = std::move(of.training);
  out.task = of.task;
  out.config = detail::written_fields(of.config->ref());
  out.vocab_size = get_field(of.config->ref(), "vocab_size").value_or(0);
  return out;
}

/// The same with an adapter, which alone is trained.
trained_model trained(trainee base, const std::shared_ptr<adapted_trainee>& adapters) {
  trained_model out = trained(std::move(base));
  out.model = adapters;
  out.training = std::make_unique<detail::training_of_adapters<PeftAdapters>>(std::move(out.training), *adapters);
  out.warnings = adapters->warnings();
  return out;
}

std::shared_ptr<adapted_trainee> with_adapter(const trainee& base, const adapter_start& start, std::uint64_t seed) {
  auto out = std::make_shared<adapted_trainee>(base);
  if (start.folder.empty())
    out->add_adapter("default", start.config, seed);
  else
    out->load_adapter(start.folder, "default", true);
  return out;
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

}  // namespace

trained_model load_trained(const checkpoint& source) {
  return trained(trained_class_of(source)(source, in(dtype_id::f32)));
}

trained_model load_trained(const checkpoint& source, const adapter_start& start) {
  trainee base = trained_class_of(source)(source, in(dtype_id::f32));
  const auto adapters = with_adapter(base, start, 0);
  return trained(std::move(base), adapters);
}

trained_model load_trained_lora(const checkpoint& source, adapter_start start, std::uint64_t seed, bool bf16) {
  const trained_class found = trained_class_of(source);
  const training_task task = found.task;
  LoraConfig& config = start.config;
  if (const char* name = task_type_of(task); name && !config.task_type && start.folder.empty()) config.task_type = name;
  const bool classifies = task == training_task::sequence_classification || task == training_task::token_classification;
  const bool whole = classifies || !config.modules_to_save.empty() || config.bias != "none";
  if (whole && is_quantised(source))
    throw unsupported_error("hft train", "an adapter on quantised weights", "no weights that are trained whole",
                            classifies ? "the head of a classifier" : "modules_to_save or bias");
  LoadOptions options;
  if (whole)
    options.dtype = dtype_id::f32;
  else if (bf16 && !is_quantised(source))
    options.dtype = dtype_id::bf16;
  trainee base = found(source, options);
  const auto adapters = with_adapter(base, start, seed);
  if (whole && bf16) for_each_parameter(*base.model, [](const std::string&, parameter& p) { round_frozen(p); });
  return trained(std::move(base), adapters);
}

}  // namespace tool
