// hft bench: generate, encode, tokenize.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <hft/generation/cache.hpp>
#include <hft/parallel.hpp>
#include <hft/random.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include "model.hpp"

namespace tool {

using namespace hft;

double seconds() {
  using clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(clock::now().time_since_epoch()).count();
}

double peak_rss_mb() {
  f64 kib = 0;
  if (std::FILE* f = std::fopen("/proc/self/status", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, f))
      if (std::string_view(line).starts_with("VmHWM:")) kib = std::atof(line + 6);
    std::fclose(f);
  }
  return kib * 1024 / 1e6;
}

namespace {

struct statistic {
  f64 mean = 0, deviation = 0;
};
statistic summarise(const std::vector<f64>& values) {
  statistic s;
  for (f64 v : values) s.mean += v / f64(values.size());
  for (f64 v : values) s.deviation += (v - s.mean) * (v - s.mean);
  s.deviation = values.size() > 1 ? std::sqrt(s.deviation / f64(values.size() - 1)) : 0;
  return s;
}

Tensor<i64, 2> random_ids(isize rows, isize tokens, isize vocab_size, std::uint64_t seed) {
  Tensor<i64, 2> ids({rows, tokens});
  const random_stream random(seed);
  for (isize i = 0; i < ids.size(); ++i) ids.data()[i] = i64(random.bits(std::uint64_t(i)) % std::uint64_t(vocab_size));
  return ids;
}

i64 argmax(const Tensor<f32, 3>& logits) {
  const f32* row = logits.data() + logits.size() - logits.extent(2);
  return std::max_element(row, row + logits.extent(2)) - row;
}

struct generate_figures {
  std::optional<statistic> prompt, decode;  // tokens a second
  f64 load_s = 0, first_token_s = 0;
};

generate_figures measure(const bench_options& o, const AnyModel<>& model, f64 started, f64 loaded) {
  generate_figures figures;
  figures.load_s = loaded - started;
  const auto ids = random_ids(1, std::max<isize>(o.prompt, 1), model.config().vocab_size, o.seed);
  std::vector<f64> prompt, decode;
  const isize repeats = std::max<isize>(o.repeat, 1);
  for (isize r = 0; r < repeats; ++r) {
    if (o.prompt > 0) {
      DynamicCache<> cache;
      ForwardArgs<> args;
      args.past_key_values = &cache;
      args.logits_to_keep = 1;
      const f64 t = seconds();
      model(ids, args);
      prompt.push_back(f64(o.prompt) / (seconds() - t));
      if (r == 0) figures.first_token_s = seconds() - started;
    }
    if (o.tokens > 0) {
      DynamicCache<> cache;
      ForwardArgs<> args;
      args.past_key_values = &cache;
      auto token = Tensor<i64, 2>::from({ids.data()[0]}, {1, 1});
      const f64 t = seconds();
      for (isize n = 0; n < o.tokens; ++n) {
        token.data()[0] = argmax(model(token, args).logits);
        if (r == 0 && n == 0 && o.prompt <= 0) figures.first_token_s = seconds() - started;
      }
      decode.push_back(f64(o.tokens) / (seconds() - t));
    }
  }
  if (!prompt.empty()) figures.prompt = summarise(prompt);
  if (!decode.empty()) figures.decode = summarise(decode);
  return figures;
}

void print_row(const char* build, const bench_options& o, const generate_figures& f) {
  if (f.prompt)
    std::printf("%-8s  prompt %6td tokens  %9.1f +- %6.1f tok/s\n", build, isize(o.prompt), f.prompt->mean,
                f.prompt->deviation);
  if (f.decode)
    std::printf("%-8s  decode %6td tokens  %9.1f +- %6.1f tok/s\n", build, isize(o.tokens), f.decode->mean,
                f.decode->deviation);
  std::printf("%-8s  load %.3f s, start to first token %.3f s\n", build, f.load_s, f.first_token_s);
}

json figures_json(const generate_figures& f) {
  json out = json::object();
  if (f.prompt) out["pp_tok_s"] = f.prompt->mean;
  if (f.decode) out["tg_tok_s"] = f.decode->mean;
  out["load_s"] = f.load_s;
  out["first_token_s"] = f.first_token_s;
  return out;
}

void print_json(const json& object) { std::fputs(dump(object, {.indent = -1, .sort_keys = false}).c_str(), stdout); }

}  // namespace

