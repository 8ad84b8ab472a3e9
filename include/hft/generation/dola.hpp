// DoLa: decoding by contrasting layers. What an early layer would already say counts against a token, so that what
// later layers know comes forward; the early layer is the one of several whose predictions differ most.
// (Chuang et al. 2023, arXiv 2309.03883; GenerationMixin._dola_decoding of Transformers 4)
#pragma once
#include <hft/linkage.hpp>
#if HFT_DEFINES(MODELS)
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <hft/generation/generation_loop.hpp>
#include <hft/generation/sample.hpp>
#include <hft/generation/sampling.hpp>
#include <hft/generation/strategy.hpp>

namespace hft::detail {

class dola final : public score_change {
 public:
  /// Throws value_error for settings that are none, unsupported_error for a model beside an encoder.
  explicit dola(generation_loop& loop) : loop_(loop) {
    if (loop.model.encodes)
      throw unsupported_error("generate", "dola_layers", "a decoder alone", "a model with an encoder");
    const json& layers = loop.config.dola_layers;
    if (layers.is_array()) {
      for (const json& layer : json_as<std::vector<json>>(layers, "generate", "dola_layers"))
        layers_.push_back(json_as<isize>(layer, "generate", "dola_layers"));
    } else {
      part_ = json_as<std::string>(layers, "generate", "dola_layers");
      if (part_ != "low" && part_ != "high") refuse(describe(layers));
    }
    loop.model.output_hidden_states = true;
  }

  void operator()(matrix<f32> scores) override {
    const auto& states = loop_.model.states.hidden_states;
    if (states.empty()) throw unsupported_error("generate", "dola_layers", "a model that shows hidden states");
    if (early_.empty()) choose(isize(states.size()) - 1);
    const isize rows = scores.rows, V = scores.cols, B = states[0].extent(0);
    std::vector<std::vector<f32>> early;  // of each layer (rows,V)
    for (const isize layer : early_) {
      const auto& x = states[std::size_t(layer)];  // (B,T,C)
      const auto y = loop_.model.head(x.slice(1, x.extent(1) - 1, x.extent(1)).dense());
      auto& out = early.emplace_back(std::size_t(rows * V));
      for (isize r = 0; r < rows; ++r) {  // of a prompt they stand for all its samples
        const std::span<f32> row(out.data() + r * V, std::size_t(V));
        std::copy_n(y.row(r * B / rows), V, row.data());
        to_log_probabilities(row);
      }
    }
    for (isize r = 0; r < rows; ++r) to_log_probabilities({scores.row(r), std::size_t(V)});
    const auto& base = early[most_unlike(scores, early)];
    for (isize r = 0; r < rows; ++r) {
      f32* late = scores.row(r);
      const f32 least = max_score({late, std::size_t(V)}) + std::log(0.1f);  // a tenth of the best one's probability
      for (isize v = 0; v < V; ++v) late[v] = late[v] < least ? filter_value : late[v] - base[std::size_t(r * V + v)];
    }
  }

 private:
  [[noreturn]] static void refuse(const message& got) {
    throw value_error("generate", "dola_layers", "\"low\", \"high\" or a list of layers before the last", got);
  }

  // Which layers may be the early one. Where the head is the table of the tokens, their embeddings would say the tokens
  // themselves.
  void choose(isize last) {
    const isize first = !loop_.model.ties_embeddings() ? 0 : last > 2 ? 2 : last == 2 ? 1 : 0;
    if (part_ == "low") {
      const isize end = last <= 40 ? last / 2 : 20;
      for (isize i = first; i < end; i += 2) early_.push_back(i);
      if (first == last / 2) early_ = {first};
    } else if (part_ == "high") {
      for (isize i = last <= 40 ? last / 2 : last - 20; i < last; i += 2) early_.push_back(i);
    }
    for (const isize layer : layers_) {
      if (layer < 0) refuse(joined(layer));
      if (layer < last) early_.push_back(layer);
    }
    if (early_.empty()) refuse(joined("none that is before ", last));
  }

  // The layer of the largest Jensen-Shannon divergence, as Transformers computes it: the mean over all rows.
  std::size_t most_unlike(matrix<f32> late, const std::vector<std::vector<f32>>& early) const {
    std::size_t best = 0;
    f64 most = 0;
    for (std::size_t l = 0; early.size() > 1 && l < early.size(); ++l) {
      f64 sum = 0;
      for (isize r = 0; r < late.rows; ++r)
        for (isize v = 0; v < late.cols; ++v) {
          const f64 p = f64(late.row(r)[v]), q = f64(early[l][std::size_t(r * late.cols + v)]);
          const f64 mean = 0.5 * (std::exp(p) + std::exp(q));
          if (mean > 0) sum += mean * (2 * std::log(mean) - p - q);
        }
      if (l == 0 || sum > most) most = sum, best = l;
    }
    return best;
  }

  generation_loop& loop_;
  std::string part_;
  std::vector<isize> layers_;  // as given
  std::vector<isize> early_;   // those that may be the early one: 0 for the embeddings
};

inline GenerateOutput generate_by_dola(generation_loop& loop) {
  dola change(loop);
  return generate_by_token(loop, &change);
}
inline const bool dola_is_there = (strategies::dola = &generate_by_dola, true);

}  // namespace hft::detail

#endif  // HFT_DEFINES
