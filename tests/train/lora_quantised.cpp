// QLoRA: over a quantised base the gradients are those over the same base in f32.
#include <hft/models/llama.hpp>
#include <hft/random.hpp>
#include <map>

#include "train/lora.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(lora_quantised)

namespace {

using Plain = LlamaForCausalLM<f32, autodiff<cpu>, with_lora>;

// A small model of random weights, whose rows are whole blocks of every format.
void write_base(const std::filesystem::path& folder) {
  Plain model(LlamaConfig{.vocab_size = 70,
                          .hidden_size = 64,
                          .intermediate_size = 128,
                          .num_hidden_layers = 2,
                          .num_attention_heads = 4,
                          .num_key_value_heads = 2,
                          .tie_word_embeddings = true});
  std::uint64_t stream = 0;
  for_each_parameter(model, [&](const std::string&, parameter& p) {
    p.allocate(dtype_id::f32);
    const random_stream random(11, stream++);
    auto* v = static_cast<f32*>(p.data());
    for (isize i = 0; i < p.size(); ++i)
      v[i] = f32(p.shape().size() == 1 ? 1 + 0.1 * random.normal(std::uint64_t(i))
                                       : 0.15 * random.normal(std::uint64_t(i)));
  });
  model.tie_weights();
  model.save_pretrained(folder.string());
}

template <class Model>
PeftModel<Model> adapted(const std::filesystem::path& folder, const LoraConfig& config) {
  return get_peft_model(Model::from_pretrained(folder.string()), config, "default", 5);
}

const auto input_ids = Tensor<i64, 2>::from({3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8}, {2, 6});

std::vector<f32> logits(const auto& model) {
  const auto y = value(model(input_ids).logits).dense();
  return {y.data(), y.data() + y.size()};
}

std::map<std::string, std::vector<f32>> gradients(auto& model) {
  ForwardArgs<f32, autodiff<cpu>> args;
  args.labels = input_ids;
  backward(model(input_ids, args).loss);
  std::map<std::string, std::vector<f32>> out;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    BOOST_TEST(p.trainable() == (path.find(".lora_") != path.npos), path);
    if (p.has_grad()) out[path] = {static_cast<f32*>(p.grad()), static_cast<f32*>(p.grad()) + p.size()};
  });
  return out;
}

const LoraConfig all_linear{.r = 4, .target_modules = "all-linear", .init_lora_weights = LoraInit::random};
// An embedding beside linear layers, rescaled.
const LoraConfig rescaled{.r = 4,
                          .target_modules = {"embed_tokens", "q_proj", "down_proj"},
                          .use_dora = true,
                          .init_lora_weights = LoraInit::random};

template <class W>
void check_quantised_base(const LoraConfig& config, std::size_t gradients_expected) {
  using Q = LlamaForCausalLM<W, autodiff<cpu>, with_lora>;
  const scratch_folder folder("quantised");
  write_base(folder.path);
  auto quantised = adapted<Q>(folder.path, config);
  auto plain = adapted<Plain>(folder.path, config);
  std::map<std::string, std::vector<f32>> values;
  for_each_parameter(quantised, [&](const std::string& path, parameter& p) {
    auto& v = values[path];
    v.resize(std::size_t(p.size()));
    convert(dtype_id::f32, v.data(), p.format(), p.data(), p.size());
  });
  for_each_parameter(plain, [&](const std::string& path, parameter& p) {
    p.copy_from_host(values.at(path).data(), values.at(path).size() * sizeof(f32));
  });
  plain.tie_weights();

  const auto a = gradients(quantised), b = gradients(plain);
  BOOST_TEST(a.size() == gradients_expected);
  BOOST_TEST(a.size() == b.size());
  for (const auto& [path, g] : b) BOOST_TEST(distance(a.at(path), g) < 1e-3, path);

  const auto before = logits(quantised);
  quantised.merge_adapter();
  const scratch_folder merged("merged");  // the sum is quantised again
  std::move(plain).merge_and_unload().save_pretrained(merged.path.string());
  BOOST_TEST(distance(logits(quantised), logits(Q::from_pretrained(merged.path.string()))) < 1e-4);
  quantised.unmerge_adapter();
  BOOST_TEST((logits(quantised) == before));
}

}  // namespace

BOOST_AUTO_TEST_CASE(q4_0_base) {
  check_quantised_base<q4_0>(all_linear, 28);
  check_quantised_base<q4_0>(rescaled, 15);
}
BOOST_AUTO_TEST_CASE(nf4_base) {
  check_quantised_base<nf4>(all_linear, 28);
  check_quantised_base<nf4>(rescaled, 15);
}
BOOST_AUTO_TEST_CASE(bf16_base) { check_quantised_base<bf16>(all_linear, 28); }

BOOST_AUTO_TEST_SUITE_END()
