// What a consumer's program has: a tensor, a model header where there is one, and a call into each library that hft
// links, so that a missing include folder or library shows.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <simdjson.h>
#include <utf8proc.h>

#include <Eigen/Core>
#include <cstdio>
#include <hft/io/json.hpp>
#include <hft/tensor.hpp>
#include <hft/version.hpp>
#if __has_include(<hft/models/llama.hpp>)
#include <hft/models/llama.hpp>
#endif

int main() {
  const hft::Tensor<hft::f32, 2> x({2, 3});
  char pcre2_version[32] = "";
  pcre2_config(PCRE2_CONFIG_VERSION, pcre2_version);
  simdjson::dom::parser parser;
  const bool parsed = parser.parse(std::string("[1, 2]")).error() == simdjson::SUCCESS;
  const auto json = hft::json::parse("{\"rows\": 2}");
  std::printf("hft %s with utf8proc %s, PCRE2 %s, simdjson %s, Eigen %d.%d: a tensor of %td x %td\n",
              hft::version_string, utf8proc_version(), pcre2_version, parsed ? "works" : "fails", EIGEN_WORLD_VERSION,
              EIGEN_MAJOR_VERSION, x.extent(0), x.extent(1));
  return parsed && x.extent(0) == json["rows"].get<hft::isize>() ? 0 : 1;
}
