// What every model should hold, tried on one of yours: the C++ twin of Transformers' ModelTesterMixin.
//
//   const auto report = hft::testing::model_tests<MyForCausalLM<f32>>(small_config);
//   BOOST_TEST(report.failed.empty(), report.text());
//
// It needs no test framework, no checkpoint and no Python: weights are from_config's, and what is compared is the model
// with itself.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/generation/generate.hpp>
#include <hft/io/checkpoint.hpp>
#include <hft/models/pretrained.hpp>
#include <hft/train/autodiff.hpp>

namespace hft::testing {

/// What was tried on a model: each thing by its name, a failure with what was found.
struct model_report {
  std::vector<std::string> passed, failed, left_out;

  /// A line for each.
  std::string text() const;
};

template <class Inputs>
struct model_test_options {
  std::uint64_t seed = 1;
  f64 tolerance = 1e-4;  // of the largest value, between two ways to compute the same
  /// Inputs of so many rows; by default random tokens. Models over other things need it.
  std::function<Inputs(isize rows)> inputs = {};
};

namespace detail {

using hft::detail::cat;
using hft::detail::joined;

/// A folder that ends with this object.
class scratch_folder {
 public:
  scratch_folder() : path(std::filesystem::temp_directory_path() / cat("hft_model_tests_", ::getpid(), "_", next_++)) {
    std::filesystem::remove_all(path);
  }
  ~scratch_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;

 private:
  static inline int next_ = 0;
};

/// Random tokens (rows, length) below `vocab_size`, a function of the seed.
Tensor<i64, 2> random_tokens(isize rows, isize length, isize vocab_size, std::uint64_t seed);
/// Fails unless two lists of outputs are the same within `tolerance` of the largest value; 0: to the bit.
void expect_near(const std::vector<stored_tensor>& a, const std::vector<stored_tensor>& b, f64 tolerance);
/// A row of a batch, its first `length` tokens.
std::vector<stored_tensor> part_of(const std::vector<stored_tensor>& outputs, isize row, isize length);

struct failure : std::exception {
  explicit failure(std::string text) : text(std::move(text)) {}
  const char* what() const noexcept override { return text.c_str(); }
  std::string text;
};
struct not_for_this_model {};

template <class Model>
class model_tester {
  using inputs = typename Model::inputs;
  using config_type = typename Model::config_type;
  using A = typename Model::A;
  using D = typename Model::D;
  static constexpr bool text = std::is_same_v<inputs, TextInputs>;
  static constexpr bool answers = requires(inputs in) { in.decoder_input_ids; };
  static constexpr bool causal = text && Model::generates;
  using trained = typename Model::template on_build<build<f32, autodiff<cpu>>>;
  using trained_args = ForwardArgs<f32, autodiff<cpu>>;

 public:
  model_tester(const config_type& config, model_test_options<inputs> options)
      : config_(config), options_(std::move(options)) {
    auto c = config;
    vocab_size_ = get_field(config_ref(c), "vocab_size").value_or(0);
    if (options_.inputs) return;
    options_.inputs = [this](isize rows) { return tokens(rows); };
  }

  model_report run() {
    attempt("weights are a function of the seed", [&] { seeds(); });
    attempt("what is saved loads to the same bits", [&] { round_trip(); });
    attempt("a weight that is missing is one error", [&] { missing_weight(); });
    attempt("configs that are wrong throw", [&] { hostile_configs(); });
    attempt("rows of a batch are computed alone", [&] { rows_alone(); });
    attempt("padding changes nothing", [&] { padding(); });
    attempt("a cache gives what the whole gives", [&] { caches(); });
    attempt("generation with and without a cache", [&] { generation(); });
    attempt("other dtypes are near", [&] { dtypes(); });
    attempt("another size of the vocabulary", [&] { resizing(); });
    attempt("gradients are those of finite differences", [&] { gradients(); });
    return std::move(report_);
  }

