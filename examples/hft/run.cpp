// hft run: streams a continuation, or a chat.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

#include <hft/generation/generate.hpp>
#include <hft/generation/prefix_cache.hpp>
#include <hft/generation/streamers.hpp>
#include <hft/tokenizers/apply_chat_template.hpp>

#include "drafting.hpp"
#include "guide.hpp"
#include "model.hpp"

namespace tool {

using namespace hft;

namespace {

using clock = std::chrono::steady_clock;

f64 seconds_between(clock::time_point a, clock::time_point b) { return std::chrono::duration<f64>(b - a).count(); }

// Writes text as it comes, and remembers when the first token was there.
class console_streamer final : public TextStreamer {
 public:
  /// Writes `prompt` once generation has begun: not where it is refused.
  console_streamer(const Tokenizer& tokenizer, std::string prompt)
      : TextStreamer(tokenizer,
                     [this](std::string_view text) {
                       std::fwrite(text.data(), 1, text.size(), stdout);
                       std::fflush(stdout);
                       reply += text;
                     },
                     {.skip_prompt = true}),
        prompt_(std::move(prompt)) {}
  void put(std::span<const i64> tokens) override {
    if (started_) {
      if (!count++) first = clock::now();
    } else {
      std::fwrite(prompt_.data(), 1, prompt_.size(), stdout);
    }
    started_ = true;
    TextStreamer::put(tokens);
  }

  std::string reply;
  isize count = 0;
  clock::time_point first;

