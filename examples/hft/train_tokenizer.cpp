// hft train-tokenizer: text files to a tokenizer's folder, with the pipeline that is customary for the model, or with
// that of another tokenizer.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <hft/parallel.hpp>
#include <hft/tokenizers/decoders/byte_level.hpp>
#include <hft/tokenizers/decoders/metaspace.hpp>
#include <hft/tokenizers/decoders/wordpiece.hpp>
#include <hft/tokenizers/models/bpe.hpp>
#include <hft/tokenizers/models/unigram.hpp>
#include <hft/tokenizers/models/wordlevel.hpp>
#include <hft/tokenizers/models/wordpiece.hpp>
#include <hft/tokenizers/normalizers/bert.hpp>
#include <hft/tokenizers/normalizers/nmt.hpp>
#include <hft/tokenizers/normalizers/replace.hpp>
#include <hft/tokenizers/normalizers/unicode.hpp>
#include <hft/tokenizers/normalizers/utils.hpp>
#include <hft/tokenizers/pre_tokenizers/bert.hpp>
#include <hft/tokenizers/pre_tokenizers/byte_level.hpp>
#include <hft/tokenizers/pre_tokenizers/metaspace.hpp>
#include <hft/tokenizers/pre_tokenizers/whitespace.hpp>
#include <hft/tokenizers/processors/bert.hpp>
#include <hft/tokenizers/processors/byte_level.hpp>
#include <hft/tokenizers/train_new_from_iterator.hpp>

#include "tool.hpp"

namespace tool {

using namespace hft;

namespace {

using strings = std::vector<std::string>;

// One line a stage on standard error, counted up on a terminal.
class stage_printer {
 public:
  stage_printer() = default;
  stage_printer(const stage_printer&) = delete;
  stage_printer& operator=(const stage_printer&) = delete;
  void operator()(std::string_view stage, std::size_t done, std::size_t total) {
    const int percent = total ? int(100.0 * double(std::min(done, total)) / double(total)) : 100;
    if (stage == stage_ && percent == percent_) return;
    if (stage != stage_ && !stage_.empty() && terminal_) std::fputc('\n', stderr);
    if (stage != stage_ || terminal_) {
      std::fprintf(stderr, terminal_ ? "\r%.*s" : "%.*s", int(stage.size()), stage.data());
      terminal_ ? std::fprintf(stderr, " %d%%", percent) : std::fputc('\n', stderr);
    }
    stage_ = stage;
    percent_ = percent;
  }
  ~stage_printer() {
    if (!stage_.empty() && terminal_) std::fputc('\n', stderr);
  }

