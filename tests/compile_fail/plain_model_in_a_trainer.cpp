// expect: hft: a Trainer takes a model on a device that records
// lines: 10
#include <hft/models/bert.hpp>
#include <hft/train/trainer.hpp>
#ifdef GOOD
using model = hft::BertForMaskedLM<hft::f32, hft::autodiff<hft::cpu>>;
#else
using model = hft::BertForMaskedLM<hft::f32>;
#endif
void train(model& m, hft::TrainingArguments args) { hft::Trainer(m, args, {}); }
