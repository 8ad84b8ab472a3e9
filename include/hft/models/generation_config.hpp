// GenerationConfig: the settings of generate, and the defaults that a checkpoint carries in generation_config.json.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#include <hft/models/config.hpp>
#include <hft/nearest_name.hpp>

namespace hft {

namespace detail {
class generation_field;
}

/// When beam search may end: `false` once no running beam is likely to win, `true` as soon as num_beams sequences are
/// finished, "never" only when none can win any more.
struct EarlyStopping {
  enum kind_t { off, on, never } kind = off;

  EarlyStopping() = default;
  EarlyStopping(bool b) : kind(b ? on : off) {}  // NOLINT: Transformers' field is a bool or a string
  /// Throws value_error unless `text` is "never".
  EarlyStopping(const char* text) : kind(never) {  // NOLINT
    if (std::string_view(text) != "never")
      throw value_error("GenerationConfig", "early_stopping", "true, false or 'never'", detail::quote_text(text));
  }
  friend bool operator==(const EarlyStopping&, const EarlyStopping&) = default;
};

/// A bias that the last of `token_ids` gets where the others stand at the end of the text.
struct SequenceBias {
  std::vector<i64> token_ids;
  f64 bias = 0;
};

/// The penalty grows as factor^n from the n-th new token after `start` on.
struct ExponentialDecay {
  isize start = 0;
  f64 factor = 1;
};

/// transformers.GenerationConfig; fields have its names. What is not set (an empty optional or list) takes the value of
/// the model's own generation_config, and then the default that stands beside it here.
struct GenerationConfig {
  // ---- length
  std::optional<isize> max_length{};      // prompt and new tokens together; default: 20 new tokens
  std::optional<isize> max_new_tokens{};  // wins over max_length
  std::optional<isize> min_length{};      // prompt and new tokens together; 0
  std::optional<isize> min_new_tokens{};
  std::optional<f64> max_time{};            // seconds; the token that passes it is the last
  std::vector<std::string> stop_strings{};  // of ids, they need GenerateOptions::decode
  // ---- strategy
  std::optional<bool> do_sample{};  // false
  std::optional<bool> use_cache{};  // true
  // The cache that generate makes: dynamic, static, offloaded, offloaded_static or quantized, whose header a program
  // includes. What Transformers gave up (sliding_window, hybrid, ...) is the model's own layers
  std::optional<std::string> cache_implementation{};  // dynamic
  json cache_config{};                                // quantized: see QuantizedCacheConfig; offloaded: a "folder"
  std::optional<isize> max_cache_len{};               // static: room for as many tokens, if these are more than come
  std::optional<isize> num_beams{};                   // 1
  std::optional<isize> num_return_sequences{};        // 1; each of a prompt's, one after the other
  std::optional<EarlyStopping> early_stopping{};      // beams; false
  std::optional<f64> length_penalty{};                // beams: scores are divided by length^length_penalty; 1
  std::optional<isize> num_beam_groups{};             // group beam search; 1
  std::optional<f64> diversity_penalty{};             // of tokens that earlier groups chose; 0
  json force_words_ids{};               // beams: sequences of ids that must be said, or lists of such to choose from
  std::optional<bool> low_memory{};     // one after the other what else is computed side by side; false
  std::optional<f64> penalty_alpha{};   // contrastive search, with top_k above 1
  json dola_layers{};                   // DoLa: "low", "high" or numbers of layers, which are held against the last
  std::optional<f64> guidance_scale{};  // classifier-free guidance; 1
  // ---- drafts, which the model accepts in part (assisted generation)
  std::optional<isize> num_assistant_tokens{};                 // 20
  std::optional<std::string> num_assistant_tokens_schedule{};  // constant, heuristic or heuristic_transient; constant
  std::optional<f64> assistant_confidence_threshold{};         // a draft ends below; 0.4
  std::optional<isize> assistant_early_exit{};                 // drafts are what the first so many layers say
  std::optional<isize> prompt_lookup_num_tokens{};             // drafts are looked up in the text so far
  std::optional<isize> max_matching_ngram_size{};              // by its last so many tokens; 2
  // ---- what sampling may choose from
  std::optional<f64> temperature{};     // 1
  std::optional<isize> top_k{};         // 50; 0 for all
  std::optional<f64> top_p{};           // 1
  std::optional<f64> min_p{};           // relative to the most probable token
  std::optional<f64> top_h{};           // share of the entropy (Potraghloo et al. 2025)
  std::optional<f64> typical_p{};       // Meister et al. 2022; 1
  std::optional<f64> epsilon_cutoff{};  // Hewitt et al. 2022; 0
  std::optional<f64> eta_cutoff{};      // Hewitt et al. 2022; 0
  // ---- changes to the scores, greedy or sampled
  std::optional<f64> repetition_penalty{};          // 1
  std::optional<f64> encoder_repetition_penalty{};  // of tokens that are not in the prompt; 1
  std::optional<isize> no_repeat_ngram_size{};
  std::optional<isize> encoder_no_repeat_ngram_size{};  // n-grams of the prompt
  std::vector<std::vector<i64>> bad_words_ids{};
  std::vector<SequenceBias> sequence_bias{};
  std::vector<i64> suppress_tokens{};
  std::vector<i64> begin_suppress_tokens{};
  std::optional<i64> forced_bos_token_id{};
  std::optional<TokenIds> forced_eos_token_id{};  // the last token where max_length is reached
  std::optional<ExponentialDecay> exponential_decay_length_penalty{};
  std::optional<bool> remove_invalid_values{};
  std::optional<bool> renormalize_logits{};
  json watermarking_config{};  // a WatermarkingConfig or SynthIDTextWatermarkingConfig
  // ---- special tokens
  std::optional<i64> bos_token_id{};            // what an empty prompt starts with
  std::optional<i64> pad_token_id{};            // default: the first of eos_token_id
  std::optional<TokenIds> eos_token_id{};       // an empty list: none
  std::optional<i64> decoder_start_token_id{};  // what a decoder beside an encoder starts with; default: bos_token_id
  // ---- what is returned beside the sequences; see GenerateOutput
  std::optional<bool> output_scores{};         // false
  std::optional<bool> output_logits{};         // false
  std::optional<bool> output_attentions{};     // false
  std::optional<bool> output_hidden_states{};  // false
  // ---- hft's own
  std::optional<std::uint64_t> seed{};  // of sampling; 0
  json other = json::object();          // fields of generation_config.json that hft has no member for

