// The run-time facade: a checkpoint's own config decides which model class is loaded, out of a closed list of
// architectures that the user may extend.
//
//   auto any  = AutoModelForCausalLM<>::from_pretrained("smollm2");  // of the default list, dtype as stored
//   auto mine = AutoModelForCausalLM<bf16, cpu, archs<llama, my_arch>>::from_pretrained(folder);
//
// hft/archs.hpp says what an architecture is.
#pragma once
#include <array>
#include <concepts>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/archs.hpp>
#include <hft/io/hub.hpp>
#include <hft/models/any_config.hpp>
#include <hft/models/any_model.hpp>
#include <hft/nearest_name.hpp>
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
struct masked_image_modeling {
  static constexpr const char *name = "AutoModelForMaskedImageModeling", *suffix = "ForMaskedImageModeling",
                              *expected = "a model that finds hidden patches of images";
};
struct image_classification {
  static constexpr const char *name = "AutoModelForImageClassification", *suffix = "ForImageClassification",
                              *expected = "a classifier of images";
};

namespace detail {

/// What files call an architecture.
struct architecture_name {
  const char* model_type;
  std::string_view gguf_architecture;
  std::span<const std::pair<std::string_view, std::string_view>> gguf_classes;  // its other names
  bool (*gguf_told)(const gguf_file&);  // tells its files from those of others with that name; null: there are none
};
template <class Arch>
inline constexpr architecture_name architecture_name_of{Arch::model_type, gguf_architecture_of<Arch>(),
                                                        gguf_classes_of<Arch>(), gguf_told_of<Arch>()};

/// What a checkpoint says of itself: its model_type and the class that wrote it (none for GGUF files).
struct checkpoint_kind {
  std::string where, model_type, architecture;
  const gguf_file* gguf = nullptr;

  explicit checkpoint_kind(const checkpoint& source)
      : where(source.path().string()), gguf(source.is_gguf() ? &source.gguf() : nullptr) {
    if (gguf) {
      model_type = gguf->at("general.architecture").as_string();
      return;
    }
    const auto file = source.path() / "config.json";
    read(read_config_json(file), file.string());
  }
  checkpoint_kind(const std::filesystem::path& folder, const json& config) : where(folder.string()) {
    read(config, (folder / "config.json").string());
  }

  bool is(const architecture_name& a) const {
    if (!gguf) return model_type == a.model_type;
    bool called = model_type == a.gguf_architecture;
    for (const auto& other : a.gguf_classes) called = called || model_type == other.first;
    return called && (!a.gguf_told || a.gguf_told(*gguf));
  }

  /// Whether it names the class of an architecture that has this suffix. GGUF files, which name none, hold models that
  /// generate, or what the architecture says.
  bool names(const architecture_info& of, std::string_view suffix) const {
    if (!gguf) return architecture == of.class_name(suffix);
    const std::string_view held = of.names.gguf_class_in(model_type);
    if (!held.empty() && gguf->find_tensor("cls.output.weight")) return suffix == sequence_classification::suffix;
    return held.empty() ? suffix == causal_lm::suffix || suffix == seq2seq_lm::suffix : suffix == held;
  }

  template <class... Archs>
  [[noreturn]] void fail(archs<Archs...>, const char* what, const char* expected) const {
    const std::array<architecture_name, sizeof...(Archs)> list{architecture_name_of<Archs>...};
    fail(list, what, expected);
  }
  [[noreturn]] void fail(std::span<const architecture_name> list, const char* what, const char* expected) const {
    std::string known;
    std::vector<std::string_view> names;
    for (const architecture_name& a : list) {
      names.push_back(a.model_type);
      if (is(a))
        throw unsupported_error(where, joined(what, " of model_type ", quote_text(model_type)), expected,
                                architecture.empty() ? std::string("none") : architecture);
      known += cat(known.empty() ? "" : ", ", a.model_type);
    }
    throw unsupported_error(
        where, what, cat("a model_type of this list, the nearest '", nearest_name(model_type, names), "': ", known),
        quote_text(model_type) + (architecture.empty() ? "" : " (" + architecture + ")"));
  }

