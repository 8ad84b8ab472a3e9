// A step of greedy search or beams asks the heap for nothing by itself: what it needs it keeps, and tensors come from
// an allocator that keeps theirs. The program's operator new is counted here.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <new>

#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>

#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

namespace {
thread_local long made = 0;

void* allocated(std::size_t bytes) {
  ++made;
  if (void* p = std::malloc(bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
}  // namespace

// Not inlined, where a compiler would see new beside free.
[[gnu::noinline]] void* operator new(std::size_t bytes) { return allocated(bytes); }
[[gnu::noinline]] void* operator new[](std::size_t bytes) { return allocated(bytes); }
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

BOOST_AUTO_TEST_SUITE(allocations)

// But for some that grow a cache or the text. What is left is of the pass, whatever its layers: its context,
// frequencies, and a table of angles.
BOOST_AUTO_TEST_CASE(a_step_allocates_what_its_pass_does) {
  const auto model = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  const auto ids = Tensor<i64, 2>::from({5, 7, 11, 40, 13, 0, 9, 8, 7, 6}, {2, 5});
  const auto mask = Tensor<i64, 2>::from({0, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {2, 5});
  for (const isize beams : {1, 4}) {
    std::vector<long> counts;
    counts.reserve(200);
    generate(model, ids, {.max_new_tokens = 100, .num_beams = beams, .eos_token_id = TokenIds{}},
             {.attention_mask = mask, .progress = [&](isize, isize) { counts.push_back(made); }});
    int steady = 0;
    for (std::size_t i = 1; i < counts.size(); ++i) steady += counts[i] - counts[i - 1] <= 3;
    BOOST_TEST(steady > 80, steady << " of 99 steps, " << beams << " beams");
  }
}

BOOST_AUTO_TEST_SUITE_END()
