// GenerationConfig: the settings of generate, and the defaults that a checkpoint carries in generation_config.json.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/models/config.hpp>

namespace hft {

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
  std::vector<std::string> stop_strings{};  // needs GenerateOptions::decode
  // ---- strategy
  std::optional<bool> do_sample{};                // false
  std::optional<bool> use_cache{};                // true
  std::optional<isize> num_beams{};               // 1
  std::optional<isize> num_return_sequences{};    // 1; each of a prompt's, one after the other
  std::optional<EarlyStopping> early_stopping{};  // beams; false
  std::optional<f64> length_penalty{};            // beams: scores are divided by length^length_penalty; 1
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
  // ---- special tokens
  std::optional<i64> bos_token_id{};       // what an empty prompt starts with
  std::optional<i64> pad_token_id{};       // default: the first of eos_token_id
  std::optional<TokenIds> eos_token_id{};  // an empty list: none
  // ---- hft's own
  std::optional<std::uint64_t> seed{};  // of sampling; 0
  json other = json::object();          // fields of generation_config.json that hft has no member for

  /// Calls f(name, pointer to member) for each field that JSON has.
  template <class F>
  static void members(F&& f) {
    using C = GenerationConfig;
    f("max_length", &C::max_length);
    f("max_new_tokens", &C::max_new_tokens);
    f("min_length", &C::min_length);
    f("min_new_tokens", &C::min_new_tokens);
    f("max_time", &C::max_time);
    f("stop_strings", &C::stop_strings);
    f("do_sample", &C::do_sample);
    f("use_cache", &C::use_cache);
    f("num_beams", &C::num_beams);
    f("num_return_sequences", &C::num_return_sequences);
    f("early_stopping", &C::early_stopping);
    f("length_penalty", &C::length_penalty);
    f("temperature", &C::temperature);
    f("top_k", &C::top_k);
    f("top_p", &C::top_p);
    f("min_p", &C::min_p);
    f("top_h", &C::top_h);
    f("typical_p", &C::typical_p);
    f("epsilon_cutoff", &C::epsilon_cutoff);
    f("eta_cutoff", &C::eta_cutoff);
    f("repetition_penalty", &C::repetition_penalty);
    f("encoder_repetition_penalty", &C::encoder_repetition_penalty);
    f("no_repeat_ngram_size", &C::no_repeat_ngram_size);
    f("encoder_no_repeat_ngram_size", &C::encoder_no_repeat_ngram_size);
    f("bad_words_ids", &C::bad_words_ids);
    f("sequence_bias", &C::sequence_bias);
    f("suppress_tokens", &C::suppress_tokens);
    f("begin_suppress_tokens", &C::begin_suppress_tokens);
    f("forced_bos_token_id", &C::forced_bos_token_id);
    f("forced_eos_token_id", &C::forced_eos_token_id);
    f("exponential_decay_length_penalty", &C::exponential_decay_length_penalty);
    f("remove_invalid_values", &C::remove_invalid_values);
    f("renormalize_logits", &C::renormalize_logits);
    f("bos_token_id", &C::bos_token_id);
    f("pad_token_id", &C::pad_token_id);
    f("eos_token_id", &C::eos_token_id);
    f("seed", &C::seed);
  }

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

  /// Takes from `defaults` what is not set here. (GenerationConfig.update with defaults_only)
  void fill_unset(const GenerationConfig& defaults);

  /// Throws value_error for a setting outside its range or that contradicts another, unsupported_error for one of
  /// `other` that would change what is generated.
  void check() const;

  /// The JSON object of the fields that are set, `seed` excepted: Transformers knows none.
  json to_json() const;
};