 private:
  void read(const json& config, const std::string& file) {
    model_type = require<std::string>(config, "model_type", file);
    const auto names = get<std::vector<std::string>>(config, "architectures", {}, file);
    if (!names.empty()) architecture = names[0];
  }
};

/// A model with body Body; what of its class its architecture alone needs is arguments.
template <class Body>
std::unique_ptr<NamedModel<Body>> load_body(const architecture_info& architecture,
                                            typename Body::options (*options_of)(const AnyConfig&),
                                            const checkpoint& source, const LoadOptions& options) {
  AnyConfig config = read_config(architecture, source, options);
  const typename Body::options built_from = options_of(config);
  auto model = std::make_unique<NamedModel<Body>>(std::move(config), built_from);
  load_model(*model, model->any_config(), model->generation_config, source, options);
  return model;
}
template <class Model>
typename Model::body_type::options body_options_of(const AnyConfig& config) {
  return body_options<typename Model::body_type>(config.as<typename Model::config_type>());
}

// What is chosen from is data, a table for each architecture and for each list of them: code for each element would be
// most of a program. No function below is a lambda inside one that has the list of architectures or of classes as
// arguments, and no table is one's own: their names, in every object thrice, would repeat the list.

/// Whether f takes class M, and has been called with it.
template <class M, class F>
bool call_if_taken(const F& f) {
  if constexpr (std::invocable<const F&, std::type_identity<M>>) return f(std::type_identity<M>()), true;
  return false;
}
template <class Head, class M, class F>
bool call_if_headed(const F& f) {
  if constexpr (std::string_view(M::body_type::class_suffix) == Head::suffix) return call_if_taken<M>(f);
  return false;
}

template <class Head, class F, class... Models>
bool call_with_head(type_list<Models...>, const F& f) {
  return (call_if_headed<Head, Models>(f) || ...);
}
template <class F, class... Models>
bool call_with_nth(type_list<Models...>, isize n, const F& f) {
  isize i = 0;
  return ((i++ == n && call_if_taken<Models>(f)) || ...);
}
template <class Arch, class W, class D, class F>
bool call_with_base(const F& f) {
  if constexpr (requires { typename Arch::template base_model<W, D>; })
    return call_if_taken<typename Arch::template base_model<W, D>>(f);
  return false;
}

/// What a class of an architecture is called.
struct class_name {
  const architecture_info* architecture;
  const char* suffix;
};
template <class... Models>
constexpr std::array<class_name, sizeof...(Models)> class_names_of(type_list<Models...>) {
  return {{{&architecture_of<typename Models::config_type>, Models::body_type::class_suffix}...}};
}
template <class Arch, class W, class D>
inline constexpr auto class_names = class_names_of(typename Arch::template models<W, D>());

/// Which of some classes the checkpoint names; -1: none.
inline isize named_class_among(std::span<const class_name> classes, const checkpoint_kind& kind) {
  for (std::size_t i = 0; i < classes.size(); ++i)
    if (kind.names(*classes[i].architecture, classes[i].suffix)) return isize(i);
  return -1;
}

template <class W, class D, class F>
struct find_class {
  const F& f;
  template <class Arch>
  static bool in(const find_class& self, const checkpoint_kind& kind) {
    const isize named = named_class_among(class_names<Arch, W, D>, kind);
    if (named >= 0 && call_with_nth(typename Arch::template models<W, D>(), named, self.f)) return true;
    return kind.architecture.empty() && call_with_base<Arch, W, D>(self.f);
  }
};
struct encoder_alone {  // of an architecture that has a decoder, too
  static constexpr const char* suffix = "EncoderModel";
};
template <class W, class D, class F>
struct find_encoder {
  const F& f;
  template <class Arch>
  static bool in(const find_encoder& self, const checkpoint_kind&) {
    return call_with_head<encoder_alone>(typename Arch::template models<W, D>(), self.f) ||
           call_with_base<Arch, W, D>(self.f);
  }
};
template <class Head, class W, class D, class F>
struct find_head {
  const F& f;
  template <class Arch>
  static bool in(const find_head& self, const checkpoint_kind&) {
    return call_with_head<Head>(typename Arch::template models<W, D>(), self.f);
  }
};

template <class Find>
struct listed_architecture {
  architecture_name name;
  bool (*find)(const Find&, const checkpoint_kind&);
};

/// Find::in of the first architecture of the list that has the checkpoint's model_type and for which it is true.
template <class Find, class... Archs>
bool with_architecture(archs<Archs...>, const checkpoint_kind& kind, const Find& find) {
  static constexpr std::array<listed_architecture<Find>, sizeof...(Archs)> list{
      {{architecture_name_of<Archs>, &Find::template in<Archs>}...}};
  for (const auto& a : list)
    if (kind.is(a.name) && a.find(find, kind)) return true;
  return false;
}

}  // namespace detail

