// The run-time facade: a checkpoint's own config decides which model class is loaded, out of a closed list of
// architectures that the user may extend.
//
//   auto any  = AutoModelForCausalLM<>::from_pretrained("smollm2");  // of the default list, dtype as stored
//   auto mine = AutoModelForCausalLM<bf16, cpu, archs<llama, my_arch>>::from_pretrained(folder);
//
// An architecture is a tag type:
//   struct llama {
//     static constexpr const char* model_type = "llama";  // in config.json, and GGUF's general.architecture
//     template <class W, class D>
//     using causal_lm = LlamaForCausalLM<W, D>;  // where it has one
//     template <class W, class D>
//     using models = type_list<LlamaForCausalLM<W, D>, LlamaModel<W, D>>;  // all its classes
//   };
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <hft/models/bert.hpp>
#include <hft/models/gpt2.hpp>
#include <hft/models/llama.hpp>
#include <hft/type_list.hpp>

namespace hft {

struct llama {
  static constexpr const char* model_type = "llama";
  template <class W, class D>
  using base_model = LlamaModel<W, D>;
  template <class W, class D>
  using causal_lm = LlamaForCausalLM<W, D>;
  template <class W, class D>
  using models = type_list<LlamaForCausalLM<W, D>, LlamaModel<W, D>, LlamaForSequenceClassification<W, D>>;
};

struct gpt2 {
  static constexpr const char* model_type = "gpt2";
  template <class W, class D>
  using base_model = GPT2Model<W, D>;
  template <class W, class D>
  using causal_lm = GPT2LMHeadModel<W, D>;
  template <class W, class D>
  using models = type_list<GPT2LMHeadModel<W, D>, GPT2Model<W, D>>;
};

struct bert {
  static constexpr const char* model_type = "bert";
  template <class W, class D>
  using base_model = BertModel<W, D>;
  template <class W, class D>
  using models = type_list<BertModel<W, D>, BertForMaskedLM<W, D>, BertForSequenceClassification<W, D>,
                           BertForTokenClassification<W, D>>;
};

/// A list of architectures, tried in order.
template <class... Archs>
struct archs {};

using default_archs = archs<llama, gpt2, bert>;

/// A model of any class of the list, behind one type. Copies share it.
template <Scalar Activation_ = f32, BaseDevice Device_ = cpu>
class AnyModel {
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
  explicit AnyModel(Model model) : generation_config(model.generation_config), config_(describe(model)) {
    model_ = std::make_shared<holder<Model>>(std::move(model));
  }

  /// The name of its class in Transformers.
  std::string architecture() const { return model_->architecture(); }
  const Config& config() const { return config_; }
  bool is_causal_lm() const { return model_->is_causal_lm(); }

  /// The logits of a causal model. Throws unsupported_error for a model of another kind.
  CausalLMOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    return model_->logits(input_ids, args);
  }
  /// All outputs of the forward pass under the names that Transformers gives them.
  std::vector<stored_tensor> forward(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    return model_->forward(input_ids, args);
  }
  void visit(visitor& v) const { model_->visit(v); }
  void tie_weights() const { model_->tie_weights(); }
  /// Paths of what tie_weights() ties, each with that of its original.
  std::vector<std::pair<std::string, std::string>> tied_parameters() const { return model_->tied_parameters(); }
  /// Makes a copy of tied_parameters() a parameter of its own, with the values that it has.
  void untie(std::string_view copy) const { model_->untie(copy); }
  /// Another size of the vocabulary: rows are cut off at the end, or added there, which are the mean of the others.
  void resize_token_embeddings(isize vocab_size) {
    model_->resize_token_embeddings(vocab_size);
    config_ = model_->describe();
  }
  void save_pretrained(const std::filesystem::path& folder, const SaveOptions& options = {}) const {
    model_->save_pretrained(folder, options);
  }

  GenerationConfig generation_config;

 private:
  struct interface {
    virtual ~interface() = default;
    virtual std::string architecture() const = 0;
    virtual bool is_causal_lm() const = 0;
    virtual CausalLMOutput<A, D> logits(const Tensor<i64, 2>&, const ForwardArgs<A, D>&) const = 0;
    virtual std::vector<stored_tensor> forward(const Tensor<i64, 2>&, const ForwardArgs<A, D>&) const = 0;
    virtual void visit(visitor&) = 0;
    virtual void tie_weights() = 0;
    virtual std::vector<std::pair<std::string, std::string>> tied_parameters() const = 0;
    virtual void untie(std::string_view copy) = 0;
    virtual void resize_token_embeddings(isize vocab_size) = 0;
    virtual Config describe() const = 0;
    virtual void save_pretrained(const std::filesystem::path&, const SaveOptions&) const = 0;
  };

  template <class Model>
  struct holder final : interface {
    using output = decltype(std::declval<const Model&>()(Tensor<i64, 2>{}));
    static constexpr bool causal = std::is_same_v<output, CausalLMOutput<A, D>>;

