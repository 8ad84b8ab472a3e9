// Datasets from files, their transformations, samplers, packing, the data loader.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>
#include <string>

#include <unistd.h>

#include <hft/train/data/data_loader.hpp>
#include <hft/train/data/group_texts.hpp>
#include <hft/train/data/load_dataset.hpp>

#include "failure.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(datasets)

namespace {

class temporary_file {
 public:
  temporary_file(const std::string& name, const std::string& contents)
      : path(std::filesystem::temp_directory_path() / ("hft_data_" + std::to_string(::getpid()) + "_" + name)) {
    std::ofstream(path, std::ios::binary) << contents;
  }
  ~temporary_file() { std::filesystem::remove(path); }
  const std::filesystem::path path;
};

Dataset numbers(isize n) {
  std::vector<json> rows;
  for (isize i = 0; i < n; ++i) {
    json row = json::object();
    row["input_ids"] = std::vector<i64>(std::size_t(1 + i % 7), i);
    rows.push_back(row);
  }
  return Dataset::from_rows(std::move(rows));
}

Batch first_ids(std::span<const json> rows, std::uint64_t position) {
  Batch batch;
  BatchTensor& t = batch["input_ids"];
  for (const json& r : rows) t.integers.push_back(r["input_ids"][0].get<i64>());
  t.shape = {isize(rows.size())};
  batch["position"] = {{1}, {i64(position)}, {}, false};
  return batch;
}

std::vector<i64> all_ids(const DataLoader& loader, isize epoch, isize first = 0) {
  std::vector<i64> ids;
  auto batches = loader.epoch(epoch, first);
  while (auto b = batches.next()) {
    ids.insert(ids.end(), b->at("input_ids").integers.begin(), b->at("input_ids").integers.end());
    ids.push_back(-b->at("position").integers[0] - 1);
  }
  return ids;
}

}  // namespace

BOOST_AUTO_TEST_CASE(column_names_outlive_the_row_they_were_read_from) {
  const std::string first = "a column with a name that no short string holds", second = first + ", and another one";
  json row = json::object();
  row[first] = 1;
  row[second] = 2;
  const auto names = Dataset::from_rows({row}).column_names();
  BOOST_TEST((names == std::vector<std::string>{first, second}));
  BOOST_TEST(Dataset().column_names().empty());
}

BOOST_AUTO_TEST_CASE(json_lines) {
  const temporary_file f("a.jsonl",
                         "{\"text\": \"one\"}\r\n\n  \n{\"text\": \"zwei\", \"n\": 2}\n{\"text\": \"three\"}");
  const auto d = load_dataset(f.path);
  BOOST_TEST(d.size() == 3);
  BOOST_TEST(d[0]["text"] == "one");
  BOOST_TEST(d[1].dump() == R"({"text": "zwei", "n": 2})");
  BOOST_TEST(d[2]["text"] == "three");
  BOOST_CHECK_THROW(d[3], value_error);
}

BOOST_AUTO_TEST_CASE(broken_json_lines_name_file_line_and_column) {
  const temporary_file f("b.jsonl", "{\"a\": 1}\n\n{\"a\": 1,}\n[1]\n{\"a\": \"\xff\"}\n{\"a\": 1, \"a\": 2}\n");
  const auto d = load_dataset(f.path);
  BOOST_TEST(d.size() == 5);
  const auto text = [&](isize i) { return failure([&] { d[i]; }); };
  BOOST_TEST(has(text(1), "b.jsonl] malformed JSON at line 3, column 9"), text(1));
  BOOST_TEST(has(text(2), "line 4, column 1: expected an object, got an array of 1"), text(2));
  BOOST_TEST(has(text(3), "line 5, column 8: expected UTF-8"), text(3));
  BOOST_TEST(has(text(4), "line 6"), text(4));
}

BOOST_AUTO_TEST_CASE(empty_and_unknown_files) {
  const temporary_file f("c.jsonl", "\n \n"), g("c.parquet", "PAR1"), h("c.csv", ""), i("d.csv", "a,b\n");
  BOOST_TEST(has(failure([&] { load_dataset(f.path); }), "line 1, column 1: expected at least one row"));
  BOOST_CHECK_THROW(load_dataset(g.path), unsupported_error);
  BOOST_TEST(has(failure([&] { load_dataset(h.path); }), "column names"));
  BOOST_TEST(has(failure([&] { load_dataset(i.path); }), "line 2, column 1"));
  BOOST_CHECK_THROW(load_dataset("/nonexistent.jsonl"), file_error);
}

