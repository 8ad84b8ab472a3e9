// save_gguf against llama.cpp's converter (tests/oracle/gguf_conversions.py): the same tensors, bit for bit, and the
// same metadata but for what is said below; and a model that is saved and read again is the same model.
#include <unistd.h>
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/auto.hpp>
#include <hft/io/gguf.hpp>
#include <hft/log.hpp>
#include <hft/pipelines/save_gguf.hpp>
#include <hft/quantization/convert.hpp>

#include "converted_gguf.hpp"

using namespace hft;
using namespace hft::test;
using namespace hft::test::converted;

namespace {

// What the library says while it lives.
struct listening {
  std::vector<std::string> said;
  log_callback before = set_log_callback([this](log_level, const std::string& text) { said.push_back(text); });
  listening() = default;
  listening(const listening&) = delete;
  listening& operator=(const listening&) = delete;
  ~listening() { set_log_callback(before); }
};

struct temporary_folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("hft_save_gguf_" + std::to_string(::getpid()));
  temporary_folder() {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~temporary_folder() { std::filesystem::remove_all(path); }
};

std::vector<f32> values_of(const stored_tensor& t) {
  std::vector<f32> out(std::size_t(t.numel()));
  convert(dtype_id::f32, out.data(), t.dtype, t.bytes.data(), t.numel());
  return out;
}

// Bits, or where a function is taken and undone, nearly so.
bool same_values(const std::vector<f32>& a, const std::vector<f32>& b, bool computed) {
  if (!computed) return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(f32)) == 0;
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](f32 x, f32 y) { return std::fabs(x - y) <= 1e-6f * std::max(1.0f, std::fabs(x)); });
}

std::map<std::string, std::pair<std::vector<isize>, std::vector<f32>>> parameters_of(const AnyModel<>& model) {
  std::map<std::string, std::pair<std::vector<isize>, std::vector<f32>>> out;
  for_each_parameter(model.parts(), [&](const std::string& path, parameter& p) {
    std::vector<f32> values(std::size_t(p.size()));
    convert(dtype_id::f32, values.data(), p.format(), p.data(), p.size());
    out.emplace(path, std::pair(p.shape(), std::move(values)));
  });
  return out;
}

std::string text_of(const gguf_value& v) {
  std::string out(std::size_t(1), char('a' + int(v.type())));
  if (v.is_array()) out += char('a' + int(v.element_type()));
  for (const auto b : v.bytes()) out += "0123456789abcdef"[int(b) >> 4], out += "0123456789abcdef"[int(b) & 15];
  return out;
}

// Recipes of converted checkpoints: their files, by name.
std::vector<std::filesystem::path> recipes() {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(data("gguf/converted")))
    if (entry.path().extension() == ".json") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

// Keys of the converter's that no reader needs: no scaling, as none is said; what another key says; poolings, which
// are the business of folders of vectors; and those of the tokenizer, which it is not given.
constexpr std::string_view lacked[] = {"rope.scaling.type",
                                       "rope.scaling.factor",
                                       "rope.scaling.original_context_length",
                                       "rope.freq_base_swa",
                                       "attention.layer_norm_rms_epsilon",
                                       "expert_shared_feed_forward_length",
                                       "classifier.pooling_type",
                                       "tensor_data_layout",
                                       "tokenizer.ggml.*"};
// What it has otherwise: lengths that configs have no field for, or that it takes no notice of, and MLPs that it takes
// to be four times as wide.
constexpr std::string_view otherwise[] = {"bloom_base context_length",
                                          "falcon_* context_length",
                                          "glm_base context_length",
                                          "jina_embeddings_v3_base context_length",
                                          "gpt2_base feed_forward_length",
                                          "phi_base feed_forward_length",
                                          "gpt_bigcode_multi_head feed_forward_length",
                                          "gpt_bigcode_multi_head attention.head_count_kv"};
// What it leaves to defaults.
constexpr std::string_view beyond[] = {"vocab_size",
                                       "decoder_block_count",
                                       "decoder_start_token_id",
                                       "attention.causal",
                                       "general.file_type",
                                       "rope.freq_base",
                                       "rope.dimension_count",
                                       "attention.head_count_kv",
                                       "attention.key_length",
                                       "attention.value_length",
                                       "attention.layer_norm_epsilon",
                                       "attention.sliding_window_pattern",
                                       "expert_weights_norm",
                                       "ssm.dt_b_c_rms",
                                       "tokenizer.ggml.*"};

bool is_computed(const std::string& path) { return path.ends_with("A_log"); }

}  // namespace

BOOST_AUTO_TEST_SUITE(gguf_saving)

