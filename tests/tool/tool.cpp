// The hft tool as a user calls it: results, exit statuses, one line for a failure, no half-written file.
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <hft/io/safetensors_writer.hpp>

#include "../models/golden.hpp"
#include "has_tool.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(tool, *boost::unit_test::precondition(hft::test::has_tool))

namespace {

struct outcome {
  int status;
  std::string out, err;
};

class workspace {
 public:
  workspace() : folder_(std::filesystem::temp_directory_path() / ("hft_tool_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~workspace() { std::filesystem::remove_all(folder_); }
  std::string file(const std::string& name) const { return (folder_ / name).string(); }

  // Runs the tool with `arguments`; `input` is its standard input.
  outcome run(const std::string& arguments, const std::string& input = "") const {
    const char* tool = std::getenv("HFT_TOOL");
    BOOST_TEST_REQUIRE(tool != nullptr, "HFT_TOOL must name the tool");
    std::ofstream(file("in")) << input;
    const std::string command =
        std::string(tool) + " " + arguments + " <'" + file("in") + "' >'" + file("out") + "' 2>'" + file("err") + "'";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(file("out"), 1 << 26),
            read_text(file("err"), 1 << 26)};
  }

 private:
  std::filesystem::path folder_;
};

// The inputs of a golden pass as a file.
void write_inputs(const std::string& path, const std::filesystem::path& golden_file, const std::string& pass) {
  const auto file = safetensors_file::open(golden_file);
  std::vector<stored_tensor> inputs;
  for (const char* name : {"input_ids", "attention_mask", "token_type_ids", "position_ids"})
    if (const auto* t = file.find(pass + "." + name)) {
      inputs.push_back(*t);
      inputs.back().name = name;
    }
  write_safetensors(path, inputs, {});
}

Tensor<f32, 3> as_tensor(const stored_tensor& t) {
  return Tensor<f32, 3>::wrap(buffer::share(t.owner, t.bytes.data(), t.bytes.size()), t.bytes.data(),
                              {t.shape[0], t.shape[1], t.shape[2]});
}

f32 value_at(const stored_tensor& t, isize i) {
  f32 x;
  std::memcpy(&x, t.bytes.data() + i * 4, 4);
  return x;
}

f32 largest_of(const stored_tensor& t) {
  f32 largest = 0;
  for (isize i = 0; i < t.numel(); ++i) largest = std::max(largest, std::abs(value_at(t, i)));
  return largest;
}

const std::string toy = std::string(HFT_TEST_DATA) + "/../../examples/toy_llama/model.q8_0.gguf";

}  // namespace

BOOST_AUTO_TEST_CASE(backward_gives_pytorch_gradients) {
  workspace w;
  const std::set<std::string> complete{"llama_tied", "qwen2", "gpt2", "bert_sequence", "mamba", "vit"};
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(data("gradients"))) {
    const auto golden = safetensors_file::open(file.path());
    if (golden.metadata().contains("problem_type")) continue;  // of a config that is not the folder's
    ++files;
    BOOST_TEST_CONTEXT(file.path().string()) {
      std::vector<stored_tensor> inputs;
      for (const auto& t : golden.tensors())
        if (!t.name.starts_with("grad.") && t.name != "loss") inputs.push_back(t);
      write_safetensors(w.file("in.safetensors"), inputs, {});
      const auto folder = data("models/" + golden.metadata().at("checkpoint"));
      const auto r = w.run("backward '" + folder.string() + "' --inputs '" + w.file("in.safetensors") +
                           "' --outputs '" + w.file("out.safetensors") + "'");
      BOOST_TEST_REQUIRE(r.status == 0, r.err);
      const auto result = safetensors_file::open(w.file("out.safetensors"));
      BOOST_TEST(result.find("loss")->shape.empty());
      std::size_t gradients = 0;
      f32 largest_of_all = 0;
      for (const auto& t : golden.tensors())
        if (t.name.starts_with("grad.")) largest_of_all = std::max(largest_of_all, largest_of(t));
      for (const auto& t : golden.tensors()) {
        if (!t.name.starts_with("grad.")) continue;
        ++gradients;
        const auto* found = result.find(t.name);
        BOOST_TEST_REQUIRE(found != nullptr, t.name);
        BOOST_TEST(found->shape == t.shape, boost::test_tools::per_element());
        f32 worst = 0;
        for (isize i = 0; i < t.numel(); ++i) worst = std::max(worst, std::abs(value_at(t, i) - value_at(*found, i)));
        // What softmax leaves of a key's bias is rounding alone.
        BOOST_TEST(worst <= std::max(1e-3f * largest_of(t), 1e-6f * largest_of_all), t.name);
      }
      if (complete.contains(file.path().stem().string()))
        BOOST_TEST(result.tensors().size() == gradients + 1);  // a tied pair once
    }
  }
  BOOST_TEST(files == 189);
}

