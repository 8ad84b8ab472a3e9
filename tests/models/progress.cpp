// What loading and saving a model tells of its progress, and what stays where the callback throws.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <numeric>
#include <stdexcept>
#include <string>

#include <unistd.h>

#include <hft/io/gguf_writer.hpp>
#include <hft/models/gguf_saving.hpp>
#include <hft/models/llama.hpp>

#include "../progress_of.hpp"
#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(loading_progress)

namespace {

class scratch_folder {
 public:
  scratch_folder() : path_(std::filesystem::temp_directory_path() / ("hft_progress_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~scratch_folder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }
  bool empty() const { return std::filesystem::is_empty(path_); }

 private:
  std::filesystem::path path_;
};

using Llama = LlamaForCausalLM<any_q>;

struct interruption : std::runtime_error {
  interruption() : runtime_error("enough") {}
};

// Throws in the middle of a task.
progress_callback stop_at(const char* what) {
  return [what](const progress_event& e) {
    if (e.what == what && e.done > 0 && e.done < e.total) throw interruption();
  };
}

}  // namespace

BOOST_AUTO_TEST_CASE(loading_counts_parameters) {
  const auto folder = data("models/llama/base");
  ::test::progress_of seen;
  const auto model = Llama::from_pretrained(folder.string(), {.dtype = dtype_id::q8_0});
  isize tensors = 0, parameters = 0;
  for_each_parameter(const_cast<Llama&>(model),
                     [&](const std::string&, parameter& p) { ++tensors, parameters += p.size(); });
  for (const char* what : {"loading", "preparing"}) {
    const auto task = seen.of(what);
    BOOST_TEST(::test::whole(task), what);
    BOOST_TEST(isize(task.size()) == tensors + 1, what);
    BOOST_TEST_REQUIRE(!task.empty(), what);
    BOOST_TEST(task[0].total == parameters, what);
    BOOST_TEST(task[0].where == folder.string(), what);
    BOOST_TEST(task[0].unit == "parameters", what);
  }
  BOOST_TEST(seen.events.size() == 2 * std::size_t(tensors + 1));
}

BOOST_AUTO_TEST_CASE(saving_counts_bytes) {
  const scratch_folder folder;
  const auto model = Llama::from_pretrained(data("models/llama/base").string());
  ::test::progress_of seen;
  model.save_pretrained(folder / "saved");
  const auto saving = seen.of("saving");
  BOOST_TEST(::test::whole(saving));
  BOOST_TEST((!saving.empty() && saving[0].unit == "bytes"));
  const auto file = folder / "saved" / "model.safetensors";
  BOOST_TEST(saving[0].where == file.string());
  BOOST_TEST(saving[0].total < isize(std::filesystem::file_size(file)));
  BOOST_TEST(saving[0].total > isize(std::filesystem::file_size(file)) - 10000);

  seen.events.clear();
  model.save_gguf(folder / "model.gguf", {}, {.dtype = dtype_id::q8_0});
  const auto quantizing = seen.of("quantizing");
  BOOST_TEST(::test::whole(quantizing));
  BOOST_TEST((!quantizing.empty() && quantizing[0].total == num_parameters(model)));
  BOOST_TEST(::test::whole(seen.of("saving")));
}

BOOST_AUTO_TEST_CASE(a_callback_that_throws_leaves_no_half_of_anything) {
  const scratch_folder folder;
  const auto source = data("models/llama/base");
  for (const char* what : {"loading", "preparing"}) {
    const ::test::progress_of stops(stop_at(what));
    BOOST_CHECK_THROW(Llama::from_pretrained(source.string()), interruption);
  }
  const auto model = Llama::from_pretrained(source.string());
  for (const char* what : {"quantizing", "saving"}) {
    const ::test::progress_of stops(stop_at(what));
    BOOST_CHECK_THROW(model.save_gguf(folder / "model.gguf", {}, {.dtype = dtype_id::q8_0}), interruption);
    BOOST_TEST(folder.empty(), what);
  }
  model.save_pretrained(folder / "saved");
  const auto before = read_text(folder / "saved" / "model.safetensors");
  {
    const ::test::progress_of stops(stop_at("saving"));
    BOOST_CHECK_THROW(Llama::from_config(model.config(), 7).save_pretrained(folder / "saved"), interruption);
  }
  BOOST_TEST((read_text(folder / "saved" / "model.safetensors") == before));
  const std::filesystem::directory_iterator files(folder / "saved"), end;
  BOOST_TEST(std::none_of(files, end, [](const auto& f) { return f.path().extension() == ".tmp"; }));
}

BOOST_AUTO_TEST_SUITE_END()
