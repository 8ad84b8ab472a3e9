// The verbs of the hft tool. main.cpp reads the command line into these structs; each verb has a file of its own.
// Models are instantiated in model.cpp alone; every other file sees them as AnyModel.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <hft/io/json.hpp>

namespace tool {

/// What goes with every model: how it is loaded, and on what it runs.
struct common_options {
  std::string model;
  std::string dtype;  // empty: as stored
  std::string device = "cpu";
  std::string revision = "main";
  std::string adapter;  // a folder, or empty
  int threads = 0;      // 0: OMP_NUM_THREADS, else all
  std::uint64_t seed = 0;
};

/// What a text is held to: files of a JSON schema and of a GBNF grammar, and a regular expression; one of them, or
/// none.
struct guide_options {
  std::string schema, regex, grammar;
};

struct run_options : common_options, guide_options {
  std::string prompt;
  bool has_prompt = false;
  std::optional<std::int64_t> max_new_tokens;
  bool chat = false;
  std::string system;
  bool greedy = false;
  std::optional<double> temperature, top_p, min_p, typical_p, repetition_penalty;
  std::optional<std::int64_t> top_k;
  std::vector<std::string> stop_strings;
  std::string draft;  // a model that drafts, or empty
};
int run(const run_options&);

struct forward_options : common_options {
  std::string inputs, outputs;
};
int forward(const forward_options&);
int backward(const forward_options&);

struct generate_options : forward_options, guide_options {
  std::string config;
  std::string assistant;  // a model that drafts, or empty
};
int generate(const generate_options&);

struct tokenize_options : common_options {
  bool no_special = false, keep_special = false;
};
int tokenize(const tokenize_options&);
int detokenize(const tokenize_options&);
int render_template(const common_options&);

struct train_tokenizer_options {
  std::string model = "bpe";  // bpe, wordpiece, unigram, wordlevel
  std::int64_t vocab_size = 0, min_frequency = 0;
  std::vector<std::string> special_tokens;  // none: what is customary for the model
  bool byte_level = false, lowercase = false;
  std::string from;  // a tokenizer to take all of this from
  std::string output;
  std::vector<std::string> files;
  int threads = 0;
};
int train_tokenizer(const train_tokenizer_options&);

struct info_options : common_options {
  bool as_json = false;
};
int info(const info_options&);

struct bench_options : common_options {
  std::int64_t prompt = 512, tokens = 128, repeat = 1;  // generate
  std::int64_t passes = 5;                              // tokenize
  std::string build = "runtime";                        // runtime, fixed, both
  std::int64_t batch = 1, seq = 128;                    // encode
  std::string file;                                     // tokenize
  bool as_json = false;
};
int bench_generate(const bench_options&);
int bench_encode(const bench_options&);
int bench_tokenize(const bench_options&);
int bench_train(const bench_options&);
/// Of a clock that only goes forward.
double seconds();
/// The process's largest resident set so far, in MB (10^6 bytes).
double peak_rss_mb();

/// `words` are the arguments behind the verb. Both throw what is wrong with them; the first does nothing else.
void check_train_arguments(const std::vector<std::string>& words);
int train(const std::vector<std::string>& words);
/// Every option of it, with its default.
std::string train_help();

/// Shows warnings on stderr.
void warn(const std::vector<std::string>& warnings);

/// Applies threads and checks the device. Throws unsupported_error for a device that this build does not have.
void set_up(const common_options&);

}  // namespace tool
