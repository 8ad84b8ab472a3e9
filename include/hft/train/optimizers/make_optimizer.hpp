// make_optimizer: an optimizer by the name that TrainingArguments.optim has in Transformers.
#pragma once
#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#include <hft/train/optimizers/adafactor.hpp>
#include <hft/train/optimizers/adagrad.hpp>
#include <hft/train/optimizers/adamw.hpp>
#include <hft/train/optimizers/lion.hpp>
#include <hft/train/optimizers/optimizer.hpp>
#include <hft/train/optimizers/rmsprop.hpp>
#include <hft/train/optimizers/sgd.hpp>

namespace hft {

/// The fields of TrainingArguments that choose the optimizer, under their names and with their defaults.
struct OptimizerOptions {
  std::string optim = "adamw_torch";
  std::string optim_args = {};  // "key=value,key=value": what the optimizer takes beside these
  f64 weight_decay = 0;         // for the parameters that decay; one in optim_args is overruled, as in Transformers
  f64 adam_beta1 = 0.9;
  f64 adam_beta2 = 0.999;
  f64 adam_epsilon = 1e-8;
};

namespace detail {

/// optim_args: each is asked for by name, and none may be left over.
class optimizer_arguments {
 public:
  optimizer_arguments(std::string_view optim, std::string_view text) : optim_(optim) {
    std::string kept;
    for (const char c : text)
      if (c != ' ') kept += c;
    if (kept.empty()) return;
    for (std::size_t at = 0; at <= kept.size();) {
      const auto end = std::min(kept.find(',', at), kept.size());
      const std::string pair = kept.substr(at, end - at);
      const auto equals = pair.find('=');
      if (equals == pair.npos || pair.find('=', equals + 1) != pair.npos)
        throw value_error("make_optimizer", "optim_args", "key=value,key=value", quote_text(kept));
      given_.insert_or_assign(pair.substr(0, equals), pair.substr(equals + 1));  // the last one wins
      at = end + 1;
    }
  }

  f64 number(std::string_view key, f64 fallback) {
    const std::string* text = take(key);
    if (!text) return fallback;
    f64 x = 0;
    const char *first = text->data(), *last = first + text->size();
    if (text->starts_with('+') && !text->starts_with("+-")) ++first;
    const auto result = std::from_chars(first, last, x);
    if (result.ec != std::errc() || result.ptr != last)
      throw value_error("make_optimizer", joined("optim_args: ", key), "a number", *text);
    return x;
  }
  bool flag(std::string_view key) {
    const std::string* text = take(key);
    if (!text) return false;
    std::string lower = *text;
    for (char& c : lower)
      if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
    return lower == "true" || lower == "1" || lower == "yes";
  }
  void finish() const {
    for (const auto& [key, value] : given_)
      if (key != "weight_decay")
        throw value_error("make_optimizer", joined("optim_args of ", optim_),
                          known_.empty() ? "none" : "only " + known_, key);
  }

 private:
  const std::string* take(std::string_view key) {
    known_ += cat(known_.empty() ? "" : ", ", key);
    const auto at = given_.find(key);
    if (at == given_.end()) return nullptr;
    value_ = std::move(at->second);
    given_.erase(at);
    return &value_;
  }