  /// The fields that JSON has, those of a config that is const to be read only.
  std::array<detail::generation_field, 59> fields() const;
  static std::vector<std::string_view> field_names();

  /// Transformers' values for what neither the call nor the model sets, where that is more than "off".
  static GenerationConfig defaults() {
    GenerationConfig c;
    c.min_length = 0;
    c.do_sample = false;
    c.use_cache = true;
    c.num_beams = 1;
    c.num_return_sequences = 1;
    c.early_stopping = EarlyStopping{};
    c.length_penalty = 1;
    c.temperature = 1;
    c.top_k = 50;
    c.top_p = 1;
    c.typical_p = 1;
    c.seed = 0;
    return c;
  }

  /// Sets the fields that a JSON object names; others keep their values, and null sets none. Fields that hft has no
  /// member for are kept in `other`. Throws format_error for a value of a wrong type; `where` names the file.
  void update(const json& object, std::string_view where = "GenerationConfig");

  /// Throws value_error, which names the nearest field, for a key that no field of Transformers' GenerationConfig has:
  /// for settings that someone writes. A checkpoint's file may be newer than this list.
  static void check_names(const json& object, std::string_view where);

  /// Takes from `defaults` what is not set here. (GenerationConfig.update with defaults_only)
  void fill_unset(const GenerationConfig& defaults);

  /// Throws value_error for a setting outside its range or that contradicts another, unsupported_error for one of
  /// `other` that would change what is generated.
  void check() const;

