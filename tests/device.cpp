// A device defined outside the library: it counts kernel calls and runs the same Llama. What it may overload is what an
// op calls; nothing in hft knows of it.
#include <boost/test/unit_test.hpp>
#include <map>
#include <string>

#include <hft/models/llama.hpp>

#include "models/golden.hpp"

BOOST_AUTO_TEST_SUITE(device)

namespace outside {

using namespace hft;

struct counting : cpu {
  using base = counting;
  static std::map<std::string, int>& calls() {
    static std::map<std::string, int> c;
    return c;
  }
};

template <class... Args>
void rms_norm_kernel(counting, Args&&... args) {
  ++counting::calls()["rms_norm"];
  rms_norm_kernel(cpu{}, std::forward<Args>(args)...);
}
template <class... Args>
void linear_kernel(counting, Args&&... args) {
  ++counting::calls()["linear"];
  linear_kernel(cpu{}, std::forward<Args>(args)...);
}
template <class... Args>
void linears_kernel(counting, Args&&... args) {
  ++counting::calls()["linears"];
  linears_kernel(cpu{}, std::forward<Args>(args)...);
}
inline void attention_kernel(counting, const attention_problem& p) {
  ++counting::calls()["attention"];
  attention_kernel(cpu{}, p);
}

}  // namespace outside

using namespace hft;
using namespace hft::test;

static_assert(Device<cpu> && BaseDevice<cpu>);
static_assert(BaseDevice<outside::counting>);

BOOST_AUTO_TEST_CASE(a_device_of_the_users_own_runs_the_same_llama) {
  const auto folder = data("models/llama/gqa_odd");
  const auto model = LlamaForCausalLM<f32, outside::counting>::from_pretrained(folder.string());
  const golden g(folder / "golden.safetensors");
  outside::counting::calls().clear();
  const auto y = model(g.ids("batch.input_ids")).logits;
  const auto plain_y = LlamaForCausalLM<f32>::from_pretrained(folder.string())(g.ids("batch.input_ids")).logits;
  BOOST_TEST(std::equal(y.data(), y.data() + y.size(), plain_y.data(), plain_y.data() + plain_y.size()));

  const auto all = Tensor<i64, 2>::filled(g.ids("batch.input_ids").shape(), 1);  // a mask that hides nothing is none
  const auto masked_y = model(g.ids("batch.input_ids"), {.attention_mask = all}).logits;
  BOOST_TEST(std::equal(y.data(), y.data() + y.size(), masked_y.data(), masked_y.data() + masked_y.size()));

  outside::counting::calls().clear();
  model(g.ids("batch.input_ids"));
  const int layers = int(model.config().num_hidden_layers);
  auto& calls = outside::counting::calls();
  BOOST_TEST(calls["rms_norm"] == 2 * layers + 1);
  BOOST_TEST(calls["linears"] == 2 * layers);     // q, k, v together; gate and up together
  BOOST_TEST(calls["linear"] == 2 * layers + 1);  // o, down; the head
  BOOST_TEST(calls["attention"] == layers);
}

BOOST_AUTO_TEST_CASE(freed_memory_is_used_again) {
  const void* first = nullptr;
  {
    const auto a = cpu::allocate(5000);
    first = a.data();
    BOOST_TEST(reinterpret_cast<std::uintptr_t>(first) % 64 == 0u);
  }
  const auto b = cpu::allocate(4990);
  BOOST_TEST(b.data() == first);
  const auto c = cpu::allocate(4990);
  BOOST_TEST(c.data() != first);
  BOOST_TEST(!b.unique() == false);
  const auto shared = b;
  BOOST_TEST(!b.unique());
}

// What a training step frees is there for the next one, however large.
BOOST_AUTO_TEST_CASE(a_hold_keeps_what_is_freed) {
  const std::size_t large = std::size_t(300) << 20;
  const auto place = [&](std::size_t bytes) { return cpu::allocate(bytes).data(); };
  const cpu::memory_hold outer;
  const void* first = place(large);
  {
    const cpu::memory_hold inner;
    BOOST_TEST(place(large) == first);
  }
  BOOST_TEST(place(large) == first);
}

BOOST_AUTO_TEST_CASE(a_size_beyond_memory_is_refused) {
  BOOST_CHECK_THROW(cpu::allocate(SIZE_MAX / 2), std::bad_alloc);
}

BOOST_AUTO_TEST_SUITE_END()
