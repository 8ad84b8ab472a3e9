// All ops on a device that records.
#pragma once
#include <hft/ops/autodiff/activation.hpp>
#include <hft/ops/autodiff/attention.hpp>
#include <hft/ops/autodiff/causal_conv1d.hpp>
#include <hft/ops/autodiff/dora.hpp>
#include <hft/ops/autodiff/dropout.hpp>
#include <hft/ops/autodiff/elementwise.hpp>
#include <hft/ops/autodiff/embedding.hpp>
#include <hft/ops/autodiff/gather_bias.hpp>
#include <hft/ops/autodiff/linear.hpp>
#include <hft/ops/autodiff/loss.hpp>
#include <hft/ops/autodiff/negative_exp.hpp>
#include <hft/ops/autodiff/norm.hpp>
#include <hft/ops/autodiff/patches.hpp>
#include <hft/ops/autodiff/replace.hpp>
#include <hft/ops/autodiff/selective_scan.hpp>
#include <hft/ops/autodiff/softplus.hpp>
