// Products with weights of every dtype on the shapes of SmolLM2-135M, beside what this machine can read.
//
// GB/s counts each weight once, FLOP/s 2 M N K. The weights of one token come from memory: copies are taken in turn
// until they exceed `streamed` bytes, as the layers of a model do. The first lines give the read bandwidth to compare
// with.
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include <hft/ops/cpu/linear.hpp>
#include <hft/quantization/convert.hpp>

namespace {

using namespace hft;

constexpr std::size_t streamed = std::size_t(256) << 20;

/// Sums 8-byte words on all threads. Arguments: MiB, threads.
void read_bandwidth(benchmark::State& state) {
  set_num_threads(int(state.range(1)));
  const std::vector<i64> words(std::size_t(state.range(0)) << 17, 1);
  for (auto _ : state)
    parallel_for(isize(words.size()), 4096, [&](isize begin, isize end) {
      i64 sum[8] = {};
      for (isize i = begin; i + 32 <= end; i += 32)
        for (isize j = 0; j < 32; ++j) sum[j % 8] += words[std::size_t(i + j)];
      benchmark::DoNotOptimize(sum);
    });
  state.SetBytesProcessed(std::int64_t(state.iterations()) * std::int64_t(words.size() * sizeof(i64)));
}
BENCHMARK(read_bandwidth)->ArgNames({"MiB", "threads"})->ArgsProduct({{97, 1024}, {1, 2}})->UseRealTime();

/// y (M, N) = x (M, K) w (N, K)^T. Arguments: M, N, K, threads.
template <class W>
void linear(benchmark::State& state) {
  const isize M = state.range(0), N = state.range(1), K = state.range(2) / dtype<W>::block * dtype<W>::block;
  set_num_threads(int(state.range(3)));
  using unit = typename dtype<W>::storage;
  const isize units = N * K / dtype<W>::block;
  const std::size_t bytes = std::size_t(units) * sizeof(unit);
  const isize copies = M == 1 ? isize(streamed / bytes) + 1 : 1;

  std::mt19937 random(1);
  std::normal_distribution<f32> normal;
  const buffer x = cpu::allocate(std::size_t(M * K) * sizeof(f32)), y = cpu::allocate(std::size_t(M * N) * sizeof(f32));
  const buffer w = cpu::allocate(bytes * std::size_t(copies));
  for (isize i = 0; i < M * K; ++i) static_cast<f32*>(x.data())[i] = normal(random);
  std::vector<f32> row(static_cast<std::size_t>(K));
  auto* first = static_cast<unit*>(w.data());
  for (isize n = 0; n < N; ++n) {
    if (n < 64) {  // the others repeat these: quantising all would take longer than the benchmark
      for (f32& v : row) v = normal(random);
      convert(dtype<W>::id, first + n * (units / N), dtype_id::f32, row.data(), K);
    } else {
      std::memcpy(first + n * (units / N), first + n % 64 * (units / N), bytes / std::size_t(N));
    }
  }
  for (isize i = 1; i < copies; ++i) std::memcpy(first + i * units, first, bytes);

  const matrix<f32> ym{static_cast<f32*>(y.data()), M, N, N};
  const matrix<const f32> xm{static_cast<const f32*>(x.data()), M, K, K};
  isize copy = 0;
  for (auto _ : state) {
    linear_kernel(cpu{}, ym, xm, weight_matrix<W>{first + copy * units, N, K, units / N}, nullptr, K);
    copy = (copy + 1) % copies;
  }
  using counter = benchmark::Counter;
  state.SetBytesProcessed(std::int64_t(state.iterations()) * std::int64_t(bytes));
  state.counters["FLOP/s"] = counter(2.0 * f64(M * N * K), counter::kIsIterationInvariantRate, counter::kIs1000);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"M", "N", "K", "threads"})->UseRealTime()->MinTime(0.1);
  for (const int threads : {1, 2})
    for (const int M : {1, 8, 512}) {
      b->Args({M, 576, 576, threads});                 // q, o
      b->Args({M, 192, 576, threads});                 // k, v
      b->Args({M, 1536, 576, threads});                // gate, up
      b->Args({M, 576, 1536, threads});                // down
      if (M < 512) b->Args({M, 49152, 576, threads});  // head
    }
}
BENCHMARK(linear<f32>)->Apply(shapes);
BENCHMARK(linear<f16>)->Apply(shapes);
BENCHMARK(linear<bf16>)->Apply(shapes);
BENCHMARK(linear<q4_0>)->Apply(shapes);
BENCHMARK(linear<q4_1>)->Apply(shapes);
BENCHMARK(linear<q5_0>)->Apply(shapes);
BENCHMARK(linear<q5_1>)->Apply(shapes);
BENCHMARK(linear<q8_0>)->Apply(shapes);
BENCHMARK(linear<q4_k>)->Apply(shapes);  // K is rounded down to a multiple of 256
BENCHMARK(linear<q5_k>)->Apply(shapes);
BENCHMARK(linear<q6_k>)->Apply(shapes);

}  // namespace
