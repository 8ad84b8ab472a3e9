// GenerationConfig: the settings of generate, and the defaults that a checkpoint carries in generation_config.json.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/models/config.hpp>

namespace hft {

/// transformers.GenerationConfig; fields have its names and defaults.
struct GenerationConfig {
  // length
  std::optional<isize> max_length;      // prompt and new tokens together; default 20 where max_new_tokens is not given
  std::optional<isize> max_new_tokens;  // wins over max_length
  std::optional<isize> min_length;
  std::optional<isize> min_new_tokens;
  std::vector<std::string> stop_strings;
  // strategy
  bool do_sample = false;
  bool use_cache = true;
  std::optional<isize> num_beams;
  std::optional<isize> num_return_sequences;
  // logits
  std::optional<f64> temperature;  // sampling only; 1
  std::optional<isize> top_k;      // sampling only; 50, 0 for none
  std::optional<f64> top_p;        // sampling only; 1
  std::optional<f64> min_p;        // sampling only
  std::optional<f64> typical_p;    // sampling only
  std::optional<f64> repetition_penalty;
  std::optional<isize> no_repeat_ngram_size;
  // special tokens
  std::optional<i64> bos_token_id, pad_token_id;
  TokenIds eos_token_id;
  // hft's own: the seed of sampling, and whose log line repeats it
  std::uint64_t seed = 0;

  template <class Self, class F>
  static void fields(Self& c, F& field) {
    field("max_length", c.max_length);
    field("max_new_tokens", c.max_new_tokens);
    field("min_length", c.min_length);
    field("min_new_tokens", c.min_new_tokens);
    field("stop_strings", c.stop_strings);
    field("do_sample", c.do_sample);
    field("use_cache", c.use_cache);
    field("num_beams", c.num_beams);
    field("num_return_sequences", c.num_return_sequences);
    field("temperature", c.temperature);
    field("top_k", c.top_k);
    field("top_p", c.top_p);
    field("min_p", c.min_p);
    field("typical_p", c.typical_p);
    field("repetition_penalty", c.repetition_penalty);
    field("no_repeat_ngram_size", c.no_repeat_ngram_size);
    field("bos_token_id", c.bos_token_id);
    field("pad_token_id", c.pad_token_id);
    field("eos_token_id", c.eos_token_id);
    field("seed", c.seed);
  }

  /// Sets the fields that a JSON object names; others keep their values. Unknown ones are left alone, as Transformers'
  /// own files hold many. Throws format_error for a value of a wrong type.
  void update(const json& object, std::string_view where) {
    json settings = object;
    if (const json* stop = find_member(settings, "stop_strings", where); stop && stop->is_string())
      settings["stop_strings"] = json::array({*stop});
    const detail::config_reader reader{settings, where};
    fields(*this, reader);
  }

  /// Throws value_error for a setting outside its range.
  void check() const {
    const auto fail = [](const char* field, const char* expected, std::string got) {
      throw value_error("GenerationConfig", field, expected, std::move(got));
    };
    if (max_new_tokens && *max_new_tokens < 1) fail("max_new_tokens", "at least 1", detail::cat(*max_new_tokens));
    if (temperature && !(*temperature >= 0)) fail("temperature", "at least 0", detail::cat(*temperature));
    if (top_k && *top_k < 0) fail("top_k", "at least 0", detail::cat(*top_k));
    if (top_p && !(*top_p >= 0 && *top_p <= 1)) fail("top_p", "0 to 1", detail::cat(*top_p));
    if (min_p && !(*min_p >= 0 && *min_p <= 1)) fail("min_p", "0 to 1", detail::cat(*min_p));
    if (typical_p && !(*typical_p > 0 && *typical_p <= 1))
      fail("typical_p", "above 0, at most 1", detail::cat(*typical_p));
    if (repetition_penalty && !(*repetition_penalty > 0))
      fail("repetition_penalty", "above 0", detail::cat(*repetition_penalty));
    if (num_beams && *num_beams != 1)
      throw unsupported_error("GenerationConfig", "num_beams", "1 (beam search is not there yet)",
                              detail::cat(*num_beams));
  }

  /// The JSON object of the fields that are set.
  json to_json() const {
    json object = json::object();
    const detail::config_writer writer{object};
    fields(*this, writer);
    detail::remove_unset(object);
    object.erase("seed");
    return object;
  }
};

}  // namespace hft
