// Drafts of a model with another tokenizer: the text goes over, and what it drafts comes back as tokens of the model
// that it drafts for. (transformers.AssistedCandidateGeneratorDifferentTokenizers)
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <hft/generation/candidate_generator.hpp>
#include <hft/generation/generate_options.hpp>

namespace hft::detail {

class translated_drafts final : public candidate_generator {
 public:
  translated_drafts(std::unique_ptr<candidate_generator> drafts, const AssistantModel& model)
      : drafts_(std::move(drafts)), by_(model.translate) {}

  candidates operator()(std::span<const i64> text, isize room) override {
    auto said = by_.encode(by_.decode_other(text));
    if (said.empty()) return {};
    const std::string before = by_.decode(said);
    const auto draft = (*drafts_)(said, room);
    said.insert(said.end(), draft.tokens.begin(), draft.tokens.end());
    const std::string after = by_.decode(said);
    if (draft.tokens.empty() || after.size() <= before.size()) return {};
    candidates out{tokens_behind(text, after.substr(before.size()))};
    if (isize(out.tokens.size()) > room) out.tokens.resize(std::size_t(room));
    return out;
  }
  /// Tokens here and there are not as many: a draft was taken whole or not.
  void update(isize offered, isize taken) override { drafts_->update(offered, taken); }

 private:
  // The tokens of what is added to a text. Those of its end show what stands before it; where they would be others with
  // what follows, that stands alone.
  std::vector<i64> tokens_behind(std::span<const i64> text, const std::string& added) const {
    const auto end = text.last(std::min<std::size_t>(text.size(), 16));
    const auto of_end = by_.encode_other(by_.decode_other(end)),
               of_both = by_.encode_other(by_.decode_other(end) + added);
    if (of_both.size() > of_end.size() && std::equal(of_end.begin(), of_end.end(), of_both.begin()))
      return {of_both.begin() + isize(of_end.size()), of_both.end()};
    return by_.encode_other(added);
  }

  std::unique_ptr<candidate_generator> drafts_;
  decltype(AssistantModel::translate) by_;
};

}  // namespace hft::detail
