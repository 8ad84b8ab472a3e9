// hft: the command line tool. Results go to standard output, everything else to standard error.
// Exit status: 0 done; 1 the work failed; 2 wrong usage.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/log.hpp>
#include <hft/progress.hpp>
#include <hft/progress_bar.hpp>
#include <hft/version.hpp>

#include "tool.hpp"

using namespace tool;

namespace {

// CLI::PositiveNumber, with a message that one can read.
CLI::Validator at_least_one() {
  return CLI::Validator(
      [](std::string& text) {
        std::int64_t n = 0;
        return CLI::detail::lexical_cast(text, n) && n >= 1 ? "" : "expected a number of at least 1, got " + text;
      },
      "NUMBER");
}

void add_model(CLI::App* verb, common_options& o) {
  verb->add_option("model", o.model, "a Transformers folder, a .gguf file, or a hub id found in the hub cache")
      ->required();
  verb->add_option("--revision", o.revision, "branch, tag or commit of a hub id");
}

void add_common(CLI::App* verb, common_options& o) {
  add_model(verb, o);
  verb->add_option("--dtype", o.dtype, "f32, bf16, f16, q8_0, q4_0, ...; default: as stored");
  verb->add_option("--device", o.device, "cpu");
  verb->add_option("--threads", o.threads, "default: OMP_NUM_THREADS, else all processors")->check(at_least_one());
  verb->add_option("--seed", o.seed, "of sampling and random inputs");
}

void add_adapter(CLI::App* verb, common_options& o) {
  verb->add_option("--adapter", o.adapter, "the folder of a PEFT adapter over the model");
}

// One line, whatever the message holds.
std::string one_line(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '\r') c = ' ';
  return text;
}

