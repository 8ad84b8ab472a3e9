// hft bench train: tokens a second of forward, backward and AdamW on random ids.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <hft/random.hpp>
#include <hft/train/optimizers/make_optimizer.hpp>
#include <hft/train/trainable.hpp>

#include "tool.hpp"
#include "train_models.hpp"

namespace tool {

using namespace hft;

namespace {

// Of all threads of this process.
f64 processor_seconds() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return f64(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * f64(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

Batch random_batch(isize rows, isize tokens, isize vocab_size, std::uint64_t seed) {
  Batch batch;
  BatchTensor ids{{rows, tokens}, {}, {}, false};
  const random_stream random(seed);
  for (isize i = 0; i < rows * tokens; ++i)
    ids.integers.push_back(i64(random.bits(std::uint64_t(i)) % std::uint64_t(vocab_size)));
  batch["labels"] = ids;
  batch["input_ids"] = std::move(ids);
  return batch;
}

}  // namespace

int bench_train(const bench_options& o) {
  if (o.batch < 1 || o.seq < 1)
    throw value_error("bench train", "--batch and --seq", "at least 1", detail::cat(o.batch, " and ", o.seq));
  if (!o.dtype.empty() && o.dtype != "f32" && o.dtype != "bf16" && o.dtype != "f16")
    throw value_error("bench train", "--dtype", "f32, bf16 or f16", o.dtype);
  set_up(o);
  const auto model = load_trained(checkpoint::open(resolve_model(o.model, o.revision)));
  const autocast products(o.dtype == "bf16"  ? std::optional(dtype_id::bf16)
                          : o.dtype == "f16" ? std::optional(dtype_id::f16)
                                             : std::nullopt);
  if (model.task != training_task::causal_lm && model.task != training_task::masked_lm)
    throw value_error("bench train", "the model", "a language model", model.training->architecture());
  const Batch batch = random_batch(o.batch, o.seq, model.vocab_size, o.seed);
  const auto optimizer = make_optimizer();
  const auto step = [&] {
    model.training->training_step(batch, {});
    optimizer->step(trainables(*model.training), 1e-4);
    visiting clear([](const std::string&, parameter& p) { p.zero_grad(); });
    model.training->visit(clear);
  };
  step();  // warm up
  std::vector<f64> times;
  const f64 processor = processor_seconds();
  for (const f64 begin = seconds(); isize(times.size()) < std::max<isize>(o.repeat, 3) || seconds() - begin < 1.5;) {
    const f64 t = seconds();
    step();
    times.push_back(seconds() - t);
  }
  const f64 of_step = (processor_seconds() - processor) / f64(times.size());
  std::sort(times.begin(), times.end());
  const f64 median = times[times.size() / 2], rate = f64(o.batch * o.seq) / median;
  const f64 peak = peak_rss_mb();
  if (o.as_json)
    std::fputs(
        dump({{"tok_s", rate}, {"step_s", median}, {"cpu_s", of_step}, {"steps", times.size()}, {"rss_mb", peak}},
             {.indent = -1, .sort_keys = false})
            .c_str(),
        stdout);
  else
    std::printf("train %td x %td  %.1f tokens/s, %.3f s a step, peak memory %.1f MB\n", isize(o.batch), isize(o.seq),
                rate, median, peak);
  return 0;
}

}  // namespace tool