 private:
  std::string stage_;
  int percent_ = -1;
  bool terminal_ = ::isatty(2) == 1;
};

// The names of special tokens that are customary for their texts.
constexpr std::pair<const char*, const char*> token_names[] = {
    {"bos_token", "<s>"},           {"bos_token", "<|endoftext|>"}, {"bos_token", "<bos>"}, {"eos_token", "</s>"},
    {"eos_token", "<|endoftext|>"}, {"eos_token", "<eos>"},         {"unk_token", "<unk>"}, {"unk_token", "[UNK]"},
    {"sep_token", "[SEP]"},         {"pad_token", "<pad>"},         {"pad_token", "[PAD]"}, {"cls_token", "[CLS]"},
    {"mask_token", "<mask>"},       {"mask_token", "[MASK]"}};

// The first of the tokens that is customary under this name; empty where none is.
std::string named_token(const strings& tokens, std::string_view name) {
  for (const auto& [n, text] : token_names)
    if (n == name && std::find(tokens.begin(), tokens.end(), text) != tokens.end()) return text;
  return {};
}

strings default_special_tokens(const train_tokenizer_options& o) {
  if (o.model == "wordpiece") return {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  if (o.model == "wordlevel") return {"[UNK]"};
  if (o.byte_level) return {"<|endoftext|>"};
  return {"<unk>"};
}

template <class Stage, class Fields>
std::shared_ptr<const Stage> make(Fields fields) {
  auto stage = std::make_shared<Stage>();
  fields(*stage);
  return stage;
}
template <class Stage>
std::shared_ptr<const Stage> make() {
  return std::make_shared<Stage>();
}

// Nmt, NFKC and single spaces, as sentencepiece has it; then lowercase letters, if asked for.
std::shared_ptr<const normalizers::Normalizer> sentencepiece_normalizer(bool lowercase) {
  auto out = std::make_shared<normalizers::Sequence>();
  out->normalizers.push_back(std::make_unique<normalizers::Nmt>());
  out->normalizers.push_back(std::make_unique<normalizers::NFKC>());
  auto spaces = std::make_unique<normalizers::Replace>();
  spaces->pattern = Pattern::regex(" {2,}", "hft train-tokenizer");
  spaces->content = " ";
  out->normalizers.push_back(std::move(spaces));
  if (lowercase) out->normalizers.push_back(std::make_unique<normalizers::Lowercase>());
  return out;
}

// The pipeline around a model that is not trained yet.
detail::tokenizer_components pipeline(const train_tokenizer_options& o, const std::string& unk_token) {
  detail::tokenizer_components out;
  if (o.model == "wordpiece") {
    out.model = std::make_shared<models::WordPiece>(Vocabulary(), unk_token, "##", 100);
    out.normalizer = make<normalizers::BertNormalizer>([&](auto& n) { n.lowercase = o.lowercase; });
    out.pre_tokenizer = make<pre_tokenizers::BertPreTokenizer>();
    out.decoder = make<decoders::WordPiece>();
    return out;
  }
  if (o.model == "wordlevel") {
    out.model = std::make_shared<models::WordLevel>(Vocabulary(), unk_token);
    if (o.lowercase) out.normalizer = make<normalizers::Lowercase>();
    out.pre_tokenizer = make<pre_tokenizers::Whitespace>();
    return out;
  }
  if (o.byte_level) {
    out.model = std::make_shared<models::BPE>(Vocabulary(), detail::pair_table(), models::BPE::options{});
    if (o.lowercase) out.normalizer = make<normalizers::Lowercase>();
    out.pre_tokenizer = make<pre_tokenizers::ByteLevel>([](auto& p) { p.add_prefix_space = false; });
    out.post_processor = make<processors::ByteLevel>([](auto& p) { p.trim_offsets = false; });
    out.decoder = make<decoders::ByteLevel>();
    return out;
  }
  if (o.model == "unigram") {
    out.model = std::make_shared<models::Unigram>(std::vector<std::pair<std::string, double>>{}, std::nullopt, false);
  } else {
    models::BPE::options options;
    options.unk_token = unk_token;
    options.fuse_unk = true;
    out.model = std::make_shared<models::BPE>(Vocabulary(), detail::pair_table(), options);
  }
  out.normalizer = sentencepiece_normalizer(o.lowercase);
  out.pre_tokenizer = make<pre_tokenizers::Metaspace>();
  out.decoder = make<decoders::Metaspace>();
  return out;
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) throw file_error(folder.string(), "folder", "one that can be made", failed.message());
}

void train_from_pipeline(const train_tokenizer_options& o, const std::vector<std::filesystem::path>& files,
                         const trainers::progress_callback& progress) {
  strings specials = o.special_tokens.empty() ? default_special_tokens(o) : o.special_tokens;
  std::string unk_token = named_token(specials, "unk_token");
  if (unk_token.empty() && !o.byte_level) {
    unk_token = named_token(default_special_tokens(o), "unk_token");
    specials.insert(specials.begin(), unk_token);
  }
  Tokenizer tokenizer(pipeline(o, unk_token), "hft train-tokenizer");
  const std::vector<trainers::SpecialToken> special_tokens(specials.begin(), specials.end());
  const auto vocab_size = std::size_t(o.vocab_size);
  const auto min_frequency = std::uint64_t(o.min_frequency);
  if (o.model == "bpe") {
    trainers::BpeTrainer t{.vocab_size = vocab_size, .min_frequency = min_frequency, .special_tokens = special_tokens};
    if (o.byte_level) t.initial_alphabet = trainers::byte_level_alphabet();
    t.progress = progress;
    train(tokenizer, files, t);
  } else if (o.model == "wordpiece") {
    train(tokenizer, files,
          trainers::WordPieceTrainer{.vocab_size = vocab_size,
                                     .min_frequency = min_frequency,
                                     .special_tokens = special_tokens,
                                     .progress = progress});
    const auto cls = tokenizer.token_to_id("[CLS]"), sep = tokenizer.token_to_id("[SEP]");
    if (cls && sep)
      tokenizer.set_post_processor(make<processors::BertProcessing>([&](auto& p) {
        p.cls = {"[CLS]", *cls};
        p.sep = {"[SEP]", *sep};
      }));
  } else if (o.model == "wordlevel") {
    train(tokenizer, files,
          trainers::WordLevelTrainer{.vocab_size = vocab_size,
                                     .min_frequency = min_frequency,
                                     .special_tokens = special_tokens,
                                     .progress = progress});
  } else {
    train(tokenizer, files,
          trainers::UnigramTrainer{.vocab_size = std::uint32_t(vocab_size),
                                   .special_tokens = special_tokens,
                                   .unk_token = unk_token,
                                   .progress = progress});
  }

  json config = json::object();
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  config["clean_up_tokenization_spaces"] = false;
  for (const auto name : detail::special_token_names)
    if (const auto token = named_token(specials, name); !token.empty()) config[std::string(name)] = token;
  make_folder(o.output);
  const std::filesystem::path folder(o.output);
  tokenizer.save(folder / "tokenizer.json");
  write_file_atomically(folder / "tokenizer_config.json", dump(config, {.ensure_ascii = false}));
}

}  // namespace

int train_tokenizer(const train_tokenizer_options& o) {
  if (o.threads > 0) set_num_threads(o.threads);
  const std::vector<std::filesystem::path> files(o.files.begin(), o.files.end());
  stage_printer print;
  const trainers::progress_callback progress = [&](std::string_view stage, std::size_t done, std::size_t total) {
    print(stage, done, total);
  };
  if (o.from.empty()) {
    train_from_pipeline(o, files, progress);
  } else {
    TrainNewOptions options;
    options.new_special_tokens.assign(o.special_tokens.begin(), o.special_tokens.end());
    options.min_frequency = std::uint64_t(o.min_frequency);
    options.progress = progress;
    const auto old = AutoTokenizer::from_pretrained(o.from);
    train_new_from_files(old, files, std::size_t(o.vocab_size), options).save_pretrained(o.output);
  }
  return 0;
}

}  // namespace tool
