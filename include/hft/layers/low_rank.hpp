// What adapters add to a weight, in f32 and row by row: for merging, and for the norms of a DoRA.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <hft/parallel.hpp>
#include <hft/quantization/convert.hpp>
#include <hft/tensor.hpp>

namespace hft::detail {

/// left right, with left (rows, r) and right (r, cols).
struct low_rank_change {
  isize r = 0, cols = 0;
  std::vector<f32> left, right;

  void add_to_row(isize row, f32* values) const {
    for (isize k = 0; k < r; ++k) {
      const f32 share = left[std::size_t(row * r + k)];
      const f32* from = right.data() + k * cols;
      for (isize c = 0; c < cols; ++c) values[c] += share * from[c];
    }
  }
};

/// The elements of a matrix times s, as f32; turned where asked.
template <class T>
std::vector<f32> scaled_values(const T& matrix, f64 s, bool turned = false) {
  const isize rows = matrix.extent(0), cols = matrix.extent(1);
  std::vector<f32> out(static_cast<std::size_t>(rows * cols));
  for (isize i = 0; i < rows; ++i)
    for (isize j = 0; j < cols; ++j)
      out[std::size_t(turned ? j * rows + i : i * cols + j)] = f32(s * f64(matrix.data()[i * matrix.stride(0) + j]));
  return out;
}

/// Rows of a weight in any format, as f32.
template <class Weight>
void read_weight_row(const Weight& weight, isize row, f32* to) {
  const isize bytes = weight.bytes() / weight.extent(0);
  convert_rows(dtype_id::f32, to, weight.format(), reinterpret_cast<const std::byte*>(weight.data()) + row * bytes, 1,
               weight.extent(1));
}

/// The norms of the rows of weight + change.
template <class Weight>
std::vector<f32> row_norms(const Weight& weight, const low_rank_change& change) {
  std::vector<f32> norms(static_cast<std::size_t>(weight.extent(0)));
  parallel_for(weight.extent(0), 8, [&](isize begin, isize end) {
    std::vector<f32> row(static_cast<std::size_t>(weight.extent(1)));
    for (isize o = begin; o < end; ++o) {
      read_weight_row(weight, o, row.data());
      change.add_to_row(o, row.data());
      f64 sum = 0;
      for (const f32 v : row) sum += f64(v) * f64(v);
      norms[std::size_t(o)] = f32(std::sqrt(sum));
    }
  });
  return norms;
}

/// The norms of the columns of weight + change; the same on any number of threads.
template <class Weight>
std::vector<f32> column_norms(const Weight& weight, const low_rank_change& change) {
  constexpr isize part = 256;  // rows whose squares are added together first
  const isize rows = weight.extent(0), cols = weight.extent(1), parts = (rows + part - 1) / part;
  std::vector<f64> sums(static_cast<std::size_t>(parts * cols));
  parallel_for(parts, 1, [&](isize begin, isize end) {
    std::vector<f32> row(static_cast<std::size_t>(cols));
    for (isize p = begin; p < end; ++p)
      for (isize o = p * part; o < rows && o < (p + 1) * part; ++o) {
        read_weight_row(weight, o, row.data());
        change.add_to_row(o, row.data());
        for (isize c = 0; c < cols; ++c)
          sums[std::size_t(p * cols + c)] += f64(row[std::size_t(c)]) * row[std::size_t(c)];
      }
  });
  std::vector<f32> norms(static_cast<std::size_t>(cols));
  for (isize c = 0; c < cols; ++c) {
    f64 sum = 0;
    for (isize p = 0; p < parts; ++p) sum += sums[std::size_t(p * cols + c)];
    norms[std::size_t(c)] = f32(std::sqrt(sum));
  }
  return norms;
}

/// One adapter's part in a merge: a change that is added, then factors of rows or of columns, where there are any.
struct weight_change {
  low_rank_change change;
  std::vector<f32> row_factors, column_factors;
};

/// A weight with changes, one after the other; a block format is quantised again.
template <class Weight>
Weight changed_weight(const Weight& weight, const std::vector<weight_change>& changes) {
  Weight out = Weight::unallocated(weight.shape());
  out.allocate(weight.format());
  const isize rows = weight.extent(0), cols = weight.extent(1), bytes = weight.bytes() / std::max<isize>(1, rows);
  parallel_for(rows, 8, [&](isize begin, isize end) {
    std::vector<f32> row(static_cast<std::size_t>(cols));
    for (isize o = begin; o < end; ++o) {
      read_weight_row(weight, o, row.data());
      for (const weight_change& w : changes) {
        w.change.add_to_row(o, row.data());
        if (!w.row_factors.empty())
          for (f32& v : row) v *= w.row_factors[std::size_t(o)];
        if (!w.column_factors.empty())
          for (isize c = 0; c < cols; ++c) row[std::size_t(c)] *= w.column_factors[std::size_t(c)];
      }
      convert_rows(weight.format(), reinterpret_cast<std::byte*>(out.data()) + o * bytes, dtype_id::f32, row.data(), 1,
                   cols);
    }
  });
  return out;
}

/// The tensor that holds a parameter's values, on a device that records or not.
decltype(auto) parameter_values(auto& tensor) {
  if constexpr (requires { tensor.history(); })
    return (tensor.value());
  else
    return (tensor);
}

/// A parameter of zeros.
template <class Parameter>
Parameter zero_parameter(const decltype(std::declval<Parameter>().shape())& shape) {
  using A = typename Parameter::dtype_t;
  Parameter p = Parameter::unallocated(shape);
  auto& values = parameter_values(p);
  values.allocate(dtype<A>::id);
  std::fill_n(values.data(), values.size(), A(0));
  return p;
}

/// magnitude over norm.
template <class T>
std::vector<f32> dora_factors(const T& magnitude, std::vector<f32> norms) {
  for (std::size_t i = 0; i < norms.size(); ++i) norms[i] = f32(f64(magnitude.data()[i]) / f64(norms[i]));
  return norms;
}

/// Numbers as a tensor.
template <class A, class D>
Tensor<A, 1, D> vector_tensor(const std::vector<f32>& v) {
  Tensor<A, 1, D> out({isize(v.size())});
  for (std::size_t i = 0; i < v.size(); ++i) out.data()[i] = A(v[i]);
  return out;
}

/// A weight in the format of `like`, of these values.
template <class Weight>
Weight weight_of_values(const Weight& like, const f32* values) {
  Weight out = Weight::unallocated(like.shape());
  out.allocate(like.format());
  convert_rows(like.format(), reinterpret_cast<std::byte*>(out.data()), dtype_id::f32,
               reinterpret_cast<const std::byte*>(values), like.extent(0), like.extent(1));
  return out;
}

}  // namespace hft::detail
