// Trains a tokenizer and a small Llama from nothing on a text, and saves a checkpoint that hft and Transformers load.
//
//   train_from_scratch TEXT [OUTPUT [STEPS]]        defaults: "llama", 500
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
#include <hft/train/trainer.hpp>

using namespace hft;

namespace {

// A byte-level BPE without a vocabulary, which training fills.
constexpr const char* empty_tokenizer = R"({
  "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
  "post_processor": null,
  "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
  "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": {}, "merges": []}})";

// As Transformers begins: weights normal with initializer_range, norms one.
template <class Model>
void initialise(Model& model, f64 deviation, std::uint64_t seed) {
  std::uint64_t stream = 0;
  for_each_parameter(model, [&](const std::string&, parameter& p) {
    p.allocate(dtype_id::f32);
    const random_stream random(seed, stream++);
    auto* values = static_cast<f32*>(p.data());
    for (isize i = 0; i < p.size(); ++i)
      values[i] = p.shape().size() == 1 ? 1 : f32(deviation * random.normal(std::uint64_t(i)));
  });
  model.tie_weights();
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr, "usage: train_from_scratch TEXT [OUTPUT [STEPS]]\n");
    return 2;
  }
  const auto rows = load_text(argv[1]);
  const std::filesystem::path output = argc > 2 ? argv[2] : "llama";

  std::vector<std::string> lines;
  for (isize i = 0; i < rows.size(); ++i) lines.push_back(rows[i]["text"].get<std::string>() + "\n");
  auto tokenizer = Tokenizer::from_json(empty_tokenizer);
  trainers::BpeTrainer bpe;
  bpe.vocab_size = 2048;
  bpe.special_tokens = {"<|endoftext|>"};
  bpe.initial_alphabet = trainers::byte_level_alphabet();
  train_from_iterator(tokenizer, lines, bpe);

  LlamaConfig config;
  config.vocab_size = isize(tokenizer.vocab_size());
  config.hidden_size = 192;
  config.intermediate_size = 512;
  config.num_hidden_layers = 4;
  config.num_attention_heads = 6;
  config.num_key_value_heads = 3;
  config.max_position_embeddings = 256;
  config.tie_word_embeddings = true;
  config.bos_token_id = 0;
  config.eos_token_id = 0;
  LlamaForCausalLM<f32, autodiff<cpu>> model(config);
  initialise(model, config.initializer_range, 42);

  // All text in blocks of 128 tokens.
  std::vector<json> encoded;
  for (const auto& line : lines) {
    json row = json::object();
    row["input_ids"] = tokenizer.encode_ids(line);
    encoded.push_back(std::move(row));
  }
  CollatorTokens tokens;
  tokens.pad_token_id = 0;
  TrainerOptions options;
  options.train_dataset = group_texts(Dataset::from_rows(std::move(encoded)), 128);
  options.data_collator = DataCollatorForLanguageModeling{tokens, false};
  options.callbacks.push_back(std::make_shared<ProgressCallback>());
  options.callbacks.push_back(std::make_shared<PrinterCallback>());

  TrainingArguments args;
  args.output_dir = output.string();
  args.max_steps = argc > 3 ? std::atoi(argv[3]) : 500;
  args.per_device_train_batch_size = 8;
  args.learning_rate = 1e-3;
  args.lr_scheduler_type = "cosine";
  args.warmup_steps = 0.05;
  args.weight_decay = 0.1;
  args.logging_steps = 20;
  args.save_strategy = SaveStrategy::no;
  Trainer trainer(model, args, std::move(options));
  trainer.train();
  trainer.save_model();
  tokenizer.save(output / "tokenizer.json");

  const auto prompt = tokenizer.encode_ids("The ");
  const auto ids = Tensor<i64, 2>::from(std::vector<i64>(prompt.begin(), prompt.end()), {1, isize(prompt.size())});
  GenerationConfig generation;
  generation.max_new_tokens = 40;
  const auto sequence = generate(as_inference(model), ids, generation);
  std::printf("%s\n", tokenizer.decode(std::vector<i64>(sequence.data(), sequence.data() + sequence.size())).c_str());
} catch (const std::exception& e) {
  std::fprintf(stderr, "train_from_scratch: %s\n", e.what());
  return 1;
}
