// PreTrainedModel: a composition with its config, under its names: from_pretrained, save_pretrained, and all that
// transformers.PreTrainedModel has beside.
//
//   template <class W, Device D, ...> using LlamaModel = PreTrainedModel<LlamaConfig, TextModel<LlamaBlock, RMSNorm,
//   B>>;
//
// A config provides
//   void fields(field_visitor&)                              config.hpp
//   void check() const                                       throws config_error for values that do not fit each other
//   static constexpr const char *model_type, *class_prefix   "llama", "Llama"
//   static constexpr name_tables names                       loading.hpp
//   what a Body's options_of(config) asks for                text_model(), lm_head(), classifier(), ...
//   void complete_from(const gguf_file&)                     optional: what a GGUF file says beside its keys
//   void complete_in(gguf_keys&) const                       optional: what it says so when it is written
//   std::vector<row_parts> gguf_parts(std::string_view path) optional: of weights that its files have part by part
//   f64 initializer_range, or initial_deviation(path)        of weights at the start
//   void adapt(class_suffix, base model's options) const     optional: what differs in the base model of some classes
//   bool initialise(path, shape, random, values) const       optional: fills what starts in a way of its own
// A Body is a ModelParts with operator(), options, options_of(config), class_suffix and on_build<B>; it is compiled
// once, however many architectures it is the composition of.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <hft/io/checkpoint.hpp>
#include <hft/io/hub.hpp>
#include <hft/layers/build.hpp>
#include <hft/linkage.hpp>
#include <hft/models/any_config.hpp>
#include <hft/models/architecture.hpp>
#include <hft/models/generation_config.hpp>
#include <hft/models/gguf_saving.hpp>
#include <hft/models/ignored_options.hpp>
#include <hft/models/initialise.hpp>
#include <hft/models/loading.hpp>
#include <hft/models/model_parts.hpp>
#include <hft/models/named_inputs.hpp>
#include <hft/models/output.hpp>
#include <hft/models/saving.hpp>
#include <hft/progress.hpp>

namespace hft {

namespace detail {

/// Sets what a folder says of generation: generation_config.json alone where there is one, else the fields of it that
/// config.json has, as old checkpoints do, beside the special tokens that `config` has from there.
void read_generation_config(const std::filesystem::path& folder, GenerationConfig& config);

/// Special tokens that a config has fields for.
void special_tokens_of(config_ref config, GenerationConfig& generation);
tied_pairs stored_pairs(const checkpoint_names& names, tied_pairs pairs);
/// A path of a body as files call it; none for none.
std::string stored_path(const checkpoint_names& names, const std::string& path);
/// The copy of a body's tied pairs that files call so; none where there is none.
std::string copy_called(const checkpoint_names& names, const tied_pairs& pairs, std::string_view stored);
void load_model(ModelParts& model, const AnyConfig& config, const checkpoint& source, const LoadOptions& options);
/// What parameters of a model begin with.
initial_values initial_values_of(const ModelParts& model, const AnyConfig& config, std::uint64_t seed);
void initialise_model(ModelParts& model, const AnyConfig& config, std::uint64_t seed);
/// Loads a model with what the checkpoint says of generation.
void load_model(ModelParts& model, const AnyConfig& config, GenerationConfig& generation, const checkpoint& source,
                const LoadOptions& options);
// A specialised build runs checkpoints of its own config only.
template <class Config>
void check_specialisation(runtime*, const Config&) {}
template <class S, class Config>
void check_specialisation(fixed<S>*, const Config& config) {
  if (config.extents() != S::config.extents() || config.num_hidden_layers != S::config.num_hidden_layers)
    throw config_error(Config::model_type, "the extents of a specialised build", shape_text(S::config.extents()),
                       shape_text(config.extents()));
}

/// What a config says a model is built from.
template <class Body, class Config>
typename Body::options body_options(const Config& config) {
  auto o = Body::options_of(config);
  const auto adapt = [&](auto& base) {
    if constexpr (requires { config.adapt(Body::class_suffix, base); }) config.adapt(Body::class_suffix, base);
  };
  if constexpr (requires { o.base; })
    adapt(o.base);
  else
    adapt(o);
  return o;
}

/// What a model with such a Body gives for In: what the body gives, where the model takes it.
template <class Body, class In>
struct pass_output {
  struct type {};  // of a call that check_model_input refuses
};
template <class Body, class In>
requires ModelInput<In, typename Body::inputs>
struct pass_output<Body, In> {
  using type = decltype(std::declval<const Body&>()(std::declval<const typename Body::inputs&>(),
                                                    ForwardArgs<typename Body::A, typename Body::D>()));
};

}  // namespace detail

/// A model with its config, whose type is erased.
template <class Body>
class NamedModel : public Body {
 public:
  using build_type = typename Body::build_type;
  using body_type = Body;
  using inputs = typename Body::inputs;
  static constexpr bool generates = requires { requires Body::generates; };

