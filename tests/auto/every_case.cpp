// Every tiny checkpoint, as a user loads it who does not know what it is: outputs and greedy ids are Transformers'.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

#include <hft/auto.hpp>
#include <hft/generation/generate.hpp>

#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(every_case)

BOOST_AUTO_TEST_CASE(is_loaded_as_the_class_it_names_and_gives_its_outputs) {
  int folders = 0;
  for (const auto& arch : architectures())
    for (const auto& folder : cases(arch)) {
      ++folders;
      BOOST_TEST_CONTEXT(folder.string()) {
        const auto model = AutoModel<>::from_pretrained(folder.string());
        BOOST_TEST(model.architecture() == read_json(folder / "config.json")["architectures"][0]);
        const golden g(folder / "golden.safetensors");
        check_forward(g, g.some_result().first, [&](const std::vector<stored_tensor>& in, const std::string& pass) {
          return model.forward(in, pass);
        });
      }
    }
  BOOST_TEST(folders == 678);
}

namespace {
// Whether Transformers' ids are those of steps with a cache alone: where frequencies depend on the length, cached keys
// keep those of their time; Switch counts an expert's capacity afresh in each step; ProphetNet's streams see other
// distances where several tokens come at once.
bool steps_alone(const std::filesystem::path& folder) {
  const auto name = folder.filename().string(), arch = folder.parent_path().filename().string();
  return name.find("dynamic") != std::string::npos || name.find("longrope") != std::string::npos ||
         (arch == "switch_transformers" && name == "base") || arch == "prophetnet" || name.ends_with("_prophetnet");
}
}  // namespace

BOOST_AUTO_TEST_CASE(generates_its_greedy_ids_with_the_cache_and_without) {
  int generations = 0;
  for (const auto& arch : architectures())
    for (const auto& folder : cases(arch)) {
      const golden g(folder / "golden.safetensors");
      for (const auto& t : g.tensors()) {
        const auto pass = t.name.substr(0, t.name.find('.'));
        if (t.name != pass + ".sequences" || pass == "beams") continue;
        const auto model = AutoModel<>::from_pretrained(folder.string());
        const auto prompt = g.ids(pass + ".input_ids"), expected = g.ids(t.name);
        const isize given = model.is_encoder_decoder() ? 1 : prompt.extent(1);
        GenerateOptions options;
        options.attention_mask = g.ids(pass + ".attention_mask");
        options.global_attention_mask = g.ids(pass + ".global_attention_mask");
        ++generations;
        for (const bool use_cache : {true, false}) {
          if (!use_cache && steps_alone(folder)) continue;
          const auto y = generate(
              model, prompt, {.max_new_tokens = expected.extent(1) - given, .do_sample = false, .use_cache = use_cache},
              options);
          BOOST_TEST((y.shape() == expected.shape() && std::equal(y.data(), y.data() + y.size(), expected.data())),
                     folder.string() << " " << pass << (use_cache ? "" : " without a cache"));
        }
      }
    }
  BOOST_TEST(generations == 541);
}

BOOST_AUTO_TEST_SUITE_END()