 private:
  template <class F>
  void attempt(const char* name, F f) {
    try {
      f();
      report_.passed.push_back(name);
    } catch (const not_for_this_model&) {
      report_.left_out.push_back(name);
    } catch (const std::exception& e) {
      report_.failed.push_back(cat(name, ": ", e.what()));
    }
  }
  static void expect(bool held, std::string_view what) {
    if (!held) throw failure(std::string(what));
  }

  inputs tokens(isize rows) const {
    if constexpr (text) {
      return {.input_ids = random_tokens(rows, 7, vocab_size_, options_.seed)};
    } else if constexpr (answers) {
      return {.input_ids = random_tokens(rows, 7, vocab_size_, options_.seed),
              .decoder_input_ids = random_tokens(rows, 5, vocab_size_, options_.seed + 1)};
    } else {
      throw not_for_this_model();
    }
  }
  Model made() const { return Model::from_config(config_, options_.seed); }
  static std::map<std::string, std::vector<std::byte>> weights(Model& model) {
    std::map<std::string, std::vector<std::byte>> all;
    for_each_parameter(model, [&](const std::string& path, parameter& p) {
      std::vector<std::byte> bytes(std::size_t(p.bytes()));
      p.copy_to_host(bytes.data(), bytes.size());
      all.emplace(path, std::move(bytes));
    });
    return all;
  }

  void seeds() {
    auto a = made(), b = made(), c = Model::from_config(config_, options_.seed + 1);
    const auto first = weights(a);
    expect(!first.empty(), "no parameters");
    expect(first == weights(b), "two models of one seed differ");
    expect(first != weights(c), "models of two seeds are equal");
  }

  void round_trip() {
    const scratch_folder folder;
    const auto model = made();
    model.save_pretrained(folder.path);
    const auto again = Model::from_pretrained(folder.path.string(), {.strict = true});
    expect(config_to_json(model.config()).dump() == config_to_json(again.config()).dump(), "the config has changed");
    const auto in = options_.inputs(2);
    expect_near(named_outputs(model(in)), named_outputs(again(in)), 0);
  }

  void missing_weight() {
    const scratch_folder folder;
    auto model = made();
    model.save_pretrained(folder.path);
    const auto file = safetensors_file::open(folder.path / "model.safetensors");
    std::vector<stored_tensor> kept(file.tensors().begin(), file.tensors().end());
    expect(!kept.empty(), "nothing was saved");
    const std::string gone = kept.front().name;
    kept.erase(kept.begin());
    const scratch_folder other;
    model.save_pretrained(other.path);
    write_safetensors(other.path / "model.safetensors", kept, {});
    try {
      Model::from_pretrained(other.path.string());
    } catch (const weight_error& e) {
      return expect(std::string_view(e.what()).find(gone) != std::string_view::npos,
                    cat("the error does not name ", gone, ": ", e.what()));
    }
    throw failure(cat("loads without ", gone));
  }

  // Each number of the config out of any range: an error of hft's, or a model; nothing else.
  void hostile_configs() {
    const json fields = config_to_json(config_);
    isize tried = 0;
    for (const auto& [name, value] : fields.items()) {
      if (!value.is_number()) continue;
      for (const json& wrong : {json(-1), json(0), json(isize(1) << 40), json(0.5), json("x"), json::array()}) {
        json changed = fields;
        changed[name] = wrong;
        ++tried;
        try {
          Model model(config_from_json<config_type>(changed, "config.json"));
        } catch (const error&) {
        }
      }
    }
    expect(tried > 0, "the config has no numbers");
  }