  NamedModel(AnyConfig config, const typename Body::options& options) : Body(options), config_(std::move(config)) {
    if constexpr (generates) detail::special_tokens_of(config_.ref(), generation_config);
  }

  /// The name of its class in Transformers.
  std::string architecture() const { return config_.info().class_name(Body::class_suffix); }
  const AnyConfig& any_config() const { return config_; }

  /// The body's forward pass; output_hidden_states and output_attentions of config.json are asked for, too.
  ///   model({.input_ids = ids, ...}, args)   over its inputs
  ///   model(ids, args)                       over the main one alone, with what args have beside: input_ids (B,T) of a
  ///                                          model over tokens; pixel_values (B,C,H,W) of one over images
  ///   model(tokenizer(texts), args)          over what a tokenizer returns: of it, what the model takes
  /// They are one template, so that a compiler has one candidate to complain of, and what it is not called with is said
  /// by check_model_input. Compilers show the lines of the arguments where braces fit them not: these say what fits.
  template <class In = inputs, class Args = ForwardArgs<typename Body::A, typename Body::D>>
  typename detail::pass_output<Body, In>::type operator()(
      const In& in,                   // hft: the inputs in braces are tensors, named as in hft/layers/inputs.hpp
      const Args& args = {}) const {  // hft: these braces name fields of ForwardArgs, in its order; labels: on autodiff
    using arguments = ForwardArgs<typename Body::A, typename Body::D>;
    detail::check_model_input<In, inputs>();
    static_assert(std::is_convertible_v<const Args&, arguments>,
                  "hft: a model's second argument is its ForwardArgs, in braces: {.attention_mask = mask}");
    if constexpr (detail::ModelInput<In, inputs> && std::is_convertible_v<const Args&, arguments>) {
      arguments a = args;
      a.output_hidden_states = a.output_hidden_states || config_.says("output_hidden_states");
      a.output_attentions = a.output_attentions || config_.says("output_attentions");
      if constexpr (detail::is_unnamed<In> || (!std::is_convertible_v<const In&, const inputs&> &&
                                               !std::is_convertible_v<const In&, const typename inputs::main&>)) {
        return Body::operator()(detail::model_inputs<inputs>(in), a);
      } else {
        const inputs all = detail::model_inputs<inputs>(in);
        auto out = Body::operator()(all, a);
        say_what_is_ignored(all, args, out);
        return out;
      }
    } else {
      return {};
    }
  }

  /// The length it was made for, where its config says it, else 0.
  isize max_position_embeddings() const { return get_field(config_.ref(), "max_position_embeddings").value_or(0); }

