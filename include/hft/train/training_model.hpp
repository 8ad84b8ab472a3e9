// TrainingModel: what a Trainer needs of a model, its type erased, so that the Trainer is compiled once.
#pragma once
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <hft/io/checkpoint.hpp>
#include <hft/models/ignored_options.hpp>
#include <hft/models/named_inputs.hpp>
#include <hft/models/pretrained.hpp>
#include <hft/module.hpp>
#include <hft/train/autodiff.hpp>
#include <hft/train/data/batch.hpp>

namespace hft {

/// Of one forward and backward pass.
struct TrainingStepOptions {
  isize num_items_in_batch = 0;  // labels of all batches of the step; 0: each batch's loss is its own mean
  bool nothing_counts = false;   // there are labels, and none of them counts: the loss is 0 / 0, its gradients are 0
  isize accumulation_steps = 1;  // what such a mean is divided by
  f64 label_smoothing = 0;
  f64 neftune_noise_alpha = 0;  // noise on embeddings
  f64 loss_scale = 1;           // gradients are those of the loss times this
  std::uint64_t dropout_seed = 0;
  bool gradient_checkpointing = false;
  bool dropout = true;                          // false: the pass is that of evaluation, with gradients
  other_inputs others = other_inputs::ignored;  // what becomes of tensors of the batch that the model does not take
};

/// Of a pass without gradients.
struct PredictionStep {
  std::optional<f64> loss;  // where the batch has labels
  BatchTensor logits;       // (B,labels), (B,T,V), or of spans (B,2,T), where asked for
};

class TrainingModel {
 public:
  virtual ~TrainingModel() = default;

  /// The name of its class in Transformers.
  virtual std::string architecture() const = 0;
  /// The dtype that its weights have by its type; f32 where they have several.
  virtual dtype_id precision() const = 0;
  /// Whether a token's label is that of the next one.
  virtual bool shifts_labels() const = 0;
  virtual void visit(visitor&) = 0;
  /// Its config; null where it has none.
  virtual const AnyConfig* config() const { return nullptr; }
  /// What the file of what is trained, a checkpoint or an adapter, calls the parameter at a path.
  virtual std::string stored_name(const std::string& path) const { return path; }
  /// Tensors under such names, as that file has them: see NamedModel::as_stored.
  virtual std::vector<stored_tensor> as_stored(std::vector<stored_tensor> tensors) const { return tensors; }

  /// Adds the gradients of a batch's loss to those of the parameters; returns the loss as it counts in the step's.
  /// Where that is not finite there is no backward pass, unless nothing counts. Throws value_error for a batch without
  /// labels.
  virtual f64 training_step(const Batch& batch, const TrainingStepOptions& options) = 0;
  virtual PredictionStep prediction_step(const Batch& batch, bool logits, f64 label_smoothing) = 0;

