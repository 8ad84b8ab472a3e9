// Lanes: one body for vectors of f32 and for scalars. isa::lanes<T> is the native vector where T is f32 and the target
// has one, else a "vector" of a single T with the same operations. Backward kernels are written over it, so that the
// f64 in which they are checked by finite differences is the code that runs in f32.
#pragma once
#include <algorithm>
#include <cmath>
#include <type_traits>

#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/vector_math.hpp>

HFT_INTRINSICS_BEGIN

namespace hft::isa {

/// One T as a vector.
template <class T>
struct single {
  static constexpr isize width = 1;
  T v;

  static single zero() { return {T(0)}; }
  static single set(T x) { return {x}; }
  static single load(const T* p) { return {*p}; }
  static single load_n(const T* p, isize) { return {*p}; }
  void store(T* p) const { *p = v; }
  void store_n(T* p, isize) const { *p = v; }

  friend single operator+(single a, single b) { return {a.v + b.v}; }
  friend single operator-(single a, single b) { return {a.v - b.v}; }
  friend single operator*(single a, single b) { return {a.v * b.v}; }
  friend single operator/(single a, single b) { return {a.v / b.v}; }
  friend single max(single a, single b) { return {a.v > b.v ? a.v : b.v}; }
  friend single min(single a, single b) { return {a.v < b.v ? a.v : b.v}; }
  friend single fma(single a, single b, single c) { return {a.v * b.v + c.v}; }
  friend T sum(single a) { return a.v; }
  friend single exp(single a) { return {std::exp(a.v)}; }
  friend single sqrt(single a) { return {std::sqrt(a.v)}; }
  friend single tanh(single a) { return {std::tanh(a.v)}; }
  friend single erf(single a) { return {std::erf(a.v)}; }
  friend single sigmoid(single a) { return {1 / (1 + std::exp(-a.v))}; }
  friend bool less(single a, single b) { return a.v < b.v; }
  friend single select(bool m, single a, single b) { return m ? a : b; }
};

namespace detail {
template <class T, class Isa>
struct lanes_of {
  using type = single<T>;
};
template <class Isa>
requires vectorised<Isa>
struct lanes_of<f32, Isa> {
  using type = floats<Isa>;
};

struct all_lanes {
  template <class V, class T>
  V load(const T* p) const {
    return V::load(p);
  }
  template <class V, class T>
  void store(V v, T* p) const {
    v.store(p);
  }
};
struct first_lanes_only {
  isize n;
  template <class V, class T>
  V load(const T* p) const {
    return V::load_n(p, n);
  }
  template <class V, class T>
  void store(V v, T* p) const {
    v.store_n(p, n);
  }
};
}  // namespace detail

template <class T>
using lanes = typename detail::lanes_of<T, native>::type;

/// Calls f(i, part) for every V::width elements of n; part.load<V>(p + i) and part.store(v, p + i) touch what is there.
/// Lanes beyond the end read as zero.
template <class V, class F>
void for_lanes(isize n, F f) {
  isize i = 0;
  for (; i + V::width <= n; i += V::width) f(i, detail::all_lanes{});
  if (i < n) f(i, detail::first_lanes_only{n - i});
}

/// The sum over n elements of f(i, part), whose lanes beyond the end must be zero.
template <class V, class F>
auto sum_lanes(isize n, F f) {
  V total[2] = {V::zero(), V::zero()};
  isize i = 0;
  for (; i + 2 * V::width <= n; i += 2 * V::width) {
    total[0] = total[0] + f(i, detail::all_lanes{});
    total[1] = total[1] + f(i + V::width, detail::all_lanes{});
  }
  if (i + V::width <= n) total[0] = total[0] + f(i, detail::all_lanes{}), i += V::width;
  if (i < n) total[1] = total[1] + f(i, detail::first_lanes_only{n - i});
  return sum(total[0] + total[1]);
}

}  // namespace hft::isa

HFT_INTRINSICS_END
