// Tensor<T, Rank, D>: a handle to reference-counted memory with run-time extents and a static rank.
//
// Shape letters, used at the end of lines everywhere:
//   B batch   T tokens of the input   S tokens attended to (cache and input)   C channels   H heads   D head size
//   V vocabulary   L layers   E experts   M x K rows and columns of a product, N its output columns
//
// Copying a Tensor shares its memory; clone() copies it. The last dimension is contiguous; outer ones may be strided,
// so slices, splits of fused projections, permutations of outer dimensions and mapped files are all the same handle.
#pragma once
#include <algorithm>
#include <array>
#include <concepts>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/device.hpp>
#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/linkage.hpp>

namespace hft {

template <std::size_t Rank>
using Shape = std::array<isize, Rank>;

namespace detail {

[[noreturn]] void fail_without_memory();

/// A shape of any rank, for errors.
template <std::size_t Rank>
std::string shape_text(const Shape<Rank>& shape) {
  return shape_text(std::span<const isize>(shape.data(), Rank));
}

/// The extents and strides of a tensor, its rank erased: what is computed of them is compiled once.
struct layout {
  const isize *shape, *stride;
  std::size_t rank;

  isize size() const {
    isize n = 1;
    for (std::size_t d = 0; d < rank; ++d) n *= shape[d];
    return n;
  }
  layout inner() const { return {shape + 1, stride + 1, rank - 1}; }

  /// The bytes of a dense tensor. Throws shape_error unless the last extent is whole blocks of the format.
  std::size_t bytes(dtype_id format) const;
  bool contiguous() const;
  /// Whether the outer dimensions lie at one distance, so that outer() can tell it.
  bool collapsible() const;
  /// The number of rows and the distance between them. Throws shape_error unless collapsible().
  std::pair<isize, isize> outer() const;
  /// Writes the strides by which another shape sees the same memory. Throws shape_error where there are none.
  void reshape(const isize* to_shape, isize* to_stride, std::size_t to_rank) const;
};

isize count(const isize* shape, std::size_t rank);
void write_dense_strides(isize* stride, const isize* shape, std::size_t rank);

}  // namespace detail

/// The number of elements of a shape; throws shape_error if an extent is negative or the product overflows.
template <class Extents>
isize count(const Extents& shape) {
  return detail::count(std::data(shape), std::size(shape));
}

// ---- what kernels see: rows and columns, whatever the rank was

/// Rows of elements; the columns of a row are contiguous, rows lie `stride` elements apart.
template <class T>
struct matrix {
  T* data;
  isize rows, cols, stride;
  T* row(isize i) const { return data + i * stride; }
  operator matrix<const T>() const requires(!std::is_const_v<T>) { return {data, rows, cols, stride}; }
};

/// A weight as kernels see it: `rows` x `cols` elements in storage units of dtype W; rows lie `stride` units apart.
template <class W>
struct weight_matrix {
  const typename dtype<W>::storage* data;
  isize rows, cols, stride;
  const void* prepared = nullptr;  // what prepare_linear made of it for the device's kernels
  const auto* row(isize i) const { return data + i * stride; }
};
template <>
struct weight_matrix<any_q> {
  const std::byte* data;
  isize rows, cols, stride;  // stride in bytes
  dtype_id format;
  const void* prepared = nullptr;
  /// The same matrix as one of dtype W, which `format` names.
  template <class W>
  weight_matrix<W> as() const {
    using unit = typename dtype<W>::storage;
    return {reinterpret_cast<const unit*>(data), rows, cols, stride / isize(sizeof(unit)), prepared};
  }
};

template <class T, std::size_t Rank, Device D = cpu>
class Tensor;

namespace detail {
// any_q tensors carry their format; for all others it is their type, and takes no room.
template <class T>
struct format_of {
  static constexpr dtype_id format() { return dtype<T>::id; }
  static constexpr void set_format(dtype_id) {}
};
template <>
struct format_of<any_q> {
  dtype_id format() const { return format_; }
  void set_format(dtype_id id) { format_ = id; }

 private:
  dtype_id format_ = dtype_id::f32;
};
}  // namespace detail

namespace detail {
// Copies a strided tensor, of blocks of `block` elements in `bytes`, to dense memory; returns what follows there.
template <class D>
std::byte* copy_dense(std::byte* to, const std::byte* from, layout l, isize block, isize bytes) {
  if (l.contiguous()) {
    const std::size_t n = std::size_t(l.size() / block * bytes);
    D::copy_from_host(to, from, n);
    return to + n;
  }
  for (isize i = 0; i < l.shape[0]; ++i)
    to = copy_dense<D>(to, from + i * l.stride[0] / block * bytes, l.inner(), block, bytes);
  return to;
}
}  // namespace detail

template <class T, std::size_t Rank, BaseDevice D>
class Tensor<T, Rank, D> : private detail::format_of<T> {
 public:
  using dtype_t = T;
  using device = D;
  using storage = typename dtype<T>::storage;
  static constexpr std::size_t rank = Rank;

