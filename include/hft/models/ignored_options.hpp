// What a caller named and a model has no use for is said, once for each model and option, in a warning. What a
// tokenizer, a batch or generation made is not: of that a model takes what it has a use for, as in Transformers.
#pragma once
#include <atomic>
#include <string>

#include <hft/layers/inputs.hpp>
#include <hft/linkage.hpp>
#include <hft/log.hpp>
#include <hft/models/any_config.hpp>

namespace hft::detail {

/// Inputs that no caller of a model named one by one.
template <class Inputs>
struct unnamed : Inputs {};
template <class In>
inline constexpr bool is_unnamed = false;
template <class Inputs>
inline constexpr bool is_unnamed<unnamed<Inputs>> = true;

/// Such inputs of a model over tokens.
template <class Model>
requires requires(typename Model::inputs in, const Tensor<i64, 2>& ids) { in.input_ids = ids; }
unnamed<typename Model::inputs> unnamed_ids(const Tensor<i64, 2>& input_ids) {
  unnamed<typename Model::inputs> in;
  in.input_ids = input_ids;
  return in;
}

/// Which of the inputs that may be without effect are given, a sum of without_effect. The latter two are those of
/// ForwardArgs.
unsigned given_inputs(const TextInputs& in, const Tensor<i64, 2>& token_type_ids, const Tensor<i64, 2>& position_ids);

/// What was said of a model; a copy of it says it anew.
class ignored_options {
 public:
  ignored_options() = default;
  ignored_options(const ignored_options&) {}
  ignored_options& operator=(const ignored_options&) { return *this; }

  /// Says of the options, a sum of without_effect, what was not said yet.
  void say(unsigned options, const AnyConfig& config, const char* class_suffix);

 private:
  std::atomic<unsigned> said_ = 0;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE unsigned given_inputs(const TextInputs& in, const Tensor<i64, 2>& token_type_ids,
                                      const Tensor<i64, 2>& position_ids) {
  return (in.token_type_ids || token_type_ids ? without_effect::token_type_ids : 0) |
         (in.task_type_ids ? without_effect::task_type_ids : 0) |
         (in.position_ids || position_ids ? without_effect::position_ids : 0);
}

HFT_INLINE_ONCE void ignored_options::say(unsigned options, const AnyConfig& config, const char* class_suffix) {
  static constexpr struct {
    unsigned option;
    const char *name, *reason;
  } reasons[] = {{without_effect::token_type_ids, "token_type_ids", "it has no types of tokens"},
                 {without_effect::task_type_ids, "task_type_ids", "it has no tasks"},
                 {without_effect::position_ids, "position_ids", "it counts positions itself, or has none"},
                 {without_effect::output_attentions, "output_attentions", "it has no attention weights to show"},
                 {without_effect::labels, "labels", "it has no loss of these"}};
  const unsigned fresh = options & ~said_.fetch_or(options);
  for (const auto& r : reasons)
    if (fresh & r.option)
      log_message(log_level::warning, config.info().class_name(class_suffix),
                  joined(r.name, " without effect on this model: ", r.reason));
}

#endif  // HFT_DEFINES

}  // namespace hft::detail
