// expect: hft: a Trainer takes the model first: Trainer.model, arguments, options.
// lines: 10
#include <hft/models/bert.hpp>
#include <hft/train/trainer.hpp>
using model = hft::BertForMaskedLM<hft::f32, hft::autodiff<hft::cpu>>;
#ifdef GOOD
void train(model& m, hft::TrainingArguments args) { hft::Trainer(m, args, {}); }
#else
void train(model& m, hft::TrainingArguments args) { hft::Trainer(args, m, {}); }
#endif