 private:
  std::string prompt_;
  bool started_ = false;
};

GenerationConfig settings(const run_options& o) {
  GenerationConfig c;
  c.seed = o.seed;
  c.temperature = o.temperature;
  c.top_k = o.top_k;
  c.top_p = o.top_p;
  c.min_p = o.min_p;
  c.typical_p = o.typical_p;
  c.repetition_penalty = o.repetition_penalty;
  c.stop_strings = o.stop_strings;
  if (o.greedy || (o.temperature && *o.temperature == 0)) {
    c.do_sample = false;
    c.temperature.reset();
  } else if (o.temperature || o.top_k || o.top_p || o.min_p || o.typical_p) {
    c.do_sample = true;
  }
  return c;
}

// Generates from `ids` and streams the text, behind the prompt where one is to be seen; returns it.
std::string reply_to(const AnyModel<>& model, const PreTrainedTokenizerFast& tokenizer, const std::vector<i64>& ids,
                     const run_options& o, const AssistantModel& assistant, std::string shown_prompt = "",
                     CacheBase* cache = nullptr) {
  // Some models have no end, and what an encoder reads takes no room of the decoder's.
  constexpr isize endless = 2048;
  const isize context = context_length(model);
  const isize room = !context ? endless : context - (model.is_encoder_decoder() ? 1 : isize(ids.size()));
  if (room < 1)
    throw value_error("run", "prompt",
                      detail::cat("at most ", context - 1, " tokens, for the model's context of ", context),
                      detail::cat(ids.size()));
  auto config = settings(o);
  config.max_new_tokens =
      context ? std::min<isize>(o.max_new_tokens.value_or(room), room) : o.max_new_tokens.value_or(room);
  // A chat ends where the tokenizer says a turn ends, too.
  TokenIds ends = model.generation_config.eos_token_id.value_or(TokenIds{});
  if (const auto id = tokenizer.eos_token_id(); id && !ends.contains(*id)) ends.ids.push_back(*id);
  config.eos_token_id = ends;

  console_streamer streamer(tokenizer.tokenizer(), std::move(shown_prompt));
  GenerateOptions options;
  options.streamer = &streamer;
  options.assistant_model = assistant;
  options.past_key_values = cache;
  if (guides(o)) options.logits_processor = guide(o, tokenizer, config, model.generation_config);
  options.decode = [&](std::span<const i64> tokens) { return tokenizer.decode(tokens); };
  const auto begin = clock::now();
  generate(model, Tensor<i64, 2>::from(ids, {1, isize(ids.size())}), config, options);
  const auto end = clock::now();
  std::fputc('\n', stdout);
  std::fflush(stdout);
  const f64 prompt_s = seconds_between(begin, streamer.first), decode_s = seconds_between(streamer.first, end);
  std::fprintf(stderr, "prompt %zu tokens, %.1f tok/s; decode %td tokens, %.1f tok/s\n", ids.size(),
               f64(ids.size()) / prompt_s, streamer.count,
               streamer.count > 1 ? f64(streamer.count - 1) / decode_s : 0.0);
  return std::move(streamer.reply);
}

std::vector<i64> chat_ids(const PreTrainedTokenizerFast& tokenizer, const json& messages) {
  ChatTemplateOptions options;
  options.add_generation_prompt = true;
  return tokenizer.encode(apply_chat_template(tokenizer, messages, options), false);
}

json first_messages(const run_options& o) {
  json messages = json::array();
  if (!o.system.empty()) messages.push_back({{"role", "system"}, {"content", o.system}});
  return messages;
}

// A line of the terminal, or several, of which all but the last end with a backslash; false at the end.
bool read_message(std::string& text) {
  text.clear();
  for (const char* prompt = "> ";; prompt = "  ") {
    std::fputs(prompt, stderr);
    const std::size_t before = text.size();
    int c;
    while ((c = std::getchar()) != EOF && c != '\n') text += char(c);
    if (c == EOF) return text.size() > 0;
    if (text.size() == before || text.back() != '\\') return true;
    text.back() = '\n';
  }
}

// Its cache keeps what was said, so that a turn computes what is new alone.
int chat_loop(const AnyModel<>& model, const PreTrainedTokenizerFast& tokenizer, const run_options& o,
              const AssistantModel& assistant) {
  std::fputs("/clear begins anew, /save FILE writes the chat as JSON; a line that ends with \\ goes on\n", stderr);
  PrefixCache<> cache(model.cache_options());
  json messages = first_messages(o);
  for (std::string text; read_message(text);) {
    if (text.empty()) continue;
    if (text == "/clear") {
      messages = first_messages(o);
    } else if (text.starts_with("/save ")) {
      try {
        write_file_atomically(text.substr(6), dump(json{{"messages", messages}}));
      } catch (const error& e) {
        std::fprintf(stderr, "%s\n", e.what());
      }
    } else {
      messages.push_back({{"role", "user"}, {"content", text}});
      const auto ids = chat_ids(tokenizer, messages);
      const bool answers = model.is_encoder_decoder();
      messages.push_back({{"role", "assistant"},
                          {"content", reply_to(model, tokenizer, ids, o, assistant, "", answers ? nullptr : &cache)}});
    }
  }
  return 0;
}

}  // namespace

int run(const run_options& o) {
  const auto tokenizer = AutoTokenizer::from_pretrained(o.model, o.revision);
  const auto model = load_generating_model(o);
  const drafting drafts(o.draft, o, model);
  std::string prompt = o.prompt;
  if (!o.has_prompt) {
    if (isatty(STDIN_FILENO)) return chat_loop(model, tokenizer, o, drafts.assistant);
    int c;
    while ((c = std::getchar()) != EOF) prompt += char(c);
  }
  if (o.chat) {
    json messages = first_messages(o);
    messages.push_back({{"role", "user"}, {"content", prompt}});
    reply_to(model, tokenizer, chat_ids(tokenizer, messages), o, drafts.assistant);
    return 0;
  }
  auto ids = tokenizer.encode(prompt);
  if (ids.empty()) {
    const auto bos = model.generation_config.bos_token_id;
    if (!bos) throw value_error("run", "prompt", "at least one token", "none");
    ids.push_back(*bos);
  }
  reply_to(model, tokenizer, ids, o, drafts.assistant, model.is_encoder_decoder() ? "" : prompt);
  return 0;
}

}  // namespace tool