  Tensor() = default;

  /// Uninitialised memory of that shape. Block dtypes need the last extent to be a multiple of their block.
  explicit Tensor(const Shape<Rank>& shape) requires(!dtype<T>::any) : Tensor(unallocated(shape)) { allocate(); }

  /// A shape without memory, as parameters have before they are loaded.
  static Tensor unallocated(const Shape<Rank>& shape) {
    Tensor t;
    t.shape_ = shape;
    detail::write_dense_strides(t.stride_.data(), shape.data(), Rank);
    return t;
  }

  /// A tensor over memory that `owner` keeps alive; `data` is its first storage unit.
  static Tensor wrap(buffer owner, const void* data, const Shape<Rank>& shape, dtype_id format = dtype_id::f32) {
    Tensor t = unallocated(shape);
    t.set_format(format);
    t.buffer_ = std::move(owner);
    t.data_ = static_cast<storage*>(const_cast<void*>(data));
    return t;
  }

  static Tensor filled(const Shape<Rank>& shape, T value) requires Scalar<T> {
    static_assert(D::host_memory, "hft: Tensor::filled writes through the host");
    Tensor t(shape);
    std::fill_n(t.data(), t.size(), value);
    return t;
  }
  static Tensor zeros(const Shape<Rank>& shape) requires Scalar<T> { return filled(shape, T{}); }
  /// A copy of host values in row-major order; throws shape_error if their number is not the shape's.
  static Tensor from(std::span<const T> values, const Shape<Rank>& shape) requires Scalar<T> {
    if (isize(values.size()) != count(shape))
      throw shape_error("Tensor::from", "",
                        detail::joined(count(shape), " values for shape ", detail::shape_text(shape)),
                        detail::joined(values.size()));
    Tensor t(shape);
    D::copy_from_host(t.data(), values.data(), values.size_bytes());
    return t;
  }
  static Tensor from(std::initializer_list<T> values, const Shape<Rank>& shape) requires Scalar<T> {
    return from(std::span<const T>(values.begin(), values.size()), shape);
  }

  const Shape<Rank>& shape() const { return shape_; }
  isize extent(std::size_t dim) const { return shape_[dim]; }
  isize size() const { return layout().size(); }                // elements
  isize stride(std::size_t dim) const { return stride_[dim]; }  // in elements
  storage* data() const { return data_; }
  /// The dtype's run-time name.
  dtype_id format() const { return detail::format_of<T>::format(); }
  /// Whether it has memory.
  explicit operator bool() const { return data_ != nullptr; }
  const buffer& memory() const { return buffer_; }

  isize bytes() const {
    const auto& d = info(format());
    return size() / d.block * d.bytes;
  }

  /// Gives a tensor its memory, uninitialised; for any_q in the given format.
  void allocate(dtype_id format = dtype_id::f32) {
    this->set_format(format);
    buffer_ = D::allocate(layout().bytes(this->format()));
    data_ = static_cast<storage*>(buffer_.data());
  }

  bool contiguous() const { return layout().contiguous(); }

  /// The same memory under another shape of as many elements. Throws shape_error if this tensor is strided in a way
  /// that the new shape cannot express.
  template <std::size_t Rank2>
  Tensor<T, Rank2, D> reshape(const Shape<Rank2>& shape) const {
    auto t = Tensor<T, Rank2, D>::wrap(buffer_, data_, shape, format());
    layout().reshape(shape.data(), t.stride_.data(), Rank2);
    return t;
  }

  /// Elements [begin, end) of a dimension; for block dtypes whole blocks of the last one.
  Tensor slice(std::size_t dim, isize begin, isize end) const {
    if (begin < 0 || end < begin || end > shape_[dim])
      throw shape_error("slice", detail::joined("dimension ", dim, " of ", detail::shape_text(shape_)),
                        "0 <= begin <= end <= extent", detail::joined(begin, ", ", end));
    Tensor t = *this;
    t.shape_[dim] = end - begin;
    t.data_ = at_offset(begin * stride_[dim]);
    return t;
  }

  /// A dimension of extent 1 but the last as one of n, all of the same memory: for reading.
  Tensor repeated(std::size_t dim, isize n) const {
    if (dim >= Rank - 1 || shape_[dim] != 1)
      throw shape_error("repeated", detail::joined("dimension ", dim), "one of extent 1 but the last",
                        detail::shape_text(shape_));
    Tensor t = *this;
    t.shape_[dim] = n;
    t.stride_[dim] = 0;
    return t;
  }