BOOST_AUTO_TEST_CASE(json_lists_and_lines_in_a_json_file) {
  const temporary_file list("e.json", "[{\"a\": 1},\n {\"a\": 2}]"), lines("f.json", "{\"a\": 1}\n{\"a\": 2}\n");
  const temporary_file object("g.json", "{\n\"data\": [{\"a\": 1}, {\"a\": 2}]}");
  for (const auto& f : {list.path, lines.path, object.path}) {
    const auto d = load_dataset(f);
    BOOST_TEST(d.size() == 2);
    BOOST_TEST(d[1]["a"] == 2);
  }
}

BOOST_AUTO_TEST_CASE(csv) {
  const temporary_file f("h.csv",
                         "text,label,score,id\n\"a \"\"b\"\", c\",0,1.5,007\n\"two\nlines\",1,2,x\r\n\nlast,,,y");
  const auto d = load_dataset(f.path);
  BOOST_TEST(d.size() == 3);
  BOOST_TEST(d[0].dump() == R"({"text": "a \"b\", c", "label": 0, "score": 1.5, "id": "007"})");
  BOOST_TEST(d[1].dump() == R"({"text": "two\nlines", "label": 1, "score": 2.0, "id": "x"})");
  BOOST_TEST(d[2].dump() == R"({"text": "last", "label": null, "score": null, "id": "y"})");
}

BOOST_AUTO_TEST_CASE(broken_csv_names_line_and_column) {
  const temporary_file few("i.csv", "a,b\n1,2\n3\n"), open("j.csv", "a,b\n1,\"2\n"), twice("k.csv", "a,a\n1,2\n");
  const temporary_file after("l.csv", "a,b\n\"1\"x,2\n");
  BOOST_TEST(has(failure([&] { load_dataset(few.path); }), "line 3, column 1: expected a record of 2 fields, got 1"));
  BOOST_TEST(has(failure([&] { load_dataset(open.path); }), "line 2, column 3: expected a closing quote"));
  BOOST_TEST(has(failure([&] { load_dataset(twice.path); }), "column names that differ"));
  BOOST_TEST(has(failure([&] { load_dataset(after.path); }), "line 2, column 4: expected a separator"));
}

BOOST_AUTO_TEST_CASE(plain_text) {
  const temporary_file f("m.txt", "one\n\nthree\n");
  const auto d = load_dataset(f.path);
  BOOST_TEST(d.size() == 3);
  BOOST_TEST(d[1]["text"] == "");
  BOOST_TEST(d[2]["text"] == "three");
}

BOOST_AUTO_TEST_CASE(transformations) {
  const auto d = numbers(100);
  const auto even = d.filter([](const json& r) { return r["input_ids"][0].get<i64>() % 2 == 0; });
  BOOST_TEST(even.size() == 50);
  const auto doubled = even.map([](json r) {
    r["twice"] = 2 * r["input_ids"][0].get<i64>();
    return r;
  });
  BOOST_TEST(doubled[3]["twice"] == 12);
  const auto shuffled = d.shuffle(1);
  std::set<i64> seen;
  isize moved = 0;
  for (isize i = 0; i < 100; ++i) {
    seen.insert(shuffled[i]["input_ids"][0].get<i64>());
    moved += shuffled[i]["input_ids"][0].get<i64>() != i;
  }
  BOOST_TEST(seen.size() == 100u);
  BOOST_TEST(moved > 80);
  BOOST_TEST(d.shuffle(1)[0] == shuffled[0]);
  const auto [train, test] = d.train_test_split(0.1, 7);
  BOOST_TEST(train.size() == 90);
  BOOST_TEST(test.size() == 10);
  BOOST_TEST(d.train_test_split(10, 0, false).test[0]["input_ids"][0] == 90);
  BOOST_CHECK_THROW(d.train_test_split(100, 0), value_error);
  BOOST_CHECK_THROW(d.select({100}), value_error);
}

BOOST_AUTO_TEST_CASE(a_permutation_is_even) {
  // Each of 4! orders about as often as the others.
  std::map<std::vector<isize>, int> counts;
  for (int seed = 0; seed < 2400; ++seed) ++counts[random_permutation(4, std::uint64_t(seed))];
  BOOST_TEST(counts.size() == 24u);
  for (const auto& [order, n] : counts) BOOST_TEST((n > 50 && n < 160), n);
}