  /// The JSON object of the fields that are set, `seed` excepted: Transformers knows none.
  json to_json() const;
};

#if HFT_DEFINES(MODELS)

namespace detail {

// ---- how JSON says a field: `field = value`, for which errors name `where` and `key`, and back

inline const json::array_t& json_elements(const json& value, std::string_view where, const char* key) {
  if (!value.is_array()) json_mismatch(value, where, key, "an array");
  return value.get_ref<const json::array_t&>();
}
inline const json::array_t& json_pair(const json& value, std::string_view where, const char* key,
                                      const char* expected) {
  const auto& pair = json_elements(value, where, key);
  if (pair.size() != 2) json_mismatch(value, where, key, expected);
  return pair;
}

template <class T>
void read_field(std::optional<T>& field, const json& value, std::string_view where, const char* key) {
  field = config_value<T>(value, where, key);
}
template <class T>
void read_field(std::vector<T>& field, const json& value, std::string_view where, const char* key) {
  field = json_as<std::vector<T>>(value, where, key);
}
inline void read_field(std::vector<std::string>& texts, const json& value, std::string_view where, const char* key) {
  if (value.is_string())
    texts.assign(1, json_as<std::string>(value, where, key));
  else
    texts = json_as<std::vector<std::string>>(value, where, key);
}
inline void read_field(std::optional<EarlyStopping>& early, const json& value, std::string_view where,
                       const char* key) {
  early = value.is_string() ? EarlyStopping(json_as<std::string>(value, where, key).c_str())
                            : EarlyStopping(json_as<bool>(value, where, key));
}
inline void read_field(std::optional<ExponentialDecay>& decay, const json& value, std::string_view where,
                       const char* key) {
  const auto& pair = json_pair(value, where, key, "a list of a start and a factor");
  decay = {json_as<isize>(pair[0], where, key), json_as<f64>(pair[1], where, key)};
}
inline void read_field(std::vector<SequenceBias>& biases, const json& value, std::string_view where, const char* key) {
  biases.clear();
  for (const json& entry : json_elements(value, where, key)) {
    const auto& pair = json_pair(entry, where, key, "a list of token ids and a bias");
    biases.push_back({json_as<std::vector<i64>>(pair[0], where, key), json_as<f64>(pair[1], where, key)});
  }
}

inline void read_field(json& field, const json& value, std::string_view, const char*) { field = value; }

template <class T>
json field_json(const T& field) {
  return config_json(field);
}
inline json field_json(const std::optional<EarlyStopping>& early) {
  if (!early) return nullptr;
  return early->kind == EarlyStopping::never ? json("never") : json(early->kind == EarlyStopping::on);
}
inline json field_json(const std::optional<ExponentialDecay>& decay) {
  return decay ? json::array({decay->start, decay->factor}) : json();
}
inline json field_json(const json& field) { return field; }
inline json field_json(const std::vector<SequenceBias>& biases) {
  json list;
  for (const auto& b : biases) list.push_back(json::array({b.token_ids, b.bias}));
  return list;
}

template <class T>
bool is_set(const std::optional<T>& field) {
  return field.has_value();
}
template <class T>
bool is_set(const std::vector<T>& field) {
  return !field.empty();
}

inline bool is_set(const json& field) { return !field.is_null(); }

/// A field of a GenerationConfig with its type at run time: what is done with all fields is compiled once for each
/// type.
class generation_field {
 public:
  template <class T>
  generation_field(const char* name, const T& field)
      : name(name), field_(const_cast<T*>(&field)), type_(types::index_of<T>()) {}

  const char* name;
  /// Calls f with the field as a T&.
  template <class F>
  void visit(const F& f) const {
    types::visit(type_, field_, f);
  }
  /// The same field of another config.
  template <class T>
  const T& as() const {
    return *static_cast<const T*>(field_);
  }

