// autocast: products in half precision over weights that stay f32, chosen at run time.
#pragma once
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <hft/dtype.hpp>
#include <hft/error.hpp>

namespace hft {

namespace detail {
inline std::optional<dtype_id>& autocast_mode() {
  static thread_local std::optional<dtype_id> dtype;
  return dtype;
}
}  // namespace detail

/// What products of this thread are computed in; nothing: in the dtype of their weights.
inline std::optional<dtype_id> autocast_dtype() { return detail::autocast_mode(); }

/// While it lives, linear layers of this thread on a device that records round x, their f32 weights and the gradients
/// that come in to `dtype`, and sum in f32; weights, activations and gradients stay f32. A weight of another dtype is
/// multiplied in its own. (torch.autocast; Micikevicius et al. 2018, arXiv 1710.03740)
///   dtype   bf16 or f16, or nothing: as f32; throws unsupported_error for another
class autocast {
 public:
  explicit autocast(std::optional<dtype_id> dtype) : before_(detail::autocast_mode()) {
    if (dtype && *dtype != dtype_id::bf16 && *dtype != dtype_id::f16)
      throw unsupported_error("autocast", "dtype", "bf16 or f16", std::string(name(*dtype)));
    detail::autocast_mode() = dtype;
  }
  autocast(const autocast&) = delete;
  autocast& operator=(const autocast&) = delete;
  ~autocast() { detail::autocast_mode() = before_; }

 private:
  std::optional<dtype_id> before_;
};

namespace detail {
/// f(type_identity<Half>) for what autocast chose, which must be on.
template <class F>
auto with_autocast(const F& f) {
  return autocast_mode() == dtype_id::bf16 ? f(std::type_identity<bf16>()) : f(std::type_identity<f16>());
}
}  // namespace detail

}  // namespace hft