  void rows_alone() {
    const auto model = made();
    auto in = options_.inputs(3);
    const auto together = named_outputs(model(in));
    expect(!together.empty(), "the model gives nothing");
    for (isize row = 0; row < 3; ++row)
      expect_near(part_of(together, row, std::numeric_limits<isize>::max()), named_outputs(model(row_of(in, row))),
                  options_.tolerance);
  }
  // One row of all inputs.
  static inputs row_of(inputs in, isize row) {
    struct cut final : input_visitor {
      explicit cut(isize row) : row(row) {}
      void on_input(const input_slot& slot) override { slot.keep_row(slot.tensor, row); }
      isize row;
    } v(row);
    in.fields(v);
    return in;
  }

  void padding() {
    if constexpr (text || answers) {
      const auto model = made();
      auto in = options_.inputs(2);
      const isize T = in.input_ids.extent(1), length = T - 2;
      in.attention_mask = Tensor<i64, 2>::filled({2, T}, 1);
      for (isize t = length; t < T; ++t) in.attention_mask.data()[T + t] = 0;
      auto alone = row_of(in, 1);
      alone.attention_mask = {};
      alone.input_ids = alone.input_ids.slice(1, 0, length).dense();
      const auto padded = named_outputs(model(in)), expected = named_outputs(model(alone));
      if (padded.empty() || (padded[0].shape.size() == 2 && causal_pooling())) throw not_for_this_model();
      std::vector<stored_tensor> cut;
      for (std::size_t i = 0; i < padded.size(); ++i) {
        const bool tokens = expected[i].shape.size() == 3;
        cut.push_back(part_of({padded[i]}, 1, tokens ? expected[i].shape[1] : std::numeric_limits<isize>::max())[0]);
      }
      expect_near(cut, expected, options_.tolerance);
    } else {
      throw not_for_this_model();
    }
  }
  // A head that looks for the last token that is not the pad token sees no mask.
  static constexpr bool causal_pooling() {
    return requires(const Model& m) { m.classifier_options().pad_token_id; };
  }

  void caches() {
    if constexpr (causal) {
      const auto model = made();
      const auto ids = options_.inputs(2).input_ids;
      const auto whole = model(ids).logits;
      for (const isize part : {1, 2}) {
        LayeredCache<A, D> cache(model.cache_options());
        for (isize t = 0; t < ids.extent(1); t += part) {
          const isize n = std::min(part, ids.extent(1) - t);
          CausalLMOutput<A, D> y = model(ids.slice(1, t, t + n).dense(), {.past_key_values = &cache});
          expect_near(named_outputs(y), named_outputs(CausalLMOutput<A, D>{whole.slice(1, t, t + n)}),
                      options_.tolerance);
        }
      }
    } else {
      throw not_for_this_model();
    }
  }

  void generation() {
    if constexpr (Model::generates) {
      const auto model = made();
      GenerationConfig config{.max_new_tokens = 6};
      config.eos_token_id = TokenIds();
      if (answers && !model.generation_config.decoder_start_token_id) config.decoder_start_token_id = 0;
      const auto ids = options_.inputs(2).input_ids;
      const auto cached = generate(model, ids, config);
      config.use_cache = false;
      const auto again = generate(model, ids, config);
      expect(cached.shape() == again.shape() && std::equal(cached.data(), cached.data() + cached.size(), again.data()),
             "other tokens without a cache");
    } else {
      throw not_for_this_model();
    }
  }

  void dtypes() {
    const scratch_folder folder;
    const auto model = made();
    model.save_pretrained(folder.path);
    const auto in = options_.inputs(2);
    const auto expected = named_outputs(model(in));
    const auto compare = [&](dtype_id dtype) {
      using Other = typename Model::template on_build<build<any_q, D>>;
      const auto other = Other::from_pretrained(folder.path.string(), {.dtype = dtype});
      expect_near(named_outputs(other(in)), expected, 0.1);
    };
    for (const dtype_id dtype : {dtype_id::f32, dtype_id::bf16, dtype_id::f16}) compare(dtype);
  }

