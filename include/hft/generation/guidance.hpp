// Classifier-free guidance: the scores move away from what the model says behind another prompt, a negative one, or the
// last token alone. It costs a second pass a token. (Sanchez et al. 2023, arXiv 2306.17806;
// transformers.UnbatchedClassifierFreeGuidanceLogitsProcessor)
#pragma once
#include <hft/linkage.hpp>
#if HFT_DEFINES(MODELS)
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <hft/generation/generation_inputs.hpp>
#include <hft/generation/generation_loop.hpp>
#include <hft/generation/logits_process/processor.hpp>
#include <hft/generation/sampling.hpp>
#include <hft/generation/strategy.hpp>

namespace hft {

class UnbatchedClassifierFreeGuidanceLogitsProcessor final : public LogitsProcessor {
 public:
  /// negative_prompt_ids (B,N): of each prompt, whose rows_per_prompt rows of scores follow one another; empty: the
  /// last token of each row. Throws shape_error for a mask of another shape.
  UnbatchedClassifierFreeGuidanceLogitsProcessor(f64 guidance_scale, std::unique_ptr<detail::generation_step> model,
                                                 const Tensor<i64, 2>& negative_prompt_ids = {},
                                                 const Tensor<i64, 2>& negative_prompt_attention_mask = {},
                                                 isize rows_per_prompt = 1, bool use_cache = true)
      : scale_(guidance_scale),
        model_(std::move(model)),
        prompts_(negative_prompt_ids),
        mask_(negative_prompt_attention_mask),
        group_(rows_per_prompt),
        cached_(use_cache) {
    if (mask_ && mask_.shape() != prompts_.shape())
      throw shape_error("generate", "negative_prompt_attention_mask", detail::shape_text(prompts_.shape()),
                        detail::shape_text(mask_.shape()));
  }

  void operator()(matrix<const i64> input_ids, matrix<f32> scores) override {
    const auto others = next(input_ids);
    for (isize r = 0; r < scores.rows; ++r) {
      f32 *s = scores.row(r), *o = others.row(r);
      const f64 of_s = detail::log_sum_exp({s, std::size_t(scores.cols)}),
                of_o = detail::log_sum_exp({o, std::size_t(scores.cols)});
      for (isize v = 0; v < scores.cols; ++v) {
        const f32 p = f32(f64(s[v]) - of_s), q = f32(f64(o[v]) - of_o);
        s[v] = f32(scale_) * (p - q) + q;
      }
    }
  }

 private:
  // What the model says behind the other prompts and the tokens that came since.
  matrix<f32> next(matrix<const i64> input_ids) {
    const bool first = seen_.length() == 0;
    if (first) {
      start(input_ids);
    } else {
      follow(input_ids);
      std::vector<i64> last, ones(std::size_t(input_ids.rows), 1);
      for (isize r = 0; r < input_ids.rows; ++r) last.push_back(input_ids.row(r)[input_ids.cols - 1]);
      ids_.append(last);
      if (mask_) masks_.append(ones);
      seen_.append(last);
    }
    const isize from = first || !cached_ ? 0 : ids_.length() - 1;
    return (*model_)(ids_.tensor(from, ids_.length()), mask_ ? masks_.tensor(0, masks_.length()) : Tensor<i64, 2>(), {},
                     cached_, 1);
  }

  void start(matrix<const i64> input_ids) {
    const isize rows = input_ids.rows, T = input_ids.cols;
    Tensor<i64, 2> said({rows, T}), last({rows, 1});
    for (isize r = 0; r < rows; ++r) {
      std::copy_n(input_ids.row(r), T, said.data() + r * T);
      last.data()[r] = input_ids.row(r)[T - 1];
    }
    seen_ = detail::token_rows(said);
    if (prompts_ && prompts_.extent(0) * group_ != rows)
      throw shape_error("generate", "negative_prompt_ids", detail::joined("(", rows / group_, ",N), a row a prompt"),
                        detail::shape_text(prompts_.shape()));
    ids_ = detail::token_rows(prompts_ ? prompts_ : last);
    if (mask_) masks_ = detail::token_rows(mask_);
    if (!prompts_ || group_ == 1) return;
    std::vector<isize> each(std::size_t(rows), 0);
    for (isize r = 0; r < rows; ++r) each[std::size_t(r)] = r / group_;
    ids_.reorder(each);
    if (mask_) masks_.reorder(each);
  }

  // Beams change places: a row goes on from where its tokens stand.
  void follow(matrix<const i64> input_ids) {
    std::vector<isize> from;
    bool moved = false;
    for (isize r = 0; r < input_ids.rows; ++r) {
      const isize prompt = r / group_ * group_;
      isize at = r;
      for (isize k = 0; k < group_ && !same(input_ids, r, at); ++k) at = prompt + k;
      moved = moved || at != r;
      from.push_back(at);
    }
    if (!moved) return;
    ids_.reorder(from);
    if (mask_) masks_.reorder(from);
    seen_.reorder(from);
    model_->reorder(from, cached_);
  }
  bool same(matrix<const i64> input_ids, isize row, isize seen) const {
    const auto before = seen_.row(seen);
    return std::equal(before.begin(), before.end(), input_ids.row(row));
  }

  f64 scale_;
  std::unique_ptr<detail::generation_step> model_;
  Tensor<i64, 2> prompts_, mask_;
  isize group_;
  bool cached_;
  detail::token_rows ids_, masks_;  // of the other prompts and what follows
  detail::token_rows seen_;         // what rows said so far
};

namespace detail {

inline LogitsProcessor* make_guidance(const generation_loop& loop) {
  if (loop.model.encodes || loop.model.reads_all)
    throw unsupported_error("generate", "guidance_scale", "a decoder alone",
                            "a model that reads its prompt as a whole");
  return new UnbatchedClassifierFreeGuidanceLogitsProcessor(
      *loop.config.guidance_scale, loop.model.again(), loop.options.negative_prompt_ids,
      loop.options.negative_prompt_attention_mask, loop.group(), *loop.config.use_cache);
}
inline const bool guidance_is_there = (strategies::guidance = &make_guidance, true);

}  // namespace detail

}  // namespace hft

#endif  // HFT_DEFINES
