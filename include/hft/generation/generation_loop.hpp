// What greedy search, sampling and beam search share: settings resolved and checked, the batch, and its forward passes.
#pragma once
#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <hft/generation/generate_options.hpp>
#include <hft/generation/generation_inputs.hpp>
#include <hft/generation/generation_step.hpp>
#include <hft/generation/strategy.hpp>
#include <hft/log.hpp>
#include <hft/models/generation_config.hpp>

namespace hft::detail {

/// One call of generate.
class generation_loop {
 public:
  /// config: the call's settings; those it leaves unset come from model_config, then from Transformers' defaults.
  [[gnu::cold]] generation_loop(generation_step& step, const Tensor<i64, 2>& prompt, const GenerationConfig& settings,
                                const GenerationConfig& model_config, const GenerateOptions& call)
      : config(resolved(settings, model_config)),
        options(call),
        prompts(prompt_or_bos(prompt, config).dense()),
        input_ids(begun(step, prompts, config, call)),
        model(step),
        past(kept_tokens(call.past_key_values, step)),
        inputs(input_ids, mask_of(input_ids, config, call, step), past == 0) {
    resolve_length();
    if (!*config.use_cache && options.past_key_values)
      throw value_error("generate", "past_key_values", "use_cache = true", "false");
    if (past >= inputs.prompt_length())
      throw value_error("generate", "past_key_values",
                        joined("fewer tokens than input_ids, ", inputs.prompt_length(), ", which begins with them"),
                        joined(past));
    if (settings.cache_implementation && options.past_key_values)
      throw value_error("generate", "cache_implementation", "not to be set beside past_key_values", "both");
    if (*config.use_cache && !options.past_key_values && config.cache_implementation.value_or("dynamic") != "dynamic")
      model.take_cache(config, max_length);
    if (options.streamer) check_streamed();
    make_criteria();
  }

  GenerationConfig config;  // all resolved
  const GenerateOptions& options;
  Tensor<i64, 2> prompts;    // (B,S) as given
  Tensor<i64, 2> input_ids;  // (B,T) what is continued: these, or where an encoder reads them the decoder's first token
  generation_step& model;
  isize past = 0;  // tokens that the cache held before
  generation_inputs inputs;
  LogitsProcessorList processors;
  isize max_length = 0;

  isize rows() const { return inputs.ids.rows(); }
  isize new_tokens() const { return inputs.ids.length() - inputs.prompt_length(); }
  /// Rows of one prompt: beams or samples.
  isize group() const {
    return *config.num_beams > 1 ? *config.num_beams : std::max<isize>(1, *config.num_return_sequences);
  }
  i64 pad_id() const {
    if (config.pad_token_id) return *config.pad_token_id;
    return eos().empty() ? 0 : eos()[0];
  }
  /// The same for beams, where Transformers takes a pad id of 0 for none.
  i64 beam_pad_id() const { return pad_id() == 0 && !eos().empty() ? eos()[0] : pad_id(); }
  const std::vector<i64>& eos() const { return config.eos_token_id->ids; }
  bool stopped() const { return options.stop.stop_requested(); }

  /// The scores (rows, V) of the token after the prompts, each `group()` times, which the rows then are.
  matrix<f32> prefill() {
    auto scores = read_prompt();
    const isize n = group();
    make_processors();
    if (n == 1) return scores;
    std::vector<isize> expanded(std::size_t(rows() * n));  // where each row to come is from
    for (std::size_t i = 0; i < expanded.size(); ++i) expanded[i] = isize(i) / n;
    expanded_scores_.resize(expanded.size() * std::size_t(scores.cols));
    for (std::size_t i = 0; i < expanded.size(); ++i)
      std::copy_n(scores.row(expanded[i]), scores.cols, expanded_scores_.data() + isize(i) * scores.cols);
    reorder(expanded);
    return {expanded_scores_.data(), isize(expanded.size()), scores.cols, scores.cols};
  }

