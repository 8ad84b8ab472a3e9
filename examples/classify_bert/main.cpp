// Fine-tunes a BERT classifier on a CSV file with the columns text and label, and reports its accuracy.
//
//   classify_bert MODEL DATA.csv [OUTPUT [--FIELD VALUE ...]]
//
// MODEL is a folder with a BertForSequenceClassification and its tokenizer; FIELD one of TrainingArguments.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <hft/models/bert.hpp>
#include <hft/train/callbacks/progress.hpp>
#include <hft/train/data/load_dataset.hpp>
#include <hft/train/data/tokenize.hpp>
#include <hft/train/metrics.hpp>
#include <hft/train/trainer.hpp>

using namespace hft;

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: classify_bert MODEL DATA.csv [OUTPUT [--FIELD VALUE ...]]\n");
    return 2;
  }
  const auto tokenizer = AutoTokenizer::from_pretrained(argv[1]);
  auto model = BertForSequenceClassification<f32, autodiff<cpu>>::from_pretrained(argv[1]);

  TokenizeOptions tokens;
  tokens.max_length = model.config().max_position_embeddings;
  const auto rows = tokenize(load_dataset(argv[2]), tokenizer, tokens).cached();
  auto [train, test] = rows.train_test_split(0.2, 42);
  TrainerOptions options;
  options.train_dataset = train;
  options.eval_dataset = test;
  options.processing_class = tokenizer;
  options.compute_metrics = accuracy;
  options.callbacks.push_back(std::make_shared<ProgressCallback>());

  TrainingArguments args;
  args.output_dir = argc > 3 ? argv[3] : "classifier";
  args.num_train_epochs = 3;
  args.learning_rate = 2e-5;
  args.eval_strategy = IntervalStrategy::epoch;
  args.save_strategy = SaveStrategy::epoch;
  args.load_best_model_at_end = true;
  args.metric_for_best_model = "accuracy";
  args.save_total_limit = 1;
  if (argc > 4) parse_args_into(std::vector<std::string>(argv + 4, argv + argc), args);
  Trainer trainer(model, args, std::move(options));
  trainer.train();
  std::printf("accuracy %.3f\n", trainer.evaluate()["eval_accuracy"].get<f64>());
  trainer.save_model();
} catch (const std::exception& e) {
  std::fprintf(stderr, "classify_bert: %s\n", e.what());
  return 1;
}