BOOST_AUTO_TEST_CASE(forward_gives_transformers_outputs) {
  const workspace w;
  for (const std::string name : {"llama/gqa_odd", "gpt2/base", "bert/base", "bert/masked_lm"}) {
    BOOST_TEST_CONTEXT(name) {
      const auto folder = data("models/" + name);
      write_inputs(w.file("in.safetensors"), folder / "golden.safetensors", "right_padded");
      const auto r = w.run("forward '" + folder.string() + "' --inputs '" + w.file("in.safetensors") + "' --outputs '" +
                           w.file("y.safetensors") + "'");
      BOOST_TEST_REQUIRE(r.status == 0, r.err);
      BOOST_TEST(r.out.empty());
      const golden g(folder / "golden.safetensors");
      const auto y = safetensors_file::open(w.file("y.safetensors"));
      for (const auto& t : y.tensors())
        if (t.shape.size() == 3)
          check_close(as_tensor(t), g.at("right_padded." + t.name), g.ids("right_padded.attention_mask"));
    }
  }
}

BOOST_AUTO_TEST_CASE(forward_takes_what_the_class_takes) {
  const workspace w;
  for (const std::string name : {"vit/rectangles", "vit/model", "t5/base", "t5/encoder"}) {
    BOOST_TEST_CONTEXT(name) {
      const auto folder = data("models/" + name);
      const golden g(folder / "golden.safetensors");
      write_safetensors(w.file("in.safetensors"), g.pass("batch", result_names()), {});
      const auto r = w.run("forward '" + folder.string() + "' --inputs '" + w.file("in.safetensors") + "' --outputs '" +
                           w.file("y.safetensors") + "'");
      BOOST_TEST_REQUIRE(r.status == 0, r.err);
      const auto y = safetensors_file::open(w.file("y.safetensors"));
      BOOST_TEST(!y.tensors().empty());
      for (const auto& t : y.tensors()) {
        const auto* values = reinterpret_cast<const f32*>(t.bytes.data());
        const isize rows = t.numel() / t.shape.back();
        auto expected = g.at("batch." + t.name);
        expected.shape = {rows, t.shape.back()};
        check_close(Tensor<f32, 2>::from({values, std::size_t(t.numel())}, {rows, t.shape.back()}), expected);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(generate_gives_transformers_ids) {
  const workspace w;
  for (const std::string name : {"llama/base", "gpt2/base", "t5/gated"}) {
    const auto folder = data("models/" + name);
    write_inputs(w.file("in.safetensors"), folder / "golden.safetensors", "greedy_batch");
    const golden g(folder / "golden.safetensors");
    const auto& expected = g.at("greedy_batch.sequences");
    const isize prompt = name.starts_with("t5") ? 1 : g.ids("greedy_batch.input_ids").extent(1);  // in the sequences
    const auto r = w.run("generate '" + folder.string() + "' --inputs '" + w.file("in.safetensors") + "' --outputs '" +
                         w.file("y.safetensors") + "' --config '{\"do_sample\": false, \"max_new_tokens\": " +
                         std::to_string(expected.shape[1] - prompt) + "}'");
    BOOST_TEST_REQUIRE(r.status == 0, r.err);
    const auto y = safetensors_file::open(w.file("y.safetensors"));
    const auto* ids = y.find("sequences");
    BOOST_TEST_REQUIRE(ids != nullptr);
    BOOST_TEST((ids->dtype == dtype_id::i64));
    BOOST_TEST(ids->shape == expected.shape, boost::test_tools::per_element());
    BOOST_TEST(std::equal(ids->bytes.begin(), ids->bytes.end(), expected.bytes.begin(), expected.bytes.end()));
  }
}

BOOST_AUTO_TEST_CASE(drafts_change_no_ids_and_layers_are_shown) {
  const workspace w;
  const auto llama = data("models/llama/base").string(), t5 = data("models/t5/base").string();
  const std::vector<i64> prompt{5, 7, 11, 40, 13, 5, 7};
  write_safetensors(w.file("in.safetensors"),
                    std::vector<stored_tensor>{
                        {"input_ids", dtype_id::i64, {1, 7}, std::as_bytes(std::span<const i64>(prompt)), nullptr}},
                    {});
  const auto generated = [&](const std::string& model, const std::string& more, const std::string& fields) {
    const auto r = w.run("generate '" + model + "' --inputs '" + w.file("in.safetensors") + "' --outputs '" +
                         w.file("y.safetensors") + "' " + more + " --config '{\"max_new_tokens\": 9" + fields + "}'");
    BOOST_TEST_REQUIRE(r.status == 0, r.err);
    return safetensors_file::open(w.file("y.safetensors"));
  };
  const auto ids = [](const safetensors_file& y) {
    const auto bytes = y.find("sequences")->bytes;
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  const auto plain = ids(generated(llama, "", ""));
  BOOST_TEST((ids(generated(llama, "--assistant '" + llama + "'", "")) == plain));
  BOOST_TEST((ids(generated(llama, "", ", \"prompt_lookup_num_tokens\": 3")) == plain));
  const std::string shown = ", \"output_hidden_states\": true, \"output_attentions\": true";
  const auto y = generated(llama, "", shown);
  for (const char* name : {"hidden_states.0.0", "hidden_states.8.2", "attentions.0.0", "attentions.8.1"})
    BOOST_TEST(y.find(name), name);
  const auto of_t5 = generated(t5, "", shown);
  for (const char* name : {"decoder_hidden_states.0.0", "decoder_attentions.0.0", "cross_attentions.0.0",
                           "encoder_hidden_states.0", "encoder_attentions.0"})
    BOOST_TEST(of_t5.find(name), name);
}

BOOST_AUTO_TEST_CASE(texts_follow_a_schema_an_expression_or_a_grammar) {
  const workspace w;
  const auto said = [&](const std::string& guide) {
    const auto r = w.run("run '" + toy + "' -p 'What is' -n 40 --greedy " + guide);
    BOOST_TEST_REQUIRE(r.status == 0, r.err);
    return r.out.substr(std::string("What is").size());
  };
  BOOST_TEST(said("--regex '[0-9]{3}'").size() == 4);  // with the end of the line
  std::ofstream(w.file("g.gbnf")) << "root ::= \"yes\" | \"no\"";
  const auto answer = said("--grammar '" + w.file("g.gbnf") + "'");
  BOOST_TEST((answer == "yes\n" || answer == "no\n"), answer);
  std::ofstream(w.file("s.json")) << R"({"type": "object", "properties": {"n": {"enum": [1, 22]}}, "required": ["n"]})";
  const auto object = parse_json(said("--schema '" + w.file("s.json") + "'"), "");
  BOOST_TEST((object["n"] == 1 || object["n"] == 22));
  const auto r = w.run("run '" + toy + "' -p 'What is' --regex '[0-9'");
  BOOST_TEST(r.status == 1);
  BOOST_TEST(r.err.starts_with("hft: [regex"), r.err);
  BOOST_TEST(w.run("run '" + toy + "' -p a --regex b --grammar c").status == 2);
}

BOOST_AUTO_TEST_CASE(failures_say_one_line_and_leave_no_file) {
  const workspace w;
  const auto llama = data("models/llama/base").string();
  const auto one_line = [](const outcome& r) {
    BOOST_TEST(r.status == 1);
    BOOST_TEST(r.err.starts_with("hft: "), r.err);
    BOOST_TEST(std::count(r.err.begin(), r.err.end(), '\n') == 1, r.err);
    BOOST_TEST(r.out.empty(), r.out);
  };
  one_line(w.run("info /no/such/folder"));
  one_line(w.run("forward '" + llama + "' --inputs /no/such.safetensors --outputs '" + w.file("y.safetensors") + "'"));
  // an id outside the vocabulary
  const i64 ids[] = {1, 2, 1 << 30};
  write_safetensors(
      w.file("bad.safetensors"),
      std::vector<stored_tensor>{{"input_ids", dtype_id::i64, {1, 3}, std::as_bytes(std::span(ids)), nullptr}}, {});
  const auto r = w.run("forward '" + llama + "' --inputs '" + w.file("bad.safetensors") + "' --outputs '" +
                       w.file("y.safetensors") + "'");
  one_line(r);
  BOOST_TEST(r.err.find("1073741824") != std::string::npos, r.err);
  BOOST_TEST(!std::filesystem::exists(w.file("y.safetensors")));
  one_line(w.run("info '" + llama + "' --dtype q9_9"));
  one_line(w.run("info '" + llama + "' --device tpu"));
  one_line(w.run("run '" + data("models/bert/base").string() + "' -p x"));
}

// A file with one tensor under `name`, of `dtype` as the header has it.
void write_raw(const std::string& path, const std::string& name, const std::string& dtype, std::size_t bytes,
               const std::string& shape) {
  std::string text = "{\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[0," +
                     std::to_string(bytes) + "]}}";
  const std::uint64_t length = text.size();
  text.insert(0, reinterpret_cast<const char*>(&length), sizeof length);
  write_file_atomically(path, text + std::string(bytes, '\0'));
}

BOOST_AUTO_TEST_CASE(an_input_of_a_dtype_that_hft_does_not_have_is_named) {
  const workspace w;
  write_raw(w.file("in.safetensors"), "input_ids", "U32", 12, "[1,3]");
  const auto r = w.run("forward '" + data("models/llama/base").string() + "' --inputs '" + w.file("in.safetensors") +
                       "' --outputs '" + w.file("y.safetensors") + "'");
  BOOST_TEST(r.status == 1);
  BOOST_TEST((r.err.find("input_ids") != std::string::npos && r.err.find("U32") != std::string::npos), r.err);
}

BOOST_AUTO_TEST_CASE(an_option_takes_one_value_and_a_refused_run_prints_nothing) {
  const workspace w;
  auto r = w.run("run --stop '[a]' '" + toy + "' --greedy -n 2 -p '[hello]'");
  BOOST_TEST(r.status == 0, r.err);
  BOOST_TEST(r.out.starts_with("[hello]"), r.out);
  r = w.run("run '" + toy + "' --top-k -1 -n 2 -p hello");
  BOOST_TEST(r.status == 1);
  BOOST_TEST(r.out.empty(), r.out);
  r = w.run("run '" + toy + "' --threads 1000000 -n 2 -p hello");
  BOOST_TEST(r.status == 1);
  BOOST_TEST(r.err.starts_with("hft: [threads]"), r.err);
}

BOOST_AUTO_TEST_CASE(results_that_cannot_be_written_are_a_failure) {
  const workspace w;
  const char* tool = std::getenv("HFT_TOOL");
  const std::string command =
      std::string(tool) + " info '" + data("models/llama/base").string() + "' >/dev/full 2>'" + w.file("err") + "'";
  const int status = std::system(command.c_str());
  BOOST_TEST((WIFEXITED(status) && WEXITSTATUS(status) == 1));
  BOOST_TEST(read_text(w.file("err")).starts_with("hft: [standard output] cannot write"));
}

BOOST_AUTO_TEST_CASE(each_result_of_detokenize_is_a_line_to_every_reader) {
  const workspace w;
  const auto ids = w.run("tokenize '" + toy + "' --no-special", "\"a\xe2\x80\xa8\xc2\x85z\"");
  BOOST_TEST_REQUIRE(ids.status == 0, ids.err);
  const auto r = w.run("detokenize '" + toy + "'", parse_json(ids.out, "")["ids"].dump());
  BOOST_TEST(r.out == "\"a\\u2028\\u0085z\"\n");
}

BOOST_AUTO_TEST_CASE(generate_ends_at_stop_strings) {
  const workspace w;
  const auto prompt = parse_json(w.run("tokenize '" + toy + "'", "\"What is\"").out, "")["ids"];
  std::vector<i64> ids;
  for (const auto& id : prompt) ids.push_back(id.get<i64>());
  write_safetensors(
      w.file("in.safetensors"),
      std::vector<stored_tensor>{
          {"input_ids", dtype_id::i64, {1, isize(ids.size())}, std::as_bytes(std::span<const i64>(ids)), nullptr}},
      {});
  const auto length = [&](const std::string& config) {
    const auto r = w.run("generate '" + toy + "' --inputs '" + w.file("in.safetensors") + "' --outputs '" +
                         w.file("y.safetensors") + "' --config '" + config + "'");
    BOOST_TEST_REQUIRE(r.status == 0, r.err);
    return safetensors_file::open(w.file("y.safetensors")).find("sequences")->shape[1];
  };
  BOOST_TEST(length(R"({"max_new_tokens": 12})") >
             length(R"({"max_new_tokens": 12, "stop_strings": [" ", "e", "a"]})"));
}

BOOST_AUTO_TEST_CASE(wrong_usage_is_status_2) {
  const workspace w;
  const auto r = w.run("forward model --threads 0");
  BOOST_TEST(r.err.starts_with("hft: --threads: expected a number of at least 1, got 0"), r.err);
  BOOST_TEST(std::count(r.err.begin(), r.err.end(), '\n') == 1, r.err);
  BOOST_TEST(w.run("").status == 2);
  BOOST_TEST(w.run("nonsense").status == 2);
  BOOST_TEST(w.run("forward model").status == 2);
  BOOST_TEST(w.run("bench generate model --threads 0").status == 2);
  BOOST_TEST(w.run("--help").status == 0);
}

BOOST_AUTO_TEST_CASE(info_and_bench_print_json) {
  const workspace w;
  auto r = w.run("info '" + data("models/llama/base").string() + "' --json");
  BOOST_TEST_REQUIRE(r.status == 0, r.err);
  const auto info = parse_json(r.out, "info");
  BOOST_TEST(info["architecture"] == "LlamaForCausalLM");
  BOOST_TEST(info["parameters"].get<isize>() > 1000);
  r = w.run("bench generate '" + data("models/llama/base").string() + "' -p 8 -n 4 --json");
  BOOST_TEST_REQUIRE(r.status == 0, r.err);
  const auto generate = parse_json(r.out, "bench");
  for (const char* key : {"pp_tok_s", "tg_tok_s", "load_s", "first_token_s", "rss_mb"})
    BOOST_TEST(generate.contains(key), key);
  BOOST_TEST(!parse_json(w.run("bench generate '" + data("models/gpt2/base").string() + "' -p 0 -n 4 --json").out, "")
                  .contains("pp_tok_s"));
  r = w.run("bench encode '" + data("models/bert/base").string() + "' --batch 2 --seq 5 --json");
  BOOST_TEST_REQUIRE(r.status == 0, r.err);
  BOOST_TEST(parse_json(r.out, "bench").contains("seq_s"));
}

BOOST_AUTO_TEST_CASE(template_renders_each_line_and_reports_failures) {
  const workspace w;
  std::ofstream(w.file("t.jinja")) << "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
                                      "{% if not messages %}{{ raise_exception('no messages') }}{% endif %}";
  const auto good =
      w.run("template '" + w.file("t.jinja") + "'", R"({"messages": [{"role": "user", "content": "Grüße"}]})");
  BOOST_TEST(good.status == 0);
  BOOST_TEST(parse_json(good.out, "") == "user: Grüße\n");
  const auto bad = w.run("template '" + w.file("t.jinja") + "'",
                         "{\"messages\": []}\n{\"messages\": [{\"role\": \"a\", \"content\": \"b\"}]}");
  BOOST_TEST(bad.status == 1);
  BOOST_TEST(bad.out.find("\"error\"") != std::string::npos);
  BOOST_TEST(bad.out.find("no messages") != std::string::npos);
  BOOST_TEST(bad.out.find("\"a: b\\n\"") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
