// expect: lerning_rate
// lines: 10
#include <hft/train/arguments.hpp>
#ifdef GOOD
hft::TrainingArguments args{.learning_rate = 1e-4};
#else
hft::TrainingArguments args{.lerning_rate = 1e-4};
#endif
