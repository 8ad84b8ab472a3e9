// AnyModel: a model of any class behind one type, for programs that learn from a file which one it is.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/models/ignored_options.hpp>
#include <hft/models/named_inputs.hpp>
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
      : AnyModel(std::make_unique<NamedModel<typename Model::body_type>>(std::move(model))) {}
  template <class Body>
  explicit AnyModel(std::unique_ptr<NamedModel<Body>> model)
      : AnyModel(erased(), std::unique_ptr<interface>(std::make_unique<holder<Body>>(std::move(model)))) {}
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
  CacheOptions cache_options() const { return parts().cache_options(); }
  isize max_positions() const { return config().max_positions(); }
  isize max_position_embeddings() const { return config().context_length; }
  bool is_causal_lm() const { return model_->is_causal_lm(); }
  /// Whether it answers what an encoder reads. (config.is_encoder_decoder of a model that generates)
  bool is_encoder_decoder() const { return model_->is_encoder_decoder(); }

  /// The logits of a causal model. Throws unsupported_error for a model of another kind.
  CausalLMOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    return model_->logits(input_ids, args);
  }
  /// The same over what a tokenizer returns.
  template <TokenBatch Batch>
  CausalLMOutput<A, D> operator()(const Batch& batch, const ForwardArgs<A, D>& args = {}) const {
    ForwardArgs<A, D> a = args;
    const auto in = detail::model_inputs<TextInputs>(batch);
    a.attention_mask = in.attention_mask;
    a.token_type_ids = in.token_type_ids;
    return model_->logits(in.input_ids, a);
  }
  /// Whether generation gives it all tokens in each pass, and those (B,1,V) of the token that follows: see
  /// ForPermutedLM.
  bool reads_all() const { return model_->reads_all(); }
  template <class Memory>
  Tensor<A, 3, D> next_logits(const Tensor<i64, 2>& input_ids, Memory* memory, bool first) const {
    ForwardArgs<A, D> args;
    args.past_key_values = memory;
    return model_->next_logits(input_ids, args, first);
  }
  /// What the head over the vocabulary makes of hidden states (B,T,C): (B,T,V). Throws unsupported_error for a model
  /// without one.
  Tensor<A, 3, D> head(const Tensor<A, 3, D>& hidden) const { return model_->head(hidden); }
  /// The logits of an encoder and a decoder. Throws unsupported_error for a model of another kind.
  Seq2SeqLMOutput<A, D> operator()(const Seq2SeqInputs<A, D>& inputs, const ForwardArgs<A, D>& args = {}) const {
    return model_->logits(inputs, args);
  }
  /// What the encoder makes of input_ids (B,S): (B,S,C). Throws unsupported_error for a model without one.
  Tensor<A, 3, D> encode(const Tensor<i64, 2>& input_ids, const Tensor<i64, 2>& attention_mask = {},
                         const Tensor<i64, 2>& global_attention_mask = {}, const ForwardArgs<A, D>& args = {},
                         BaseModelOutput<A, D>* states = nullptr) const {
    return model_->encode(input_ids, attention_mask, global_attention_mask, args, states);
  }
  /// All outputs of the forward pass under the names that Transformers gives them.
  std::vector<stored_tensor> forward(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    return model_->forward(input_ids, args);
  }
  /// The same of what a tokenizer returns, of which it takes what the model does.
  template <TokenBatch Batch>
  std::vector<stored_tensor> forward(const Batch& batch, const ForwardArgs<A, D>& args = {}) const {
    return model_->forward(detail::batch_tensors(batch), "a tokenizer's batch", other_inputs::ignored, args);
  }
  /// The same of inputs under the names that Transformers gives them. Throws value_error for one that the model does
  /// not take or lacks, naming `where` they are from.
  std::vector<stored_tensor> forward(std::span<const stored_tensor> inputs, std::string_view where = "inputs",
                                     const ForwardArgs<A, D>& args = {}) const {
    return model_->forward(inputs, where, other_inputs::refused, args);
  }
  void visit(visitor& v) const { parts().visit(v); }
  void tie_weights() const { parts().tie_weights(); }
  /// Paths of what tie_weights() ties, each with that of its original.
  tied_pairs tied_parameters() const { return parts().tied_parameters(); }
  /// Makes a copy of tied_parameters() a parameter of its own, with the values that it has.
  void untie(std::string_view copy) const { parts().untie(copy); }
  /// Another size of the vocabulary: rows are cut off at the end, or added there, which are the mean of the others.
  void resize_token_embeddings(isize vocab_size) {
    parts().resize_token_embeddings(vocab_size);
    describe();
  }
  void save_pretrained(const std::filesystem::path& folder, const SaveOptions& options = {}) const {
    model_->save_pretrained(folder, options);
  }
  /// See NamedModel.
  template <class Metadata = gguf_metadata>
  void save_gguf(const std::filesystem::path& file, const Metadata& tokenizer = {},
                 const SaveGgufOptions& options = {}) const {
    detail::save_gguf(parts(), model_->any_config, architecture(), tokenizer, file, options);
  }

  /// The model beside its computation. Whoever changes its config through it calls describe(), so that config() says
  /// so.
  ModelParts& parts() const { return model_->parts; }
  void describe() { model_->describe(); }

  /// The model's own: what is changed here is saved with it.
  GenerationConfig& generation_config;

 private:
  struct interface {
    interface(ModelParts& p, const AnyConfig& c, GenerationConfig& g) : parts(p), any_config(c), generation(g) {
      describe();
    }
    virtual ~interface() = default;
    virtual std::string architecture() const = 0;
    virtual bool is_causal_lm() const = 0;
    virtual bool is_encoder_decoder() const = 0;
    virtual bool reads_all() const = 0;
    virtual Tensor<A, 3, D> next_logits(const Tensor<i64, 2>&, const ForwardArgs<A, D>& memory, bool first) const = 0;
    virtual Seq2SeqLMOutput<A, D> logits(const Seq2SeqInputs<A, D>&, const ForwardArgs<A, D>&) const = 0;
    virtual Tensor<A, 3, D> encode(const Tensor<i64, 2>&, const Tensor<i64, 2>& mask, const Tensor<i64, 2>& global,
                                   const ForwardArgs<A, D>& args, BaseModelOutput<A, D>* states) const = 0;
    virtual CausalLMOutput<A, D> logits(const Tensor<i64, 2>&, const ForwardArgs<A, D>&) const = 0;
    virtual Tensor<A, 3, D> head(const Tensor<A, 3, D>&) const = 0;
    virtual std::vector<stored_tensor> forward(const Tensor<i64, 2>&, const ForwardArgs<A, D>&) const = 0;
    virtual std::vector<stored_tensor> forward(std::span<const stored_tensor>, std::string_view where, other_inputs,
                                               const ForwardArgs<A, D>&) const = 0;
    virtual void save_pretrained(const std::filesystem::path&, const SaveOptions&) const = 0;

    void describe() {
      const config_ref ref = any_config.ref();
      config.model_type = ref.model_type;
      config.fields = detail::written_fields(ref);
      config.vocab_size = get_field(ref, "vocab_size").value_or(0);
      config.context_length = get_field(ref, "max_position_embeddings").value_or(0);
      config.hard_limit = parts.max_positions() > 0;
    }
    ModelParts& parts;
    const AnyConfig& any_config;
    GenerationConfig& generation;
    Config config;
  };

  template <class Body>
  struct holder final : interface {
    using output = decltype(std::declval<const Body&>()(typename Body::inputs{}));
    static constexpr bool causal = std::is_same_v<output, CausalLMOutput<A, D>>;
    static constexpr bool answers = std::is_same_v<output, Seq2SeqLMOutput<A, D>>;
    static constexpr bool asks = requires(const Body& b, const ForwardArgs<A, D>& args) {
      b.next_logits(Tensor<i64, 2>(), args.past_key_values.get(), true);
    };

    explicit holder(std::unique_ptr<NamedModel<Body>> m)
        : interface(*m, m->any_config(), m->generation_config), model(*m), owner(std::move(m)) {}
    std::string architecture() const override { return model.architecture(); }
    bool is_causal_lm() const override { return causal; }
    bool is_encoder_decoder() const override { return answers; }
    bool reads_all() const override { return asks; }
    Tensor<A, 3, D> next_logits(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args,
                                bool first) const override {
      if constexpr (asks)
        return model.next_logits(input_ids, args.past_key_values.get(), first);
      else
        throw unsupported_error(architecture(), "next_logits", "a model that asks for a place");
    }
    CausalLMOutput<A, D> logits(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args) const override {
      if constexpr (causal)
        return model(detail::unnamed_ids<Body>(input_ids), args);
      else
        throw unsupported_error(architecture(), "generation", "a causal language model");
    }
    Tensor<A, 3, D> head(const Tensor<A, 3, D>& hidden) const override {
      if constexpr (requires { model.lm_head(hidden); })
        return model.lm_head(hidden);
      else
        throw unsupported_error(architecture(), "head", "a model with lm_head", "one without");
    }
    Seq2SeqLMOutput<A, D> logits(const Seq2SeqInputs<A, D>& inputs, const ForwardArgs<A, D>& args) const override {
      if constexpr (answers)
        return model(detail::unnamed<Seq2SeqInputs<A, D>>{inputs}, args);
      else
        throw unsupported_error(architecture(), "answers", "a model with an encoder and a decoder");
    }
    Tensor<A, 3, D> encode(const Tensor<i64, 2>& input_ids, const Tensor<i64, 2>& mask, const Tensor<i64, 2>& global,
                           const ForwardArgs<A, D>& args, BaseModelOutput<A, D>* states) const override {
      if constexpr (answers)
        return model.encode(input_ids, mask, global, args, states);
      else
        throw unsupported_error(architecture(), "encode", "a model with an encoder and a decoder");
    }
    std::vector<stored_tensor> forward(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args) const override {
      if constexpr (std::is_same_v<typename Body::inputs::main, Tensor<i64, 2>>)
        return forward(typename Body::inputs{input_ids}, args);
      else
        throw unsupported_error(architecture(), "input_ids", "the inputs that it takes", "tokens");
    }
    std::vector<stored_tensor> forward(std::span<const stored_tensor> inputs, std::string_view where,
                                       other_inputs others, const ForwardArgs<A, D>& args) const override {
      return forward(read_inputs<typename Body::inputs>(inputs, where, others), args);
    }
    std::vector<stored_tensor> forward(const typename Body::inputs& inputs, const ForwardArgs<A, D>& args) const {
      return named_outputs(model(detail::unnamed<typename Body::inputs>{inputs}, args));
    }
    void save_pretrained(const std::filesystem::path& folder, const SaveOptions& options) const override {
      model.save_pretrained(folder, options);
    }

    const NamedModel<Body>& model;
    std::unique_ptr<ModelParts> owner;
  };

  AnyModel(erased, std::shared_ptr<interface> model) : generation_config(model->generation), model_(std::move(model)) {}

  std::shared_ptr<interface> model_;
};

}  // namespace hft
