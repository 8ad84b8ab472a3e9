// MambaMixerOptions: what a MambaMixer is made from.
#pragma once
#include <optional>

#include <hft/ops/activation_kind.hpp>
#include <hft/tensor.hpp>

namespace hft {

struct MambaMixerOptions {
  isize hidden_size;
  isize intermediate_size;
  isize time_step_rank;
  isize state_size = 16;
  isize conv_kernel = 4;
  Activation activation = Activation::silu;  // after the convolution
  bool use_bias = false;
  bool use_conv_bias = true;
  std::optional<f64> norm_eps = {};  // of RMS norms of B, C and what steps come of; without one there are none
  bool norm_weights = true;          // whether these have weights
  isize layer = 0;                   // its place in the cache
};

}  // namespace hft