int bench_generate(const bench_options& o) {
  if (o.prompt <= 0 && o.tokens <= 0)
    throw value_error("bench generate", "-p and -n", "at least one above 0", "0 and 0");
  if (o.build != "runtime" && o.build != "fixed" && o.build != "both")
    throw value_error("bench generate", "--build", "runtime, fixed or both", o.build);
  json out = json::object();
  if (o.build != "fixed") {
    const f64 started = seconds();
    const auto model = load_generating_model(o);
    const auto figures = measure(o, model, started, seconds());
    out = figures_json(figures);
    if (!o.as_json) print_row("runtime", o, figures);
  }
  if (o.build != "runtime") {
    const f64 started = seconds();
    const auto model = load_fixed_model(o);
    if (!model)
      throw unsupported_error("bench generate", "--build " + o.build,
                              "a checkpoint with SmolLM2-135M's extents, which this tool "
                              "holds a specialised build of",
                              o.model);
    const auto figures = measure(o, *model, started, seconds());
    if (o.build == "fixed")
      out = figures_json(figures);
    else
      out["fixed"] = figures_json(figures);
    if (!o.as_json) print_row("fixed", o, figures);
  }
  out["rss_mb"] = peak_rss_mb();
  if (o.as_json)
    print_json(out);
  else
    std::printf("peak memory %.1f MB\n", peak_rss_mb());
  return 0;
}

int bench_encode(const bench_options& o) {
  if (o.batch < 1 || o.seq < 1)
    throw value_error("bench encode", "--batch and --seq", "at least 1", detail::cat(o.batch, " and ", o.seq));
  const f64 started = seconds();
  const auto model = load_model(o);
  const f64 load_s = seconds() - started;
  ForwardArgs<> args;
  const auto ids = random_ids(o.batch, o.seq, model.config().vocab_size, o.seed);
  args.attention_mask = Tensor<i64, 2>::filled({o.batch, o.seq}, 1);
  model.forward(ids, args);  // warm up
  isize n = 0;
  const f64 t = seconds();
  f64 elapsed = 0;
  while (elapsed < 1.0 || n < 3) {
    model.forward(ids, args);
    ++n;
    elapsed = seconds() - t;
  }
  const f64 rate = f64(n * o.batch) / elapsed;
  if (o.as_json)
    print_json({{"seq_s", rate}, {"load_s", load_s}, {"rss_mb", peak_rss_mb()}});
  else
    std::printf("encode %td x %td  %.1f sequences/s, peak memory %.1f MB\n", isize(o.batch), isize(o.seq), rate,
                peak_rss_mb());
  return 0;
}

int bench_tokenize(const bench_options& o) {
  set_up(o);
  Tokenizer tokenizer = AutoTokenizer::from_pretrained(o.model, o.revision).tokenizer();
  tokenizer.no_truncation();
  tokenizer.no_padding();
  const std::string text = read_text(o.file, std::size_t(1) << 32);
  std::vector<std::string_view> lines;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    lines.push_back(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
  }
  f64 best = 1e300, best_batch = 1e300;  // one thread, and all of them
  std::size_t tokens = 0;
  for (isize r = 0; r < std::max<isize>(o.passes, 1); ++r) {
    tokens = 0;
    f64 t = seconds();
    for (const auto line : lines) tokens += tokenizer.encode_ids(line, false).size();
    best = std::min(best, seconds() - t);
    if (num_threads() == 1) continue;
    t = seconds();
    const auto rows = tokenizer.encode_ids_batch(lines, false);
    best_batch = std::min(best_batch, seconds() - t);
  }
  const f64 mb = f64(text.size()) / 1e6;
  json result = {{"mb_s", mb / best}, {"tokens", tokens}, {"mb", mb}};
  if (num_threads() > 1) result["threads"] = num_threads(), result["batch_mb_s"] = mb / best_batch;
  if (o.as_json) {
    print_json(result);
  } else {
    std::printf("%.2f MB, %zu tokens: %.1f MB/s\n", mb, tokens, mb / best);
    if (num_threads() > 1) std::printf("as a batch on %d threads: %.1f MB/s\n", num_threads(), mb / best_batch);
  }
  return 0;
}

}  // namespace tool
