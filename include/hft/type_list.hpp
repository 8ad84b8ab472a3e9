// type_list: a list of types as a type.
#pragma once

namespace hft {

template <class... Ts>
struct type_list {};

}  // namespace hft
