// The compiled part of the kernels of the cpu: written by scripts/list_compiled.sh; see linkage.hpp.
#pragma once
#ifndef HFT_COMPILING
#define HFT_COMPILING HFT_PART_KERNELS
#endif

#include <hft/ops/cpu/activation.hpp>
#include <hft/ops/cpu/activation_backward.hpp>
#include <hft/ops/cpu/attention.hpp>
#include <hft/ops/cpu/attention_backward.hpp>
#include <hft/ops/cpu/attention_weights.hpp>
#include <hft/ops/cpu/causal_conv1d.hpp>
#include <hft/ops/cpu/clamp.hpp>
#include <hft/ops/cpu/combine_rows.hpp>
#include <hft/ops/cpu/cross_entropy.hpp>
#include <hft/ops/cpu/ctc_loss.hpp>
#include <hft/ops/cpu/decay_attention.hpp>
#include <hft/ops/cpu/elementwise.hpp>
#include <hft/ops/cpu/embedding.hpp>
#include <hft/ops/cpu/embedding_backward.hpp>
#include <hft/ops/cpu/f64.hpp>
#include <hft/ops/cpu/fourier.hpp>
#include <hft/ops/cpu/gated_delta_rule.hpp>
#include <hft/ops/cpu/gather_bias.hpp>
#include <hft/ops/cpu/head_scan.hpp>
#include <hft/ops/cpu/linear.hpp>
#include <hft/ops/cpu/linear_backward.hpp>
#include <hft/ops/cpu/linear_half.hpp>
#include <hft/ops/cpu/log_softmax.hpp>
#include <hft/ops/cpu/mask_tokens.hpp>
#include <hft/ops/cpu/negative_exp.hpp>
#include <hft/ops/cpu/norm.hpp>
#include <hft/ops/cpu/norm_backward.hpp>
#include <hft/ops/cpu/normalise_rows.hpp>
#include <hft/ops/cpu/patches.hpp>
#include <hft/ops/cpu/relative_scores.hpp>
#include <hft/ops/cpu/rg_lru.hpp>
#include <hft/ops/cpu/rope.hpp>
#include <hft/ops/cpu/selective_scan.hpp>
#include <hft/ops/cpu/softmax.hpp>
#include <hft/ops/cpu/softmax_backward.hpp>
#include <hft/ops/cpu/softplus.hpp>
#include <hft/ops/cpu/wkv.hpp>
#include <hft/ops/cpu/xielu.hpp>
