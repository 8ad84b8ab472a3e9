// Optimizers against torch, transformers and bitsandbytes (tests/oracle/optimizers.py), their state, and clipping.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <hft/io/safetensors.hpp>
#include <hft/io/safetensors_writer.hpp>
#include <hft/train/clip.hpp>
#include <hft/train/optimizers/make_optimizer.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(optimizers)

namespace {

// The numbers of the oracle, bit for bit.
std::vector<f32> numbers(isize n, unsigned seed) {
  std::vector<f32> out;
  std::uint32_t x = seed * 7919 + 1;
  for (isize i = 0; i < n; ++i) {
    x = x * 1664525u + 1013904223u;
    out.push_back(f32(f64(x >> 8) / 8388608.0 - 1));
  }
  return out;
}

// Parameters with memory of their own, in the oracle's order.
struct parameters {
  std::vector<trainable> list;
  std::vector<std::vector<f32>> values, grads;

  explicit parameters(bool large) {
    if (large) {
      add("linear.weight", {64, 75});
      add("embed_tokens.weight", {70, 64});
      list.back().embedding = true;
      add("linear.bias", {64});
    } else {
      add("linear.weight", {24, 20});
      add("linear.bias", {24});
      add("norm.weight", {37});
      add("conv.weight", {3, 5, 4});
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      values.push_back(numbers(list[i].size(), 100 + unsigned(i)));
      grads.emplace_back();
    }
  }

  // Sets the gradients of a step, which counts from 0.
  std::span<const trainable> at(unsigned step) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      grads[i] = numbers(list[i].size(), 1000 * (step + 1) + unsigned(i));
      list[i].value = values[i].data();
      list[i].grad = list[i].name == "norm.weight" && step == 0 ? nullptr : grads[i].data();
    }
    return list;
  }

 private:
  void add(std::string name, std::vector<isize> shape) {
    trainable t;
    t.name = std::move(name);
    t.shape = std::move(shape);
    t.decays = decays(t.name, t.shape);
    list.push_back(std::move(t));
  }
};

OptimizerOptions options(const std::string& name) {
  const auto space = name.find(' ');
  OptimizerOptions o{.optim = name.substr(0, space), .weight_decay = 0.1};
  if (space != name.npos) o.optim_args = name.substr(space + 1);
  if (o.optim_args == "amsgrad=True") o.adam_beta2 = 0.5;
  return o;
}

f64 lr(unsigned step) { return 0.01 * (1 - step / 20.0); }

const char* const names[] = {"adamw_torch",
                             "adamw_torch amsgrad=True",
                             "adafactor",
                             "sgd",
                             "sgd momentum=0.9,dampening=0.2",
                             "sgd momentum=0.9,nesterov=true",
                             "adagrad",
                             "adagrad lr_decay=0.1,eps=1e-6",
                             "rmsprop",
                             "rmsprop momentum=0.8,centered=true,alpha=0.9",
                             "lion_32bit",
                             "paged_adamw_32bit",
                             "adamw_8bit",
                             "lion_8bit",
                             "rmsprop_bnb_8bit"};

bool large(const std::string& name) { return name.find("8bit") != name.npos; }

const std::filesystem::path data = std::filesystem::path(HFT_TEST_DATA) / "train";

}  // namespace

