// The elements of lists that a user fills with objects of classes, and with functions in their place.
#pragma once
#include <memory>
#include <utility>

namespace hft::detail {

/// A shared Base, or what Base::of makes of a function.
template <class Base>
class shared_or_function : public std::shared_ptr<Base> {
 public:
  using std::shared_ptr<Base>::shared_ptr;
  shared_or_function(std::shared_ptr<Base> object) : std::shared_ptr<Base>(std::move(object)) {}  // NOLINT
  template <class F>
  requires requires(F f) { Base::of(std::move(f)); }
  shared_or_function(F f) : std::shared_ptr<Base>(Base::of(std::move(f))) {}  // NOLINT: in a list, a function is one
};

}  // namespace hft::detail