  std::string optim_, known_, value_;
  std::map<std::string, std::string, std::less<>> given_;
};

[[noreturn, gnu::cold]] inline void no_such_optimizer(std::string_view optim) {
  constexpr std::string_view supported =
      "adamw_torch, adamw_torch_fused, adamw_bnb_8bit, adamw_8bit, paged_adamw_32bit, paged_adamw_8bit, adafactor, "
      "sgd, "
      "adagrad, rmsprop, rmsprop_bnb, rmsprop_bnb_32bit, rmsprop_bnb_8bit, lion_32bit, lion_8bit, paged_lion_32bit, "
      "paged_lion_8bit";
  constexpr std::string_view others[] = {"adamw_torch_xla",
                                         "adamw_torch_npu_fused",
                                         "adamw_anyprecision",
                                         "adamw_torch_4bit",
                                         "adamw_torch_8bit",
                                         "ademamix",
                                         "ademamix_8bit",
                                         "paged_ademamix_32bit",
                                         "paged_ademamix_8bit",
                                         "galore_adamw",
                                         "galore_adamw_8bit",
                                         "galore_adafactor",
                                         "galore_adamw_layerwise",
                                         "galore_adamw_8bit_layerwise",
                                         "galore_adafactor_layerwise",
                                         "lomo",
                                         "adalomo",
                                         "grokadamw",
                                         "schedule_free_radam",
                                         "schedule_free_adamw",
                                         "schedule_free_sgd",
                                         "apollo_adamw",
                                         "apollo_adamw_layerwise",
                                         "stable_adamw"};
  if (std::find(std::begin(others), std::end(others), optim) != std::end(others))
    throw unsupported_error("make_optimizer", "optim", supported, optim);
  throw value_error("make_optimizer", "optim", supported, optim);
}

}  // namespace detail

/// Throws unsupported_error, listing the supported ones, for an optimizer of Transformers that hft does not have,
/// value_error for a name that Transformers does not have either, and for optim_args that the optimizer does not take.
/// The paged ones are as the others: the host's memory is paged by the system.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& o = {});

#if HFT_DEFINES(TRAIN)

HFT_INLINE std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& o) {
  std::string_view name = o.optim;
  detail::optimizer_arguments args(name, o.optim_args);
  const auto format = name.ends_with("_8bit") ? StateFormat::blockwise_8bit : StateFormat::f32;
  if (name.starts_with("paged_")) name.remove_prefix(6);
  std::unique_ptr<Optimizer> out;
  const auto is_one_of = [&](auto... names) { return ((name == names) || ...); };
  const bool paged = name != o.optim;

  if (is_one_of("adamw_8bit") ||
      (paged ? is_one_of("adamw_32bit") : is_one_of("adamw_torch", "adamw_torch_fused", "adamw_bnb_8bit"))) {
    AdamWRule rule{o.adam_beta1, o.adam_beta2, o.adam_epsilon, o.weight_decay};
    if (name.starts_with("adamw_torch")) rule.amsgrad = args.flag("amsgrad");  // bitsandbytes' have none
    out = std::make_unique<AdamW>(rule, format);
  } else if (is_one_of("lion_32bit", "lion_8bit")) {
    out = std::make_unique<Lion>(LionRule{o.adam_beta1, o.adam_beta2, o.weight_decay}, format);
  } else if (!paged && is_one_of("adafactor")) {
    out = std::make_unique<Adafactor>(AdafactorOptions{.weight_decay = o.weight_decay});
  } else if (!paged && is_one_of("sgd")) {
    SGDRule rule{.weight_decay = o.weight_decay};
    rule.momentum = args.number("momentum", 0);
    rule.dampening = args.number("dampening", 0);
    rule.nesterov = args.flag("nesterov");
    if (rule.nesterov && (rule.momentum <= 0 || rule.dampening != 0))
      throw value_error("make_optimizer", "nesterov", "a momentum and no dampening");
    out = std::make_unique<SGD>(rule);
  } else if (!paged && is_one_of("adagrad")) {
    AdagradRule rule{.weight_decay = o.weight_decay};
    rule.lr_decay = args.number("lr_decay", 0);
    rule.eps = args.number("eps", 1e-10);
    out = std::make_unique<Adagrad>(rule);
  } else if (!paged && is_one_of("rmsprop", "rmsprop_bnb", "rmsprop_bnb_32bit", "rmsprop_bnb_8bit")) {
    RMSpropRule rule{.weight_decay = o.weight_decay};
    rule.alpha = args.number("alpha", 0.99);
    rule.eps = args.number("eps", 1e-8);
    if (name == "rmsprop") {
      rule.momentum = args.number("momentum", 0);
      rule.centered = args.flag("centered");
    }
    out = std::make_unique<RMSprop>(rule, format);
  } else {
    detail::no_such_optimizer(o.optim);
  }
  args.finish();
  return out;
}

#endif  // HFT_DEFINES

}  // namespace hft
