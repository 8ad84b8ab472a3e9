// Models of `hft train` with an adapter and modules that are trained whole, which f32 weights alone can be.
#include "train_adapter.hpp"

namespace tool {

using namespace hft;

trained_model load_trained_lora_f32(const checkpoint& source, const adapter_start& start, std::uint64_t seed,
                                    bool bf16) {
  trained_model out;
  with_trained_class<f32, lora_archs>(source, [&]<class M>(std::type_identity<M>) {
    auto model = with_adapter(detail::load_erased<M>(source), start, seed);
    if (bf16)
      for_each_parameter(model, [](const std::string&, parameter& p) {
        if (p.trainable() || p.shape().size() < 2) return;
        std::vector<hft::bf16> rounded(static_cast<std::size_t>(p.size()));
        convert(dtype_id::bf16, rounded.data(), p.format(), p.data(), p.size());
        convert(p.format(), p.data(), dtype_id::bf16, rounded.data(), p.size());
      });
    out = make_trained(std::move(model));
  });
  return out;
}

}  // namespace tool
