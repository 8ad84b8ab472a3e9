// The model that drafts for another, as hft generate and hft run are told it.
#pragma once
#include <optional>
#include <string>

#include <hft/generation/generate.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include "model.hpp"

namespace tool {

class drafting {
 public:
  /// `draft`: a model's place, or empty. Where its vocabulary is another, both have their tokenizers read.
  drafting(const std::string& draft, const common_options& o, const hft::AnyModel<>& model) {
    if (draft.empty()) return;
    common_options own = o;
    own.model = draft;
    own.adapter.clear();
    model_ = load_generating_model(own);
    if (model_->config().vocab_size == model.config().vocab_size) {
      assistant = hft::AssistantModel(*model_);
      return;
    }
    own_ = hft::AutoTokenizer::from_pretrained(draft, o.revision);
    other_ = hft::AutoTokenizer::from_pretrained(o.model, o.revision);
    assistant = hft::AssistantModel(*model_, *own_, *other_);
  }

  hft::AssistantModel assistant;  // empty without one

 private:
  std::optional<hft::AnyModel<>> model_;
  std::optional<hft::PreTrainedTokenizerFast> own_, other_;
};

}  // namespace tool