namespace detail {

// Fields whose JSON is no plain number, string, or list of them.
struct generation_config_reader : config_reader {
  using config_reader::operator();
  void operator()(const char* key, std::vector<std::string>& texts) const {
    const json* v = find_member(object, key, where);
    if (!v) return;
    if (v->is_string())
      texts = {json_as<std::string>(*v, where, key)};
    else
      texts = json_as<std::vector<std::string>>(*v, where, key);
  }
  void operator()(const char* key, std::optional<EarlyStopping>& early) const {
    const json* v = find_member(object, key, where);
    if (!v) return;
    if (v->is_string())
      early = EarlyStopping(json_as<std::string>(*v, where, key).c_str());
    else
      early = EarlyStopping(json_as<bool>(*v, where, key));
  }
  void operator()(const char* key, std::optional<ExponentialDecay>& decay) const {
    const json* v = find_member(object, key, where);
    if (!v) return;
    const auto pair = json_as<std::vector<json>>(*v, where, key);
    if (pair.size() != 2) json_mismatch(*v, where, key, "a list of a start and a factor");
    decay = ExponentialDecay{json_as<isize>(pair[0], where, key), json_as<f64>(pair[1], where, key)};
  }
  void operator()(const char* key, std::vector<SequenceBias>& biases) const {
    const json* v = find_member(object, key, where);
    if (!v) return;
    biases.clear();
    for (const json& entry : json_as<std::vector<json>>(*v, where, key)) {
      const auto pair = json_as<std::vector<json>>(entry, where, key);
      if (pair.size() != 2) json_mismatch(entry, where, key, "a list of token ids and a bias");
      biases.push_back({json_as<std::vector<i64>>(pair[0], where, key), json_as<f64>(pair[1], where, key)});
    }
  }
};

struct generation_config_writer : config_writer {
  using config_writer::operator();
  void operator()(const char* key, const std::optional<EarlyStopping>& early) const {
    if (early)
      object[key] = early->kind == EarlyStopping::never ? json("never") : json(early->kind == EarlyStopping::on);
  }
  void operator()(const char* key, const std::optional<ExponentialDecay>& decay) const {
    if (decay) object[key] = json::array({decay->start, decay->factor});
  }
  void operator()(const char* key, const std::vector<SequenceBias>& biases) const {
    for (const auto& b : biases) object[key].push_back(json::array({b.token_ids, b.bias}));
  }
};

template <class T>
bool is_set(const std::optional<T>& field) {
  return field.has_value();
}
template <class T>
bool is_set(const std::vector<T>& field) {
  return !field.empty();
}

}  // namespace detail

inline void GenerationConfig::update(const json& object, std::string_view where) {
  const detail::generation_config_reader reader{{object, where}};
  json rest = object;
  members([&](const char* key, auto member) {
    reader(key, this->*member);
    rest.erase(key);
  });
  detail::remove_unset(rest);
  other.update(rest);
}

inline void GenerationConfig::fill_unset(const GenerationConfig& defaults) {
  members([&](const char*, auto member) {
    if (!detail::is_set(this->*member)) this->*member = defaults.*member;
  });
  json merged = defaults.other;
  merged.update(other);
  other = std::move(merged);
}

inline json GenerationConfig::to_json() const {
  json object = other;
  const detail::generation_config_writer writer{{object}};
  members([&](const char* key, auto member) { writer(key, this->*member); });
  detail::remove_unset(object);
  object.erase("seed");
  return object;
}