BOOST_AUTO_TEST_CASE(tensors_and_metadata_are_the_converters) {
  const temporary_folder folder;
  int files = 0;
  for (const auto& file : recipes()) BOOST_TEST_CONTEXT(file.stem().string()) {
      const json recipe = read_json(file);
      const auto source = folder.path / file.stem();
      const auto model = original(recipe, source);
      const auto saved = folder.path / "saved.gguf";
      // Of which llama.cpp makes a BERT, and UMT5 of one layer, which is T5's.
      if (file.stem() == "distilbert_base" || file.stem() == "umt5_encoder") {
        std::filesystem::remove(saved);
        BOOST_CHECK_THROW(model.save_gguf(saved), unsupported_error);
        BOOST_TEST(!std::filesystem::exists(saved));
        continue;
      }
      ++files;
      model.save_gguf(saved);
      write_converted(recipe, file, folder.path / "converted.gguf");
      const auto ours = gguf_file::open(saved), theirs = gguf_file::open(folder.path / "converted.gguf");
      std::set<std::string> names;
      for (const auto& t : ours.tensors()) {
        names.insert(t.name);
        const auto* same = theirs.find_tensor(t.name);
        if (!same) {
          BOOST_ERROR("tensor " << t.name << " is not the converter's");
          continue;
        }
        const auto& made_of = recipe["tensors"][t.name];
        if (!t.name.ends_with("exp_probs_b.bias"))  // which the converter has as one row
          BOOST_TEST(detail::shape_text(t.shape) == detail::shape_text(same->shape), t.name);
        BOOST_TEST(
            same_values(values_of(t), values_of(*same), made_of.contains("minus_exp") || made_of.contains("values")),
            t.name);
      }
      for (const auto& t : theirs.tensors()) BOOST_TEST(names.contains(t.name), "lacks " << t.name);
      const auto key_of = [&](const gguf_value& v) {
        const std::string prefix = std::string(theirs.at("general.architecture").as_string()) + ".";
        return std::string(v.key()).starts_with(prefix) ? std::string(v.key()).substr(prefix.size())
                                                        : std::string(v.key());
      };
      for (const auto& v : theirs.metadata()) {
        const auto* same = ours.find(v.key());
        if (!same)
          BOOST_TEST(fits_any(lacked, key_of(v)), "lacks " << v.key());
        else if (text_of(*same) != text_of(v))
          BOOST_TEST(fits_any(otherwise, file.stem().string() + " " + key_of(v)), "differs " << v.key());
      }
      for (const auto& v : ours.metadata())
        BOOST_TEST((theirs.find(v.key()) || fits_any(beyond, key_of(v))), "has " << v.key());
    }
  BOOST_TEST(files == 75);
}

BOOST_AUTO_TEST_CASE(what_is_read_saved_and_read_again_is_the_same) {
  const temporary_folder folder;
  int files = 0;
  for (const auto& file : recipes()) BOOST_TEST_CONTEXT(file.stem().string()) {
      ++files;
      const json recipe = read_json(file);
      write_converted(recipe, file, folder.path / "converted.gguf");
      const auto model = AutoModel<>::from_pretrained((folder.path / "converted.gguf").string());
      model.save_gguf(folder.path / "saved.gguf");
      const auto again = AutoModel<>::from_pretrained((folder.path / "saved.gguf").string());
      BOOST_TEST(again.architecture() == model.architecture());
      const auto a = parameters_of(model), b = parameters_of(again);
      BOOST_TEST(a.size() == b.size());
      for (const auto& [path, value] : a) {
        const auto found = b.find(path);
        BOOST_TEST_REQUIRE((found != b.end()), path);
        BOOST_TEST(detail::shape_text(value.first) == detail::shape_text(found->second.first), path);
        BOOST_TEST(same_values(value.second, found->second.second, is_computed(path)), path);
      }
      const bool computed = std::any_of(a.begin(), a.end(), [](const auto& p) { return is_computed(p.first); });
      const golden g(data("models/" + recipe["checkpoint"].get<std::string>()) / "golden.safetensors");
      for (const auto& pass : g.passes(g.some_result().first)) {
        const auto inputs = g.pass(pass, result_names());
        const auto y = model.forward(inputs), z = again.forward(inputs);
        BOOST_TEST_REQUIRE(y.size() == z.size());
        for (std::size_t i = 0; i < y.size(); ++i)
          if (computed)
            check_close(y[i].bytes, y[i].shape, z[i], {}, 1e-5);
          else
            BOOST_TEST((y[i].bytes.size() == z[i].bytes.size() &&
                        std::memcmp(y[i].bytes.data(), z[i].bytes.data(), y[i].bytes.size()) == 0),
                       pass << " " << y[i].name);
      }
    }
  BOOST_TEST(files == 77);
}