/// Calls f(std::type_identity<M>) with the class M that a checkpoint names in `architectures`; where it names none with
/// the causal model of a GGUF file, else the base model. Classes that f does not take are not in the list. Returns
/// whether there was one.
template <class W, Device D, class... Archs, class F>
bool with_named_class(archs<Archs...> list, const checkpoint& source, const F& f) {
  return detail::with_architecture(list, detail::checkpoint_kind(source), detail::find_class<W, D, F>{f});
}

/// The same with the architecture's first class that has such a head, whatever the checkpoint names: Head::suffix is
/// "ForCausalLM", for example.
template <class Head, class W, Device D, class... Archs, class F>
bool with_head(archs<Archs...> list, const checkpoint& source, const F& f) {
  return detail::with_architecture(list, detail::checkpoint_kind(source), detail::find_head<Head, W, D, F>{f});
}

/// The same with the architecture's class that makes vectors of tokens, whatever the checkpoint names: the encoder
/// alone of one with a decoder, else the base model.
template <class W, Device D, class... Archs, class F>
bool with_encoder(archs<Archs...> list, const checkpoint& source, const F& f) {
  return detail::with_architecture(list, detail::checkpoint_kind(source), detail::find_encoder<W, D, F>{f});
}

namespace detail {

template <class W, BaseDevice D>
using any_model_of = AnyModel<typename build<W, D>::activation, D>;

/// How a class is loaded: by what all classes with such a body share. The type of what that is told is erased.
template <class Model>
class class_loader {
 public:
  template <class M>
  explicit class_loader(std::type_identity<M>)
      : architecture_(architecture_of<typename M::config_type>),
        options_of_(reinterpret_cast<void (*)()>(&body_options_of<M>)),
        load_(load<typename M::body_type>) {}

  Model operator()(const checkpoint& source, const LoadOptions& options) const { return load_(*this, source, options); }

 private:
  template <class Body>
  static Model load(const class_loader& of, const checkpoint& source, const LoadOptions& options) {
    const auto options_of = reinterpret_cast<typename Body::options (*)(const AnyConfig&)>(of.options_of_);
    return Model(load_body<Body>(of.architecture_, options_of, source, options));
  }

  const architecture_info& architecture_;
  void (*options_of_)();
  Model (*load_)(const class_loader&, const checkpoint&, const LoadOptions&);
};

/// Remembers the class that it is called with.
template <class Model>
struct found_class {
  std::optional<class_loader<Model>>& loader;
  template <class M>
  void operator()(std::type_identity<M> type) const {
    loader.emplace(type);
  }
};

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
  std::optional<class_loader<model>> loader;
  if (!Choice::template find<W, D>(Archs(), source, found_class<model>{loader}))
    checkpoint_kind(source).fail(Archs(), Choice::name, Choice::expected);
  return (*loader)(source, options);
}