inline void GenerationConfig::check() const {
  const auto fail = [](const char* field, const char* expected, std::string got) {
    throw value_error("GenerationConfig", field, expected, std::move(got));
  };
  const auto least = [&](const char* field, const std::optional<isize>& n, isize least_value, const char* expected) {
    if (n && *n < least_value) fail(field, expected, detail::cat(*n));
  };
  // `ok` is written so that a NaN fails it
  const auto require = [&](const char* field, const std::optional<f64>& x, bool (*ok)(f64), const char* expected) {
    if (x && !ok(*x)) fail(field, expected, detail::cat(*x));
  };
  const auto ids = [&](const char* field, const std::vector<i64>& list) {
    for (const i64 id : list)
      if (id < 0) fail(field, "token ids of at least 0", detail::cat(id));
  };
  least("max_new_tokens", max_new_tokens, 1, "at least 1");
  least("max_length", max_length, 1, "at least 1");
  least("min_new_tokens", min_new_tokens, 0, "at least 0");
  least("min_length", min_length, 0, "at least 0");
  for (const auto& [field, n] : {std::pair{"num_beams", num_beams}, {"num_return_sequences", num_return_sequences}})
    if (n && (*n < 1 || *n > 1 << 16)) fail(field, "1 to 65536", detail::cat(*n));
  least("top_k", top_k, 0, "at least 0");
  least("no_repeat_ngram_size", no_repeat_ngram_size, 0, "at least 0");
  least("encoder_no_repeat_ngram_size", encoder_no_repeat_ngram_size, 0, "at least 0");

  const auto positive = [](f64 x) { return x > 0 && x <= std::numeric_limits<f64>::max(); };
  const auto probability = [](f64 x) { return x >= 0 && x <= 1; };
  const auto below_one = [](f64 x) { return x >= 0 && x < 1; };
  require(
      "max_time", max_time, [](f64 x) { return x >= 0; }, "at least 0 seconds");
  if (do_sample.value_or(false)) {
    require("temperature", temperature, positive, "above 0 (for greedy search: do_sample = false)");
    require("top_p", top_p, probability, "0 to 1");
    require("min_p", min_p, probability, "0 to 1");
    require(
        "top_h", top_h, [](f64 x) { return x > 0 && x <= 1; }, "above 0, at most 1");
    require(
        "typical_p", typical_p, [](f64 x) { return x > 0 && x <= 1; }, "above 0, at most 1");
    require("epsilon_cutoff", epsilon_cutoff, below_one, "0 to 1");
    require("eta_cutoff", eta_cutoff, below_one, "0 to 1");
  }
  require("repetition_penalty", repetition_penalty, positive, "above 0");
  require("encoder_repetition_penalty", encoder_repetition_penalty, positive, "above 0");
  require(
      "length_penalty", length_penalty, [](f64 x) { return x - x == 0; }, "a finite number");
  if (exponential_decay_length_penalty) {
    require("exponential_decay_length_penalty", exponential_decay_length_penalty->factor, positive, "a factor above 0");
    least("exponential_decay_length_penalty", exponential_decay_length_penalty->start, 0, "a start of at least 0");
  }
  for (const auto& text : stop_strings)
    if (text.empty()) fail("stop_strings", "strings that are not empty", "\"\"");

  ids("suppress_tokens", suppress_tokens);
  ids("begin_suppress_tokens", begin_suppress_tokens);
  if (forced_bos_token_id) ids("forced_bos_token_id", {*forced_bos_token_id});
  if (forced_eos_token_id) ids("forced_eos_token_id", forced_eos_token_id->ids);
  for (const auto& word : bad_words_ids) {
    if (word.empty()) fail("bad_words_ids", "lists that are not empty", "[]");
    ids("bad_words_ids", word);
  }
  for (const auto& b : sequence_bias) {
    if (b.token_ids.empty()) fail("sequence_bias", "lists that are not empty", "[]");
    ids("sequence_bias", b.token_ids);
    if (b.bias != b.bias) fail("sequence_bias", "a number", "nan");
  }

  const isize beams = num_beams.value_or(1), returned = num_return_sequences.value_or(1);
  if (returned > 1 && beams == 1 && !do_sample.value_or(false))
    fail("num_return_sequences", "1, or do_sample = true, or beams: greedy search gives one sequence",
         detail::cat(returned));
  if (beams > 1 && returned > beams)
    fail("num_return_sequences", "at most num_beams", detail::cat(returned, " of ", beams));

  // Fields that change what is generated, unless they are null, false or `neutral`.
  struct unsupported_field {
    const char* name;
    f64 neutral;
  };
  for (const auto& [field, neutral] : {unsupported_field{"assistant_early_exit", 0},
                                       {"constraints", 0},
                                       {"diversity_penalty", 0},
                                       {"dola_layers", 0},
                                       {"force_words_ids", 0},
                                       {"guidance_scale", 1},
                                       {"num_beam_groups", 1},
                                       {"penalty_alpha", 0},
                                       {"prompt_lookup_num_tokens", 0},
                                       {"token_healing", 0},
                                       {"watermarking_config", 0}}) {
    const json* value = find_member(other, field, "GenerationConfig");
    if (value && !(value->is_number() && value->get<f64>() == neutral) && *value != false)
      throw unsupported_error("GenerationConfig", field, "not to be set", detail::describe(*value));
  }
}

}  // namespace hft
