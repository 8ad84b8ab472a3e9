// Embedding rows: every dtype of table against its conversion element by element; any_q finds the format.
#include <cstring>

#include <hft/ops/cpu/embedding.hpp>

#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::testing;

BOOST_AUTO_TEST_SUITE(embedding_kernels)

namespace {

using weight_dtypes = std::tuple<f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k>;

/// A table of random bytes, with finite numbers where its format has floating ones.
template <class W>
std::vector<typename dtype<W>::storage> random_table(isize units) {
  std::vector<typename dtype<W>::storage> table(static_cast<std::size_t>(units));
  numbers next(17);
  if constexpr (dtype<W>::block == 1) {
    for (auto& x : table) x = W(next());
  } else {
    for (auto& block : table) {
      auto* bytes = reinterpret_cast<u8*>(&block);
      for (std::size_t i = 0; i < sizeof block; ++i) bytes[i] = u8(next(0, 256));
      block.d = f16(next());
      if constexpr (requires { block.m; }) block.m = f16(next());
      if constexpr (requires { block.dmin; }) block.dmin = f16(next());
    }
  }
  return table;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(rows_of_every_dtype, W, weight_dtypes) {
  const isize rows = 11, block = dtype<W>::block;
  for (const isize units : {1, 3, 17, 40}) {
    const isize cols = units * block;
    const auto memory = random_table<W>(rows * (units + 1));
    const weight_matrix<W> table{memory.data(), rows, cols, units + 1};
    const i64 ids[] = {3, 0, 10, 3};
    strided y(4, cols, 2, 1), expected(4, cols, 2, 1);
    embedding_kernel(isa::generic{}, expected.view(), ids, table);
    BOOST_TEST((!std::memcmp(expected.view().row(0), expected.view().row(3), std::size_t(cols) * sizeof(f32))));

    embedding_kernel(cpu{}, y.view(), ids, table);
    BOOST_TEST((y.memory == expected.memory));
    BOOST_TEST(y.intact());

    y.memory.assign(y.memory.size(), 0);
    const isize bytes = isize(sizeof(typename dtype<W>::storage));
    const weight_matrix<any_q> any{reinterpret_cast<const std::byte*>(memory.data()), rows, cols, (units + 1) * bytes,
                                   dtype<W>::id};
    embedding_kernel(cpu{}, y.view(), ids, any);
    BOOST_TEST(largest_difference(y.view(), expected.view()) == 0.0f);
  }
}

// A Q8_0 block is a scale and 32 integers; a Q4_0 block's levels count from -8.
BOOST_AUTO_TEST_CASE(blocks_by_hand) {
  f32 y[32];
  const matrix<f32> out{y, 1, 32, 32};
  const i64 id = 0;
  q8_0::storage eight{f16(0.5f), {}};
  for (int i = 0; i < 32; ++i) eight.qs[i] = i8(i - 16);
  embedding_kernel(cpu{}, out, &id, weight_matrix<q8_0>{&eight, 1, 32, 1});
  for (int i = 0; i < 32; ++i) BOOST_REQUIRE(y[i] == 0.5f * f32(i - 16));
  q4_0::storage four{f16(2.0f), {}};
  for (int i = 0; i < 16; ++i) four.qs[i] = u8(i | 3 << 4);  // low nibbles first, high nibbles in the second half
  embedding_kernel(cpu{}, out, &id, weight_matrix<q4_0>{&four, 1, 32, 1});
  for (int i = 0; i < 16; ++i) BOOST_REQUIRE((y[i] == 2.0f * f32(i - 8) && y[16 + i] == -10.0f));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(every_instruction_set, Tag, isa_tags) {
  const auto check = [&]<class W>(W) {
    const auto memory = random_table<W>(7 * 130);
    const i64 ids[] = {6, 1, 1, 0, 5};
    strided y(5, 130, 1, 1), expected(5, 130, 1, 1);
    embedding_kernel(isa::generic{}, expected.view(), ids, weight_matrix<W>{memory.data(), 7, 130, 130});
    embedding_kernel(Tag{}, y.view(), ids, weight_matrix<W>{memory.data(), 7, 130, 130});
    BOOST_TEST((y.memory == expected.memory));
  };
  check(f32());
  check(f16());
  check(bf16());
}

BOOST_AUTO_TEST_CASE(a_table_of_integers_is_refused) {
  f32 y = 0;
  const i64 id = 0;
  const std::byte memory[8]{};
  BOOST_CHECK_THROW(
      embedding_kernel(cpu{}, matrix<f32>{&y, 1, 1, 1}, &id, weight_matrix<any_q>{memory, 1, 1, 8, dtype_id::i64}),
      unsupported_error);
}

BOOST_AUTO_TEST_SUITE_END()