  /// The sub-tensor at index i of the first dimension.
  Tensor<T, Rank - 1, D> operator[](isize i) const requires(Rank > 1) {
    if (i < 0 || i >= shape_[0])
      throw shape_error("Tensor", "index", detail::joined("0 <= i < ", shape_[0]), detail::joined(i));
    Tensor<T, Rank - 1, D> t;
    t.set_format(format());
    for (std::size_t d = 1; d < Rank; ++d) t.shape_[d - 1] = shape_[d], t.stride_[d - 1] = stride_[d];
    t.buffer_ = buffer_;
    t.data_ = at_offset(i * stride_[0]);
    return t;
  }
  storage& operator[](isize i) const requires(Rank == 1 && Scalar<T>) { return data_[i]; }

  /// Dimensions in another order; the last one stays last. permute({0, 2, 1, 3}) turns (B,T,H,D) into (B,H,T,D).
  Tensor permute(const std::array<std::size_t, Rank>& order) const {
    Tensor t = *this;
    for (std::size_t d = 0; d < Rank; ++d) t.shape_[d] = shape_[order[d]], t.stride_[d] = stride_[order[d]];
    return t;
  }

  /// A dense copy in new memory.
  Tensor clone() const {
    Tensor t = unallocated(shape_);
    t.allocate(format());
    const auto& unit = info(format());
    detail::copy_dense<D>(reinterpret_cast<std::byte*>(t.data_), reinterpret_cast<const std::byte*>(data_), layout(),
                          unit.block, unit.bytes);
    return t;
  }
  /// This tensor if it is dense, else a dense copy.
  Tensor dense() const { return contiguous() ? *this : clone(); }

  /// This tensor if its outer dimensions lie at one distance, so that rows() can see them, else a dense copy.
  Tensor collapsible() const { return layout().collapsible() ? *this : clone(); }

  /// All outer dimensions as rows. Throws shape_error if they do not lie at one distance; dense() them first.
  matrix<storage> rows() const requires Scalar<T> {
    const auto [n, step] = layout().outer();
    return {data_, n, shape_[Rank - 1], step};
  }
  /// Throws weight_error for a weight with a shape and no memory, as a model has that was not loaded.
  weight_matrix<T> weight_rows() const {
    if (!data_ && size()) detail::fail_without_memory();
    const auto [n, step] = layout().outer();
    const void* prepared = buffer_.data() == data_ ? buffer_.companion() : nullptr;
    if constexpr (dtype<T>::any)
      return {data_, n, shape_[Rank - 1], step / info(format()).block * info(format()).bytes, format(), prepared};
    else
      return {data_, n, shape_[Rank - 1], step / dtype<T>::block, prepared};
  }

 private:
  template <class, std::size_t, Device>
  friend class Tensor;

  detail::layout layout() const { return {shape_.data(), stride_.data(), Rank}; }

  storage* at_offset(isize elements) const {
    const auto& d = info(format());
    if constexpr (dtype<T>::any)
      return data_ + elements / d.block * d.bytes;
    else
      return data_ + elements / dtype<T>::block;
  }

