// Fuzzes chat templates: any bytes as source, rendered over a conversation with small limits.
#include "hft/tokenizers/chat_template.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using value = hft::template_value;
  static const value variables = [] {
    const auto message = [](const char* role, const char* content) {
      return value::dict({{"role", role}, {"content", content}});
    };
    const value tool = value::dict({{"name", "f"}, {"parameters", value::dict({{"type", "object"}, {"n", 2.5}})}});
    return value::dict(
        {{"messages", value::list({message("system", "S é😀"), message("user", "U <b>"), message("assistant", "A\n")})},
         {"tools", value::list({tool})},
         {"add_generation_prompt", true},
         {"bos_token", "<s>"},
         {"x", 5}});
  }();
  hft::template_limits limits;
  limits.steps = 200'000;
  limits.output_bytes = 1 << 20;
  limits.memory_bytes = 16 << 20;
  try {
    hft::chat_template(std::string(reinterpret_cast<const char*>(data), size), "fuzz", limits)
        .render_with_spans(variables);
  } catch (const hft::error&) {
  }
  return 0;
}