  /// Writes the model into a folder, or reads its weights from one.
  virtual void save(const std::filesystem::path& folder) const = 0;
  virtual void load(const std::filesystem::path& folder) = 0;
};

namespace detail {

// ---- what of a step does not depend on the model's class

inline std::vector<stored_tensor> without_labels(const Batch& batch) {
  auto tensors = batch.tensors();
  std::erase_if(tensors, [](const stored_tensor& t) { return is_label(t.name); });
  return tensors;
}

template <class A, class D>
ForwardArgs<A, D> with_labels_of(const Batch& batch) {
  ForwardArgs<A, D> args;
  for (const auto& t : batch.tensors())
    if (is_label(t.name)) set_labels(args, t, "batch");
  return args;
}

template <class A, class D>
ForwardArgs<A, D> training_args(const Batch& batch, const TrainingStepOptions& o) {
  auto args = with_labels_of<A, D>(batch);
  args.label_smoothing = o.label_smoothing;
  args.neftune_noise_alpha = o.neftune_noise_alpha;
  args.training = o.dropout;
  args.dropout_seed = o.dropout_seed;
  args.gradient_checkpointing = o.gradient_checkpointing;
  return args;
}

/// What of a pass is trained: its loss; of two heads, that of the one which has labels, or the sum of both.
template <class Output>
auto trained_loss(const Output& y) {
  if constexpr (requires { y.mc_loss; })
    return !y.mc_loss ? y.loss : y.loss ? add(y.loss, y.mc_loss) : y.mc_loss;
  else
    return y.loss;
}

/// The backward pass of a step. `counted`: the loss is a sum over labels, divided by those of the step.
template <class A, class D>
f64 finish_step(const Tensor<A, 1, D>& y, const Batch& batch, const TrainingStepOptions& o, bool counted) {
  if (!y) throw value_error("Trainer", "batch", "labels, which a loss needs", batch.names());
  const f64 share = counted ? 1 : 1 / f64(o.accumulation_steps), loss = f64(y.value().data()[0]) * share;
  if (!std::isfinite(loss) && !o.nothing_counts) return loss;
  using G = gradient_dtype<A, typename D::base>;
  backward(y, Tensor<G, 1, typename D::base>::filled({1}, G(share * o.loss_scale)));
  return loss;
}

template <class T, std::size_t Rank, class D>
void append(BatchTensor& to, const Tensor<T, Rank, D>& logits) {
  const auto dense = logits.dense();
  to.shape.assign(dense.shape().begin(), dense.shape().end());
  to.reals.insert(to.reals.end(), dense.data(), dense.data() + dense.size());
}
/// Of each row the logits of a span's start, then those of its end: (B,2,T).
template <class T, class D>
void append_spans(BatchTensor& to, const Tensor<T, 2, D>& start, const Tensor<T, 2, D>& end) {
  for (isize b = 0; b < start.extent(0); ++b)
    for (const auto* logits : {&start, &end}) append(to, logits->slice(0, b, b + 1));
  to.shape = {start.extent(0), 2, start.extent(1)};
}

/// What a Trainer takes: see make_training_model.
template <class Model>
inline constexpr bool records = false;
template <class Model>
requires requires { typename Model::D; }
inline constexpr bool records<Model> = Model::D::tracked;

template <class Model>
class training_model_of final : public TrainingModel {
 public:
  using A = typename Model::A;
  using D = typename Model::D;
  using Args = ForwardArgs<A, D>;
  using Inputs = typename Model::inputs;
  using Output = decltype(std::declval<const Model&>()(Inputs{}, Args{}));
  static_assert(
      requires(Output y) { y.loss; }, "hft: a Trainer takes a model with a loss: one for a task, not a base model");

  explicit training_model_of(Model& model) : model_(model) {}

  std::string architecture() const override { return model_.architecture(); }
  dtype_id precision() const override {
    using W = typename Model::build_type::weight;
    if constexpr (Scalar<W>)
      return dtype<W>::id;
    else
      return dtype_id::f32;
  }
  bool shifts_labels() const override {
    if constexpr (requires { model_.shifts_labels(); })
      return model_.shifts_labels();
    else if constexpr (requires { Output::next_token; })
      return Output::next_token;
    else
      return false;
  }
  void visit(visitor& v) override { model_.visit(v); }
  const AnyConfig* config() const override {
    if constexpr (requires { model_.any_config(); })
      return &model_.any_config();
    else
      return nullptr;
  }
  std::vector<stored_tensor> as_stored(std::vector<stored_tensor> tensors) const override {
    if constexpr (requires { model_.as_stored(tensors); })
      return model_.as_stored(std::move(tensors));
    else
      return tensors;
  }

  f64 training_step(const Batch& batch, const TrainingStepOptions& o) override {
    Args args = training_args<A, D>(batch, o);
    const bool counted = o.num_items_in_batch > 0 && counts_items(args);
    if (counted) args.num_items_in_batch = o.num_items_in_batch;
    return finish_step(trained_loss(model_(inputs(batch, o.others), args)), batch, o, counted);
  }

  PredictionStep prediction_step(const Batch& batch, bool logits, f64 label_smoothing) override {
    const no_grad guard;
    Args args = with_labels_of<A, D>(batch);
    args.return_logits = logits;
    args.label_smoothing = label_smoothing;
    const Output y = model_(inputs(batch), args);
    PredictionStep out;
    if (const auto loss = trained_loss(y)) out.loss = f64(loss.value().data()[0]);
    if (!logits) return out;
    out.logits.real = true;
    if constexpr (requires { y.logits; })
      append(out.logits, y.logits.value());
    else if constexpr (requires { y.reconstruction; })
      append(out.logits, y.reconstruction.value());
    else if constexpr (requires { y.prediction_logits; })  // of the tokens; those of the sentences are fewer
      append(out.logits, y.prediction_logits.value());
    else
      append_spans(out.logits, y.start_logits.value(), y.end_logits.value());
    return out;
  }

