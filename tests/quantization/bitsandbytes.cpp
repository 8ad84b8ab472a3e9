// 4-bit checkpoints of bitsandbytes (tests/oracle/bitsandbytes_4bit.py): weights to the bit, logits, and files that are
// not sound.
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <hft/io/safetensors_writer.hpp>
#include <hft/models/gpt2.hpp>
#include <hft/models/llama.hpp>
#include <hft/quantization/bitsandbytes.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(bitsandbytes)

namespace {

std::filesystem::path folder(const std::string& name) {
  return std::filesystem::path(HFT_TEST_DATA) / "quantization" / name;
}

template <class Model>
void check_case(const std::string& name, bool keeps_nf4) {
  BOOST_TEST_CONTEXT(name) {
    const auto golden = safetensors_file::open(folder(name) / "golden.safetensors");
    auto model = Model::from_pretrained(folder(name).string());
    int compared = 0;
    bool nf4_seen = false;
    for_each_parameter(model, [&](const std::string& path, parameter& p) {
      nf4_seen = nf4_seen || p.format() == dtype_id::nf4;
      const auto* expected = golden.find("weight." + path);
      if (!expected) return;
      std::vector<f32> values(std::size_t(p.size()));
      convert(dtype_id::f32, values.data(), p.format(), p.data(), p.size());
      BOOST_TEST_REQUIRE(expected->bytes.size() == values.size() * sizeof(f32));
      BOOST_TEST(std::memcmp(values.data(), expected->bytes.data(), expected->bytes.size()) == 0, path);
      ++compared;
    });
    BOOST_TEST(compared >= 2);
    BOOST_TEST(nf4_seen == keeps_nf4);
    const auto* ids = golden.find("input_ids");
    const auto* logits = golden.find("logits");
    BOOST_TEST_REQUIRE((ids && logits));
    const auto input = Tensor<i64, 2>::wrap(buffer::share(ids->owner, ids->bytes.data(), ids->bytes.size()),
                                            ids->bytes.data(), {ids->shape[0], ids->shape[1]});
    const auto y = model(input).logits.dense();
    std::vector<f32> expected(logits->bytes.size() / sizeof(f32));
    std::memcpy(expected.data(), logits->bytes.data(), logits->bytes.size());
    BOOST_TEST_REQUIRE(y.size() == isize(expected.size()));
    f32 worst = 0;
    for (isize i = 0; i < y.size(); ++i)
      worst = std::max(worst, std::abs(y.data()[i] - expected[static_cast<std::size_t>(i)]));
    BOOST_TEST(worst < 2e-4f);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(checkpoints_of_transformers) {
  check_case<LlamaForCausalLM<any_q>>("llama_nf4_double", true);
  check_case<GPT2LMHeadModel<any_q>>("gpt2_nf4", false);           // rows are not whole blocks
  check_case<LlamaForCausalLM<any_q>>("llama_fp4_double", false);  // no format of hft
  check_case<LlamaForCausalLM<f32>>("llama_nf4_double", false);
}

BOOST_AUTO_TEST_CASE(files_that_are_not_sound) {
  const auto source = checkpoint::open(folder("llama_nf4_double"));
  const std::string weight = "model.layers.0.self_attn.q_proj.weight";
  const auto with = [&](const std::string& suffix, auto change) {
    std::vector<stored_tensor> tensors(source.tensors().begin(), source.tensors().end());
    std::erase_if(tensors, [&](stored_tensor& t) { return t.name == weight + suffix && !change(t); });
    std::vector<std::string> names;
    return hft::detail::unpack_bitsandbytes(tensors, "test", names).size();
  };
  const auto text = [](const std::string& s) {
    return [s](stored_tensor& t) {
      const auto copy = std::make_shared<std::string>(s);
      t.bytes = std::as_bytes(std::span(*copy));
      t.owner = copy;
      return true;
    };
  };
  const std::string state = ".quant_state.bitsandbytes__nf4";
  BOOST_TEST(with("", [](stored_tensor&) { return true; }) == 21u);
  const auto removed = [](stored_tensor&) { return false; };
  const auto shorter = [](stored_tensor& t) {
    t.bytes = t.bytes.first(t.bytes.size() - 4);
    return true;
  };
  for (const char* part : {"", ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"}) {
    BOOST_CHECK_THROW(with(part, removed), weight_error);
    BOOST_CHECK_THROW(with(part, shorter), weight_error);
  }
  const auto described = [](const std::string& shape, const std::string& block, const std::string& type) {
    return "{\"quant_type\": \"" + type + "\", \"blocksize\": " + block + ", \"shape\": " + shape +
           ", \"nested_blocksize\": 256, \"nested_offset\": 0.5}";
  };
  BOOST_CHECK_NO_THROW(with(state, text(described("[64, 64]", "64", "nf4"))));
  BOOST_CHECK_THROW(with(state, text(described("[64, 65]", "64", "nf4"))), weight_error);
  BOOST_CHECK_THROW(with(state, text(described("[4611686018427387904, 4, 64, 64]", "64", "nf4"))), weight_error);
  BOOST_CHECK_THROW(with(state, text(described("[-64, -64]", "64", "nf4"))), weight_error);
  BOOST_CHECK_THROW(with(state, text(described("[]", "64", "nf4"))), weight_error);
  BOOST_CHECK_THROW(with(state, text(described("[64, 64]", "0", "nf4"))), weight_error);
  BOOST_CHECK_THROW(with(state, text(described("[64, 64]", "1", "nf4"))), weight_error);
  BOOST_CHECK_THROW(with(state, text(described("[64, 64]", "64", "int5"))), unsupported_error);
  BOOST_CHECK_THROW(with(state, text("{\"quant_type\"")), format_error);
  BOOST_CHECK_THROW(with(state, text("[]")), error);
  std::vector<stored_tensor> bytes(1);
  bytes[0].name = "x.SCB";
  BOOST_CHECK_THROW(hft::detail::holds_bitsandbytes(bytes, "test"), unsupported_error);
}

BOOST_AUTO_TEST_SUITE_END()
