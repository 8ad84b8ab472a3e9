// The discrete Fourier transform of sequences on the CPU, over tokens and over channels.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// y (B*T,C), of sequences of T = `tokens` rows of x: y(n,k) = sum over t, c of x(t,c) cos(2 pi (t n / T + c k / C)),
/// the real part of the transform; or += if `add`.
template <class T>
void fourier_kernel(cpu, matrix<T> y, matrix<const T> x, isize tokens, bool add);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <cmath>
#include <complex>
#include <vector>

#include <hft/parallel.hpp>

namespace hft {

namespace detail {

/// The transform of n numbers, whatever n is: by its smallest prime factor first (Cooley & Tukey 1965).
template <class T>
class fourier_transform {
 public:
  using complex = std::complex<T>;

  explicit fourier_transform(isize n) : size_(n), roots_(std::size_t(n)) {
    const f64 angle = -2 * 3.14159265358979323846 / f64(n);
    for (isize i = 0; i < n; ++i)
      roots_[std::size_t(i)] = complex(T(std::cos(angle * f64(i))), T(std::sin(angle * f64(i))));
  }
  /// y, n numbers apart from x, of x[0], x[stride], ...; `terms` is for its use.
  void operator()(complex* y, const complex* x, isize stride, std::vector<complex>& terms) const {
    part(y, x, size_, stride, terms);
  }

 private:
  void part(complex* y, const complex* x, isize n, isize stride, std::vector<complex>& terms) const {
    if (n == 1) {
      y[0] = x[0];
      return;
    }
    isize p = 2;
    while (n % p) p = p * p > n ? n : p + 1;
    const isize m = n / p, step = size_ / n;
    for (isize r = 0; r < p; ++r) part(y + r * m, x + r * stride, m, stride * p, terms);
    terms.resize(std::size_t(p));
    for (isize k = 0; k < m; ++k) {
      for (isize r = 0; r < p; ++r) terms[std::size_t(r)] = y[r * m + k];
      for (isize q = 0; q < p; ++q) {
        complex sum = 0;
        for (isize r = 0; r < p; ++r) sum += terms[std::size_t(r)] * roots_[std::size_t(r * (k + q * m) % n * step)];
        y[q * m + k] = sum;
      }
    }
  }

  isize size_;
  std::vector<complex> roots_;
};

}  // namespace detail

template <class T>
void fourier_kernel(cpu, matrix<T> y, matrix<const T> x, isize tokens, bool add) {
  using complex = std::complex<T>;
  const isize C = x.cols, sequences = tokens ? x.rows / tokens : 0;
  const detail::fourier_transform<T> of_channels(C), of_tokens(tokens);
  std::vector<complex> rows(std::size_t(x.rows * C));
  parallel_for(x.rows, std::max<isize>(1, 1024 / std::max<isize>(1, C)), [&](isize begin, isize end) {
    std::vector<complex> in(static_cast<std::size_t>(C)), terms;
    for (isize r = begin; r < end; ++r) {
      for (isize c = 0; c < C; ++c) in[std::size_t(c)] = x.row(r)[c];
      of_channels(rows.data() + r * C, in.data(), 1, terms);
    }
  });
  parallel_for(sequences * C, std::max<isize>(1, 1024 / std::max<isize>(1, tokens)), [&](isize begin, isize end) {
    std::vector<complex> out(static_cast<std::size_t>(tokens)), terms;
    for (isize i = begin; i < end; ++i) {
      const isize first = i / C * tokens, c = i % C;
      of_tokens(out.data(), rows.data() + first * C + c, C, terms);
      for (isize t = 0; t < tokens; ++t) {
        T& to = y.row(first + t)[c];
        to = out[std::size_t(t)].real() + (add ? to : T(0));
      }
    }
  });
}

HFT_INSTANTIATE(void fourier_kernel(cpu, matrix<f32>, matrix<const f32>, isize, bool))
HFT_INSTANTIATE(void fourier_kernel(cpu, matrix<f64>, matrix<const f64>, isize, bool))

}  // namespace hft
#endif  // HFT_DEFINES