  void visit(visitor& v) override {
    const checkpoint_names names = stored_names();
    struct {
      Body& body;
      void visit(visitor& inner) { body.Body::visit(inner); }
    } parts{*this};
    v.under(names, parts);
  }
  tied_pairs tied_parameters() const override { return detail::stored_pairs(stored_names(), Body::tied_parameters()); }
  void untie(std::string_view copy) override {
    const std::string path = detail::copy_called(stored_names(), Body::tied_parameters(), copy);
    if (!path.empty()) Body::untie(path);
    set_field(config_.ref(), "tie_word_embeddings", false);
  }
  void set_tie_word_embeddings(bool tied) override {
    Body::set_tie_word_embeddings(tied);
    set_field(config_.ref(), "tie_word_embeddings", tied);
  }
  void resize_token_embeddings(isize vocab_size) override {
    Body::resize_token_embeddings(vocab_size);
    set_field(config_.ref(), "vocab_size", vocab_size);
  }
  std::string_view base_model_prefix() const override { return config_.info().names.prefix_in(Body::class_suffix); }
  std::string input_embeddings() const override {
    return detail::stored_path(stored_names(), Body::input_embeddings());
  }
  std::string output_embeddings() const override {
    return detail::stored_path(stored_names(), Body::output_embeddings());
  }
  /// The table of the token embeddings (V,C), and another of that shape in its place; what is tied to it follows.
  /// Throws shape_error.
  const auto& get_input_embeddings() const requires requires(const Body& b) { b.token_table(); }
  { return Body::token_table(); }
  template <class Table>
  requires requires(Body& b, Table t) { b.token_table() = t; }
  void set_input_embeddings(const Table& table) {
    replace_table(Body::token_table(), table);
    this->tie_weights();
  }
  /// The same of the head over the vocabulary. A head that was tied is so no longer.
  const auto& get_output_embeddings() const requires requires(const Body& b) { b.output_table(); }
  { return Body::output_table(); }
  template <class Table>
  requires requires(Body& b, Table t) { b.output_table() = t; }
  void set_output_embeddings(const Table& table) {
    const std::string path = output_embeddings();
    for (const auto& [copy, original] : tied_parameters())
      if (copy == path) untie(copy);
    replace_table(Body::output_table(), table);
  }
  void leave_out_absent(const std::function<bool(std::string_view)>& stored) override {
    Body::leave_out_absent([&](std::string_view path) { return stored(stored_names()(path).name); });
  }

  /// Fills the parameters from a checkpoint.
  void load_weights(const checkpoint& source, const LoadOptions& options = {}) {
    detail::load_model(*this, config_, source, options);
  }
  /// Writes config.json, generation_config.json and model.safetensors (or shards of it), which Transformers loads.
  /// Weights are written in options.dtype; by default in the model's own scalar dtype, block formats as f32.
  void save_pretrained(const std::filesystem::path& folder, const SaveOptions& options = {}) const {
    using W = typename build_type::weight;
    std::optional<dtype_id> own;
    if constexpr (Scalar<W>) own = dtype<W>::id;
    // visit() shows parameters for change; saving changes none.
    detail::save_model(const_cast<NamedModel&>(*this), config_, architecture(), own,
                       generates ? &generation_config : nullptr, folder, options);
  }

  /// Writes a GGUF file, which llama.cpp and from_pretrained load: tensors, config, and the tokenizer's metadata
  /// (gguf_tokenizer; save_gguf of pipelines takes a tokenizer itself). See SaveGgufOptions for dtypes. A program that
  /// is not linked with hft::compiled includes <hft/pipelines/save_gguf.hpp>.
  /// Throws unsupported_error for what GGUF has no name for, file_error where the file cannot be written.
  template <class Metadata = gguf_metadata>  // that is defined where this is called
  void save_gguf(const std::filesystem::path& file, const Metadata& tokenizer = {},
                 const SaveGgufOptions& options = {}) const {
    static_assert(
        detail::writes_gguf<Metadata>,
        "hft: save_gguf needs #include <hft/pipelines/save_gguf.hpp>, or a program linked with hft::compiled");
    detail::save_gguf(const_cast<NamedModel&>(*this), config_, architecture(), tokenizer, file, options);
  }

  /// Tensors under the names of its parameters, as its file has them: pieces of one stored tensor put together, of
  /// which those without bytes are zeros.
  std::vector<stored_tensor> as_stored(std::vector<stored_tensor> tensors) const {
    return detail::stacked(std::move(tensors), config_.info().names, *this);
  }

  /// The settings that generate starts from; from_pretrained reads them from generation_config.json.
  GenerationConfig generation_config;