  /// Of the config and the call; before the batch is expanded.
  void make_processors() {
    const auto padding = inputs.padding();
    // One group of beams at a time.
    const isize together = group() / std::max<isize>(1, config.num_beam_groups.value_or(1));
    std::vector<isize> of_rows(padding.size() * std::size_t(together));
    for (std::size_t i = 0; i < of_rows.size(); ++i) of_rows[i] = padding[i / std::size_t(together)];
    const isize S = prompts.extent(1);
    const matrix<const i64> read{prompts.data(), prompts.extent(0), S, S};
    processors = make_logits_processors(config, {.input_ids = model.encodes ? read : inputs.ids.view(),
                                                 .prompt_length = inputs.prompt_length(),
                                                 .rows_per_prompt = together,
                                                 .max_length = max_length,
                                                 .padding = std::move(of_rows),
                                                 .custom = options.logits_processor,
                                                 .prefix_allowed_tokens_fn = options.prefix_allowed_tokens_fn});
    if (config.guidance_scale.value_or(1) != 1) {
      strategies::check_header(strategies::guidance, "guidance_scale", "guidance.hpp");
      processors.insert(processors.begin(), std::shared_ptr<LogitsProcessor>(strategies::guidance(*this)));
    }
  }

  /// The scores (rows, V) of the token after the last one.
  matrix<f32> next() { return forward(inputs.ids.length() - 1); }
  /// The scores (rows * keep, V) of the tokens behind the last `keep`; those from `cached` on are not in the cache yet.
  matrix<f32> forward(isize cached, isize keep = 1) {
    if (!*config.use_cache || model.reads_all) cached = 0;
    const isize most = model.cache_renewed_after;
    if (most && cached > 0 && cached <= most && inputs.ids.length() > most) {
      model.reset();
      cached = 0;
    }
    const auto scores = pass(cached, inputs.ids.length(), keep);
    if (remembers(options.past_key_values)) strategies::remember_tokens(*options.past_key_values, inputs);
    return scores;
  }

  void reorder(std::span<const isize> rows) {
    inputs.reorder(rows);
    model.reorder(rows, *config.use_cache);
  }

  /// Whether a row ends with its last token, which was chosen from `scores` (V).
  bool ends(std::span<const i64> input_ids, std::span<const f32> scores = {}) const {
    for (const auto& c : criteria_)
      if (c && (*c)(input_ids)) return true;
    return is_done(options.stopping_criteria, input_ids, scores);
  }
  /// Keeps scores among those of an output, where they are asked for.
  [[gnu::cold, gnu::noinline]] static void keep(const std::optional<bool>& asked, matrix<f32> scores,
                                                std::vector<Tensor<f32, 2>>& in) {
    if (!asked.value_or(false)) return;
    Tensor<f32, 2> copy({scores.rows, scores.cols});
    for (isize r = 0; r < scores.rows; ++r) std::copy_n(scores.row(r), scores.cols, copy.data() + r * scores.cols);
    in.push_back(std::move(copy));
  }
  /// The same of what a pass leaves of its layers; of one over a prompt its rows `group()` times, as generated.
  void keep_states(GenerateOutput& out) {
    if (config.output_hidden_states.value_or(false)) out.hidden_states.push_back(of_rows(model.states.hidden_states));
    if (!config.output_attentions.value_or(false)) return;
    out.attentions.push_back(of_rows(model.states.attentions));
    if (model.encodes) out.cross_attentions.push_back(of_rows(model.states.cross_attentions));
  }
  void report() const {
    if (options.progress) options.progress(new_tokens(), max_length - inputs.prompt_length());
  }

 private:
  static bool remembers(CacheBase* cache) { return cache && cache->token_ids() && strategies::kept_tokens; }
  isize kept_tokens(CacheBase* cache, const generation_step& step) const {
    if (remembers(cache))
      return strategies::kept_tokens(*cache, input_ids, mask_of(input_ids, config, options, step), step);
    return cache ? cache->get_seq_length() : 0;
  }

  matrix<f32> pass(isize cached, isize end, isize keep) {
    return model(inputs.input_ids(cached, end), inputs.attention_mask(end), inputs.position_ids(cached, end),
                 *config.use_cache, keep);
  }
  // With low_memory some tokens after the others, so that the cache alone ever holds something of all of them.
  matrix<f32> read_prompt() {
    constexpr isize piece = 128;
    isize read = past;
    if (config.low_memory.value_or(false) && *config.use_cache && !model.reads_all && !model.cache_renewed_after &&
        !model.output_hidden_states && !model.output_attentions)
      for (; inputs.ids.length() - read > piece; read += piece) pass(read, read + piece, 1);
    return forward(read);
  }
  // What a pass left of layers, for as many rows as are generated.
  template <std::size_t R>
  [[gnu::cold, gnu::noinline]] std::vector<Tensor<f32, R>> of_rows(std::vector<Tensor<f32, R>>& layers) const {
    auto out = std::move(layers);
    for (auto& layer : out) {
      const isize B = layer.extent(0), n = rows() / B, size = layer.size() / B;
      if (n == 1) continue;
      Shape<R> shape = layer.shape();
      shape[0] *= n;
      Tensor<f32, R> repeated(shape);
      const auto dense = layer.dense();
      for (isize b = 0; b < B * n; ++b) std::copy_n(dense.data() + b / n * size, size, repeated.data() + b * size);
      layer = repeated;
    }
    return out;
  }

