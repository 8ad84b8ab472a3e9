// Conversion between any two dtypes that a weight may be stored in.
//
// Every conversion goes through f32 and rounds to nearest even; infinities stay, and NaN stays NaN.
#pragma once
#include <hft/dtype.hpp>
#include <hft/linkage.hpp>

namespace hft {

/// Converts n elements. Throws value_error if a dtype is not a floating or block one, shape_error if n is not a
/// multiple of both blocks. Equal dtypes copy the bytes. `in` and `out` do not overlap.
void convert(dtype_id to, void* out, dtype_id from, const void* in, isize n);

/// Converts `rows` rows of `cols` elements each on all threads; both sides are dense. Throws as convert does.
void convert_rows(dtype_id to, void* out, dtype_id from, const void* in, isize rows, isize cols);

/// The same where `to` is f64, f32, f16 or bf16: a program that makes no blocks does not hold what makes them. Throws
/// value_error for another.
void convert_to_float(dtype_id to, void* out, dtype_id from, const void* in, isize n);
void convert_rows_to_float(dtype_id to, void* out, dtype_id from, const void* in, isize rows, isize cols);

/// That of both which makes elements of what T may hold.
template <class T>
inline constexpr auto* convert_rows_to = dtype<T>::any || (dtype<T>::block > 1) ? &convert_rows
                                                                                : &convert_rows_to_float;

}  // namespace hft

#if HFT_DEFINES(MODELS)
#include <algorithm>
#include <cstring>
#include <string>

#include <hft/error.hpp>
#include <hft/parallel.hpp>
#include <hft/quantization/elements.hpp>

namespace hft {

namespace detail {

inline constexpr isize convert_chunk = 1024;  // elements on the stack at a time: a multiple of every block

// with_weight_dtype and f64.
template <class F>
void with_stored_dtype(dtype_id id, F&& f) {
  if (id == dtype_id::f64) return f(std::type_identity<f64>{});
  with_weight_dtype(id, f, [&]() -> void {
    throw value_error("convert", "dtype", "a floating or block dtype", std::string(name(id)));
  });
}
template <class F>
void with_float_dtype(dtype_id id, F&& f) {
  switch (id) {
    case dtype_id::f64:
      return f(std::type_identity<f64>{});
    case dtype_id::f32:
      return f(std::type_identity<f32>{});
    case dtype_id::f16:
      return f(std::type_identity<f16>{});
    case dtype_id::bf16:
      return f(std::type_identity<bf16>{});
    default:
      throw value_error("convert", "dtype", "f64, f32, f16 or bf16", std::string(name(id)));
  }
}

// n elements of f32 as those of another dtype.
using narrowing = void(dtype_id to, const f32* from, std::byte* out, isize n);

HFT_INLINE void narrow_to_any(dtype_id to, const f32* from, std::byte* out, isize n) {
  with_stored_dtype(to, [&]<class To>(std::type_identity<To>) {
    from_f32<To>(from, reinterpret_cast<typename dtype<To>::storage*>(out), n);
  });
}
HFT_INLINE void narrow_to_float(dtype_id to, const f32* from, std::byte* out, isize n) {
  with_float_dtype(to, [&]<class To>(std::type_identity<To>) { from_f32<To>(from, reinterpret_cast<To*>(out), n); });
}

HFT_INLINE void convert_by(narrowing* narrow, dtype_id to, void* out, dtype_id from, const void* in, isize n) {
  for (const dtype_id id : {to, from}) {
    if (!info(id).floating) throw value_error("convert", "dtype", "a floating or block dtype", std::string(name(id)));
    if (n < 0 || n % info(id).block)
      throw shape_error("convert", "", detail::joined("a multiple of ", info(id).block, " elements for ", name(id)),
                        detail::joined(n));
  }
  if (to == from) {
    std::memcpy(out, in, std::size_t(n / info(to).block * info(to).bytes));
    return;
  }
  // Through f32 on the stack, so that ten dtypes need twenty conversions and not a hundred.
  alignas(64) f32 part[convert_chunk];
  const auto& source = info(from);
  const auto& target = info(to);
  for (isize i = 0; i < n; i += convert_chunk) {
    const isize m = std::min(convert_chunk, n - i);
    const auto* p = static_cast<const std::byte*>(in) + i / source.block * source.bytes;
    auto* q = static_cast<std::byte*>(out) + i / target.block * target.bytes;
    with_stored_dtype(from, [&]<class From>(std::type_identity<From>) {
      to_f32<From>(reinterpret_cast<const typename dtype<From>::storage*>(p), part, m);
    });
    narrow(to, part, q, m);
  }
}

HFT_INLINE void convert_rows_by(narrowing* narrow, dtype_id to, void* out, dtype_id from, const void* in, isize rows,
                                isize cols) {
  convert_by(narrow, to, out, from, in, 0);  // checks the dtypes before any thread starts
  for (const dtype_id id : {to, from})
    if (cols < 0 || cols % info(id).block)
      throw shape_error("convert", "row", detail::joined("a multiple of ", info(id).block, " elements for ", name(id)),
                        detail::joined(cols));
  const isize out_bytes = cols / info(to).block * info(to).bytes, in_bytes = cols / info(from).block * info(from).bytes;
  parallel_for(rows, 1, [&](isize begin, isize end) {
    convert_by(narrow, to, static_cast<std::byte*>(out) + begin * out_bytes, from,
               static_cast<const std::byte*>(in) + begin * in_bytes, (end - begin) * cols);
  });
}

}  // namespace detail

HFT_INLINE void convert(dtype_id to, void* out, dtype_id from, const void* in, isize n) {
  detail::convert_by(detail::narrow_to_any, to, out, from, in, n);
}
HFT_INLINE void convert_rows(dtype_id to, void* out, dtype_id from, const void* in, isize rows, isize cols) {
  detail::convert_rows_by(detail::narrow_to_any, to, out, from, in, rows, cols);
}
HFT_INLINE void convert_to_float(dtype_id to, void* out, dtype_id from, const void* in, isize n) {
  detail::convert_by(detail::narrow_to_float, to, out, from, in, n);
}
HFT_INLINE void convert_rows_to_float(dtype_id to, void* out, dtype_id from, const void* in, isize rows, isize cols) {
  detail::convert_rows_by(detail::narrow_to_float, to, out, from, in, rows, cols);
}

}  // namespace hft
#endif  // HFT_DEFINES