 private:
  template <class... T>
  struct type_list {
    template <class U>
    static constexpr int index_of() {
      static_assert((std::is_same_v<T, U> || ...), "hft: generation_field::types lacks the type of this field");
      int i = 0;
      (void)((std::is_same_v<T, U> || (++i, false)) || ...);
      return i;
    }
    template <class F>
    static void visit(int type, void* field, const F& f) {
      ((type == index_of<T>() ? f(*static_cast<T*>(field)) : void()), ...);
    }
  };
  using types = type_list<std::optional<isize>, std::optional<f64>, std::optional<bool>, std::optional<std::uint64_t>,
                          std::optional<EarlyStopping>, std::optional<ExponentialDecay>, std::optional<TokenIds>,
                          std::vector<i64>, std::vector<std::vector<i64>>, std::vector<std::string>,
                          std::vector<SequenceBias>, std::optional<std::string>, json>;
  void* field_;
  int type_;
};

/// Throws where a value lies outside of least ... most, which includes both, but no NaN.
template <class T>
[[gnu::noinline]] void check_range(const char* field, const std::optional<T>& value, std::type_identity_t<T> least,
                                   std::type_identity_t<T> most, const char* expected) {
  if (value && !(*value >= least && *value <= most))
    throw value_error("GenerationConfig", field, expected, joined(*value));
}
[[gnu::noinline]] inline void check_ids(const char* field, std::span<const i64> ids) {
  for (const i64 id : ids) check_range<i64>(field, id, 0, std::numeric_limits<i64>::max(), "token ids of at least 0");
}
/// For a list that a field contains.
inline void check_sequence(const char* field, std::span<const i64> ids) {
  if (ids.empty()) throw value_error("GenerationConfig", field, "lists that are not empty", "[]");
  check_ids(field, ids);
}

/// A token that is forced must be one that may be said.
HFT_INLINE_ONCE void check_forced_tokens(const GenerationConfig& c) {
  const auto refuse = [&](const char* field, std::span<const i64> forced) {
    const auto suppressed = [&](i64 id) {
      return std::find(c.suppress_tokens.begin(), c.suppress_tokens.end(), id) != c.suppress_tokens.end();
    };
    if (!forced.empty() && std::all_of(forced.begin(), forced.end(), suppressed))
      throw value_error("GenerationConfig", field, "a token that suppress_tokens does not rule out", joined(forced[0]));
  };
  if (c.forced_bos_token_id) refuse("forced_bos_token_id", {&*c.forced_bos_token_id, 1});
  if (c.forced_eos_token_id) refuse("forced_eos_token_id", c.forced_eos_token_id->ids);
}

}  // namespace detail

HFT_INLINE_ONCE std::vector<std::string_view> GenerationConfig::field_names() {
  std::vector<std::string_view> names;
  const GenerationConfig any;
  for (const auto& field : any.fields()) names.push_back(field.name);
  return names;
}

[[gnu::noinline]] HFT_INLINE std::array<detail::generation_field, 59> GenerationConfig::fields() const {
  return {{
      {"max_length", max_length},
      {"max_new_tokens", max_new_tokens},
      {"min_length", min_length},
      {"min_new_tokens", min_new_tokens},
      {"max_time", max_time},
      {"stop_strings", stop_strings},
      {"do_sample", do_sample},
      {"use_cache", use_cache},
      {"cache_implementation", cache_implementation},
      {"cache_config", cache_config},
      {"max_cache_len", max_cache_len},
      {"num_beams", num_beams},
      {"num_return_sequences", num_return_sequences},
      {"early_stopping", early_stopping},
      {"length_penalty", length_penalty},
      {"num_beam_groups", num_beam_groups},
      {"diversity_penalty", diversity_penalty},
      {"force_words_ids", force_words_ids},
      {"low_memory", low_memory},
      {"penalty_alpha", penalty_alpha},
      {"dola_layers", dola_layers},
      {"guidance_scale", guidance_scale},
      {"num_assistant_tokens", num_assistant_tokens},
      {"num_assistant_tokens_schedule", num_assistant_tokens_schedule},
      {"assistant_confidence_threshold", assistant_confidence_threshold},
      {"assistant_early_exit", assistant_early_exit},
      {"prompt_lookup_num_tokens", prompt_lookup_num_tokens},
      {"max_matching_ngram_size", max_matching_ngram_size},
      {"temperature", temperature},
      {"top_k", top_k},
      {"top_p", top_p},
      {"min_p", min_p},
      {"top_h", top_h},
      {"typical_p", typical_p},
      {"epsilon_cutoff", epsilon_cutoff},
      {"eta_cutoff", eta_cutoff},
      {"repetition_penalty", repetition_penalty},
      {"encoder_repetition_penalty", encoder_repetition_penalty},
      {"no_repeat_ngram_size", no_repeat_ngram_size},
      {"encoder_no_repeat_ngram_size", encoder_no_repeat_ngram_size},
      {"bad_words_ids", bad_words_ids},
      {"sequence_bias", sequence_bias},
      {"suppress_tokens", suppress_tokens},
      {"begin_suppress_tokens", begin_suppress_tokens},
      {"forced_bos_token_id", forced_bos_token_id},
      {"forced_eos_token_id", forced_eos_token_id},
      {"exponential_decay_length_penalty", exponential_decay_length_penalty},
      {"remove_invalid_values", remove_invalid_values},
      {"renormalize_logits", renormalize_logits},
      {"watermarking_config", watermarking_config},
      {"bos_token_id", bos_token_id},
      {"pad_token_id", pad_token_id},
      {"eos_token_id", eos_token_id},
      {"decoder_start_token_id", decoder_start_token_id},
      {"output_scores", output_scores},
      {"output_logits", output_logits},
      {"output_attentions", output_attentions},
      {"output_hidden_states", output_hidden_states},
      {"seed", seed},
  }};
}

HFT_INLINE_ONCE void GenerationConfig::update(const json& object, std::string_view where) {
  json rest = object;
  for (const auto& field : fields()) {
    if (const json* value = find_member(object, field.name, where))
      field.visit([&](auto& f) { detail::read_field(f, *value, where, field.name); });
    rest.erase(field.name);
  }
  detail::remove_unset(rest);
  other.update(rest);
}

[[gnu::noinline]] HFT_INLINE void GenerationConfig::fill_unset(const GenerationConfig& defaults) {
  const auto values = defaults.fields();
  for (std::size_t i = 0; const auto& field : fields()) {
    field.visit([&]<class T>(T& f) {
      if (!detail::is_set(f)) f = T(values[i].as<T>());
    });
    ++i;
  }
  json merged = defaults.other;
  merged.update(other);
  other = std::move(merged);
}

HFT_INLINE_ONCE json GenerationConfig::to_json() const {
  json object = other;
  for (const auto& field : fields()) field.visit([&](const auto& f) { object[field.name] = detail::field_json(f); });
  detail::remove_unset(object);
  object.erase("seed");
  return object;
}

HFT_INLINE_ONCE void GenerationConfig::check() const {
  using detail::check_ids, detail::check_range, detail::check_sequence;
  const auto fail = [](const char* field, const char* expected, detail::message got) {
    throw value_error("GenerationConfig", field, expected, got);
  };
  constexpr isize any = std::numeric_limits<isize>::max();
  check_range("max_new_tokens", max_new_tokens, 1, any, "at least 1");
  check_range("max_length", max_length, 1, any, "at least 1");
  check_range("num_beams", num_beams, 1, 1 << 16, "1 to 65536");
  check_range("max_cache_len", max_cache_len, 1, isize(1) << 40, "at least 1");
  if (cache_implementation) {
    static constexpr std::string_view kinds[] = {
        "dynamic", "static",         "offloaded",        "offloaded_static",         "quantized", "sliding_window",
        "hybrid",  "hybrid_chunked", "offloaded_hybrid", "offloaded_hybrid_chunked", "paged"};
    if (std::find(std::begin(kinds), std::end(kinds), *cache_implementation) == std::end(kinds))
      fail("cache_implementation", "dynamic, static, offloaded, offloaded_static or quantized",
           detail::quote_text(*cache_implementation));
  }
  const isize beams = num_beams.value_or(1), returned = num_return_sequences.value_or(1);
  check_range("num_beam_groups", num_beam_groups, 1, 1 << 16, "1 to 65536");
  if (diversity_penalty.value_or(0) != 0 && num_beam_groups.value_or(1) == 1)
    fail("diversity_penalty", "0, or num_beam_groups above 1", detail::joined(*diversity_penalty));
  check_range("num_return_sequences", num_return_sequences, beams > 1 ? 1 : -any, 1 << 16, "1 to 65536");

  // What is not checked here is off outside its range: n-gram sizes and least lengths below 1, cutoffs outside (0, 1),
  // without beams a number of sequences below 1.
  using limits = std::numeric_limits<f64>;
  constexpr f64 above_0 = limits::denorm_min(), largest = limits::max();
  check_range("max_time", max_time, -limits::infinity(), limits::infinity(), "a number of seconds");
  if (do_sample.value_or(false)) {
    check_range("temperature", temperature, above_0, largest, "above 0 (for greedy search: do_sample = false)");
    check_range("top_k", top_k, 0, any, "at least 0");
    check_range("top_p", top_p, 0, limits::infinity(), "at least 0");  // off from 1 on, as typical_p
    check_range("min_p", min_p, 0, 1, "0 to 1");
    check_range("top_h", top_h, above_0, 1, "above 0, at most 1");
    check_range("typical_p", typical_p, above_0, limits::infinity(), "above 0");
  }
  check_range("repetition_penalty", repetition_penalty, above_0, largest, "above 0");
  check_range("encoder_repetition_penalty", encoder_repetition_penalty, above_0, largest, "above 0");
  check_range("length_penalty", length_penalty, -largest, largest, "a finite number");
  if (const auto& decay = exponential_decay_length_penalty) {
    constexpr isize most = isize(1) << 40;  // so that sums stay far from overflow
    check_range<f64>("exponential_decay_length_penalty", decay->factor, -largest, largest, "a finite factor");
    check_range<isize>("exponential_decay_length_penalty", decay->start, -most, most, "a start that is a length");
  }
  for (const auto& text : stop_strings)
    if (text.empty()) fail("stop_strings", "strings that are not empty", "\"\"");

  check_range("decoder_start_token_id", decoder_start_token_id, 0, any, "token ids of at least 0");
  check_range("forced_bos_token_id", forced_bos_token_id, 0, any, "token ids of at least 0");
  if (forced_eos_token_id) check_ids("forced_eos_token_id", forced_eos_token_id->ids);
  detail::check_forced_tokens(*this);
  for (const auto& word : bad_words_ids) check_sequence("bad_words_ids", word);
  for (const auto& b : sequence_bias) {
    check_sequence("sequence_bias", b.token_ids);
    if (b.bias != b.bias) fail("sequence_bias", "a number", "nan");
  }

  if (returned > 1 && beams == 1 && !do_sample.value_or(false))
    fail("num_return_sequences", "1, or do_sample = true, or beams: greedy search gives one sequence",
         detail::joined(returned));
  if (beams > 1 && returned > beams)
    fail("num_return_sequences", "at most num_beams", detail::joined(returned, " of ", beams));

  // Fields that change what is generated, unless they are null, false or `neutral`.
  static constexpr struct {
    const char* name;
    f64 neutral;
  } unsupported[] = {{"constraints", 0}, {"token_healing", 0}, {"use_mtp", 0}};
  for (const auto& [field, neutral] : unsupported) {
    const json* value = find_member(other, field, "GenerationConfig");
    if (!value) continue;
    const bool off = value->is_number() ? value->get<f64>() == neutral : value->is_boolean() && !value->get<bool>();
    if (!off) throw unsupported_error("GenerationConfig", field, "not to be set", detail::describe(*value));
  }
}

HFT_INLINE_ONCE void GenerationConfig::check_names(const json& object, std::string_view where) {
  // Those of Transformers that have no member here: without effect on what is generated, or refused by check().
  std::vector<std::string_view> names = {"_from_model_config",
                                         "assistant_ensemble_weight",
                                         "assistant_lookbehind",
                                         "compile_config",
                                         "constraints",
                                         "continuous_batching_config",
                                         "disable_compile",
                                         "is_assistant",
                                         "prefill_chunk_size",
                                         "return_dict_in_generate",
                                         "speculation_type",
                                         "target_lookbehind",
                                         "token_healing",
                                         "transformers_version",
                                         "use_mtp"};
  const GenerationConfig any;
  for (const auto& field : any.fields()) names.push_back(field.name);
  if (!object.is_object()) detail::json_mismatch(object, where, "", "an object of generation settings");
  for (const auto& [key, unused] : object.items())
    if (std::find(names.begin(), names.end(), key) == names.end())
      throw value_error(std::string(where), "unknown field",
                        detail::joined("a field of GenerationConfig; the nearest is '", nearest_name(key, names), "'"),
                        detail::quote_text(key));
}

#endif  // HFT_DEFINES

}  // namespace hft