  static GenerationConfig resolved(const GenerationConfig& settings, const GenerationConfig& model_config) {
    GenerationConfig config;
    config.fill_unset(settings);  // rather than a copy, which no program has to compile then
    config.fill_unset(model_config);
    config.fill_unset(GenerationConfig::defaults());
    if (!config.eos_token_id) config.eos_token_id = TokenIds();
    config.check();
    say_what_is_ignored(settings, config);
    return config;
  }

  // Of the call's own settings: what a checkpoint says of sampling is no mistake of a call that wants none.
  // (GenerationConfig.validate)
  static void say_what_is_ignored(const GenerationConfig& settings, const GenerationConfig& all) {
    std::string ignored;
    const auto add = [&](const char* name, const auto& value, auto neutral) {
      if (value && *value != neutral) ignored += cat(ignored.empty() ? "" : ", ", name, " = ", *value);
    };
    if (!*all.do_sample) {
      constexpr f64 none = -std::numeric_limits<f64>::infinity();
      add("temperature", settings.temperature, 1.0);
      add("top_k", settings.top_k, isize(50));
      add("top_p", settings.top_p, 1.0);
      add("min_p", settings.min_p, none);
      add("top_h", settings.top_h, none);
      add("typical_p", settings.typical_p, 1.0);
      add("epsilon_cutoff", settings.epsilon_cutoff, 0.0);
      add("eta_cutoff", settings.eta_cutoff, 0.0);
      if (!ignored.empty())
        log_message(log_level::warning, "generate",
                    joined("without do_sample = true, these settings are ignored: ", ignored));
    }
    if (*all.num_beams > 1) return;
    ignored.clear();
    add("length_penalty", settings.length_penalty, 1.0);
    if (settings.early_stopping && settings.early_stopping->kind != EarlyStopping::off)
      ignored += ignored.empty() ? "early_stopping" : ", early_stopping";
    if (!ignored.empty())
      log_message(log_level::warning, "generate",
                  joined("without num_beams above 1, these settings are ignored: ", ignored));
  }

  static Tensor<i64, 2> prompt_or_bos(const Tensor<i64, 2>& prompt, const GenerationConfig& config) {
    if (prompt.extent(1) > 0) {
      if (prompt.extent(0) < 1)
        throw shape_error("generate", "input_ids", "at least one row", shape_text(prompt.shape()));
      return prompt;
    }
    if (!config.bos_token_id)
      throw value_error("generate", "input_ids", "at least one token, or a bos_token_id to start with", "none");
    return Tensor<i64, 2>::filled({std::max<isize>(1, prompt.extent(0)), 1}, *config.bos_token_id);
  }

  // Lets an encoder read the prompts; what each row of the decoder starts with.
  static Tensor<i64, 2> begun(generation_step& model, const Tensor<i64, 2>& prompts, const GenerationConfig& config,
                              const GenerateOptions& options) {
    model.output_hidden_states = config.output_hidden_states.value_or(false);
    model.output_attentions = config.output_attentions.value_or(false);
    if (!model.encodes) return prompts;
    const auto start = config.decoder_start_token_id ? config.decoder_start_token_id : config.bos_token_id;
    if (!start)
      throw value_error("generate", "decoder_start_token_id", "a token for the decoder to start with", "none");
    model.begin(prompts, options.attention_mask, options.global_attention_mask);
    return Tensor<i64, 2>::filled({prompts.extent(0), 1}, *start);
  }

  static Tensor<i64, 2> mask_of(const Tensor<i64, 2>& ids, const GenerationConfig& config,
                                const GenerateOptions& options, const generation_step& model) {
    return model.encodes || model.reads_all ? Tensor<i64, 2>() : mask_or_padding(ids, config, options);
  }
  // The mask that was given, or pad tokens as padding where none of them can be an end; of a decoder alone.
  // (Transformers' _prepare_attention_mask_for_generation)
  static Tensor<i64, 2> mask_or_padding(const Tensor<i64, 2>& ids, const GenerationConfig& config,
                                        const GenerateOptions& options) {
    if (options.attention_mask || !config.pad_token_id || config.eos_token_id->contains(*config.pad_token_id))
      return options.attention_mask;
    Tensor<i64, 2> mask = ids.clone();
    bool all = true;
    for (isize i = 0; i < mask.size(); ++i) {
      mask.data()[i] = mask.data()[i] != *config.pad_token_id;
      all = all && mask.data()[i];
    }
    return all ? Tensor<i64, 2>{} : mask;
  }