    explicit holder(Model m) : model(std::move(m)) {}
    std::string architecture() const override { return Model::architecture(); }
    bool is_causal_lm() const override { return causal; }
    CausalLMOutput<A, D> logits(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args) const override {
      if constexpr (causal)
        return model(input_ids, args);
      else
        throw unsupported_error(Model::architecture(), "generation", "a causal language model");
    }
    std::vector<stored_tensor> forward(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args) const override {
      return named_outputs(model(input_ids, args));
    }
    void visit(visitor& v) override { model.visit(v); }
    void tie_weights() override { model.tie_weights(); }
    std::vector<std::pair<std::string, std::string>> tied_parameters() const override {
      if constexpr (requires { model.tied_parameters(); }) return model.tied_parameters();
      return {};
    }
    void untie(std::string_view copy) override {
      if constexpr (requires { model.untie(copy); }) model.untie(copy);
    }
    void resize_token_embeddings(isize vocab_size) override {
      if constexpr (requires { model.resize_token_embeddings(vocab_size); })
        model.resize_token_embeddings(vocab_size);
      else
        throw unsupported_error(Model::architecture(), "another size of the vocabulary");
    }
    Config describe() const override { return AnyModel::describe(model); }
    void save_pretrained(const std::filesystem::path& folder, const SaveOptions& options) const override {
      model.save_pretrained(folder, options);
    }

    Model model;
  };

  template <class Model>
  static Config describe(const Model& model) {
    const auto& c = model.config();
    Config out{c.model_type, config_to_json(c)};
    out.vocab_size = c.vocab_size;
    if constexpr (requires { c.max_positions(); })
      out.context_length = c.max_positions(), out.hard_limit = true;
    else
      out.context_length = c.max_position_embeddings;
    return out;
  }

  Config config_;
  std::shared_ptr<interface> model_;
};

namespace detail {

/// What a checkpoint says of itself: its model_type and the class that wrote it (none for GGUF files).
struct checkpoint_kind {
  std::string where, model_type, architecture;

  explicit checkpoint_kind(const checkpoint& source) : where(source.path().string()) {
    if (source.is_gguf()) {
      model_type = source.gguf().at("general.architecture").as_string();
      return;
    }
    const auto file = source.path() / "config.json";
    const json config = read_config_json(file);
    model_type = require<std::string>(config, "model_type", file.string());
    const auto names = get<std::vector<std::string>>(config, "architectures", {}, file.string());
    if (!names.empty()) architecture = names[0];
  }

  template <class... Archs>
  [[noreturn]] void fail(archs<Archs...>, const char* what, const char* expected) const {
    if (((model_type == Archs::model_type) || ...))
      throw unsupported_error(where, joined(what, " of model_type ", quote_text(model_type)), expected,
                              architecture.empty() ? std::string("none") : architecture);
    std::string known;
    ((known += (known.empty() ? "" : ", ") + std::string(Archs::model_type)), ...);
    throw unsupported_error(where, what, "a model_type of this list: " + known,
                            quote_text(model_type) + (architecture.empty() ? "" : " (" + architecture + ")"));
  }
};

/// What the Auto classes share: the first architecture of the list that Choice loads a model of.
template <class Choice, class W, BaseDevice D, class Archs>
struct auto_class;

template <class Choice, class W, BaseDevice D, class... Archs>
struct auto_class<Choice, W, D, archs<Archs...>> {
  using model = AnyModel<typename build<W, D>::activation, D>;

  /// Throws unsupported_error for an architecture or class outside the list, and what loading throws.
  static model from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    return load(checkpoint::open(resolve_model(id_or_path, options.revision)), options);
  }
  static model load(const checkpoint& source, const LoadOptions& options = {}) {
    const checkpoint_kind kind(source);
    std::optional<model> found;
    const auto attempt = [&]<class Arch>(std::type_identity<Arch>) {
      if (!found && kind.model_type == Arch::model_type)
        Choice::template load<Arch, W, D>(kind, source, options, found);
    };
    (attempt(std::type_identity<Archs>{}), ...);
    if (!found) kind.fail(archs<Archs...>{}, Choice::name, Choice::expected);
    return *std::move(found);
  }
};

struct causal_lm_choice {
  static constexpr const char* name = "AutoModelForCausalLM";
  static constexpr const char* expected = "a causal language model";
  template <class Arch, class W, class D, class Found>
  static void load(const checkpoint_kind&, const checkpoint& source, const LoadOptions& options, Found& found) {
    if constexpr (requires { typename Arch::template causal_lm<W, D>; })
      found.emplace(Arch::template causal_lm<W, D>::load(source, options));
  }
};

struct named_class_choice {
  static constexpr const char* name = "AutoModel";
  static constexpr const char* expected = "a class that hft has";
  template <class Arch, class W, class D, class Found>
  static void load(const checkpoint_kind& kind, const checkpoint& source, const LoadOptions& options, Found& found) {
    if (!kind.architecture.empty())
      return load_named(typename Arch::template models<W, D>{}, kind, source, options, found);
    if (source.is_gguf()) causal_lm_choice::load<Arch, W, D>(kind, source, options, found);
    if (found) return;
    if constexpr (requires { typename Arch::template base_model<W, D>; })
      found.emplace(Arch::template base_model<W, D>::load(source, options));
  }
  template <class... Models, class Found>
  static void load_named(type_list<Models...>, const checkpoint_kind& kind, const checkpoint& source,
                         const LoadOptions& options, Found& found) {
    const auto attempt = [&]<class M>(std::type_identity<M>) {
      if (!found && kind.architecture == M::architecture()) found.emplace(M::load(source, options));
    };
    (attempt(std::type_identity<Models>{}), ...);
  }
};

}  // namespace detail

/// transformers.AutoModelForCausalLM. W any_q keeps each weight in the dtype that the file has, or LoadOptions::dtype.
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModelForCausalLM : detail::auto_class<detail::causal_lm_choice, W, D, Archs> {};

/// The class that a checkpoint's config.json names in `architectures`, or the base model where it names none. GGUF
/// files, which name none, hold causal models.
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModel : detail::auto_class<detail::named_class_choice, W, D, Archs> {};

}  // namespace hft