 private:
  template <class Out>
  void say_what_is_ignored(const inputs& in, const ForwardArgs<typename Body::A, typename Body::D>& args,
                           const Out& out) const {
    unsigned ignored = 0;
    if constexpr (requires(const Body& b) { b.ignored_inputs(); } &&
                  std::is_convertible_v<const inputs&, const TextInputs&>)
      ignored = Body::ignored_inputs() & detail::given_inputs(in, args.token_type_ids, args.position_ids);
    else if constexpr (requires { in.decoder_input_ids; })
      ignored = detail::given_inputs({}, args.token_type_ids, args.position_ids);
    if (args.output_attentions) {
      if constexpr (requires { out.attentions; })
        if (out.attentions.empty()) ignored |= without_effect::output_attentions;
    }
    if constexpr (Body::D::tracked) {
      bool loss = false;
      if constexpr (requires { out.loss; }) loss = bool(out.loss);
      if constexpr (requires { out.mc_loss; }) loss = loss || out.mc_loss;
      if (!loss && (args.labels || args.values || args.mc_labels || args.entity_labels || args.sentence_labels ||
                    args.start_positions || args.end_positions))
        ignored |= without_effect::labels;
    }
    if (ignored) ignored_.say(ignored, config_, Body::class_suffix);
  }
  template <class Table>
  static void replace_table(Table& at, const Table& table) {
    if (table.shape() != at.shape())
      throw shape_error("embeddings", "table", detail::shape_text(at.shape()), detail::shape_text(table.shape()));
    at = table;
  }
  checkpoint_names stored_names() const { return {base_model_prefix(), config_.info().names.rules}; }

  mutable detail::ignored_options ignored_;

 protected:
  AnyConfig config_;
};

template <class Config, class Body>
class PreTrainedModel : public NamedModel<Body> {
 public:
  using config_type = Config;
  /// The same model on another build.
  template <class Other>
  using on_build = PreTrainedModel<Config, typename Body::template on_build<Other>>;

  /// Parameters have shapes and no memory. Throws config_error for a config that contradicts itself.
  explicit PreTrainedModel(const Config& config) : PreTrainedModel(config, checked_options(config)) {}
  /// With options that differ from those that the config gives, as a base model without its pooler.
  PreTrainedModel(const Config& config, const typename Body::options& options)
      : NamedModel<Body>(AnyConfig(std::type_identity<Config>(), config), options) {}

  /// Loads a model from a Transformers folder, a .gguf file, or a hub id that is in the hub cache.
  /// Weights are mapped, not copied, where the file's dtype is the model's; else they are converted.
  /// Throws file_error, format_error, config_error, and weight_error where tensors of the model are missing or have
  /// another shape, with options.strict also where the checkpoint has others beside them.
  static PreTrainedModel from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    return load(checkpoint::open(resolve_model(id_or_path, options.revision)), options);
  }
  /// The same from an opened checkpoint.
  static PreTrainedModel load(const checkpoint& source, const LoadOptions& options = {}) {
    PreTrainedModel model(hft::read_config(architecture_of<Config>, source, options));
    detail::load_model(model, model.config_, model.generation_config, source, options);
    return model;
  }

  /// A model with the weights that training begins with, a function of the seed: as Transformers' _init_weights draws
  /// them, though other numbers. Throws config_error for a config that contradicts itself.
  static PreTrainedModel from_config(const Config& config, std::uint64_t seed = 0) {
    PreTrainedModel model(config);
    detail::initialise_model(model, model.config_, seed);
    return model;
  }

  static std::string architecture() { return architecture_of<Config>.class_name(Body::class_suffix); }
  const Config& config() const { return this->config_.template as<Config>(); }

 private:
  explicit PreTrainedModel(AnyConfig config)
      : NamedModel<Body>(config, checked_options(config.template as<Config>())) {}

  static typename Body::options checked_options(const Config& config) {
    check_config(config_ref::of(config));
    detail::check_specialisation(static_cast<typename Body::build_type::specialisation*>(nullptr), config);
    return detail::body_options<Body>(config);
  }
};

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE_ONCE void read_generation_config(const std::filesystem::path& folder, GenerationConfig& config) {
  const auto own = folder / "generation_config.json";
  if (is_there(own)) {
    config = {};
    config.update(read_json(own), own.string());
    return;
  }
  const auto file = folder / "config.json";
  const json object = read_config_json(file);
  json known = json::object();
  for (const auto& field : config.fields()) {
    const std::string_view name = field.name;
    const bool special =
        name == "bos_token_id" || name == "eos_token_id" || name == "pad_token_id" || name == "decoder_start_token_id";
    if (!special && name != "seed" && object.contains(name)) known[name] = object[name];
  }
  config.update(known, file.string());
}