  Shape<Rank> shape_{}, stride_{};
  buffer buffer_;
  storage* data_ = nullptr;
};

HFT_COMPILED_IN(MODELS, class Tensor<f32, 1>)
HFT_COMPILED_IN(MODELS, class Tensor<f32, 2>)
HFT_COMPILED_IN(MODELS, class Tensor<f32, 3>)
HFT_COMPILED_IN(MODELS, class Tensor<f32, 4>)
HFT_COMPILED_IN(MODELS, class Tensor<i64, 2>)
HFT_COMPILED_IN(MODELS, class Tensor<u8, 2>)

/// Rows of ids, as a tokenizer gives them, as a (B,T) tensor. Throws shape_error unless all rows are of one length.
inline Tensor<i64, 2> ids_tensor(const std::vector<std::vector<i64>>& rows) {
  const isize T = rows.empty() ? 0 : isize(rows[0].size());
  Tensor<i64, 2> t({isize(rows.size()), T});
  for (std::size_t b = 0; b < rows.size(); ++b) {
    if (isize(rows[b].size()) != T)
      throw shape_error("ids_tensor", detail::joined("row ", b), detail::joined(T, " ids, as in row 0 (pad the batch)"),
                        detail::joined(rows[b].size()));
    std::copy(rows[b].begin(), rows[b].end(), t.data() + isize(b) * T);
  }
  return t;
}

/// A host tensor's values on a device; itself where that is the host.
template <BaseDevice D, Scalar T, std::size_t Rank>
Tensor<T, Rank, D> to_device(const Tensor<T, Rank>& x) {
  if constexpr (std::is_same_v<D, cpu>) {
    return x;
  } else {
    if (!x) return {};
    const auto dense = x.dense();
    Tensor<T, Rank, D> y(x.shape());
    D::copy_from_host(y.data(), dense.data(), std::size_t(dense.bytes()));
    return y;
  }
}

/// A device's values in a host tensor; the tensor itself where that is the host.
template <Scalar T, std::size_t Rank, BaseDevice D>
Tensor<T, Rank> to_host(const Tensor<T, Rank, D>& x) {
  if constexpr (std::is_same_v<D, cpu>) {
    return x;
  } else {
    if (!x) return {};
    const auto dense = x.dense();
    Tensor<T, Rank> y(x.shape());
    D::copy_to_host(y.data(), dense.data(), std::size_t(dense.bytes()));
    return y;
  }
}

/// The shape with its last extent replaced.
template <std::size_t Rank>
Shape<Rank> with_last(Shape<Rank> shape, isize last) {
  shape[Rank - 1] = last;
  return shape;
}

#if HFT_DEFINES(MODELS)

HFT_INLINE void detail::fail_without_memory() {
  throw weight_error("Tensor", "a weight", "values, which from_pretrained or from_config gives", "none");
}

HFT_INLINE isize detail::count(const isize* shape, std::size_t rank) {
  isize n = 1;
  for (std::size_t d = 0; d < rank; ++d)
    if (shape[d] < 0 || __builtin_mul_overflow(n, shape[d], &n) || n > std::numeric_limits<isize>::max() / 64)
      throw shape_error("Tensor", "shape", "extents >= 0 whose product is a size",
                        shape_text(std::span<const isize>(shape, rank)));
  return n;
}

HFT_INLINE void detail::write_dense_strides(isize* stride, const isize* shape, std::size_t rank) {
  count(shape, rank);  // throws
  isize step = 1;
  for (std::size_t d = rank; d-- > 0; step *= shape[d]) stride[d] = step;
}

HFT_INLINE std::size_t detail::layout::bytes(dtype_id format) const {
  const auto& unit = info(format);
  if ((rank ? shape[rank - 1] : 1) % unit.block)
    throw shape_error("Tensor", "last extent", joined("a multiple of ", unit.block, " for ", name(format)),
                      shape_text(std::span<const isize>(shape, rank)));
  return std::size_t(size() / unit.block * unit.bytes);
}

HFT_INLINE bool detail::layout::contiguous() const {
  isize expected = 1;
  for (std::size_t d = rank; d-- > 0; expected *= shape[d])
    if (shape[d] != 1 && stride[d] != expected) return false;
  return true;
}

HFT_INLINE bool detail::layout::collapsible() const {
  isize n = 1, step = 0;
  for (std::size_t d = rank - 1; d-- > 0;) {
    if (shape[d] == 1) continue;
    if (step && stride[d] != step * n) return false;
    if (!step) step = stride[d];
    n *= shape[d];
  }
  return true;
}

HFT_INLINE std::pair<isize, isize> detail::layout::outer() const {
  if (!collapsible())
    throw shape_error("Tensor::rows",
                      joined("strided tensor of shape ", shape_text(std::span<const isize>(shape, rank))),
                      "outer dimensions at one distance");
  isize n = 1, step = shape[rank - 1];
  for (std::size_t d = rank - 1; d-- > 0; n *= shape[d])
    if (n == 1 && shape[d] != 1) step = stride[d];
  return {n, step};
}

HFT_INLINE void detail::layout::reshape(const isize* to_shape, isize* to_stride, std::size_t to_rank) const {
  const auto text = [](const isize* s, std::size_t n) { return shape_text(std::span<const isize>(s, n)); };
  if (detail::count(to_shape, to_rank) != size())
    throw shape_error("reshape", "", joined("a shape of ", size(), " elements"), text(to_shape, to_rank));
  if (contiguous() || size() == 0) return write_dense_strides(to_stride, to_shape, to_rank);
  // From the right: each new dimension takes its extent off the old one at hand, merged with those further left where
  // they lie at the distance that makes them one.
  std::size_t from = rank;
  isize left = 1, step = 1;  // elements left of the old dimension at hand, and their distance
  for (std::size_t to = to_rank; to-- > 0;) {
    const isize wanted = to_shape[to];
    if (wanted == 1) continue;
    while (left % wanted != 0) {
      while (from > 0 && shape[from - 1] == 1) --from;
      if (from == 0 || (left != 1 && stride[from - 1] != step * left) || (left != 1 && wanted % left != 0))
        throw shape_error("reshape", joined("strided tensor ", text(shape, rank)), "a shape that its strides allow",
                          text(to_shape, to_rank));
      --from;
      if (left == 1) step = stride[from];
      left *= shape[from];
    }
    to_stride[to] = step;
    step *= wanted;
    left /= wanted;
  }
}

#endif  // HFT_DEFINES

}  // namespace hft