BOOST_AUTO_TEST_CASE(ten_steps_as_the_references_take_them) {
  const auto golden = safetensors_file::open(data / "optimizers.safetensors");
  for (const std::string name : names) BOOST_TEST_CONTEXT(name) {
      parameters p(large(name));
      const auto optimizer = make_optimizer(options(name));
      for (unsigned step = 0; step < 10; ++step) optimizer->step(p.at(step), lr(step));
      for (std::size_t i = 0; i < p.list.size(); ++i) BOOST_TEST_CONTEXT(p.list[i].name) {
          const auto* expected = golden.find(name + ":" + p.list[i].name);
          BOOST_TEST_REQUIRE(expected);
          const isize stride = large(name) ? 7 : 1, n = expected->numel();
          isize wrong = 0;
          f32 worst = 0;
          for (isize k = 0; k < n; ++k) {
            f32 e;
            std::memcpy(&e, expected->bytes.data() + k * 4, 4);
            const f32 difference = std::abs(p.values[i][std::size_t(k * stride)] - e);
            worst = std::max(worst, difference);
            if (difference > 1e-5f * std::max(std::abs(e), 0.1f)) ++wrong;
          }
          // A number next to the middle between two 8-bit codes may take the other one.
          const isize allowed = large(name) && p.list[i].name == "linear.weight" ? 2 : 0;
          BOOST_TEST(wrong <= allowed, wrong << " of " << n << " differ, by up to " << worst);
          BOOST_TEST(worst < 1e-3f);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_resumed_run_is_the_same_to_the_bit) {
  const auto file = std::filesystem::temp_directory_path() / "hft_optimizer_state.safetensors";
  for (const std::string name : names) BOOST_TEST_CONTEXT(name) {
      parameters whole(large(name)), first(large(name));
      const auto a = make_optimizer(options(name)), b = make_optimizer(options(name));
      for (unsigned step = 0; step < 6; ++step) a->step(whole.at(step), lr(step));
      for (unsigned step = 0; step < 3; ++step) b->step(first.at(step), lr(step));
      write_safetensors(file, b->state_dict());

      const auto c = make_optimizer(options(name));
      c->load_state_dict(safetensors_file::open(file).tensors(), first.list, file.string());
      for (unsigned step = 3; step < 6; ++step) c->step(first.at(step), lr(step));
      BOOST_TEST((whole.values == first.values));
    }
  std::filesystem::remove(file);
}

BOOST_AUTO_TEST_CASE(the_number_of_threads_changes_nothing) {
  const int before = num_threads();
  for (const std::string name : {"adamw_torch", "adafactor", "adamw_8bit"}) {
    parameters one(true), three(true);
    const auto a = make_optimizer(options(name)), b = make_optimizer(options(name));
    for (unsigned step = 0; step < 3; ++step) {
      set_num_threads(1);
      a->step(one.at(step), lr(step));
      set_num_threads(3);
      b->step(three.at(step), lr(step));
      BOOST_TEST(clip_grad_norm_(three.list, 0.5) == [&] {
        set_num_threads(1);
        return clip_grad_norm_(one.list, 0.5);
      }());
    }
    BOOST_TEST((one.values == three.values), name);
  }
  set_num_threads(before);
}

BOOST_AUTO_TEST_CASE(a_state_of_something_else_is_refused) {
  parameters p(false);
  const auto adamw = make_optimizer({}), sgd = make_optimizer({.optim = "sgd", .optim_args = "momentum=0.5"});
  adamw->step(p.at(1), 0.1);
  const auto state = adamw->state_dict();
  BOOST_CHECK_THROW(sgd->load_state_dict(state, p.list), weight_error);
  BOOST_CHECK_THROW(make_optimizer({.optim_args = "amsgrad=True"})->load_state_dict(state, p.list), weight_error);
  parameters other(true);
  BOOST_CHECK_THROW(make_optimizer({})->load_state_dict(state, other.list), weight_error);
  auto fewer = state;
  fewer.pop_back();
  BOOST_CHECK_THROW(make_optimizer({})->load_state_dict(fewer, p.list), weight_error);
  p.list[0].shape = {20, 24, 1};
  BOOST_CHECK_THROW(adamw->step(p.list, 0.1), value_error);
}

BOOST_AUTO_TEST_CASE(names_and_arguments) {
  BOOST_CHECK_THROW(make_optimizer({.optim = "adam"}), value_error);
  BOOST_CHECK_THROW(make_optimizer({.optim = "paged_sgd"}), value_error);
  BOOST_CHECK_THROW(make_optimizer({.optim = "adamw_32bit"}), value_error);
  BOOST_CHECK_EXCEPTION(make_optimizer({.optim = "galore_adamw"}), unsupported_error, [](const error& e) {
    return std::string(e.what()).find("adamw_torch, adamw_torch_fused") != std::string::npos;
  });
  BOOST_CHECK_THROW(make_optimizer({.optim = "sgd", .optim_args = "momentum"}), value_error);
  BOOST_CHECK_THROW(make_optimizer({.optim = "sgd", .optim_args = "momentum=fast"}), value_error);
  BOOST_CHECK_THROW(make_optimizer({.optim = "sgd", .optim_args = "nesterov=true"}), value_error);
  BOOST_CHECK_THROW(make_optimizer({.optim = "adamw_torch", .optim_args = "alpha=1"}), value_error);
  for (const char* args : {"momentum=0.9,", ",", "momentum=0.9=1"})
    BOOST_CHECK_THROW(make_optimizer({.optim = "sgd", .optim_args = args}), value_error);
  BOOST_CHECK_THROW(make_optimizer({.optim = "adamw_8bit", .optim_args = "amsgrad=True"}), value_error);
  const auto is_amsgrad = [](const char* args) {
    const auto made = make_optimizer({.optim = "adamw_torch_fused", .optim_args = args});
    return dynamic_cast<const AdamW&>(*made).rule().amsgrad;
  };
  for (const char* yes : {"amsgrad=True", "amsgrad = 1", "amsgrad=yes", "amsgrad=no,amsgrad=TRUE"})
    BOOST_TEST(is_amsgrad(yes), yes);
  for (const char* no : {"", "amsgrad=False", "amsgrad=on", "amsgrad=true,amsgrad=0", "weight_decay=1"})
    BOOST_TEST(!is_amsgrad(no), no);
  BOOST_TEST(make_optimizer({.optim = "paged_lion_8bit"})->name() == "Lion");
  BOOST_TEST(make_optimizer({.optim = "adamw_bnb_8bit"})->name() == "AdamW");
}

BOOST_AUTO_TEST_CASE(what_decays) {
  for (const char* name : {"lm_head.weight", "model.layers.0.mlp.up_proj.weight", "model.embed_tokens.weight"})
    BOOST_TEST(decays(name, {4, 4}), name);
  for (const char* name : {"q_proj.bias", "attention.relative_attention_bias.weight", "encoder.norm.weight",
                           "model.layers.0.input_layernorm.weight", "layer_norm.weight", "embeddings.LayerNorm.weight"})
    BOOST_TEST(!decays(name, {4, 4}), name);
  BOOST_TEST(!decays("h.0.ln_1.weight", {4}));
  BOOST_TEST(decays("normalizer.weight", {4, 4}));
  BOOST_TEST(decays("layer_scale.lambda1", {4}));
}

BOOST_AUTO_TEST_CASE(clipping) {
  parameters p(false);
  p.at(1);
  f64 sum = 0;
  for (const auto& g : p.grads)
    for (const f32 x : g) sum += f64(x) * f64(x);
  const auto before = p.grads;
  BOOST_TEST(clip_grad_norm_(p.list, 1e9) == std::sqrt(sum), boost::test_tools::tolerance(1e-12));
  BOOST_TEST((p.grads == before));
  clip_grad_norm_(p.list, 0.5);
  BOOST_TEST(grad_norm(p.list) == 0.5, boost::test_tools::tolerance(1e-6));

  p.grads[1][3] = std::numeric_limits<f32>::infinity();
  const auto infinite = p.grads;
  BOOST_TEST(std::isinf(clip_grad_norm_(p.list, 1)));
  BOOST_TEST((p.grads == infinite));
  p.grads[1][3] = std::numeric_limits<f32>::quiet_NaN();
  BOOST_TEST(std::isnan(clip_grad_norm_(p.list, 1)));
  p.grads[1][3] = 3e38f;
  BOOST_TEST(std::isfinite(clip_grad_norm_(p.list, 1)));
}

BOOST_AUTO_TEST_CASE(eight_bit_values_come_back_as_their_nearest) {
  for (const bool is_signed : {true, false}) {
    const auto& map = detail::dynamic_map::of(is_signed);
    BOOST_TEST(std::is_sorted(map.values.begin(), map.values.end()));
    for (std::size_t i = 0; i < 256; ++i) BOOST_TEST(map.values[map.nearest(map.values[i])] == map.values[i]);
    for (int i = -2000; i <= 2000; ++i) {
      f32 x = f32(i) / 2000;
      if (!is_signed) x = std::abs(x);
      x = x * x * x;
      f32 best = 2;
      for (const f32 v : map.values) best = std::min(best, std::abs(v - x));
      BOOST_TEST_REQUIRE(std::abs(map.values[map.nearest(x)] - x) <= best * 1.00001f, x);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
