// Fine-tunes a chat model with LoRA on a small JSONL file of conversations, and saves an adapter that PEFT loads, too.
//
//   finetune_lora MODEL [DATA [OUTPUT]]        defaults: chats.jsonl beside this file, "adapter"
#include <cstdio>
#include <exception>

#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>
#include <hft/train/as_inference.hpp>
#include <hft/train/callbacks/progress.hpp>
#include <hft/train/collators/language_modeling.hpp>
#include <hft/train/data/load_dataset.hpp>
#include <hft/train/data/tokenize.hpp>
#include <hft/train/peft/peft_model.hpp>
#include <hft/train/trainer.hpp>

using namespace hft;

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr, "usage: finetune_lora MODEL [DATA [OUTPUT]]\n");
    return 2;
  }
  const std::filesystem::path folder = resolve_model(argv[1]);
  const std::filesystem::path data =
      argc > 2 ? argv[2] : (std::filesystem::path(__FILE__).parent_path() / "chats.jsonl").string();

  // The weights stay as the file has them; only the adapter is trained.
  const auto tokenizer = AutoTokenizer::from_pretrained(folder);
  using Llama = LlamaForCausalLM<any_q, autodiff<cpu>, with_lora>;
  LoraConfig lora;
  lora.r = 8;
  lora.lora_alpha = 16;
  lora.target_modules = "all-linear";
  lora.task_type = "CAUSAL_LM";
  auto model = get_peft_model(Llama::from_pretrained(folder.string()), lora);

  // Only what the assistant says is learnt.
  TokenizeOptions tokens;
  tokens.max_length = 512;
  tokens.assistant_only_loss = true;
  TrainerOptions options;
  options.train_dataset = tokenize(load_dataset(data), tokenizer, tokens).cached();
  options.data_collator = DataCollatorForLanguageModeling{CollatorTokens::of(tokenizer), false};
  options.callbacks.push_back(std::make_shared<ProgressCallback>());
  options.callbacks.push_back(std::make_shared<PrinterCallback>());

  TrainingArguments args;
  args.output_dir = argc > 3 ? argv[3] : "adapter";
  args.per_device_train_batch_size = 2;
  args.gradient_accumulation_steps = 2;
  args.num_train_epochs = 3;
  args.learning_rate = 2e-4;
  args.lr_scheduler_type = "cosine";
  args.logging_steps = 1;
  args.save_strategy = SaveStrategy::no;

  Trainer trainer(model, args, std::move(options));
  trainer.train();
  trainer.save_model();
  std::printf("the adapter is in %s: hft run %s --adapter %s --chat -p ...\n", args.output_dir.c_str(), argv[1],
              args.output_dir.c_str());
} catch (const std::exception& e) {
  std::fprintf(stderr, "finetune_lora: %s\n", e.what());
  return 1;
}
