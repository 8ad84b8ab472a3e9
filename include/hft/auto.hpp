// The run-time facade: a checkpoint's own config decides which model class is loaded, out of a closed list of
// architectures that the user may extend.
//
//   auto any  = AutoModelForCausalLM<>::from_pretrained("smollm2");  // of the default list, dtype as stored
//   auto mine = AutoModelForCausalLM<bf16, cpu, archs<llama, my_arch>>::from_pretrained(folder);
//
// hft/archs.hpp says what an architecture is.
#pragma once
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/archs.hpp>
#include <hft/models/any_model.hpp>
#include <hft/type_list.hpp>

namespace hft {

// Heads, by the ends of their classes' names.
struct causal_lm {
  static constexpr const char *name = "AutoModelForCausalLM", *suffix = "ForCausalLM",
                              *expected = "a causal language model";
};
struct masked_lm {
  static constexpr const char *name = "AutoModelForMaskedLM", *suffix = "ForMaskedLM",
                              *expected = "a masked language model";
};
struct seq2seq_lm {
  static constexpr const char *name = "AutoModelForSeq2SeqLM", *suffix = "ForConditionalGeneration",
                              *expected = "an encoder and a decoder with a language model's head";
};
struct sequence_classification {
  static constexpr const char *name = "AutoModelForSequenceClassification", *suffix = "ForSequenceClassification",
                              *expected = "a classifier of sequences";
};
struct token_classification {
  static constexpr const char *name = "AutoModelForTokenClassification", *suffix = "ForTokenClassification",
                              *expected = "a classifier of tokens";
};
struct question_answering {
  static constexpr const char *name = "AutoModelForQuestionAnswering", *suffix = "ForQuestionAnswering",
                              *expected = "a model that finds answers in a text";
};
struct multiple_choice {
  static constexpr const char *name = "AutoModelForMultipleChoice", *suffix = "ForMultipleChoice",
                              *expected = "a model that chooses between texts";
};
struct image_classification {
  static constexpr const char *name = "AutoModelForImageClassification", *suffix = "ForImageClassification",
                              *expected = "a classifier of images";
};

namespace detail {

/// What a checkpoint says of itself: its model_type and the class that wrote it (none for GGUF files).
struct checkpoint_kind {
  std::string where, model_type, architecture;
  bool gguf = false;

  explicit checkpoint_kind(const checkpoint& source) : where(source.path().string()), gguf(source.is_gguf()) {
    if (gguf) {
      model_type = source.gguf().at("general.architecture").as_string();
      return;
    }
    const auto file = source.path() / "config.json";
    const json config = read_config_json(file);
    model_type = require<std::string>(config, "model_type", file.string());
    const auto names = get<std::vector<std::string>>(config, "architectures", {}, file.string());
    if (!names.empty()) architecture = names[0];
  }

  template <class Arch>
  bool is() const {
    return model_type == (gguf ? gguf_architecture_of<Arch>() : std::string_view(Arch::model_type));
  }