  void resizing() {
    if constexpr (text || answers) {
      auto model = made();
      const auto in = options_.inputs(2);
      const auto before = named_outputs(model(in));
      model.resize_token_embeddings(vocab_size_ + 3);
      expect(get_field(model.any_config().ref(), "vocab_size").value_or(0) == vocab_size_ + 3,
             "vocab_size of the config has not changed");
      auto more = named_outputs(model(in));
      for (std::size_t i = 0; i < more.size(); ++i)
        if (more[i].shape.back() == vocab_size_ + 3) more[i] = first_columns(more[i], vocab_size_);
      expect_near(more, before, 1e-6);
      auto with_new = in;
      with_new.input_ids = Tensor<i64, 2>::filled({1, 2}, vocab_size_ + 2);
      if constexpr (answers) with_new.decoder_input_ids = with_new.input_ids;
      model(with_new);
    } else {
      throw not_for_this_model();
    }
  }
  static stored_tensor first_columns(const stored_tensor& t, isize cols) {
    const isize rows = t.numel() / t.shape.back();
    const auto values = std::make_shared<std::vector<f32>>(std::size_t(rows * cols));
    const auto* from = reinterpret_cast<const f32*>(t.bytes.data());
    for (isize r = 0; r < rows; ++r) std::copy_n(from + r * t.shape.back(), cols, values->begin() + r * cols);
    auto shape = t.shape;
    shape.back() = cols;
    return {t.name, t.dtype, shape, std::as_bytes(std::span(*values)), values};
  }

  // Along each parameter's gradient the loss grows as fast as the gradient is long.
  void gradients() {
    if constexpr (requires(const trained& m, typename trained::inputs in) { m(in, trained_args()).loss; }) {
      auto model = trained::from_config(config_, options_.seed);
      const auto in = convert_inputs_for_training();
      trained_args args;
      const auto logits = model(in, args).logits.shape();
      const bool tokens = logits.size() == 3;
      args.labels = random_tokens(logits[0], tokens ? logits[1] : 1, logits[logits.size() - 1], options_.seed + 2);
      const auto loss = model(in, args).loss;
      if (!loss) throw failure("no loss with labels");
      const f64 at = f64(loss.value().data()[0]);
      expect(std::isfinite(at), "the loss is no number");
      backward(loss);
      struct direction {
        std::string path;
        std::vector<f32> values, gradient;
        f64 length;
      };
      std::vector<direction> directions;
      f64 longest = 0;
      for_each_parameter(model, [&](const std::string& path, parameter& p) {
        if (!p.has_grad()) return;
        const auto *g = static_cast<const f32*>(p.grad()), *v = static_cast<const f32*>(p.data());
        f64 sum = 0;
        for (isize i = 0; i < p.size(); ++i) sum += f64(g[i]) * g[i];
        directions.push_back({path, {v, v + p.size()}, {g, g + p.size()}, std::sqrt(sum)});
        longest = std::max(longest, std::sqrt(sum));
      });
      expect(longest > 0, "no parameter has a gradient");
      const no_grad guard;
      for (const direction& d : directions) {
        if (d.length < 1e-4 * longest) continue;  // rounding hides it
        // Short enough that the loss is a line, long enough that its rounding, `noise`, does not count.
        const f64 step = std::min(4e-3 * std::max(at, 0.1) / d.length, 0.02), noise = 1e-6 * std::max(at, 1.0) / step;
        const auto loss_at = [&](f64 sign) {
          for_each_parameter(model, [&](const std::string& path, parameter& p) {
            if (path != d.path) return;
            auto* v = static_cast<f32*>(p.data());
            for (std::size_t i = 0; i < d.values.size(); ++i)
              v[i] = f32(f64(d.values[i]) + sign * step * f64(d.gradient[i]) / d.length);
          });
          return f64(model(in, args).loss.value().data()[0]);
        };
        const f64 slope = (loss_at(1) - loss_at(-1)) / (2 * step);
        loss_at(0);
        expect(std::abs(slope - d.length) <= 0.05 * d.length + noise,
               cat(d.path, ": the loss grows by ", slope, ", the gradient is ", d.length, " long"));
      }
    } else {
      throw not_for_this_model();
    }
  }
  auto convert_inputs_for_training() const {
    const auto in = options_.inputs(2);
    if constexpr (answers)
      return typename trained::inputs{.input_ids = in.input_ids, .decoder_input_ids = in.decoder_input_ids};
    else
      return in;
  }

