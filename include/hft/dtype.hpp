// Element types: f32, f16, bf16, integers, and the block formats of quantised weights.
//
// A dtype is a tag type. dtype<T> tells its storage, how many elements one storage unit holds (1, or a block of 32 or
// 256), and its dtype_id, the run-time name that files and type-erased code use. any_q is a dtype whose format is known
// at run time.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>
#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace hft {

using isize = std::ptrdiff_t;  // extents, strides and offsets, in elements unless a name says bytes

/// An extent known to the compiler; kernels take an extent as `isize` or as `Int<N>`.
template <isize N>
using Int = std::integral_constant<isize, N>;

using f32 = float;
using f64 = double;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using u8 = std::uint8_t;

/// bfloat16: the upper half of an f32. Conversion from f32 rounds to nearest even and keeps NaN.
struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  constexpr explicit bf16(f32 x) {
    const auto u = std::bit_cast<std::uint32_t>(x);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    bits = std::uint16_t(nan ? (u >> 16) | 0x40u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  constexpr explicit operator f32() const { return std::bit_cast<f32>(std::uint32_t(bits) << 16); }
  static constexpr bf16 from_bits(std::uint16_t b) {
    bf16 x;
    x.bits = b;
    return x;
  }
};

/// IEEE 754 binary16. Conversion from f32 rounds to nearest even.
struct f16 {
  std::uint16_t bits = 0;

  f16() = default;
  constexpr explicit f16(f32 x) {
#if defined(__F16C__)
    if (!std::is_constant_evaluated()) {
      bits = std::uint16_t(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT));
      return;
    }
#endif
    bits = encode(x);
  }
  constexpr explicit operator f32() const {
#if defined(__F16C__)
    if (!std::is_constant_evaluated()) return _cvtsh_ss(bits);
#endif
    return decode(bits);
  }
  static constexpr f16 from_bits(std::uint16_t b) {
    f16 x;
    x.bits = b;
    return x;
  }

  static constexpr std::uint16_t encode(f32 x) {
    const auto u = std::bit_cast<std::uint32_t>(x);
    const auto sign = std::uint16_t((u >> 16) & 0x8000u);
    const std::uint32_t a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return std::uint16_t(sign | 0x7e00u | ((a >> 13) & 0x1ffu));  // NaN, quiet
    if (a >= 0x477ff000u) return std::uint16_t(sign | 0x7c00u);                        // rounds to infinity
    if (a < 0x38800000u) {  // subnormal: adding 0.5 places the 10 result bits at the bottom of the sum
      const f32 shifted = std::bit_cast<f32>(a) + 0.5f;
      return std::uint16_t(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
    }
    return std::uint16_t(sign | ((a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13));
  }
  static constexpr f32 decode(std::uint16_t h) {
    const std::uint32_t sign = std::uint32_t(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, mantissa = h & 0x3ffu;
    if (exponent == 31) return std::bit_cast<f32>(sign | 0x7f800000u | (mantissa << 13));
    if (exponent) return std::bit_cast<f32>(sign | ((exponent + 112) << 23) | (mantissa << 13));
    const f32 magnitude = f32(mantissa) * 0x1p-24f;  // zero or subnormal
    return sign ? -magnitude : magnitude;
  }
};

// Block formats. The storage structs are the bytes of a GGUF file; quantization/ says what the bits mean.
// d is a block's scale, m its minimum; quants are unsigned unless they are int8.
struct q4_0 {
  static constexpr isize block = 32;
  struct storage {
    f16 d;
    u8 qs[16];
  };
};
struct q4_1 {
  static constexpr isize block = 32;
  struct storage {
    f16 d, m;
    u8 qs[16];
  };
};
struct q5_0 {
  static constexpr isize block = 32;
  struct storage {
    f16 d;
    u8 qh[4];
    u8 qs[16];
  };
};
struct q5_1 {
  static constexpr isize block = 32;
  struct storage {
    f16 d, m;
    u8 qh[4];
    u8 qs[16];
  };
};
struct q8_0 {
  static constexpr isize block = 32;
  struct storage {
    f16 d;
    i8 qs[32];
  };
};
struct q4_k {
  static constexpr isize block = 256;
  struct storage {
    f16 d, dmin;
    u8 scales[12];
    u8 qs[128];
  };
};
struct q5_k {
  static constexpr isize block = 256;
  struct storage {
    f16 d, dmin;
    u8 scales[12];
    u8 qh[32];
    u8 qs[128];
  };
};
struct q6_k {
  static constexpr isize block = 256;
  struct storage {
    u8 ql[128];
    u8 qh[64];
    i8 scales[16];
    f16 d;
  };
};

/// NormalFloat4 (Dettmers et al. 2023, "QLoRA", arXiv 2305.14314): 64 elements share a scale, and each is one of 16
/// quantiles of the normal distribution. Of two elements in a byte the first is the upper half, as in bitsandbytes.
struct nf4 {
  static constexpr isize block = 64;
  struct storage {
    f32 absmax;
    u8 qs[32];
  };
};

/// The run-time name of a dtype.
enum class dtype_id : std::uint8_t {
  f64,
  f32,
  f16,
  bf16,
  i64,
  i32,
  i16,
  i8,
  u8,
  boolean,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q4_k,
  q5_k,
  q6_k,
  nf4
};

struct dtype_info {
  dtype_id id;
  std::string_view name;         // hft's and the command line's: "bf16", "q4_0"
  std::string_view safetensors;  // in a safetensors header: "BF16"; empty where the format has none
  int ggml_type;                 // in a GGUF file; -1 where the format has none
  isize block;                   // elements per storage unit
  isize bytes;                   // bytes per storage unit
  bool floating;                 // holds real numbers, so a weight may be stored in it
};

inline constexpr std::array<dtype_info, 19> dtype_table{{
    {dtype_id::f64, "f64", "F64", 28, 1, 8, true},
    {dtype_id::f32, "f32", "F32", 0, 1, 4, true},
    {dtype_id::f16, "f16", "F16", 1, 1, 2, true},
    {dtype_id::bf16, "bf16", "BF16", 30, 1, 2, true},
    {dtype_id::i64, "i64", "I64", 27, 1, 8, false},
    {dtype_id::i32, "i32", "I32", 26, 1, 4, false},
    {dtype_id::i16, "i16", "I16", 25, 1, 2, false},
    {dtype_id::i8, "i8", "I8", 24, 1, 1, false},
    {dtype_id::u8, "u8", "U8", -1, 1, 1, false},
    {dtype_id::boolean, "bool", "BOOL", -1, 1, 1, false},
    {dtype_id::q4_0, "q4_0", "", 2, 32, sizeof(q4_0::storage), true},
    {dtype_id::q4_1, "q4_1", "", 3, 32, sizeof(q4_1::storage), true},
    {dtype_id::q5_0, "q5_0", "", 6, 32, sizeof(q5_0::storage), true},
    {dtype_id::q5_1, "q5_1", "", 7, 32, sizeof(q5_1::storage), true},
    {dtype_id::q8_0, "q8_0", "", 8, 32, sizeof(q8_0::storage), true},
    {dtype_id::q4_k, "q4_k", "", 12, 256, sizeof(q4_k::storage), true},
    {dtype_id::q5_k, "q5_k", "", 13, 256, sizeof(q5_k::storage), true},
    {dtype_id::q6_k, "q6_k", "", 14, 256, sizeof(q6_k::storage), true},
    {dtype_id::nf4, "nf4", "", -1, 64, sizeof(nf4::storage), true},
}};
static_assert(sizeof(q4_0::storage) == 18 && sizeof(q4_1::storage) == 20 && sizeof(q5_0::storage) == 22 &&
                  sizeof(q5_1::storage) == 24 && sizeof(q8_0::storage) == 34 && sizeof(q4_k::storage) == 144 &&
                  sizeof(q5_k::storage) == 176 && sizeof(q6_k::storage) == 210,
              "block storage must have the size it has in a GGUF file");

constexpr const dtype_info& info(dtype_id id) { return dtype_table[std::size_t(id)]; }
constexpr std::string_view name(dtype_id id) { return info(id).name; }

/// The dtype of hft's name ("q4_0"), or nothing.
constexpr std::optional<dtype_id> dtype_from_name(std::string_view name) {
  for (const auto& d : dtype_table)
    if (d.name == name) return d.id;
  return {};
}
/// The dtype of a safetensors header's name ("BF16"), or nothing.
constexpr std::optional<dtype_id> dtype_from_safetensors(std::string_view name) {
  for (const auto& d : dtype_table)
    if (!name.empty() && d.safetensors == name) return d.id;
  return {};
}
/// The dtype of a GGUF file's type number, or nothing.
constexpr std::optional<dtype_id> dtype_from_ggml(std::int64_t type) {
  for (const auto& d : dtype_table)
    if (d.ggml_type >= 0 && d.ggml_type == type) return d.id;
  return {};
}

/// A dtype whose format is a run-time value, as in a GGUF file that mixes them. Its storage unit is a byte.
struct any_q {};

/// What a dtype is made of. Scalars have block 1.
///   id       its run-time name (not for any_q, whose tensors carry one each)
///   storage  the storage unit
///   block    elements in one storage unit
template <class T>
struct dtype {
  static_assert(sizeof(T) == 0,
                "hft: this type is not a dtype; use f32, f16, bf16, an integer type, a block format or any_q");
};

namespace detail {
template <class T, dtype_id Id, class Storage = T, isize Block = 1>
struct dtype_of {
  static constexpr dtype_id id = Id;
  using storage = Storage;
  static constexpr isize block = Block;
  static constexpr bool any = false;
};
template <class Q, dtype_id Id>
using block_dtype_of = dtype_of<Q, Id, typename Q::storage, Q::block>;
}  // namespace detail

template <>
struct dtype<f64> : detail::dtype_of<f64, dtype_id::f64> {};
template <>
struct dtype<f32> : detail::dtype_of<f32, dtype_id::f32> {};
template <>
struct dtype<f16> : detail::dtype_of<f16, dtype_id::f16> {};
template <>
struct dtype<bf16> : detail::dtype_of<bf16, dtype_id::bf16> {};
template <>
struct dtype<i64> : detail::dtype_of<i64, dtype_id::i64> {};
template <>
struct dtype<i32> : detail::dtype_of<i32, dtype_id::i32> {};
template <>
struct dtype<i16> : detail::dtype_of<i16, dtype_id::i16> {};
template <>
struct dtype<i8> : detail::dtype_of<i8, dtype_id::i8> {};
template <>
struct dtype<u8> : detail::dtype_of<u8, dtype_id::u8> {};
template <>
struct dtype<bool> : detail::dtype_of<bool, dtype_id::boolean> {};
template <>
struct dtype<q4_0> : detail::block_dtype_of<q4_0, dtype_id::q4_0> {};
template <>
struct dtype<q4_1> : detail::block_dtype_of<q4_1, dtype_id::q4_1> {};
template <>
struct dtype<q5_0> : detail::block_dtype_of<q5_0, dtype_id::q5_0> {};
template <>
struct dtype<q5_1> : detail::block_dtype_of<q5_1, dtype_id::q5_1> {};
template <>
struct dtype<q8_0> : detail::block_dtype_of<q8_0, dtype_id::q8_0> {};
template <>
struct dtype<q4_k> : detail::block_dtype_of<q4_k, dtype_id::q4_k> {};
template <>
struct dtype<q5_k> : detail::block_dtype_of<q5_k, dtype_id::q5_k> {};
template <>
struct dtype<q6_k> : detail::block_dtype_of<q6_k, dtype_id::q6_k> {};
template <>
struct dtype<nf4> : detail::block_dtype_of<nf4, dtype_id::nf4> {};
template <>
struct dtype<any_q> {
  using storage = std::byte;
  static constexpr isize block = 1;
  static constexpr bool any = true;
};

/// A dtype that computes element by element: every one but the block formats and any_q.
template <class T>
concept Scalar = dtype<T>::block == 1 && !dtype<T>::any;

/// A dtype in which a weight may be stored: the floating ones, the block formats, any_q.
template <class T>
concept WeightDtype = dtype<T>::any || info(dtype<T>::id)
.floating;

// X(T) for every floating or block dtype that weights may have, but f64.
#define HFT_EACH_WEIGHT_DTYPE(X) \
  X(f32) X(f16) X(bf16) X(q4_0) X(q4_1) X(q5_0) X(q5_1) X(q8_0) X(q4_k) X(q5_k) X(q6_k) X(nf4)

/// Calls f(std::type_identity<T>{}) with the floating or block dtype that `id` names.
/// Integer dtypes have no such call: `otherwise()` is returned for them.
template <class F, class G>
decltype(auto) with_weight_dtype(dtype_id id, F&& f, G&& otherwise) {
  switch (id) {
#define HFT_CASE(T) \
  case dtype_id::T: \
    return f(std::type_identity<T>{});
    HFT_EACH_WEIGHT_DTYPE(HFT_CASE)
#undef HFT_CASE
    default:
      return otherwise();
  }
}

}  // namespace hft
