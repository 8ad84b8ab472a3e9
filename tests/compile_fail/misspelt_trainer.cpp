// expect: colator
// expect: hft: braces name TrainerOptions
// lines: 11
#include <hft/models/bert.hpp>
#include <hft/train/trainer.hpp>
using model = hft::BertForMaskedLM<hft::f32, hft::autodiff<hft::cpu>>;
#ifdef GOOD
void train(model& m, hft::TrainingArguments args) { hft::Trainer(m, args, {.data_collator = {}}); }
#else
void train(model& m, hft::TrainingArguments args) { hft::Trainer(m, args, {.data_colator = {}}); }
#endif
