// expect: (no non-static data member named .|field designator .)past_key_values
#include <hft/layers/cache.hpp>
#include <hft/models/output.hpp>
#include <hft/train/autodiff.hpp>
// What a cache holds was computed by another pass, whose graph is gone.
using device = hft::autodiff<hft::cpu>;
#ifdef GOOD
auto args(hft::Cache<hft::f32>& cache) { return hft::ForwardArgs<hft::f32>{.past_key_values = &cache}; }
#else
auto args(hft::Cache<hft::f32>& cache) { return hft::ForwardArgs<hft::f32, device>{.past_key_values = &cache}; }
#endif