void add_guides(CLI::App* verb, guide_options& o) {
  auto* schema = verb->add_option("--schema", o.schema, "a file of the JSON schema that the text is to follow");
  auto* regex = verb->add_option("--regex", o.regex, "a regular expression that the whole text is to match");
  auto* grammar = verb->add_option("--grammar", o.grammar, "a file of a grammar (GBNF) that the text is to follow");
  schema->excludes(regex, grammar);
  regex->excludes(grammar);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"hft: transformers in C++", "hft"};
  app.set_version_flag("--version", hft::version_string);
  app.require_subcommand(1);
  std::function<int()> work;

  run_options run_o;
  auto* run_v = app.add_subcommand("run", "stream the continuation of a prompt, or the reply of a chat");
  add_common(run_v, run_o);
  add_adapter(run_v, run_o);
  auto* prompt = run_v->add_option("-p,--prompt", run_o.prompt, "the prompt; without one, a chat on the terminal");
  run_v->add_option("-n", run_o.max_new_tokens, "tokens to generate at most")->check(at_least_one());
  run_v->add_flag("--chat", run_o.chat, "put the prompt through the model's chat template");
  run_v->add_option("--system", run_o.system, "the system message of a chat");
  run_v->add_flag("--greedy", run_o.greedy, "always the likeliest token");
  run_v->add_option("--temperature", run_o.temperature, "of sampling; 0 is greedy");
  run_v->add_option("--top-k", run_o.top_k);
  run_v->add_option("--top-p", run_o.top_p);
  run_v->add_option("--min-p", run_o.min_p);
  run_v->add_option("--typical-p", run_o.typical_p);
  run_v->add_option("--repetition-penalty", run_o.repetition_penalty);
  run_v->add_option("--stop", run_o.stop_strings, "end at this text (may be repeated)")->allow_extra_args(false);
  add_guides(run_v, run_o);
  run_v->add_option("--draft", run_o.draft, "a model that drafts; its tokenizer may be another");
  run_v->callback([&] {
    run_o.has_prompt = prompt->count() > 0;
    work = [&] { return run(run_o); };
  });

  forward_options forward_o;
  generate_options generate_o;
  for (const bool generates : {false, true}) {
    auto* verb = generates ? app.add_subcommand("generate", "generate from the ids of a safetensors file")
                           : app.add_subcommand("forward", "one forward pass of the class that config.json names");
    forward_options& o = generates ? generate_o : forward_o;
    add_common(verb, o);
    add_adapter(verb, o);
    verb->add_option("--inputs", o.inputs, "safetensors: input_ids, attention_mask, ...")->required();
    verb->add_option("--outputs", o.outputs, "the safetensors file to write")->required();
    if (generates) {
      verb->add_option("--config", generate_o.config, "GenerationConfig fields: JSON text or a file");
      verb->add_option("--assistant", generate_o.assistant, "a model that drafts; its tokenizer may be another");
      add_guides(verb, generate_o);
    }
    verb->callback(
        [&, generates] { work = [&, generates] { return generates ? generate(generate_o) : forward(forward_o); }; });
  }

  auto* backward_v = app.add_subcommand("backward", "loss and gradients of that class, trained in f32");
  add_common(backward_v, forward_o);
  add_adapter(backward_v, forward_o);
  backward_v->add_option("--inputs", forward_o.inputs, "safetensors: input_ids, labels, ...")->required();
  backward_v->add_option("--outputs", forward_o.outputs, "the safetensors file to write")->required();
  backward_v->callback([&] { work = [&] { return backward(forward_o); }; });

  tokenize_options tokenize_o;
  auto* tokenize_v = app.add_subcommand("tokenize", "JSON lines of texts or pairs to encodings");
  add_model(tokenize_v, tokenize_o);
  tokenize_v->add_flag("--no-special", tokenize_o.no_special, "add no special tokens");
  tokenize_v->callback([&] { work = [&] { return tokenize(tokenize_o); }; });
  auto* detokenize_v = app.add_subcommand("detokenize", "JSON lists of ids to texts");
  add_model(detokenize_v, tokenize_o);
  detokenize_v->add_flag("--keep-special", tokenize_o.keep_special, "keep special tokens in the text");
  detokenize_v->callback([&] { work = [&] { return detokenize(tokenize_o); }; });
  common_options template_o;
  auto* template_v =
      app.add_subcommand("template", "JSON lines of chats to rendered texts; MODEL may be a .jinja file");
  add_model(template_v, template_o);
  template_v->callback([&] { work = [&] { return render_template(template_o); }; });

  train_tokenizer_options train_tokenizer_o;
  auto* train_tokenizer_v = app.add_subcommand("train-tokenizer", "text files to a tokenizer's folder");
  auto* kind = train_tokenizer_v->add_option("--model", train_tokenizer_o.model, "bpe, wordpiece, unigram, wordlevel");
  kind->check(CLI::IsMember({"bpe", "wordpiece", "unigram", "wordlevel"}));
  train_tokenizer_v->add_option("--vocab_size", train_tokenizer_o.vocab_size, "tokens, the special ones included")
      ->required()
      ->check(CLI::Range(1, 1 << 30));
  train_tokenizer_v
      ->add_option("--min_frequency", train_tokenizer_o.min_frequency, "of what becomes a token; not for unigram")
      ->check(CLI::NonNegativeNumber);
  train_tokenizer_v->add_option("--special_tokens", train_tokenizer_o.special_tokens, "separated by commas")
      ->allow_extra_args(false)
      ->delimiter(',');
  auto* bytes = train_tokenizer_v->add_flag("--byte_level", train_tokenizer_o.byte_level, "bpe of bytes, as GPT-2's");
  auto* lower = train_tokenizer_v->add_flag("--lowercase", train_tokenizer_o.lowercase);
  train_tokenizer_v
      ->add_option("--from", train_tokenizer_o.from, "a tokenizer whose pipeline and special tokens to keep")
      ->excludes(kind, bytes, lower);
  train_tokenizer_v->add_option("--output", train_tokenizer_o.output, "the folder to write")->required();
  train_tokenizer_v->add_option("--threads", train_tokenizer_o.threads, "default: OMP_NUM_THREADS, else all processors")
      ->check(at_least_one());
  train_tokenizer_v->add_option("files", train_tokenizer_o.files, "text files (UTF-8)")->required();
  train_tokenizer_v->callback([&] {
    if (train_tokenizer_o.byte_level && train_tokenizer_o.model != "bpe")
      throw CLI::ValidationError("--byte_level", "is for --model bpe");
    work = [&] { return train_tokenizer(train_tokenizer_o); };
  });

  info_options info_o;
  auto* info_v = app.add_subcommand("info", "architecture, parameters, dtypes, sizes, special tokens");
  add_common(info_v, info_o);
  info_v->add_flag("--json", info_o.as_json);
  info_v->callback([&] { work = [&] { return info(info_o); }; });

  bench_options bench_o;
  auto* bench_v = app.add_subcommand("bench", "measure");
  bench_v->require_subcommand(1);
  auto* bench_generate_v =
      bench_v->add_subcommand("generate", "prompt and decode tokens a second, load time, peak memory");
  add_common(bench_generate_v, bench_o);
  bench_generate_v->add_option("-p", bench_o.prompt, "prompt tokens; 0 leaves the part out");
  bench_generate_v->add_option("-n", bench_o.tokens, "tokens to decode; 0 leaves the part out");
  bench_generate_v->add_option("-r", bench_o.repeat, "repetitions");
  bench_generate_v->add_option("--build", bench_o.build, "runtime, fixed (specialised to SmolLM2-135M) or both");
  bench_generate_v->add_flag("--json", bench_o.as_json);
  bench_generate_v->callback([&] { work = [&] { return bench_generate(bench_o); }; });
  auto* bench_encode_v = bench_v->add_subcommand("encode", "sequences a second through an encoder");
  add_common(bench_encode_v, bench_o);
  bench_encode_v->add_option("--batch", bench_o.batch);
  bench_encode_v->add_option("--seq", bench_o.seq);
  bench_encode_v->add_flag("--json", bench_o.as_json);
  bench_encode_v->callback([&] { work = [&] { return bench_encode(bench_o); }; });
  auto* bench_tokenize_v = bench_v->add_subcommand(
      "tokenize", "MB a second through a tokenizer, line by line, on one thread and as a batch");
  add_common(bench_tokenize_v, bench_o);
  bench_tokenize_v->add_option("file", bench_o.file, "a text file")->required();
  bench_tokenize_v->add_option("-r", bench_o.passes, "repetitions; the best counts");
  bench_tokenize_v->add_flag("--json", bench_o.as_json);
  bench_tokenize_v->callback([&] { work = [&] { return bench_tokenize(bench_o); }; });
  auto* bench_train_v = bench_v->add_subcommand("train", "tokens a second of forward, backward and AdamW");
  add_common(bench_train_v, bench_o);
  bench_train_v->add_option("--batch", bench_o.batch);
  bench_train_v->add_option("--seq", bench_o.seq);
  bench_train_v->add_option("-r", bench_o.repeat, "steps at least; the median counts");
  bench_train_v->add_flag("--json", bench_o.as_json);
  bench_train_v->callback([&] { work = [&] { return bench_train(bench_o); }; });

  // Its options are the fields of TrainingArguments and LoraConfig, which have a parser of their own.
  auto* train_v = app.add_subcommand(
      "train",
      "fine-tune: --model_name_or_path MODEL --train_file DATA --output_dir DIR [--validation_file DATA] "
      "[--config FILE.json] [--FIELD VALUE ...] with the fields of TrainingArguments, and --lora_r, --lora_alpha, ... "
      "of LoraConfig");
  train_v->prefix_command();
  train_v->footer(train_help);
  train_v->callback([&, train_v] {
    const auto words = train_v->remaining();
    if (std::find(words.begin(), words.end(), "--help") != words.end()) throw CLI::CallForHelp();
    try {
      check_train_arguments(words);
    } catch (const hft::error& e) {
      throw CLI::ValidationError("hft train", e.what());
    }
    work = [words] { return train(words); };
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    const auto unknown = app.get_subcommands().empty() ? app.remaining() : std::vector<std::string>();
    const std::string what = unknown.empty() || unknown[0].starts_with('-') ? std::string(e.what())
                                                                            : "there is no verb '" + unknown[0] + "'";
    std::fprintf(stderr, "hft: %s ('hft --help' and 'hft VERB --help' say what there is)\n", one_line(what).c_str());
    return 2;
  }
  const hft::ProgressBar bar;
  hft::set_log_callback([&](hft::log_level level, const std::string& text) {
    if (level != hft::log_level::warning) return;
    bar.clear();
    std::fprintf(stderr, "hft: warning: %s\n", one_line(text).c_str());
  });
  // Steps are drawn by ProgressCallback, with logs between them. Pipes and files get nothing.
  if (::isatty(2))
    hft::set_progress_callback([&](const hft::progress_event& e) {
      if (e.what != "training" && e.what != "evaluating") bar(e);
    });
  try {
    const int status = work();
    if (std::fflush(stdout) != 0 || std::ferror(stdout))
      throw hft::file_error("standard output", "cannot write: " + hft::detail::errno_text(errno));
    return status;
  } catch (const std::bad_alloc&) {
    bar.clear();
    std::fprintf(stderr, "hft: [memory] not enough for this\n");
    return 1;
  } catch (const std::exception& e) {
    std::fflush(stdout);
    bar.clear();
    std::fprintf(stderr, "hft: %s\n", one_line(e.what()).c_str());
    return 1;
  }
}