BOOST_AUTO_TEST_CASE(packing) {
  const auto packed = group_texts(numbers(10), 8);
  // Lengths 1..7, 1, 2, 3: 34 tokens, four blocks.
  BOOST_TEST(packed.size() == 4);
  BOOST_TEST(packed[0].dump() == R"({"input_ids": [0, 1, 1, 2, 2, 2, 3, 3], "labels": [0, 1, 1, 2, 2, 2, 3, 3]})");
  BOOST_CHECK_THROW(group_texts(numbers(2), 8), value_error);
  std::vector<json> rows{json::parse(R"({"input_ids": [1, 2], "labels": [-100, 2]})"),
                         json::parse(R"({"input_ids": [3], "labels": [3]})")};
  BOOST_TEST(group_texts(Dataset::from_rows(rows), 3)[0]["labels"].dump() == "[-100, 2, 3]");
  rows.push_back(json::parse(R"({"input_ids": [3]})"));
  BOOST_CHECK_THROW(group_texts(Dataset::from_rows(rows), 3), value_error);
}

BOOST_AUTO_TEST_CASE(rows_of_similar_length_come_together) {
  std::vector<isize> lengths;
  for (isize i = 0; i < 400; ++i) lengths.push_back((i * 37) % 101);
  const auto order = length_grouped_indices(lengths, 8, 3);
  BOOST_TEST(std::set<isize>(order.begin(), order.end()).size() == 400u);
  BOOST_TEST(lengths[std::size_t(order[0])] == 100);
  isize spread = 0;
  for (isize b = 0; b < 50; ++b) {
    isize low = 1000, high = 0;
    for (isize i = 0; i < 8; ++i) {
      const isize n = lengths[std::size_t(order[std::size_t(b * 8 + i)])];
      low = std::min(low, n), high = std::max(high, n);
    }
    spread += high - low;
  }
  BOOST_TEST(spread < 50 * 20);  // of batches at random it would be about 50 * 80
}

BOOST_AUTO_TEST_CASE(batches_do_not_depend_on_the_number_of_threads) {
  for (const auto sampling :
       {SamplingStrategy::sequential, SamplingStrategy::random, SamplingStrategy::group_by_length}) {
    DataLoaderOptions o{.batch_size = 4, .sampling = sampling, .seed = 5};
    const auto alone = all_ids(DataLoader(numbers(103), first_ids, o), 2);
    BOOST_TEST(alone.size() == 103u + 26u);
    o.num_workers = 3;
    const DataLoader loader(numbers(103), first_ids, o);
    BOOST_TEST(loader.size() == 26);
    BOOST_TEST(all_ids(loader, 2) == alone, boost::test_tools::per_element());
    // From the middle of an epoch on: the same as if the first batches had been taken.
    const auto rest = all_ids(loader, 2, 10);
    BOOST_TEST(rest == std::vector<i64>(alone.begin() + 50, alone.end()), boost::test_tools::per_element());
    if (sampling != SamplingStrategy::sequential) BOOST_TEST((all_ids(loader, 3) != alone));
  }
}

BOOST_AUTO_TEST_CASE(a_loader_can_leave_out_the_last_batch_or_be_left) {
  const DataLoader loader(numbers(10), first_ids, {.batch_size = 4, .drop_last = true, .num_workers = 2});
  BOOST_TEST(loader.size() == 2);
  BOOST_TEST(all_ids(loader, 0).size() == 10u);
  auto left = loader.epoch(0);
  BOOST_TEST(left.next().has_value());
  BOOST_CHECK_THROW(DataLoader(Dataset(), first_ids, {}), value_error);
}

BOOST_AUTO_TEST_CASE(a_broken_row_throws_where_it_is_reached) {
  const auto broken = numbers(12).map([](json r) {
    if (r["input_ids"][0] == 9) throw format_error("rows", "broken");
    return r;
  });
  for (const isize workers : {0, 2}) {
    const DataLoader loader(broken, first_ids, {.batch_size = 4, .num_workers = workers});
    auto epoch = loader.epoch(0);
    BOOST_TEST(epoch.next().has_value());
    BOOST_TEST(epoch.next().has_value());
    BOOST_CHECK_THROW(epoch.next(), format_error);
  }
}

BOOST_AUTO_TEST_SUITE_END()
