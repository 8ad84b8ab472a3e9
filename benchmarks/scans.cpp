// State-space scans and delta rules on the CPU at the sizes of real models: Mamba-2 2.7B (80 heads of 64, state 128,
// one group), Qwen3-Next (32 heads of values, 16 of keys, 128 x 128), MiniMax (64 heads of 128); and Mamba 2.8B, RWKV-4
// 3B and RecurrentGemma 2B, whose channels decay by themselves. A prompt comes whole, or in pieces of `piece` tokens;
// in pieces of 7 it goes token by token. FLOP/s counts what the recurrence itself computes, two for each product and
// sum; `product` is the rate of the products that chunks are made of.
#include <algorithm>

#include <benchmark/benchmark.h>

#include <hft/ops/decay_attention.hpp>
#include <hft/ops/gated_delta_rule.hpp>
#include <hft/ops/head_scan.hpp>
#include <hft/ops/rg_lru.hpp>
#include <hft/ops/selective_scan.hpp>
#include <hft/ops/wkv.hpp>

namespace {

using namespace hft;

/// Values in [low, high).
template <std::size_t R>
Tensor<f32, R> random_tensor(const Shape<R>& shape, unsigned seed, f32 low = -1, f32 high = 1) {
  Tensor<f32, R> x(shape);
  for (isize i = 0; i < x.size(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    x.data()[i] = low + (high - low) * f32(seed >> 8) * 0x1p-24f;
  }
  return x;
}

/// Calls scan(begin, end) for a prompt of T tokens in pieces. Arguments: T, piece (0: whole), threads.
template <class Scan>
void prompt(benchmark::State& state, f64 flops_of_token, Scan scan) {
  const isize T = state.range(0), piece = state.range(1) ? state.range(1) : T;
  set_num_threads(int(state.range(2)));
  for (auto _ : state)
    for (isize t = 0; t < T; t += piece) scan(t, std::min(T, t + piece));
  using counter = benchmark::Counter;
  state.counters["token/s"] = counter(f64(T), counter::kIsIterationInvariantRate);
  state.counters["FLOP/s"] = counter(f64(T) * flops_of_token, counter::kIsIterationInvariantRate);
}

void head_scan_of(benchmark::State& state) {
  constexpr isize H = 80, P = 64, G = 1, N = 128;
  const isize T = state.range(0);
  const auto x = random_tensor<4>({1, T, H, P}, 1), B = random_tensor<4>({1, T, G, N}, 2);
  const auto C = random_tensor<4>({1, T, G, N}, 3);
  const auto delta = random_tensor<3>({1, T, H}, 4, 0.001f, 0.1f);
  const auto A = random_tensor<1>({H}, 5, -16, -1), D = random_tensor<1>({H}, 6);
  auto kept = Tensor<f32, 4>::zeros({1, H, N, P});
  prompt(state, 5.0 * H * N * P, [&](isize a, isize b) {
    const auto cut = [&](const auto& t) { return t.slice(1, a, b); };
    kept = head_scan(cut(x), cut(delta), A, cut(B), cut(C), D, kept).second;
  });
}

void gated_delta_rule_of(benchmark::State& state) {
  constexpr isize Hk = 16, H = 32, K = 128, V = 128;
  const isize T = state.range(0);
  const auto q = random_tensor<4>({1, T, Hk, K}, 1, -0.1f, 0.1f), k = random_tensor<4>({1, T, Hk, K}, 2, -0.15f, 0.15f);
  const auto v = random_tensor<4>({1, T, H, V}, 3);
  const auto log_decay = random_tensor<3>({1, T, H}, 4, -0.2f, 0), beta = random_tensor<3>({1, T, H}, 5, 0, 1);
  auto kept = Tensor<f32, 4>::zeros({1, H, K, V});
  prompt(state, 7.0 * H * K * V, [&](isize a, isize b) {
    const auto cut = [&](const auto& t) { return t.slice(1, a, b); };
    kept = gated_delta_rule(cut(q), cut(k), cut(v), cut(log_decay), cut(beta), kept).second;
  });
}

void decay_attention_of(benchmark::State& state) {
  constexpr isize H = 64, D = 128;
  const isize T = state.range(0);
  const auto q = random_tensor<4>({1, T, H, D}, 1), k = random_tensor<4>({1, T, H, D}, 2);
  const auto v = random_tensor<4>({1, T, H, D}, 3);
  const auto decay = random_tensor<1>({H}, 4, 0.6f, 1);
  auto kept = Tensor<f32, 4>::zeros({1, H, D, D});
  prompt(state, 5.0 * H * D * D, [&](isize a, isize b) {
    const auto cut = [&](const auto& t) { return t.slice(1, a, b); };
    kept = decay_attention(cut(q), cut(k), cut(v), decay, kept).second;
  });
}

void whole_or_by_tokens(benchmark::internal::Benchmark* b) {
  b->ArgNames({"T", "piece", "threads"})->UseRealTime();
  for (const int threads : {1, 2})
    for (const int T : {512, 2048})
      for (const int piece : {0, 7}) b->Args({T, piece, threads});
}
BENCHMARK(head_scan_of)->Apply(whole_or_by_tokens);
BENCHMARK(gated_delta_rule_of)->Apply(whole_or_by_tokens);
BENCHMARK(decay_attention_of)->Apply(whole_or_by_tokens);

void selective_scan_of(benchmark::State& state) {
  constexpr isize C = 5120, N = 16;
  const isize T = state.range(0);
  const auto u = random_tensor<3>({1, T, C}, 1), delta = random_tensor<3>({1, T, C}, 2, 0.001f, 0.1f);
  const auto A = random_tensor<2>({C, N}, 3, -16, -1), B = random_tensor<2>({T, N}, 4),
             Cm = random_tensor<2>({T, N}, 5);
  const auto D = random_tensor<1>({C}, 6);
  const auto rows = [&](const auto& x) { return x.template reshape<3>({1, T, N}); };
  prompt(state, 7.0 * C * N, [&](isize a, isize b) {
    const auto cut = [&](const auto& t) { return t.slice(1, a, b); };
    benchmark::DoNotOptimize(selective_scan(cut(u), cut(delta), A, cut(rows(B)), cut(rows(Cm)), D).first.data());
  });
}

void wkv_of(benchmark::State& state) {
  constexpr isize C = 2560;
  const isize T = state.range(0);
  const auto k = random_tensor<3>({1, T, C}, 1), v = random_tensor<3>({1, T, C}, 2);
  const auto decay = random_tensor<1>({C}, 3, -4, -0.1f), bonus = random_tensor<1>({C}, 4);
  prompt(state, 15.0 * C, [&](isize a, isize b) {
    benchmark::DoNotOptimize(wkv(k.slice(1, a, b), v.slice(1, a, b), decay, bonus).first.data());
  });
}

void rg_lru_of(benchmark::State& state) {
  constexpr isize C = 2560;
  const isize T = state.range(0);
  const auto x = random_tensor<3>({1, T, C}, 1), i = random_tensor<3>({1, T, C}, 2), r = random_tensor<3>({1, T, C}, 3);
  const auto param = random_tensor<1>({C}, 4);
  prompt(state, 10.0 * C, [&](isize a, isize b) {
    const auto cut = [&](const auto& t) { return t.slice(1, a, b); };
    benchmark::DoNotOptimize(rg_lru(cut(x), cut(i), cut(r), param).data());
  });
}

void by_channels(benchmark::internal::Benchmark* b) {
  b->ArgNames({"T", "piece", "threads"})->UseRealTime();
  for (const int threads : {1, 2}) b->Args({2048, 0, threads});
}
BENCHMARK(selective_scan_of)->Apply(by_channels);
BENCHMARK(wkv_of)->Apply(by_channels);
BENCHMARK(rg_lru_of)->Apply(by_channels);

/// (64,128) times (128,64), as chunks have them, in the nearest caches.
void product(benchmark::State& state) {
  const auto a = random_tensor<2>({64, 128}, 1), b = random_tensor<2>({128, 64}, 2);
  const Tensor<f32, 2> c({64, 64});
  for (auto _ : state) {
    detail::row_product<detail::chunk_vector>{c.data(), 64, a.data(), 128, b.data(), 64, 128, false}(64, 64);
    benchmark::ClobberMemory();
  }
  state.counters["FLOP/s"] = benchmark::Counter(2.0 * 64 * 64 * 128, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(product);

}  // namespace
