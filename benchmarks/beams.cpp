// A step of generation with one sequence and with beams: a Llama of SmolLM2-135M's shape, its weights random. What
// beams may cost is their share of the products, not the weights that all of them read, nor the cache's rows that
// change places.
#include <chrono>

#include <benchmark/benchmark.h>

#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>

namespace {

using namespace hft;

template <class W>
const LlamaForCausalLM<W>& model() {
  static const auto made = [] {
    LlamaConfig config;
    config.vocab_size = 49152;
    config.hidden_size = 576;
    config.intermediate_size = 1536;
    config.num_hidden_layers = 30;
    config.num_attention_heads = 9;
    config.num_key_value_heads = 3;
    config.max_position_embeddings = 8192;
    config.tie_word_embeddings = true;
    return LlamaForCausalLM<W>::from_config(config, 7);
  }();
  return made;
}

/// The time of one step behind a prompt. Arguments: beams, tokens of the prompt.
template <class W>
void step(benchmark::State& state) {
  using clock = std::chrono::steady_clock;
  constexpr isize steps = 32;
  Tensor<i64, 2> ids({1, state.range(1)});
  for (isize i = 0; i < ids.size(); ++i) ids.data()[i] = 3 + i * 7919 % 49000;
  for (auto _ : state) {
    clock::time_point first, last;
    generate(model<W>(), ids, {.max_new_tokens = 1 + steps, .num_beams = state.range(0), .eos_token_id = TokenIds{}},
             {.progress = [&](isize n, isize) { (n == 1 ? first : last) = clock::now(); }});
    state.SetIterationTime(std::chrono::duration<double>(last - first).count() / steps);
  }
}

void cases(benchmark::internal::Benchmark* b) {
  b->ArgNames({"beams", "prompt"})->UseManualTime()->Unit(benchmark::kMillisecond);
  for (const int prompt : {16, 1024})
    for (const int beams : {1, 4}) b->Args({beams, prompt});
}
BENCHMARK_TEMPLATE(step, f32)->Apply(cases);
BENCHMARK_TEMPLATE(step, bf16)->Apply(cases);

}  // namespace