HFT_INLINE_ONCE void special_tokens_of(config_ref config, GenerationConfig& generation) {
  class reader final : public field_visitor {
   public:
    explicit reader(GenerationConfig& g) : generation_(g) {}

   private:
    void on_field(const char* name, field_place field, const field_rule&) override {
      const std::string_view key = name;
      if (auto* id = std::get_if<std::optional<isize>*>(&field)) {
        if (key == "bos_token_id") generation_.bos_token_id = **id;
        if (key == "pad_token_id") generation_.pad_token_id = **id;
        if (key == "decoder_start_token_id") generation_.decoder_start_token_id = **id;
      } else if (auto* ids = std::get_if<TokenIds*>(&field)) {
        if (key == "eos_token_id") generation_.eos_token_id = **ids;
      }
    }
    GenerationConfig& generation_;
  } v(generation);
  config.fields(v);
}

HFT_INLINE_ONCE tied_pairs stored_pairs(const checkpoint_names& names, tied_pairs pairs) {
  for (auto& [copy, original] : pairs) copy = names(copy).name, original = names(original).name;
  return pairs;
}

HFT_INLINE_ONCE std::string stored_path(const checkpoint_names& names, const std::string& path) {
  return path.empty() ? path : names(path).name;
}

HFT_INLINE_ONCE std::string copy_called(const checkpoint_names& names, const tied_pairs& pairs,
                                        std::string_view stored) {
  for (const auto& [copy, original] : pairs)
    if (names(copy).name == stored) return copy;
  return {};
}

HFT_INLINE_ONCE initial_values initial_values_of(const ModelParts& model, const AnyConfig& config, std::uint64_t seed) {
  const config_ref ref = config.ref();
  return {.seed = seed,
          .deviation = [&info = config.info(),
                        c = ref.config.config](std::string_view path) { return info.initial_deviation(c, path); },
          .special = [&info = config.info(), c = ref.config.config](
                         std::string_view path, const std::vector<isize>& shape, const random_stream& random,
                         std::vector<f32>& values) { return info.initialise(c, path, shape, random, values); },
          .padded = model.input_embeddings(),
          .padding_row = model.padding_row()};
}

HFT_INLINE_ONCE void initialise_model(ModelParts& model, const AnyConfig& config, std::uint64_t seed) {
  const auto from = initial_values_of(model, config, seed);
  for_each_parameter(model, [&](const std::string& path, parameter& p) { initialise(p, path, from); });
  model.tie_weights();
  after_loading work;
  model.visit(work);
}

HFT_INLINE_ONCE void load_model(ModelParts& model, const AnyConfig& config, const checkpoint& source,
                                const LoadOptions& options) {
  load_plan plan = plan_of(model, config);
  plan.initial = initial_values_of(model, config, options.seed);
  plan.tied = model.tied_parameters();
  plan.untie = [&] {
    for (const auto& [copy, original] : plan.tied) model.untie(copy);
    model.set_tie_word_embeddings(false);
  };
  plan.leave_out_absent = [&](const is_stored& stored) { model.leave_out_absent(stored); };
  load_weights(source, plan, options, model);
  model.tie_weights();
  isize parameters = 0;
  for_each_parameter(model, [&](const std::string&, parameter& p) { parameters += p.size(); });
  progress task("preparing", source.path().string(), parameters, "parameters");
  after_loading work(&task);
  model.visit(work);
  task.finish();
}

HFT_INLINE_ONCE void load_model(ModelParts& model, const AnyConfig& config, GenerationConfig& generation,
                                const checkpoint& source, const LoadOptions& options) {
  load_model(model, config, source, options);
  if (!source.is_gguf()) read_generation_config(source.path(), generation);
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
