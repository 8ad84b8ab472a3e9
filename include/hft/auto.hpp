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
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/models/any_model.hpp>
#include <hft/models/bert.hpp>
#include <hft/models/gpt2.hpp>
#include <hft/models/llama.hpp>
#include <hft/models/mamba.hpp>
#include <hft/models/qwen2.hpp>
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

struct qwen2 {
  static constexpr const char* model_type = "qwen2";
  template <class W, class D>
  using base_model = Qwen2Model<W, D>;
  template <class W, class D>
  using causal_lm = Qwen2ForCausalLM<W, D>;
  template <class W, class D>
  using models = type_list<Qwen2ForCausalLM<W, D>, Qwen2Model<W, D>, Qwen2ForSequenceClassification<W, D>,
                           Qwen2ForTokenClassification<W, D>>;
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

struct mamba {
  static constexpr const char* model_type = "mamba";
  template <class W, class D>
  using base_model = MambaModel<W, D>;
  template <class W, class D>
  using causal_lm = MambaForCausalLM<W, D>;
  template <class W, class D>
  using models = type_list<MambaForCausalLM<W, D>, MambaModel<W, D>>;
};

/// A list of architectures, tried in order.
template <class... Archs>
struct archs {};

using default_archs = archs<llama, qwen2, gpt2, bert, mamba>;

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

/// A model of a class without what of the class its architecture alone needs.
template <class Model>
NamedModel<typename Model::body_type> load_erased(const checkpoint& source, const LoadOptions& options = {}) {
  using Body = typename Model::body_type;
  using Config = typename Model::config_type;
  AnyConfig config = read_config(architecture_of<Config>, source, options);
  NamedModel<Body> model(config, Body::options_of(config.template as<Config>()));
  load_model(model, model.any_config(), model.generation_config, source, options);
  return model;
}

template <class Arch, class W, class D, class F>
bool call_with_causal_lm(const F& f) {
  if constexpr (requires { typename Arch::template causal_lm<W, D>; }) {
    using M = typename Arch::template causal_lm<W, D>;
    if constexpr (std::invocable<const F&, std::type_identity<M>>) return f(std::type_identity<M>()), true;
  }
  return false;
}

template <class Arch, class W, class D, class F, class... Models>
bool call_with_named_class(type_list<Models...>, const checkpoint_kind& kind, bool gguf, const F& f) {
  bool found = false;
  const auto attempt = [&]<class M>(std::type_identity<M> type) {
    if constexpr (std::invocable<const F&, std::type_identity<M>>)
      if (!found && kind.architecture == M::architecture()) found = true, f(type);
  };
  if (!kind.architecture.empty()) return (attempt(std::type_identity<Models>{}), ...), found;
  if (gguf && call_with_causal_lm<Arch, W, D>(f)) return true;
  if constexpr (requires { typename Arch::template base_model<W, D>; }) {
    using M = typename Arch::template base_model<W, D>;
    if constexpr (std::invocable<const F&, std::type_identity<M>>) return f(std::type_identity<M>()), true;
  }
  return false;
}

/// f(std::type_identity<Arch>) of the first architecture of the list that has the checkpoint's model_type and for which
/// f is true.
template <class... Archs, class F>
bool with_architecture(archs<Archs...>, const checkpoint_kind& kind, const F& f) {
  bool found = false;
  const auto attempt = [&]<class Arch>(std::type_identity<Arch> arch) {
    if (!found && kind.model_type == Arch::model_type) found = f(arch);
  };
  (attempt(std::type_identity<Archs>{}), ...);
  return found;
}

}  // namespace detail

/// Calls f(std::type_identity<M>) with the class M that a checkpoint names in `architectures`; where it names none with
/// the causal model of a GGUF file, else the base model. Classes that f does not take are not in the list. Returns
/// whether there was one.
template <class W, Device D, class... Archs, class F>
bool with_named_class(archs<Archs...> list, const checkpoint& source, const F& f) {
  const detail::checkpoint_kind kind(source);
  return detail::with_architecture(list, kind, [&]<class Arch>(std::type_identity<Arch>) {
    return detail::call_with_named_class<Arch, W, D>(typename Arch::template models<W, D>(), kind, source.is_gguf(), f);
  });
}

/// The same with the architecture's causal language model, whatever the checkpoint names.
template <class W, Device D, class... Archs, class F>
bool with_causal_lm(archs<Archs...> list, const checkpoint& source, const F& f) {
  return detail::with_architecture(list, detail::checkpoint_kind(source), [&]<class Arch>(std::type_identity<Arch>) {
    return detail::call_with_causal_lm<Arch, W, D>(f);
  });
}

namespace detail {

template <class W, BaseDevice D>
using any_model_of = AnyModel<typename build<W, D>::activation, D>;

// What loads into an AnyModel.
template <class Found>
auto load_into(Found& found, const checkpoint& source, const LoadOptions& options) {
  return [&]<class M>(std::type_identity<M>) { found.emplace(load_erased<M>(source, options)); };
}

}  // namespace detail

/// transformers.AutoModelForCausalLM. W any_q keeps each weight in the dtype that the file has, or LoadOptions::dtype.
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModelForCausalLM {
  using model = detail::any_model_of<W, D>;

  /// Throws unsupported_error for an architecture or class outside the list, and what loading throws.
  static model from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    return load(checkpoint::open(resolve_model(id_or_path, options.revision)), options);
  }
  static model load(const checkpoint& source, const LoadOptions& options = {}) {
    std::optional<model> found;
    if (!with_causal_lm<W, D>(Archs(), source, detail::load_into(found, source, options)))
      detail::checkpoint_kind(source).fail(Archs(), "AutoModelForCausalLM", "a causal language model");
    return *std::move(found);
  }
};

/// The class that a checkpoint's config.json names in `architectures`, or the base model where it names none. GGUF
/// files, which name none, hold causal models.
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModel {
  using model = detail::any_model_of<W, D>;

  /// Throws unsupported_error for an architecture or class outside the list, and what loading throws.
  static model from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    return load(checkpoint::open(resolve_model(id_or_path, options.revision)), options);
  }
  static model load(const checkpoint& source, const LoadOptions& options = {}) {
    std::optional<model> found;
    if (!with_named_class<W, D>(Archs(), source, detail::load_into(found, source, options)))
      detail::checkpoint_kind(source).fail(Archs(), "AutoModel", "a class that hft has");
    return *std::move(found);
  }
};

}  // namespace hft