  config_type config_;
  model_test_options<inputs> options_;
  isize vocab_size_ = 0;
  model_report report_;
};

}  // namespace detail

/// Tries a model class of your own, an f32 one, at a small config: seeds, saving and loading, a missing weight, hostile
/// configs, batches, padding, caches, generation, other dtypes, another vocabulary, and gradients by finite differences
/// - of these what its kind has.
template <class Model>
model_report model_tests(const typename Model::config_type& config,
                         const model_test_options<typename Model::inputs>& options = {}) {
  return detail::model_tester<Model>(config, options).run();
}

#if HFT_DEFINES(MODELS)

HFT_INLINE std::string model_report::text() const {
  std::string out;
  const auto add = [&](const char* what, const std::vector<std::string>& names) {
    for (const auto& name : names) out += hft::detail::cat(what, name, "\n");
  };
  add("failed    ", failed);
  add("passed    ", passed);
  add("left out  ", left_out);
  return out;
}

HFT_INLINE Tensor<i64, 2> detail::random_tokens(isize rows, isize length, isize vocab_size, std::uint64_t seed) {
  if (vocab_size < 1) throw failure("the config has no vocab_size, and no inputs are given");
  const random_stream random(seed, 0);
  Tensor<i64, 2> ids({rows, length});
  for (isize i = 0; i < ids.size(); ++i)
    ids.data()[i] = std::min(vocab_size - 1, isize(random.uniform(std::uint64_t(i)) * f64(vocab_size)));
  return ids;
}

HFT_INLINE void detail::expect_near(const std::vector<stored_tensor>& a, const std::vector<stored_tensor>& b,
                                    f64 tolerance) {
  if (a.size() != b.size()) throw failure(cat(a.size(), " outputs, and ", b.size()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].name != b[i].name || a[i].numel() != b[i].numel() || a[i].dtype != dtype_id::f32)
      throw failure(cat(a[i].name, " ", hft::detail::shape_text(a[i].shape), " and ", b[i].name, " ",
                        hft::detail::shape_text(b[i].shape)));
    const auto* x = reinterpret_cast<const f32*>(a[i].bytes.data());
    const auto* y = reinterpret_cast<const f32*>(b[i].bytes.data());
    f64 largest = 0, worst = 0;
    for (isize j = 0; j < a[i].numel(); ++j) {
      const f64 d = std::abs(f64(x[j]) - f64(y[j]));
      largest = std::max(largest, std::abs(f64(y[j])));
      worst = std::isfinite(d) ? std::max(worst, d) : std::numeric_limits<f64>::infinity();
    }
    if (worst > tolerance * largest) throw failure(cat(a[i].name, " is off by ", worst, " of ", largest));
  }
}

HFT_INLINE std::vector<stored_tensor> detail::part_of(const std::vector<stored_tensor>& outputs, isize row,
                                                      isize length) {
  std::vector<stored_tensor> out;
  for (stored_tensor t : outputs) {
    const isize row_bytes = isize(t.bytes.size()) / t.shape[0];
    t.bytes = t.bytes.subspan(std::size_t(row * row_bytes), std::size_t(row_bytes));
    t.shape[0] = 1;
    if (t.shape.size() == 3 && length < t.shape[1]) {
      t.bytes = t.bytes.first(std::size_t(row_bytes / t.shape[1] * length));
      t.shape[1] = length;
    }
    out.push_back(t);
  }
  return out;
}

#endif  // HFT_DEFINES

}  // namespace hft::testing
