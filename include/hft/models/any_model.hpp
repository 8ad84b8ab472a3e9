// AnyModel: a model of any class behind one type, for programs that learn from a file which one it is.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/models/output.hpp>
#include <hft/models/pretrained.hpp>

namespace hft {

/// A model of any class. Copies share it.
template <Scalar Activation_ = f32, BaseDevice Device_ = cpu>
class AnyModel {
  struct interface;
  struct erased {};

 public:
  using A = Activation_;
  using D = Device_;

  /// The config values that code above models asks for, whatever the architecture calls them.
  struct Config {
    std::string model_type;
    json fields;               // as config.json has them
    isize context_length = 0;  // positions the model was made for
    bool hard_limit = false;   // whether it has no positions beyond them (a learned table)
    isize vocab_size = 0;
    /// Positions beyond which a forward pass fails; 0 where there are none.
    isize max_positions() const { return hard_limit ? context_length : 0; }
  };

  template <class Model>
  explicit AnyModel(Model model)
      : AnyModel(erased(), std::make_shared<holder<typename Model::body_type>>(std::move(model))) {}
  AnyModel(const AnyModel& other) : AnyModel(erased(), other.model_) {}
  AnyModel& operator=(const AnyModel& other) {
    if (this == &other) return *this;
    const auto model = other.model_;  // `other` may be part of what ends here
    std::destroy_at(this);
    return *new (static_cast<void*>(this)) AnyModel(erased(), model);
  }

  /// The name of its class in Transformers.
  std::string architecture() const { return model_->architecture(); }
  const Config& config() const { return model_->config; }
  isize max_positions() const { return config().max_positions(); }
  isize max_position_embeddings() const { return config().context_length; }
  bool is_causal_lm() const { return model_->is_causal_lm(); }

  /// The logits of a causal model. Throws unsupported_error for a model of another kind.
  CausalLMOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    return model_->logits(input_ids, args);
  }
  /// All outputs of the forward pass under the names that Transformers gives them.
  std::vector<stored_tensor> forward(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    return model_->forward(input_ids, args);
  }
  void visit(visitor& v) const { model_->parts().visit(v); }
  void tie_weights() const { model_->parts().tie_weights(); }
  /// Paths of what tie_weights() ties, each with that of its original.
  tied_pairs tied_parameters() const { return model_->parts().tied_parameters(); }
  /// Makes a copy of tied_parameters() a parameter of its own, with the values that it has.
  void untie(std::string_view copy) const { model_->parts().untie(copy); }
  /// Another size of the vocabulary: rows are cut off at the end, or added there, which are the mean of the others.
  void resize_token_embeddings(isize vocab_size) {
    model_->parts().resize_token_embeddings(vocab_size);
    model_->describe();
  }
  void save_pretrained(const std::filesystem::path& folder, const SaveOptions& options = {}) const {
    model_->save_pretrained(folder, options);
  }

  /// The model's own: what is changed here is saved with it.
  GenerationConfig& generation_config;

 private:
  struct interface {
    virtual ~interface() = default;
    virtual ModelParts& parts() = 0;
    virtual const AnyConfig& any_config() const = 0;
    virtual GenerationConfig& generation() = 0;
    virtual std::string architecture() const = 0;
    virtual bool is_causal_lm() const = 0;
    virtual CausalLMOutput<A, D> logits(const Tensor<i64, 2>&, const ForwardArgs<A, D>&) const = 0;
    virtual std::vector<stored_tensor> forward(const Tensor<i64, 2>&, const ForwardArgs<A, D>&) const = 0;
    virtual void save_pretrained(const std::filesystem::path&, const SaveOptions&) const = 0;

    void describe() {
      const config_ref ref = any_config().ref();
      config.model_type = ref.model_type;
      config.fields = detail::written_fields(ref);
      config.vocab_size = get_field(ref, "vocab_size").value_or(0);
      config.context_length = get_field(ref, "max_position_embeddings").value_or(0);
      config.hard_limit = parts().max_positions() > 0;
    }
    Config config;
  };

  template <class Body>
  struct holder final : interface {
    static constexpr bool causal =
        std::is_same_v<decltype(std::declval<const Body&>()(Tensor<i64, 2>{})), CausalLMOutput<A, D>>;

    explicit holder(NamedModel<Body> m) : model(std::move(m)) { this->describe(); }
    ModelParts& parts() override { return model; }
    const AnyConfig& any_config() const override { return model.any_config(); }
    GenerationConfig& generation() override { return model.generation_config; }
    std::string architecture() const override { return model.architecture(); }
    bool is_causal_lm() const override { return causal; }
    CausalLMOutput<A, D> logits(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args) const override {
      if constexpr (causal)
        return model(input_ids, args);
      else
        throw unsupported_error(architecture(), "generation", "a causal language model");
    }
    std::vector<stored_tensor> forward(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args) const override {
      return named_outputs(model(input_ids, args));
    }
    void save_pretrained(const std::filesystem::path& folder, const SaveOptions& options) const override {
      model.save_pretrained(folder, options);
    }

    NamedModel<Body> model;
  };

  AnyModel(erased, std::shared_ptr<interface> model)
      : generation_config(model->generation()), model_(std::move(model)) {}

  std::shared_ptr<interface> model_;
};

}  // namespace hft
