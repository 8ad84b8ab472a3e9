// hft/io/safetensors_writer.hpp: the bytes of the safetensors package and of Transformers' save_pretrained.
#include "hft/io/safetensors_writer.hpp"

#include <numeric>

#include "hft/io/checkpoint.hpp"
#include "io_test.hpp"

using namespace hft;
using namespace io_test;

BOOST_AUTO_TEST_SUITE(safetensors_writer_)

namespace {

stored_tensor tensor(std::string name, dtype_id dtype, std::vector<isize> shape, std::size_t bytes) {
  auto data = std::make_shared<std::vector<std::byte>>(bytes);
  return {std::move(name), dtype, std::move(shape), *data, data};
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& item : fs::directory_iterator(folder)) names.push_back(item.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// The tensors of the golden model in the order of its state dict.
std::vector<stored_tensor> golden_model() {
  const auto whole = checkpoint::open(golden("whole"));
  std::vector<stored_tensor> tensors;
  const std::string order = contents(golden("sharded/order.txt"));
  for (std::size_t at = 0; at < order.size();) {
    const auto end = order.find('\n', at);
    tensors.push_back(*whole.find(order.substr(at, end - at)));
    at = end + 1;
  }
  return tensors;
}

}  // namespace

BOOST_AUTO_TEST_CASE(writes_the_bytes_of_the_package) {
  temporary_folder folder;
  for (const char* name : {"dtypes.safetensors", "none.safetensors", "whole/model.safetensors"}) {
    const auto file = safetensors_file::open(golden(name));
    std::vector<stored_tensor> tensors(file.tensors().rbegin(), file.tensors().rend());  // the order given is not used
    write_safetensors(folder / "t.safetensors", tensors, file.metadata());
    BOOST_TEST((contents(folder / "t.safetensors") == contents(golden(name))), name);
  }
}

BOOST_AUTO_TEST_CASE(shards_as_transformers_does) {
  temporary_folder folder;
  const auto tensors = golden_model();
  save_checkpoint(folder / "out", tensors, 700);
  for (const std::string& name : names_in(golden("sharded"))) {
    if (name.rfind("model", 0) != 0) continue;
    BOOST_TEST((contents(folder / ("out/" + name)) == contents(golden("sharded/" + name))), name);
  }
  BOOST_TEST(names_in(folder / "out").size() == 6u);
  BOOST_TEST(checkpoint::open(folder / "out").tensors().size() == tensors.size());
}

BOOST_AUTO_TEST_CASE(a_new_save_replaces_the_old_one) {
  temporary_folder folder;
  const auto tensors = golden_model();
  write_file_atomically(folder / "tokenizer.json", "{}");
  write_file_atomically(folder / "model-extra.safetensors", "kept");
  save_checkpoint(folder.path(), tensors, 700);
  save_checkpoint(folder.path(), tensors);
  BOOST_TEST((names_in(folder.path()) ==
              std::vector<std::string>{"model-extra.safetensors", "model.safetensors", "tokenizer.json"}));
  BOOST_TEST((contents(folder / "model.safetensors") == contents(golden("whole/model.safetensors"))));
  // Over itself: the tensors are views of the file that is replaced.
  const auto own = checkpoint::open(folder.path());
  save_checkpoint(folder.path(), own.tensors(), 700);
  BOOST_TEST(!fs::exists(folder / "model.safetensors"));
  BOOST_TEST(checkpoint::open(folder.path()).tensors().size() == tensors.size());
}

BOOST_AUTO_TEST_CASE(splitting_keeps_the_order_and_the_limit) {
  std::vector<stored_tensor> tensors;
  for (const isize n : {6, 6, 2, 60, 6, 2, 2})
    tensors.push_back(tensor(detail::cat("t", tensors.size()), dtype_id::u8, {n}, std::size_t(n)));
  const auto shards = detail::split_into_shards(tensors, 10);
  std::string text;
  for (const auto& shard : shards) {
    for (const auto* t : shard) text += detail::cat(t->bytes.size(), " ");
    text += "| ";
  }
  // As huggingface_hub splits them: what is too large goes out at once, before the shard that is being filled.
  BOOST_TEST(text == "6 | 60 | 6 2 | 6 2 2 | ");
}

BOOST_AUTO_TEST_CASE(what_the_format_cannot_hold_is_refused_and_leaves_nothing) {
  temporary_folder folder;
  const fs::path path = folder / "t.safetensors";
  const auto write = [&](std::vector<stored_tensor> tensors) { write_safetensors(path, tensors); };
  check_fails<unsupported_error>([&] { write({tensor("q", dtype_id::q4_0, {32}, 18)}); }, {"'q'", "q4_0"});
  check_fails<value_error>([&] { write({tensor("a", dtype_id::f32, {2}, 4)}); }, {"'a'", "8 bytes", "got 4"});
  check_fails<value_error>([&] { write({tensor("a", dtype_id::f32, {-1}, 4)}); }, {"'a'"});
  check_fails<value_error>(
      [&] {
        write({tensor("a", dtype_id::u8, {1}, 1), tensor("a", dtype_id::f32, {1}, 4)});
      },
      {"'a' is given twice"});
  check_fails<value_error>([&] { write({tensor("__metadata__", dtype_id::u8, {1}, 1)}); }, {"reserve"});
  check_fails<format_error>([&] { write({tensor("\xff", dtype_id::u8, {1}, 1)}); }, {"UTF-8"});
  check_fails<file_error>([&] { write_safetensors("/nowhere/t.safetensors", {}); }, {"/nowhere/t.safetensors"});
  write_file_atomically(folder / "file", "");
  check_fails<file_error>([&] { save_checkpoint(folder / "file", {}); }, {"cannot create"});
  BOOST_TEST(names_in(folder.path()).size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
