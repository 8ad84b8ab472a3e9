// Attention on the CPU with SmolLM2-135M's heads (9 query heads, 3 key heads of 64): one token against caches of S
// keys, and prompts. GB/s counts every key and value read once; FLOP/s the two products over the visible keys.
#include <vector>

#include <benchmark/benchmark.h>

#include <hft/ops/attention.hpp>

namespace {

using namespace hft;

constexpr isize H = 9, Hk = 3, D = 64;

Tensor<f32, 4> random_tensor(const Shape<4>& shape, unsigned seed) {
  Tensor<f32, 4> x(shape);
  for (isize i = 0; i < x.size(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    x.data()[i] = f32(seed >> 8) * 0x1p-23f - 1;
  }
  return x;
}

/// Attention of T tokens against S keys, with the caches of `layers` layers in turn: those of 30 layers do not stay in
/// the processor's own cache, as in a model. Arguments: T, S, layers, threads.
void attention_of(benchmark::State& state) {
  const isize T = state.range(0), S = state.range(1), layers = state.range(2);
  set_num_threads(int(state.range(3)));
  std::vector<Tensor<f32, 4>> k, v;  // (B,S,Hk,D) views of (B,Hk,S,D) memory, as caches give
  for (isize l = 0; l < layers; ++l) {
    k.push_back(random_tensor({1, Hk, S, D}, 1 + unsigned(l)).permute({0, 2, 1, 3}));
    v.push_back(random_tensor({1, Hk, S, D}, 100 + unsigned(l)).permute({0, 2, 1, 3}));
  }
  const auto q = random_tensor({1, T, H, D}, 7);
  AttentionArgs<> args;
  args.scale = 0.125;
  std::size_t layer = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(attention(q, k[layer], v[layer], args).data());
    layer = (layer + 1) % k.size();
  }
  using counter = benchmark::Counter;
  const auto rate = [&](double each, counter::OneK k) { return counter(each, counter::kIsIterationInvariantRate, k); };
  const double visible = double(T) * double(S - T) + double(T) * double(T + 1) / 2;
  state.counters["FLOP/s"] = rate(4 * visible * double(H * D), counter::kIs1000);
  state.counters["B/s"] = rate(double(2 * S * Hk * D) * sizeof(f32), counter::kIs1000);
}

void cases(benchmark::internal::Benchmark* b) {
  b->ArgNames({"T", "S", "layers", "threads"})->UseRealTime();
  for (const int threads : {1, num_threads()}) {
    for (const int layers : {1, 30})
      for (const int S : {128, 512, 2048, 4096}) b->Args({1, S, layers, threads});
    for (const int T : {64, 512, 2048}) b->Args({T, T, 1, threads});
  }
}
BENCHMARK(attention_of)->Apply(cases);

}  // namespace
