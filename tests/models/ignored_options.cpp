// What a caller names and a model has no use for is said once; what others made for him is not.
#include <hft/generation/generate.hpp>
#include <hft/models/bart.hpp>
#include <hft/models/bert.hpp>
#include <hft/models/llama.hpp>
#include <hft/models/mamba.hpp>
#include <hft/train/autodiff.hpp>

#include "golden.hpp"
#include "log_of.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(ignored_options)

namespace {

const auto ids = Tensor<i64, 2>::from({5, 6, 7}, {1, 3});
const auto zeros = Tensor<i64, 2>::zeros({1, 3});

template <class Model>
Model tiny(const char* folder) {
  return Model::from_pretrained(data(folder).string());
}

// As a tokenizer returns it.
struct token_batch {
  std::vector<std::vector<i64>> input_ids{{5, 6, 7}}, attention_mask{{1, 1, 1}}, token_type_ids{{0, 0, 0}};
};

void check_log(const ::test::log_of& log, const std::vector<std::string>& expected) {
  BOOST_CHECK_EQUAL_COLLECTIONS(log.messages.begin(), log.messages.end(), expected.begin(), expected.end());
}

}  // namespace

BOOST_AUTO_TEST_CASE(types_of_tokens_are_said_once_for_each_model) {
  const auto model = tiny<LlamaForCausalLM<f32>>("models/llama/base");
  const ::test::log_of log;
  const std::string said = "[LlamaForCausalLM] token_type_ids without effect on this model: it has no types of tokens";
  model(ids, {.position_ids = zeros});
  check_log(log, {});
  model(ids, {.token_type_ids = zeros});
  model({.input_ids = ids, .token_type_ids = zeros});
  check_log(log, {said});
  const auto copy = model;
  copy({.input_ids = ids, .token_type_ids = zeros, .task_type_ids = zeros});
  check_log(log, {said, said, "[LlamaForCausalLM] task_type_ids without effect on this model: it has no tasks"});
}

BOOST_AUTO_TEST_CASE(what_a_tokenizer_or_generation_made_is_not_said) {
  const auto model = tiny<LlamaForCausalLM<f32>>("models/llama/base");
  const auto mamba = tiny<MambaForCausalLM<f32>>("models/mamba/base");
  const auto bart = tiny<BartForConditionalGeneration<f32>>("models/bart/base");
  const ::test::log_of log;
  model(token_batch{});
  generate(model, token_batch{}, {.max_new_tokens = 2});
  generate(mamba, ids, {.max_new_tokens = 2});
  generate(bart, ids, {.max_new_tokens = 2});
  check_log(log, {});
}

BOOST_AUTO_TEST_CASE(what_a_model_uses_is_not_said) {
  const auto bert = tiny<BertModel<f32>>("models/bert/base");
  const ::test::log_of log;
  bert({.input_ids = ids, .position_ids = zeros, .token_type_ids = zeros});
  bert(ids, {.output_attentions = true});
  check_log(log, {});
}

BOOST_AUTO_TEST_CASE(positions_and_attentions_that_a_model_has_not_are_said) {
  const auto mamba = tiny<MambaForCausalLM<f32>>("models/mamba/base");
  const auto bart = tiny<BartForConditionalGeneration<f32>>("models/bart/base");
  const ::test::log_of log;
  mamba(ids, {.position_ids = zeros, .output_attentions = true});
  bart({.input_ids = ids, .decoder_input_ids = ids}, {.position_ids = zeros});
  check_log(log,
            {"[MambaForCausalLM] position_ids without effect on this model: it counts positions itself, or has none",
             "[MambaForCausalLM] output_attentions without effect on this model: it has no attention weights to show",
             "[BartForConditionalGeneration] position_ids without effect on this model: it counts positions itself, or "
             "has none"});
}

BOOST_AUTO_TEST_CASE(labels_without_a_loss_are_said) {
  const auto base = tiny<BertModel<f32, autodiff<cpu>>>("models/bert/base");
  const auto classifier =
      tiny<BertForSequenceClassification<f32, autodiff<cpu>>>("models/bert/sequence_classification");
  const auto label = Tensor<i64, 2>::zeros({1, 1});
  const ::test::log_of log;
  classifier(ids, {.labels = label});
  check_log(log, {});
  base(ids, {.labels = ids});
  classifier(ids, {.start_positions = label});
  check_log(log, {"[BertModel] labels without effect on this model: it has no loss of these",
                  "[BertForSequenceClassification] labels without effect on this model: it has no loss of these"});
}

BOOST_AUTO_TEST_SUITE_END()