  template <class... Archs>
  [[noreturn]] void fail(archs<Archs...>, const char* what, const char* expected) const {
    if ((is<Archs>() || ...))
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
  NamedModel<Body> model(config, body_options<Body>(config.template as<Config>()));
  load_model(model, model.any_config(), model.generation_config, source, options);
  return model;
}

template <class Head, class F, class... Models>
bool call_with_head(type_list<Models...>, const F& f) {
  bool found = false;
  const auto attempt = [&]<class M>(std::type_identity<M> type) {
    constexpr bool has_it = std::string_view(M::body_type::class_suffix) == Head::suffix;
    if constexpr (has_it && std::invocable<const F&, std::type_identity<M>>)
      if (!std::exchange(found, true)) f(type);
  };
  (attempt(std::type_identity<Models>{}), ...);
  return found;
}

template <class Arch, class W, class D, class F, class... Models>
bool call_with_named_class(type_list<Models...>, const checkpoint_kind& kind, bool gguf, const F& f) {
  bool found = false;
  const auto attempt = [&]<class M>(std::type_identity<M> type) {
    if constexpr (std::invocable<const F&, std::type_identity<M>>)
      if (!found && kind.architecture == M::architecture()) found = true, f(type);
  };
  if (!kind.architecture.empty()) return (attempt(std::type_identity<Models>{}), ...), found;
  if (gguf && call_with_head<causal_lm>(type_list<Models...>(), f)) return true;
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
    if (!found && kind.template is<Arch>()) found = f(arch);
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

/// The same with the architecture's first class that has such a head, whatever the checkpoint names: Head::suffix is
/// "ForCausalLM", for example.
template <class Head, class W, Device D, class... Archs, class F>
bool with_head(archs<Archs...> list, const checkpoint& source, const F& f) {
  return detail::with_architecture(list, detail::checkpoint_kind(source), [&]<class Arch>(std::type_identity<Arch>) {
    return detail::call_with_head<Head>(typename Arch::template models<W, D>(), f);
  });
}

namespace detail {

template <class W, BaseDevice D>
using any_model_of = AnyModel<typename build<W, D>::activation, D>;

/// What Auto classes share. Choice: how a class is found, and what to say where there is none.
template <class Choice, class W, BaseDevice D, class Archs>
struct auto_class {
  using model = any_model_of<W, D>;

  /// Throws unsupported_error for an architecture or class outside the list, and what loading throws.
  static model from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    return load(checkpoint::open(resolve_model(id_or_path, options.revision)), options);
  }
  static model load(const checkpoint& source, const LoadOptions& options = {});
};

// Outside the class, so that a program that links hft::auto has it from there.
template <class Choice, class W, BaseDevice D, class Archs>
auto auto_class<Choice, W, D, Archs>::load(const checkpoint& source, const LoadOptions& options) -> model {
  std::optional<model> found;
  const auto load_it = [&]<class M>(std::type_identity<M>) { found.emplace(load_erased<M>(source, options)); };
  if (!Choice::template find<W, D>(Archs(), source, load_it))
    checkpoint_kind(source).fail(Archs(), Choice::name, Choice::expected);
  return *std::move(found);
}

struct named_class {
  static constexpr const char *name = "AutoModel", *expected = "a class that hft has";
  template <class W, class D, class Archs, class F>
  static bool find(Archs list, const checkpoint& source, const F& f) {
    return with_named_class<W, D>(list, source, f);
  }
};
template <class Head>
struct head_class : Head {
  template <class W, class D, class Archs, class F>
  static bool find(Archs list, const checkpoint& source, const F& f) {
    return with_head<Head, W, D>(list, source, f);
  }
};

}  // namespace detail

/// The class that a checkpoint's config.json names in `architectures`, or the base model where it names none. GGUF
/// files, which name none, hold causal models. W any_q keeps each weight in the dtype that the file has, or
/// LoadOptions::dtype.
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModel : detail::auto_class<detail::named_class, W, D, Archs> {};

/// The architecture's class of that kind, whatever the checkpoint names: transformers.AutoModelForCausalLM and its
/// like.
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModelForCausalLM : detail::auto_class<detail::head_class<causal_lm>, W, D, Archs> {};
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModelForMaskedLM : detail::auto_class<detail::head_class<masked_lm>, W, D, Archs> {};
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModelForSeq2SeqLM : detail::auto_class<detail::head_class<seq2seq_lm>, W, D, Archs> {};
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModelForSequenceClassification
    : detail::auto_class<detail::head_class<sequence_classification>, W, D, Archs> {};
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModelForTokenClassification : detail::auto_class<detail::head_class<token_classification>, W, D, Archs> {};
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModelForQuestionAnswering : detail::auto_class<detail::head_class<question_answering>, W, D, Archs> {};
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModelForMultipleChoice : detail::auto_class<detail::head_class<multiple_choice>, W, D, Archs> {};
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModelForImageClassification : detail::auto_class<detail::head_class<image_classification>, W, D, Archs> {};

#ifdef HFT_COMPILED_AUTO
// Compiled once, in CMake's hft::auto: see linkage.hpp.
#define HFT_AUTO_CLASS(choice) HFT_AUTO_TEMPLATE template struct detail::auto_class<choice, any_q, cpu, default_archs>;
#ifndef HFT_AUTO_TEMPLATE
#define HFT_AUTO_TEMPLATE extern
#endif
HFT_AUTO_CLASS(detail::named_class)
HFT_AUTO_CLASS(detail::head_class<causal_lm>)
HFT_AUTO_CLASS(detail::head_class<masked_lm>)
HFT_AUTO_CLASS(detail::head_class<seq2seq_lm>)
HFT_AUTO_CLASS(detail::head_class<sequence_classification>)
HFT_AUTO_CLASS(detail::head_class<token_classification>)
HFT_AUTO_CLASS(detail::head_class<question_answering>)
HFT_AUTO_CLASS(detail::head_class<multiple_choice>)
HFT_AUTO_CLASS(detail::head_class<image_classification>)
#undef HFT_AUTO_CLASS
#endif

}  // namespace hft
