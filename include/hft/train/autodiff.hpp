// What a program that trains includes beside its models: autodiff<D>, the overloads of all ops for it, the losses,
// as_inference.
//
//   #include <hft/models/llama.hpp>
//   #include <hft/train/autodiff.hpp>
//   const auto model = LlamaForCausalLM<f32, autodiff<cpu>>::from_pretrained(folder);
//   backward(model(input_ids, {.labels = input_ids}).loss);
#pragma once
#include <hft/autodiff.hpp>
#include <hft/models/loss.hpp>
#include <hft/ops/autodiff.hpp>
#include <hft/train/as_inference.hpp>