BOOST_AUTO_TEST_CASE(formats_are_asked_for_or_kept) {
  const temporary_folder folder;
  const auto model = AutoModel<>::from_pretrained(data("models/qwen3/base").string());
  listening log;
  auto& said = log.said;
  const auto saved = [&](const AnyModel<>& m, std::optional<dtype_id> dtype) {
    m.save_gguf(folder.path / "saved.gguf", {}, {.dtype = dtype});
    return gguf_file::open(folder.path / "saved.gguf");
  };
  const auto dtypes = [](const gguf_file& file) {
    std::map<dtype_id, int> count;
    for (const auto& t : file.tensors()) ++count[t.dtype];
    return count;
  };
  for (const dtype_id dtype : {dtype_id::f32, dtype_id::f16, dtype_id::bf16}) {
    const auto file = saved(model, dtype);
    BOOST_TEST((file.find_tensor("blk.0.attn_q.weight")->dtype == dtype));
    BOOST_TEST((file.find_tensor("blk.0.attn_norm.weight")->dtype == dtype_id::f32));
    BOOST_TEST(said.empty());
  }
  BOOST_TEST(saved(model, dtype_id::bf16).at("general.file_type").as_i64() == 32);
  // No row is a whole number of blocks: the log says it once for each pair of formats.
  for (const auto& [asked, taken] :
       {std::pair(dtype_id::q4_0, dtype_id::f16), std::pair(dtype_id::q4_k, dtype_id::f16)}) {
    said.clear();
    const auto file = saved(model, asked);
    BOOST_TEST((file.find_tensor("blk.0.attn_q.weight")->dtype == taken));
    BOOST_TEST_REQUIRE(said.size() == 1u);
    BOOST_TEST(
        said[0].find("blocks of " + std::string(name(asked)) + " are " + std::string(name(taken))) != said[0].npos,
        said[0]);
  }
  // Of rows of 32: quantised here, and kept as they are when the file's model is saved again.
  const auto wide = AutoModel<>::from_pretrained(data("models/gemma/base").string());
  for (const dtype_id dtype : {dtype_id::q4_0, dtype_id::q4_1, dtype_id::q5_0, dtype_id::q5_1, dtype_id::q8_0}) {
    const auto file = saved(wide, dtype);
    const auto& q = *file.find_tensor("blk.0.attn_q.weight");
    BOOST_TEST((q.dtype == dtype));
    BOOST_TEST(file.at("general.quantization_version").as_i64() == 2);
    const std::vector<std::byte> blocks(q.bytes.begin(), q.bytes.end());
    std::filesystem::rename(folder.path / "saved.gguf", folder.path / "first.gguf");
    const auto again = saved(AutoModel<>::from_pretrained((folder.path / "first.gguf").string()), {});
    const auto& r = *again.find_tensor("blk.0.attn_q.weight");
    BOOST_TEST((r.dtype == dtype));
    BOOST_TEST(std::equal(blocks.begin(), blocks.end(), r.bytes.begin(), r.bytes.end()));
    BOOST_TEST((dtypes(file) == dtypes(again)));
  }
  // 256 in a row are what the K-quants take; what has fewer falls to the next smaller blocks.
  said.clear();
  BOOST_TEST((saved(wide, dtype_id::q6_k).find_tensor("blk.0.attn_q.weight")->dtype == dtype_id::q8_0));
  BOOST_TEST((saved(wide, dtype_id::q5_k).find_tensor("blk.0.attn_q.weight")->dtype == dtype_id::q5_1));
  BOOST_TEST(!said.empty());
  // A folder has no blocks, and says so once.
  said.clear();
  AutoModel<>::from_pretrained((folder.path / "first.gguf").string()).save_pretrained(folder.path / "folder");
  BOOST_TEST(std::count_if(said.begin(), said.end(), [](const auto& t) { return t.find("q8_0") != t.npos; }) == 1);
}

