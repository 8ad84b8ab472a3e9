// A smaller model that drafts for another of the same vocabulary. (transformers.AssistedCandidateGenerator)
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include <hft/generation/candidate_generator.hpp>
#include <hft/generation/generation_loop.hpp>
#include <hft/generation/sampling.hpp>

namespace hft::detail {

class assistant final : public candidate_generator {
 public:
  /// Drafts for what `loop` generates. The number of tokens and the confidence below which a draft ends are the call's,
  /// or those of the drafting model's own generation_config. Throws value_error for settings out of range.
  assistant(const generation_loop& loop, std::unique_ptr<generation_step> model)
      : model_(std::move(model)), drawn_(*loop.config.do_sample), random_(*loop.config.seed, draft_stream) {
    const GenerationConfig &call = loop.config, own = own_settings(loop);
    most_ = first_of(call.num_assistant_tokens, own.num_assistant_tokens, isize(20));
    confidence_ = first_of(call.assistant_confidence_threshold, own.assistant_confidence_threshold, 0.4);
    schedule_ =
        first_of(call.num_assistant_tokens_schedule, own.num_assistant_tokens_schedule, std::string("constant"));
    if (most_ < 1) throw value_error("generate", "num_assistant_tokens", "at least 1", joined(most_));
    if (schedule_ != "constant" && schedule_ != "heuristic" && schedule_ != "heuristic_transient")
      throw value_error("generate", "num_assistant_tokens_schedule", "constant, heuristic or heuristic_transient",
                        quote_text(schedule_));
    if (model_->encodes != loop.model.encodes)
      throw value_error("generate", "assistant_model", loop.model.encodes ? "a model with an encoder" : "a decoder",
                        model_->encodes ? "a model with an encoder" : "a decoder");
    if (model_->reads_all || !model_->keeps_all)
      throw unsupported_error("generate", "assistant_model", "a model whose cache forgets tokens one by one",
                              "one with a recurrent state");
    if (loop.options.assistant_model.translate.encode) {  // its tokens are others
      if (model_->encodes)
        throw unsupported_error("generate", "assistant_model", "a decoder, where it has a tokenizer of its own",
                                "a model with an encoder");
      drawn_ = false;
      if (own.eos_token_id) eos_ = own.eos_token_id->ids;
      return;
    }
    if (model_->vocab_size && loop.model.vocab_size && model_->vocab_size != loop.model.vocab_size)
      throw value_error("generate", "assistant_model", joined("the model's vocabulary of ", loop.model.vocab_size),
                        joined(model_->vocab_size));
    for (const auto& p : loop.processors)  // a draft may end, and be refused
      if (!dynamic_cast<const MinLengthLogitsProcessor*>(p.get()) &&
          !dynamic_cast<const MinNewTokensLengthLogitsProcessor*>(p.get()))
        processors_.push_back(p);
    eos_ = loop.eos();
    if (model_->encodes) model_->begin(loop.prompts, loop.options.attention_mask, loop.options.global_attention_mask);
  }

  candidates operator()(std::span<const i64> text, isize room) override {
    candidates out;
    std::vector<i64> said(text.begin(), text.end());
    // What the model took in of an earlier draft, and the text went on with, it knows.
    isize known = isize(std::mismatch(held_.begin(), held_.end(), said.begin(), said.end() - 1).first - held_.begin());
    if (known < isize(held_.size())) known = cropped(known);
    for (isize n = 0; n < std::min(most_, room); ++n) {
      const auto scores = (*model_)(ids(said, known), {}, positions(known, isize(said.size())), true, 1);
      known = isize(said.size());
      apply(processors_, {said.data(), 1, known, known}, scores);
      const std::span<const f32> row(scores.row(0), std::size_t(scores.cols));
      const i64 token = drawn_ ? sample(row, random_.uniform(std::uint64_t(known))) : argmax(row);
      out.tokens.push_back(token);
      out.scores.insert(out.scores.end(), row.data(), row.data() + scores.cols);
      said.push_back(token);
      if (contains(eos_, token) || token_probability(row, token) < confidence_) break;
    }
    held_.assign(said.begin(), said.begin() + known);
    return out;
  }

  void update(isize offered, isize taken) override {
    if (schedule_ == "constant") return;
    most_ = taken == offered ? most_ + 2 : std::max<isize>(1, most_ - 1);
  }

 private:
  // How many tokens the model still knows, of `length` at most: where a window has forgotten what stood there, none.
  isize cropped(isize length) {
    try {
      model_->crop(length);
      return length;
    } catch (const unsupported_error&) {
      model_->reset();
      return 0;
    }
  }

  static constexpr std::uint64_t draft_stream = std::uint64_t(1) << 63;

  static const GenerationConfig& own_settings(const generation_loop& loop) {
    static const GenerationConfig none;
    const auto* own = loop.options.assistant_model.generation_config;
    return own ? *own : none;
  }
  template <class T>
  static T first_of(const std::optional<T>& call, const std::optional<T>& own, T otherwise) {
    return call ? *call : own.value_or(std::move(otherwise));
  }
  static Tensor<i64, 2> ids(const std::vector<i64>& said, isize from) {
    return Tensor<i64, 2>::from(std::vector<i64>(said.begin() + from, said.end()), {1, isize(said.size()) - from});
  }
  static Tensor<i64, 2> positions(isize from, isize to) {
    Tensor<i64, 2> t({1, to - from});
    for (isize i = from; i < to; ++i) t.data()[i - from] = i;
    return t;
  }

  std::unique_ptr<generation_step> model_;
  bool drawn_;
  random_stream random_;
  isize most_;
  f64 confidence_;
  std::string schedule_;
  std::vector<i64> eos_;
  LogitsProcessorList processors_;
  std::vector<i64> held_;  // the tokens in the model's cache
};

}  // namespace hft::detail