  // Of weights in half precision their f32 masters, as Transformers' Trainer saves under autocast: what is resumed from
  // a checkpoint must be what was trained.
  void save(const std::filesystem::path& folder) const override {
    using W = typename Model::build_type::weight;
    if constexpr (requires(SaveOptions o) { model_.save_pretrained(folder, o); } &&
                  (std::is_same_v<W, bf16> || std::is_same_v<W, f16>))
      model_.save_pretrained(folder,
                             SaveOptions{.dtype = dtype_id::f32, .max_shard_size = SaveOptions{}.max_shard_size});
    else
      model_.save_pretrained(folder);
  }
  void load(const std::filesystem::path& folder) override { model_.load_weights(checkpoint::open(folder)); }

 private:
  static unnamed<Inputs> inputs(const Batch& batch, other_inputs others = other_inputs::ignored) {
    return {read_inputs<Inputs>(without_labels(batch), "batch", others)};
  }
  // Whether the loss is a sum over labels, which num_items_in_batch divides; else it is a mean over the batch.
  bool counts_items(const Args& args) const {
    if (args.values || args.mc_labels) return false;
    if constexpr (requires { model_.classifier_options(); }) {
      const auto& o = model_.classifier_options();
      if (o.problem_type) return o.problem_type->view() == "single_label_classification";
      return o.num_labels > 1;
    }
    return true;
  }

  Model& model_;
  // Steps take the memory that the one before left.
  struct nothing {};
  template <class Device>
  struct hold_of {
    using type = nothing;
  };
  template <class Device>
  requires requires { typename Device::memory_hold; }
  struct hold_of<Device> {
    using type = typename Device::memory_hold;
  };
  [[no_unique_address]] typename hold_of<typename D::base>::type hold_;
};

/// The training of a model of which the adapters alone are saved and read. Adapters: PeftAdapters.
template <class Adapters>
class training_of_adapters final : public TrainingModel {
 public:
  training_of_adapters(std::unique_ptr<TrainingModel> base, Adapters& adapters)
      : base_(std::move(base)), adapters_(adapters) {}

  std::string architecture() const override { return base_->architecture(); }
  dtype_id precision() const override { return base_->precision(); }
  bool shifts_labels() const override { return base_->shifts_labels(); }
  void visit(visitor& v) override { adapters_.visit(v); }
  const AnyConfig* config() const override { return base_->config(); }
  std::string stored_name(const std::string& path) const override { return adapters_.stored_name(path).value_or(path); }
  f64 training_step(const Batch& batch, const TrainingStepOptions& options) override {
    return base_->training_step(batch, options);
  }
  PredictionStep prediction_step(const Batch& batch, bool logits, f64 label_smoothing) override {
    return base_->prediction_step(batch, logits, label_smoothing);
  }
  void save(const std::filesystem::path& folder) const override { adapters_.save_pretrained(folder); }
  void load(const std::filesystem::path& folder) override {
    const std::string name = adapters_.active_adapters().at(0);
    adapters_.delete_adapter(name);
    adapters_.load_adapter(folder, name, true);
    adapters_.set_adapter(name);
  }

 private:
  std::unique_ptr<TrainingModel> base_;
  Adapters& adapters_;
};

}  // namespace detail

/// A model that outlives what it returns; of a PeftModel its adapters are what is saved.
template <class Model>
std::unique_ptr<TrainingModel> make_training_model(Model& model) {
  if constexpr (requires { model.active_adapters(), model.base_model(); }) {
    return std::make_unique<detail::training_of_adapters<Model>>(make_training_model(model.base_model()), model);
  } else {
    constexpr bool is_model = requires { typename Model::inputs; };
    static_assert(is_model, "hft: a Trainer takes the model first: Trainer(model, arguments, options)");
    static_assert(!is_model || detail::records<Model>,
                  "hft: a Trainer takes a model on a device that records: LlamaForCausalLM<f32, autodiff<cpu>>");
    if constexpr (detail::records<Model>)
      return std::make_unique<detail::training_model_of<Model>>(model);
    else
      return nullptr;
  }
}

}  // namespace hft