  void resolve_length() {
    constexpr isize most = isize(1) << 40;  // so that sums stay far from overflow
    const isize T = inputs.prompt_length();
    const isize context = model.max_positions ? model.max_positions : model.max_position_embeddings;
    if (config.max_new_tokens) {
      max_length = T + std::min(*config.max_new_tokens, most);
    } else if (config.max_length) {
      max_length = std::min(*config.max_length, most);
    } else {
      max_length = T + 20;  // Transformers' default
      if (context) max_length = std::min(max_length, context);
    }
    if (T >= max_length)
      throw value_error(
          "generate", "input_ids",
          joined("fewer tokens than ", config.max_length ? "max_length = " : "the context of ", max_length), joined(T));
    if (config.min_new_tokens) config.min_length = T + std::min(*config.min_new_tokens, most);
    if (config.min_length && *config.min_length > max_length) say_what_contradicts(T);
    // The last token is given out, not taken in. Transformers fails within the embedding once it gets that far.
    const isize taken_in = inputs.longest_prompt() + max_length - T - 1;
    if (model.max_positions && taken_in > model.max_positions)
      throw value_error(
          "generate", joined("a prompt of ", inputs.longest_prompt(), " tokens and ", max_length - T, " new ones"),
          joined("at most ", model.max_positions, " positions, which is what the model has"), joined(taken_in));
    const isize room = options.past_key_values ? options.past_key_values->get_max_cache_shape() : 0;
    if (room && max_length - 1 > room)
      throw value_error("generate", joined("a prompt of ", T, " tokens and ", max_length - T, " new ones"),
                        joined("a cache with room for ", max_length - 1), joined(room));
  }

  // A text of at least more tokens than it may have ends at the most, as in Transformers.
  [[gnu::cold]] void say_what_contradicts(isize T) const {
    const bool least_new = bool(config.min_new_tokens), most_new = !config.max_length || config.max_new_tokens;
    log_message(log_level::warning, "generate",
                joined(least_new ? "min_new_tokens = " : "min_length = ", *config.min_length - (least_new ? T : 0),
                       " is more than ", most_new ? "max_new_tokens = " : "max_length = ",
                       max_length - (most_new ? T : 0), " of a prompt of ", T, " allows: the text ends there"));
  }

  // What is shown as it comes is one text, which is not taken back.
  void check_streamed() const {
    const auto refuse = [](const char* setting, isize n, const char* why) {
      throw value_error("generate", "streamer", joined("not to be set beside ", setting, why),
                        joined(setting, " = ", n));
    };
    if (*config.num_beams > 1) refuse("num_beams", *config.num_beams, ": beams have no text before they end");
    if (group() > 1) refuse("num_return_sequences", group(), ": one sequence is streamed");
    if (rows() > 1) throw value_error("generate", "streamer", "one prompt in input_ids", joined(rows()));
  }

  void make_criteria() {
    std::size_t n = 0;
    const auto add = [&](StoppingCriteria* made) {
      auto& built_in = criteria_[n++];
      built_in.reset(made);
      for (const auto& c : options.stopping_criteria)
        if (same_class(*c, *made)) return built_in.reset();
    };
    add(new MaxLengthCriteria(max_length));
    if (config.max_time) add(new MaxTimeCriteria(*config.max_time));
    if (!config.stop_strings.empty()) add(new StopStringCriteria(config.stop_strings, options.decode));
    if (!eos().empty()) add(new EosTokenCriteria(eos()));
  }

  std::unique_ptr<StoppingCriteria> criteria_[4];  // of the config; null for one whose class the user gave
  std::vector<f32> expanded_scores_;
};

/// Rows of ids as a tensor, the prompts as they were given.
inline Tensor<i64, 2> sequences_tensor(const generation_loop& loop, isize rows, isize length, isize rows_per_prompt,
                                       i64 pad_id) {
  auto out = Tensor<i64, 2>::filled({rows, length}, pad_id);
  const auto prompts = loop.input_ids.dense();
  const isize T = prompts.extent(1);
  for (isize i = 0; i < rows; ++i) std::copy_n(prompts.data() + i / rows_per_prompt * T, T, out.data() + i * length);
  return out;
}

}  // namespace hft::detail
