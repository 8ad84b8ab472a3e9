// Trains a tokenizer and a small Llama from nothing on a text, then on chats; saves a checkpoint that hft and
// Transformers load, and the same quantised: one GGUF file. examples/toy_llama was made by it.
//
//   train_from_scratch TEXT [CHATS.jsonl [OUTPUT [STEPS [STEPS_ON_CHATS]]]]     defaults: none, "llama", 1500, 2000
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>
#include <hft/random.hpp>
#include <hft/tokenizers/train.hpp>
#include <hft/train/as_inference.hpp>
#include <hft/train/callbacks/progress.hpp>
#include <hft/train/collators/language_modeling.hpp>
#include <hft/train/data/group_texts.hpp>
#include <hft/train/data/load_dataset.hpp>
#include <hft/train/data/tokenize.hpp>
#include <hft/train/trainer.hpp>

#include "save_gguf.hpp"

using namespace hft;
namespace fs = std::filesystem;

namespace {

// A byte-level BPE without a vocabulary, which training fills. Digits stand alone: sums are learnt digit by digit.
constexpr const char* empty_tokenizer = R"({
  "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
    {"type": "Digits", "individual_digits": true},
    {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]},
  "post_processor": null,
  "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
  "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": {}, "merges": []}})";

constexpr const char* end_of_text = "<|endoftext|>";

// Chats as ChatML: "<|im_start|>role\ncontent<|im_end|>\n".
constexpr const char* tokenizer_config = R"({
  "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false, "model_max_length": 256,
  "bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
  "chat_template": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"})";

// Learns the vocabulary and writes the tokenizer's folder.
PreTrainedTokenizerFast make_tokenizer(const std::vector<std::string>& texts, const fs::path& folder) {
  auto tokenizer = Tokenizer::from_json(empty_tokenizer);
  trainers::BpeTrainer bpe;
  bpe.vocab_size = 2048;
  bpe.special_tokens = {end_of_text, "<|im_start|>", "<|im_end|>"};
  bpe.initial_alphabet = trainers::byte_level_alphabet();
  train_from_iterator(tokenizer, texts, bpe);
  fs::create_directories(folder);
  tokenizer.save(folder / "tokenizer.json");
  write_file_atomically(folder / "tokenizer_config.json", tokenizer_config);
  return AutoTokenizer::from_pretrained(folder.string());
}

LlamaConfig make_config(const PreTrainedTokenizerFast& tokenizer) {
  LlamaConfig config;
  config.vocab_size = isize(tokenizer.size());
  config.hidden_size = 192;
  config.intermediate_size = 512;
  config.num_hidden_layers = 6;
  config.num_attention_heads = 6;
  config.num_key_value_heads = 3;
  config.max_position_embeddings = 256;
  config.tie_word_embeddings = true;
  config.bos_token_id = tokenizer.bos_token_id();
  config.eos_token_id = tokenizer.eos_token_id().value();
  config.pad_token_id = tokenizer.pad_token_id();
  return config;
}

template <class Model>
void train_on(Model& model, Dataset rows, const PreTrainedTokenizerFast& tokenizer, TrainingArguments args) {
  args.lr_scheduler_type = "cosine";
  args.warmup_steps = 0.05;  // a share of all steps
  args.weight_decay = 0.1;
  args.logging_steps = 50;
  args.save_strategy = SaveStrategy::no;
  TrainerOptions options;
  options.train_dataset = std::move(rows);
  options.data_collator = DataCollatorForLanguageModeling{CollatorTokens::of(tokenizer), false};
  options.callbacks.push_back(std::make_shared<ProgressCallback>());
  options.callbacks.push_back(std::make_shared<PrinterCallback>());
  Trainer trainer(model, args, std::move(options));
  trainer.train();
  trainer.save_model();
}

// n chats, each followed by a piece of the text, so that the text is not forgotten.
Dataset taking_turns(const Dataset& chats, const Dataset& text, isize n) {
  const auto order = random_permutation(text.size(), 42);
  std::vector<json> rows;
  for (isize i = 0; i < n; ++i) {
    rows.push_back(chats[i % chats.size()]);
    rows.push_back(text[order[std::size_t(i % text.size())]]);
  }
  return Dataset::from_rows(std::move(rows));
}

// How the model goes on.
template <class Model>
std::string continuation(const Model& model, const PreTrainedTokenizerFast& tokenizer, const std::string& text) {
  const auto prompt = tokenizer.tokenizer().encode_ids(text);
  const auto ids = Tensor<i64, 2>::from(std::vector<i64>(prompt.begin(), prompt.end()), {1, isize(prompt.size())});
  GenerationConfig generation;
  generation.max_new_tokens = 40;
  const auto sequence = generate(as_inference(model), ids, generation);
  return tokenizer.decode(std::vector<i64>(sequence.data(), sequence.data() + sequence.size()));
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr, "usage: train_from_scratch TEXT [CHATS.jsonl [OUTPUT [STEPS [STEPS_ON_CHATS]]]]\n");
    return 2;
  }
  const auto text = load_text(argv[1]);
  const fs::path output = argc > 3 ? argv[3] : "llama";

  // A line is a paragraph; an empty one ends a chapter.
  std::vector<std::string> lines;
  for (isize i = 0; i < text.size(); ++i) {
    const auto line = text[i]["text"].get<std::string>();
    lines.push_back(line.empty() ? end_of_text : line + "\n");
  }
  const auto tokenizer = make_tokenizer(lines, output);
  auto model = LlamaForCausalLM<f32, autodiff<cpu>>::from_config(make_config(tokenizer), 42);
  std::printf("%lld tokens in the vocabulary, %lld parameters\n", static_cast<long long>(tokenizer.size()),
              static_cast<long long>(num_parameters(model)));

  // The text in blocks of 256 tokens.
  std::vector<json> rows;
  for (const auto& line : lines) rows.push_back({{"input_ids", json(tokenizer.tokenizer().encode_ids(line))}});
  const auto encoded = Dataset::from_rows(std::move(rows));
  TrainingArguments args;
  args.output_dir = output.string();
  args.max_steps = argc > 4 ? std::atoi(argv[4]) : 1500;
  args.per_device_train_batch_size = 8;
  args.learning_rate = 2e-3;
  train_on(model, group_texts(encoded, model.config().max_position_embeddings), tokenizer, args);
  std::printf("%s\n", continuation(model, tokenizer, "It is a truth universally").c_str());

  if (argc > 2 && *argv[2]) {
    args.max_steps = argc > 5 ? std::atoi(argv[5]) : 2000;
    args.per_device_train_batch_size = 16;
    args.learning_rate = 1e-3;
    TokenizeOptions replies;
    replies.assistant_only_loss = true;
    train_on(model,
             taking_turns(tokenize(load_json_lines(argv[2]), tokenizer, replies).cached(), group_texts(encoded, 32),
                          args.max_steps * args.per_device_train_batch_size / 2),
             tokenizer, args);
  }
  example::save_gguf(model, tokenizer, output / "model.q8_0.gguf");
} catch (const std::exception& e) {
  std::fprintf(stderr, "train_from_scratch: %s\n", e.what());
  return 1;
}