BOOST_AUTO_TEST_CASE(what_gguf_has_no_name_for_is_one_error) {
  const temporary_folder folder;
  const auto file = folder.path / "saved.gguf";
  const auto fails = [&](const char* checkpoint, const char* says) {
    const auto model = AutoModel<>::from_pretrained(data(std::string("models/") + checkpoint).string());
    BOOST_CHECK_EXCEPTION(model.save_gguf(file), unsupported_error, [&](const error& e) {
      BOOST_TEST_INFO(e.what());
      return std::string_view(e.what()).find(says) != std::string_view::npos;
    });
  };
  fails("bart/base", "Bart");
  fails("vit/base", "ViT");
  fails("llama/sequence_classification", "score.weight");
  const auto model = AutoModel<>::from_pretrained(data("models/llama/base").string());
  BOOST_CHECK_THROW(model.save_gguf(file, {}, {.dtype = dtype_id::i64}), value_error);
  BOOST_CHECK_THROW(model.save_gguf(folder.path / "nowhere" / "saved.gguf"), file_error);
  BOOST_TEST(std::filesystem::is_empty(folder.path));
}

// What GGUF has no key for is read with llama.cpp's value: the log says which, and nothing else is said.
BOOST_AUTO_TEST_CASE(what_a_file_cannot_say_is_a_warning) {
  const temporary_folder folder;
  listening log;
  auto& said = log.said;
  AutoModel<>::from_pretrained(data("models/gemma2/base").string()).save_gguf(folder.path / "saved.gguf");
  BOOST_TEST_REQUIRE(said.size() == 1u);
  BOOST_TEST(said[0].find("query_pre_attn_scalar: 7, read as 10") != said[0].npos, said[0]);
  said.clear();
  AutoModel<>::from_pretrained(data("models/qwen3/base").string()).save_gguf(folder.path / "saved.gguf");
  BOOST_TEST(said.empty());
}

// Of every checkpoint: either an error says that GGUF has no name for something, or a warning what the file does not
// say, or the file is the same model.
BOOST_AUTO_TEST_CASE(every_case_is_saved_or_says_why_not) {
  const temporary_folder folder;
  int same = 0, warned = 0, refused = 0;
  listening log;
  auto& said = log.said;
  for (const auto& arch : architectures())
    for (const auto& source : cases(arch)) BOOST_TEST_CONTEXT(source.string()) {
        const auto model = AutoModel<>::from_pretrained(source.string());
        said.clear();
        try {
          model.save_gguf(folder.path / "saved.gguf");
        } catch (const unsupported_error& e) {
          ++refused;
          BOOST_TEST_MESSAGE(arch << "/" << source.filename().string() << " refused: " << e.what());
          continue;
        }
        std::erase_if(said, [](const auto& t) { return t.find("the file is without") != t.npos; });
        if (!said.empty()) {
          ++warned;
          BOOST_TEST_MESSAGE(arch << "/" << source.filename().string() << " warned: " << said[0]);
          continue;
        }
        ++same;
        if (arch.ends_with("roberta")) continue;  // whose files have no rows for positions of padding
        const golden g(source / "golden.safetensors");
        const auto compare = [&] {
          const auto again = AutoModel<>::from_pretrained((folder.path / "saved.gguf").string());
          for (const auto& pass : g.passes(g.some_result().first)) {
            const auto inputs = g.pass(pass, result_names());
            const auto y = again.forward(inputs), z = model.forward(inputs);
            for (const auto& result : y)
              for (const auto& t : z)
                if (t.name == result.name) check_close(result.bytes, result.shape, t, {}, 1e-5);
          }
        };
        BOOST_CHECK_NO_THROW(compare());
      }
  BOOST_TEST_MESSAGE(same << " the same, " << warned << " warned, " << refused << " refused");
  BOOST_TEST(same > 100);
}

// With its tokenizer the file is all that is needed.
BOOST_AUTO_TEST_CASE(a_file_has_its_tokenizer) {
  const temporary_folder folder;
  const auto library = [](const char* name) { return data(std::string("tokenizers/") + name); };
  const auto tokenizer = AutoTokenizer::from_pretrained(library("gpt2.json"));
  auto model = AutoModel<>::from_pretrained(data("models/gpt2/base").string());
  model.resize_token_embeddings(isize(tokenizer.size()) + 5);
  save_gguf(model, tokenizer, folder.path / "saved.gguf", {.name = "tiny"});
  const auto file = gguf_file::open(folder.path / "saved.gguf");
  BOOST_TEST(file.at("general.name").as_string() == "tiny");
  BOOST_TEST(file.at("tokenizer.ggml.tokens").as_strings().size() == tokenizer.size() + 5);
  const auto again = AutoTokenizer::from_pretrained(folder.path / "saved.gguf");
  BOOST_TEST(again.encode("Hello world") == tokenizer.encode("Hello world"), boost::test_tools::per_element());
  BOOST_TEST(AutoModel<>::from_pretrained((folder.path / "saved.gguf").string()).config().vocab_size ==
             isize(tokenizer.size()) + 5);
}

BOOST_AUTO_TEST_SUITE_END()