struct named_class {
  static constexpr const char *name = "AutoModel", *expected = "a class that hft has";
  template <class W, class D, class Archs, class F>
  static bool find(Archs list, const checkpoint& source, const F& f) {
    return with_named_class<W, D>(list, source, f);
  }
};
struct encoder_class {
  static constexpr const char *name = "AutoEncoder", *expected = "a model without a head";
  template <class W, class D, class Archs, class F>
  static bool find(Archs list, const checkpoint& source, const F& f) {
    return with_encoder<W, D>(list, source, f);
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

namespace detail {

/// An architecture of a list, and its config.
struct listed_config {
  architecture_name name;
  const architecture_info* info;
};

/// The config of a checkpoint of one of them.
inline AnyConfig read_listed_config(std::span<const listed_config> list, const std::filesystem::path& path,
                                    const LoadOptions& options) {
  const auto info_of = [&](const checkpoint_kind& kind) -> const architecture_info& {
    std::vector<architecture_name> names;
    for (const auto& listed : list) {
      if (kind.is(listed.name)) return *listed.info;
      names.push_back(listed.name);
    }
    kind.fail(names, "AutoConfig", "");
  };
  const auto file = path / "config.json";
  if (!std::filesystem::is_regular_file(file)) {
    const auto source = checkpoint::open(path);
    return read_config(info_of(checkpoint_kind(source)), source, options);
  }
  const json object = read_config_json(file);
  return read_config(info_of(checkpoint_kind(path, object)), object, file.string(), options);
}

/// Reads the config of any architecture of a list.
template <class Archs>
struct config_reader;
template <class... Archs>
struct config_reader<archs<Archs...>> {
  static AnyConfig read(const std::filesystem::path& path, const LoadOptions& options);
};
template <class... Archs>
AnyConfig config_reader<archs<Archs...>>::read(const std::filesystem::path& path, const LoadOptions& options) {
  const std::array<listed_config, sizeof...(Archs)> list{
      {{architecture_name_of<Archs>, &architecture_of<typename config_of_arch<Archs>::type>}...}};
  return read_listed_config(list, path, options);
}

}  // namespace detail

/// The config of a checkpoint, whatever its architecture; the weights need not be there.
///   const auto config = AutoConfig::from_pretrained("smollm2");
///   config.model_type(), config.get<isize>("hidden_size"), config["rope_parameters"]
/// (transformers.AutoConfig)
struct AutoConfig {
  /// From a Transformers folder, a .gguf file, or a hub id that is in the hub cache; with the labels that options give.
  /// Throws unsupported_error, with the nearest names, for a model_type outside the list, and what reading throws.
  template <class Archs = default_archs>
  static AnyConfig from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    return detail::config_reader<Archs>::read(resolve_model(id_or_path, options.revision), options);
  }
};

/// The class that a checkpoint's config.json names in `architectures`, or the base model where it names none. GGUF
/// files, which name none, hold causal models. W any_q keeps each weight in the dtype that the file has, or
/// LoadOptions::dtype.
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModel : detail::auto_class<detail::named_class, W, D, Archs> {};

/// What makes vectors of tokens, whatever head the checkpoint names: the encoder of an architecture that has a decoder,
/// too (T5EncoderModel), else the base model.
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoEncoder : detail::auto_class<detail::encoder_class, W, D, Archs> {};

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
struct AutoModelForMaskedImageModeling : detail::auto_class<detail::head_class<masked_image_modeling>, W, D, Archs> {};
template <class W = any_q, BaseDevice D = cpu, class Archs = default_archs>
struct AutoModelForImageClassification : detail::auto_class<detail::head_class<image_classification>, W, D, Archs> {};

#ifdef HFT_COMPILED_AUTO
// Compiled once, in CMake's hft::auto (cmake/hftCompiled.cmake).
#define HFT_AUTO_CLASS(choice) HFT_AUTO_TEMPLATE template struct detail::auto_class<choice, any_q, cpu, default_archs>;
#ifndef HFT_AUTO_TEMPLATE
#define HFT_AUTO_TEMPLATE extern
#endif
HFT_AUTO_CLASS(detail::named_class)
HFT_AUTO_CLASS(detail::encoder_class)
HFT_AUTO_CLASS(detail::head_class<causal_lm>)
HFT_AUTO_CLASS(detail::head_class<masked_lm>)
HFT_AUTO_CLASS(detail::head_class<seq2seq_lm>)
HFT_AUTO_CLASS(detail::head_class<sequence_classification>)
HFT_AUTO_CLASS(detail::head_class<token_classification>)
HFT_AUTO_CLASS(detail::head_class<question_answering>)
HFT_AUTO_CLASS(detail::head_class<multiple_choice>)
HFT_AUTO_CLASS(detail::head_class<image_classification>)
HFT_AUTO_CLASS(detail::head_class<masked_image_modeling>)
#undef HFT_AUTO_CLASS
HFT_AUTO_TEMPLATE template struct detail::config_reader<default_archs>;
#endif

}  // namespace hft
