// ModelParts: what loading, saving, adapters and generation ask of a model beside its computation, its type erased.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/layers/cache.hpp>
#include <hft/module.hpp>

namespace hft {

/// Paths of parameters that share a value, the copy's first.
using tied_pairs = std::vector<std::pair<std::string, std::string>>;

/// A base model, or a head with its base model as the member `model`.
class ModelParts {
 public:
  virtual ~ModelParts() = default;

  /// Its parameters. Of a tied pair the original alone.
  virtual void visit(visitor&) = 0;

  /// Shares what the config ties; called after loading.
  virtual void tie_weights() {}
  /// What tie_weights() ties. A checkpoint has one of both, or equal values.
  virtual tied_pairs tied_parameters() const { return {}; }
  /// Makes a copy of tied_parameters() a parameter of its own, with the values that it has.
  virtual void untie(std::string_view /*copy*/) {}
  virtual void set_tie_word_embeddings(bool) {}

  /// Another size of the vocabulary: rows are cut off at the end, or added there, which are the mean of the others.
  /// (resize_token_embeddings)
  virtual void resize_token_embeddings(isize vocab_size) = 0;

  /// What its base model is called in a checkpoint of it.
  virtual std::string_view base_model_prefix() const { return "model"; }

  /// The path of the token embeddings' weight. (get_input_embeddings)
  virtual std::string input_embeddings() const = 0;
  /// That of the head over the vocabulary, where there is one. (get_output_embeddings)
  virtual std::string output_embeddings() const { return {}; }

  /// The cache that generation makes for it.
  virtual CacheOptions cache_options() const { return {}; }

  /// Positions at which it ends, a learned table's; 0 where there is no such limit.
  virtual isize max_positions() const { return 0; }

  /// The row of the token embeddings that begins as zeros, and learns nothing; -1: none.
  virtual isize padding_row() const { return -1; }

  /// Drops members that a checkpoint may lack, where it has none of their parameters.
  virtual void leave_out_absent(const std::function<bool(std::string_view path)>& /*stored*/) {}

 protected:
  ModelParts() = default;
  ModelParts(const ModelParts&) = default;
  ModelParts(ModelParts&&) = default;
  ModelParts& operator=(const ModelParts&) = default;
  ModelParts& operator=(ModelParts&&) = default;
};

}  // namespace hft
